"""The promise of the starter bundles, on the pairs it was made on. Skipped where the pictures are absent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mien.recognition.recognizer import Recognizer
from mien.values import Reading

pytestmark = pytest.mark.long


def pairs_of(file: Path) -> list[tuple[str, str, bool]]:
    """LFW's own format: name and two numbers, or name and number twice; names of pictures, genuine or not."""
    rows = (line.split("\t") for line in file.read_text().splitlines()[1:])
    return [
        (picture(row[0], row[1]), picture(row[-2] if len(row) == 4 else row[0], row[-1]), len(row) == 3)
        for row in rows
    ]


def picture(name: str, number: str) -> str:
    return f"{name}/{name}_{int(number):04d}.jpg"


def test_lfw_pairs_with_the_starter_bundles(shared_data: Path) -> None:
    pairs = pairs_of(shared_data / "faces" / "lfw-dev-pairs.txt")
    names = sorted({name for a, b, _ in pairs for name in (a, b)})
    recognizer = Recognizer.load()
    readings = recognizer.read_many([shared_data / "faces" / "lfw-dev" / name for name in names])
    vectors = {}
    for name, reading in zip(names, readings, strict=True):
        assert isinstance(reading, Reading), name
        assert len(reading), f"no face found in {name}"
        vectors[name] = reading.choose("central").embeddings.vectors[0]
    scores = np.array([vectors[a] @ vectors[b] for a, b, _ in pairs])
    same = np.array([genuine for *_, genuine in pairs])
    assert len(scores) == 1800
    right = [accuracy(scores, same, np.arange(1800) // 600 == fold) for fold in range(3)]
    assert np.mean(right) >= 0.989


def accuracy(scores: np.ndarray, same: np.ndarray, held: np.ndarray) -> float:
    """Of the pairs held back, at the threshold that is best on the others."""
    thresholds = np.sort(scores[~held])
    best = max(thresholds, key=lambda threshold: np.mean((scores[~held] >= threshold) == same[~held]))
    return float(np.mean((scores[held] >= best) == same[held]))
