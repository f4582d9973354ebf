from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from mien.bundle.card import EmbedCard
from mien.bundle.catalog import find_bundle
from mien.errors import InputError
from mien.recognition.align import transforms
from mien.training.datasets.contract import (
    CONTRACTS,
    FILE,
    CropContract,
    named_contract,
    read_contract,
    settled,
    square,
    write_contract,
)

ARCFACE = CONTRACTS["arcface"]
DIGEST = "ab" * 32


def test_facenets_points_are_arcfaces_on_a_larger_square() -> None:
    assert ARCFACE.size == (112, 112)
    assert ARCFACE.reference.points[0] == (38.2946, 51.6963)
    x, y = CONTRACTS["facenet"].reference.points[0]
    assert (x, y) == pytest.approx((38.2946 / 0.7, 51.6963 / 0.7))


def test_a_name_nobody_knows_lists_the_known() -> None:
    assert named_contract("facenet").size == (160, 160)
    with pytest.raises(InputError, match="known: arcface, facenet"):
        named_contract("vgg")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    contract = CropContract(reference=ARCFACE.reference, size=(112, 96), aligner=DIGEST, detector_name="yunet")
    assert read_contract(tmp_path) is None
    write_contract(tmp_path, contract)
    assert read_contract(tmp_path) == contract


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"format": 2}, "format 2, 1 wanted"),
        ({"extra": 1}, "unknown field `extra`"),
        ({"contract": {"size": [112, 112]}}, "missing required field `reference`"),
        ({"contract": {"reference": {"points": [[1, 2]] * 5}, "size": [0, 112]}}, "two different points"),
    ],
)
def test_a_wrong_file_is_refused_by_its_name(tmp_path: Path, change: dict[str, object], complaint: str) -> None:
    write_contract(tmp_path, ARCFACE)
    held = msgspec.json.decode((tmp_path / FILE).read_bytes())
    (tmp_path / FILE).write_bytes(msgspec.json.encode({**held, **change}))
    with pytest.raises(InputError, match=complaint) as caught:
        read_contract(tmp_path)
    assert FILE in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"[" * 5000])
def test_what_is_no_json_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(InputError, match=FILE):
        read_contract(tmp_path)


def test_sizes_and_digests_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="sides are 1 to"):
        CropContract(reference=ARCFACE.reference, size=(112, 0))
    with pytest.raises(ValueError, match="not a SHA-256"):
        CropContract(reference=ARCFACE.reference, size=(112, 112), aligner="abc")
    with pytest.raises(InputError, match="crops of 0 pixels"):
        square(0)


def test_what_the_data_say_holds_and_must_not_be_contradicted() -> None:
    known = CropContract(reference=ARCFACE.reference, size=(112, 112), aligner=DIGEST)
    assert settled("here", known, ARCFACE) is known  # who declares no aligner contradicts none
    assert settled("here", None, ARCFACE) is ARCFACE
    assert settled("here", None, None) is None
    with pytest.raises(InputError, match=r"here: its prepared.json says crops of 112×112 .* 160×160"):
        settled("here", known, CONTRACTS["facenet"])
    other = CropContract(reference=ARCFACE.reference, size=(112, 112), aligner="cd" * 32)
    with pytest.raises(InputError, match="aligner cdcdcdcdcdcd"):
        settled("here", known, other)


def test_wide_crops_hold_arcfaces_and_the_starters() -> None:
    wide = CONTRACTS["wide"]
    starter = find_bundle("dlib-resnet").card
    assert isinstance(starter, EmbedCard)
    for reference, (high, across) in ((ARCFACE.reference, (112, 112)), (starter.reference, (150, 150))):
        matrix = transforms(np.array([wide.reference.points], np.float32), reference)[0]
        x, y = np.linalg.inv(matrix[:, :2]) @ (
            np.array([[0, across - 1, 0, across - 1], [0, 0, high - 1, high - 1]]) - matrix[:, 2:]
        )
        assert starter.input.size == (150, 150)
        assert min(x.min(), y.min()) > 5
        assert max(x.max(), y.max()) < 194
