"""Damaged pictures by the thousand: an error of the tree or a whole picture, never anything else."""

from __future__ import annotations

import resource
import sys
import warnings

import pytest
from damaged import damaged

from mien.errors import ImageError, MissingExtraError
from mien.images import load

COUNT = 6000
MOST_PIXELS = 4_000_000


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2))
def test_damaged_pictures_are_refused_or_read(seed: int) -> None:
    before = peak_bytes()
    outcomes = {"read": 0, "refused": 0}
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        load_all(seed, outcomes)
    print(outcomes, f"{(peak_bytes() - before) / 1e6:.0f} MB more at the peak")
    assert [str(warning.message) for warning in warned] == []
    assert min(outcomes.values()) > COUNT / 10  # damage that spares all, or nothing, would prove little
    assert peak_bytes() - before < 400e6


def load_all(seed: int, outcomes: dict[str, int]) -> None:
    for name, broken in damaged(COUNT, seed):
        try:
            picture = load(broken, max_pixels=MOST_PIXELS, shrink_to=(None, 20)[seed])
        except (ImageError, MissingExtraError):
            outcomes["refused"] += 1
        else:
            width, height = picture.size
            assert 0 < width * height <= MOST_PIXELS, name
            assert picture.pixels.shape == (-(-height // picture.reduced), -(-width // picture.reduced), 3), (
                name
            )
            outcomes["read"] += 1


def peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
