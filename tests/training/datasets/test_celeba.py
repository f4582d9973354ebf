from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_datasets import picture

from mien.errors import InputError
from mien.training.datasets import open_dataset
from mien.training.datasets.celeba import (
    IDENTITIES,
    IMAGES,
    LANDMARKS,
    PARTITION,
    celeba_landmarks,
    read_celeba,
)

WHO = (12, 7, 12, 9, 10)
PART = (0, 0, 0, 1, 2)
POINTS = "69 109 106 113 77 142 73 152 108 154"


def write(root: Path, rooms: tuple[str, str, str] = ("", "", "")) -> Path:
    """Five pictures; the rooms of the pictures, of the identities, of the parts."""
    images, identities, parts = (root / room for room in rooms)
    for folder in (images / IMAGES, identities, parts):
        folder.mkdir(parents=True, exist_ok=True)
    names = [f"{i + 1:06d}.jpg" for i in range(5)]
    for i, name in enumerate(names):
        (images / IMAGES / name).write_bytes(picture(i))
    (identities / IDENTITIES).write_text(
        "".join(f"{name} {who}\n" for name, who in zip(names, WHO, strict=True))
    )
    (parts / PARTITION).write_text("".join(f"{name} {part}\n" for name, part in zip(names, PART, strict=True)))
    lines = "".join(f"{name} {POINTS}\n" for name in names)
    (identities / LANDMARKS).write_text(f"5\nlefteye_x lefteye_y …\n{lines}")
    return root


@pytest.mark.parametrize("rooms", [("", "", ""), ("Img", "Anno", "Eval")])
def test_all_of_it_and_its_parts_are_read(tmp_path: Path, rooms: tuple[str, str, str]) -> None:
    write(tmp_path, rooms)
    everything = open_dataset(tmp_path)
    assert everything.people == ("7", "9", "10", "12")
    assert [int(everything.people[label]) for label in everything.labels] == [*WHO]
    assert everything.encoded(3) == picture(3)
    train = open_dataset(tmp_path, form="celeba-train")
    assert (train.name, train.people, train.labels.tolist()) == ("celeba-train", ("7", "12"), [1, 0, 1])
    assert list(open_dataset(tmp_path, form="celeba-test").names) == ["000005.jpg"]
    assert list(read_celeba(tmp_path, "valid").names) == ["000004.jpg"]


def test_landmarks_are_in_miens_order(tmp_path: Path) -> None:
    points = celeba_landmarks(write(tmp_path))["000003.jpg"]
    assert np.array_equal(points, [[69, 109], [106, 113], [77, 142], [73, 152], [108, 154]])
    (tmp_path / LANDMARKS).write_text("1\nnames\n000001.jpg 1 2 3\n")
    with pytest.raises(InputError, match=r"line 3: .* five points"):
        celeba_landmarks(tmp_path)
    (tmp_path / LANDMARKS).unlink()
    assert celeba_landmarks(tmp_path) == {}


@pytest.mark.parametrize(
    "line", ["000001.jpg", "000009.jpg x", "000009.jpg -1", "../a.jpg 1", "000002.jpg 1", "a b c"]
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str) -> None:
    write(tmp_path)
    with (tmp_path / IDENTITIES).open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(InputError, match=r"identity_CelebA.txt, line 6: .* `picture number`"):
        open_dataset(tmp_path)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / IMAGES / "000002.jpg").unlink()
    with pytest.raises(InputError, match=r"1 of 5 listed pictures are not there: 000002.jpg"):
        open_dataset(tmp_path)
    (tmp_path / PARTITION).unlink()
    with pytest.raises(InputError, match=r"list_eval_partition.txt is wanted there, or in Anno"):
        open_dataset(tmp_path, form="celeba-train")
    with pytest.raises(InputError, match="known: train, valid, test"):
        read_celeba(tmp_path, "dev")
