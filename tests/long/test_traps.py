"""On a thousand real pictures, each of the commonest ways to feed a model wrongly is a loss beyond chance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from mien.bundle.bundle import Bundle
from mien.bundle.catalog import find_bundle
from mien.bundle.runtime import Runtime
from mien.evaluation.enrol import Entry, enrol
from mien.evaluation.metrics import Trial
from mien.evaluation.traps import trap, variations
from mien.evaluation.trials import all_pairs
from mien.recognition.recognizer import Recognizer

pytestmark = pytest.mark.long

MOST, EACH = 1000, 5


def entries(folder: Path) -> list[Entry]:
    people = (sorted(person.iterdir()) for person in sorted(folder.iterdir()) if person.is_dir())
    paths = [path for pictures in people if len(pictures) >= 3 for path in pictures[:EACH]]
    return [Entry(f"{path.parent.name}/{path.name}", path.parent.name, path) for path in paths[:MOST]]


def read(bundle: Bundle, pictures: Sequence[Entry]) -> Trial:
    road = Recognizer(bundle, find_bundle("mtcnn"), Runtime(threads=2))
    origin = {"bundle": bundle.digest, "aligner": road.aligner.digest, "dimension": road.dimension}
    return all_pairs(enrol(pictures, road.read_many, face="central", **origin).samples)


def test_colours_mirror_and_points_are_losses_beyond_chance(shared_data: Path) -> None:
    pictures, bundle = entries(shared_data / "faces" / "lfw-dev"), find_bundle("dlib-resnet")
    stated = read(bundle, pictures)
    found = [trap(words, stated, read(changed, pictures)) for words, changed in variations(bundle)]
    assert len(found) == 3
    for each in found:
        assert each.fmr == 1e-3
        assert (each.difference.high or 0) < 0, each
