"""Boxes as they are stored."""

from __future__ import annotations

import numpy as np
import pytest

from mien.gallery.boxes import box_of, box_text, same_place


def test_there_and_back() -> None:
    assert box_of(box_text(np.array([1.25, -2, 30.5, 400], np.float32))) == (1.2, -2.0, 30.5, 400.0)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ("0 0 10 10", True),
        ("0 0 10 20", True),  # half of the whole
        ("0 0 10 21", False),
        ("3 3 13 13", False),
        ("20 20 30 30", False),
        ("5 5 5 5", False),
    ],
)
def test_half_in_common_is_one_face(other: str, same: bool) -> None:
    assert same_place("0 0 10 10", other) is same
    assert same_place(other, "0 0 10 10") is same
