"""Tiny data sets for tests: pictures of a few pixels, each unlike the others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mien.images import encode_png
from mien.training.datasets.dataset import Dataset
from mien.training.datasets.folders import read_folders

COUNTS = {"Ann": 3, "Bob": 2, "Cy": 4}


def picture(seed: int, side: int = 8) -> bytes:
    return encode_png(np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8))


def write_people(root: Path, counts: Mapping[str, int] = COUNTS) -> Path:
    """A folder a person with so many pictures `0.png` …; no two have the same pixels."""
    number = 0
    for person, count in counts.items():
        (root / person).mkdir(parents=True)
        for i in range(count):
            (root / person / f"{i}.png").write_bytes(picture(number))
            number += 1
    return root


def made(root: Path, counts: Mapping[str, int] = COUNTS) -> Dataset:
    return read_folders(write_people(root, counts))


def same_pictures(one: Dataset, other: Dataset) -> bool:
    """Whether both hold the same pictures of the same people, in any order."""
    held = [
        sorted((each.people[each.labels[i]], each.encoded(i)) for i in range(len(each)))
        for each in (one, other)
    ]
    return held[0] == held[1]
