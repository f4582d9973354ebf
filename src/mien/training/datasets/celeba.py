"""CelebA as published (Liu et al. 2015): img_align_celeba/ and the lists of identities and of the three parts.

The lists lie beside the pictures' folder, or in Anno/ and Eval/ as the download has them, and the folder may
lie in Img/. The parts share no person. The data are for non-commercial research only, says their licence.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from mien.errors import InputError
from mien.evaluation.protocols.pairs import number_in, rows, stays_inside, wrong
from mien.training.datasets.dataset import Dataset
from mien.training.datasets.folders import Files
from mien.training.datasets.words import Words
from mien.values import Floats

IMAGES = "img_align_celeba"
IDENTITIES = "identity_CelebA.txt"
PARTITION = "list_eval_partition.txt"
LANDMARKS = "list_landmarks_align_celeba.txt"
ROOMS = ("", "Anno", "Eval", "Img")
PARTS: Mapping[str, int] = MappingProxyType({"train": 0, "valid": 1, "test": 2})
DIGITS = 6


def lies_at(place: Path) -> bool:
    """Whether CelebA's list of identities lies in a folder."""
    return any((place / room / IDENTITIES).is_file() for room in ROOMS)


def read_celeba(root: Path, part: str | None = None) -> Dataset:
    """All of CelebA, or a part of it by its name in `PARTS`, people and pictures in the order of the lists.

    InputError where a list or a picture on it is missing, or a line is wrong.
    """
    if part is not None and part not in PARTS:
        raise InputError(f"the part {part!r} is unknown; known: {', '.join(PARTS)}")
    identity = _numbers(_located(root, IDENTITIES))
    names = list(identity)
    if part is not None:
        parts = _numbers(_located(root, PARTITION))
        names = [name for name in names if parts.get(name) == PARTS[part]]
    images = _located(root, IMAGES)
    _require_there(images, names)
    people, labels = np.unique([identity[name] for name in names], return_inverse=True)
    title = "celeba" if part is None else f"celeba-{part}"
    source = Files(str(images), Words.of(names))
    return Dataset(title, tuple(map(str, people.tolist())), labels.astype(np.int32), source)


def part_reader(part: str) -> Callable[[Path], Dataset]:
    """The reader of one part."""
    return lambda root: read_celeba(root, part)


def celeba_landmarks(root: Path) -> Mapping[str, Floats]:
    """Picture → its landmarks (5,2) float32 as published, in the aligned picture's pixels, in mien's order.

    Empty where the list is not there. InputError where a line is wrong.
    """
    if not any((root / room / LANDMARKS).is_file() for room in ROOMS):
        return {}
    file = _located(root, LANDMARKS)
    points: dict[str, Floats] = {}
    for line, words in list(rows(file))[2:]:  # a count and the columns' names
        try:
            points[words[0]] = np.array(words[1:], np.float32).reshape(5, 2)
        except ValueError:
            raise wrong(file, line, " ".join(words), "`picture x y …`, five points,") from None
    return points


def _located(root: Path, name: str) -> Path:
    found = next((root / room / name for room in ROOMS if (root / room / name).exists()), None)
    if found is None:
        raise InputError(f"{root}: {name} is wanted there, or in {', '.join(filter(None, ROOMS))}")
    return found


def _numbers(file: Path) -> dict[str, int]:
    """A list's lines `picture number`."""
    numbers: dict[str, int] = {}
    for line, words in rows(file):
        number = number_in(words[1], DIGITS) if len(words) == 2 else None
        if number is None or not stays_inside(words[0]) or words[0] in numbers:
            raise wrong(file, line, " ".join(words), "`picture number`, each picture once,")
        numbers[words[0]] = number
    return numbers


def _require_there(folder: Path, names: list[str]) -> None:
    try:
        there = {entry.name for entry in os.scandir(folder)}
    except OSError as error:
        raise InputError(f"{folder}: the folder cannot be read ({error.strerror or error})") from error
    missing = [name for name in names if name not in there]
    if missing:
        raise InputError(
            f"{folder}: {len(missing)} of {len(names)} listed pictures are not there: {missing[0]} …"
        )
