from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.errors import GraphError
from mien.images import load, save
from mien.recognition.recognizer import Recognizer
from mien.training.prepare.listing import listing
from mien.training.prepare.reading import FaceReader, encoded, suffix_of
from mien.training.prepare.settings import PrepareSettings
from mien.values import Crops, Pixels, Reading


def test_crops_keep_their_colour(portrait: Pixels) -> None:
    crop = cv2.resize(portrait[0:240, 100:340], (112, 112), interpolation=cv2.INTER_AREA).astype(np.uint8)
    data = encoded(crop, 98)
    assert suffix_of(data) == ".jpg"
    assert np.abs(load(data).pixels.astype(int) - crop).mean() < 1
    red = np.zeros((112, 112, 3), np.uint8)
    red[:, ::2, 0] = 255  # stripes one pixel wide: colour at half the size would wash them out
    assert np.abs(load(encoded(red, 98)).pixels.astype(int) - red).mean() < 3


@pytest.fixture
def two(tmp_path: Path, portrait: Pixels) -> Path:
    place = tmp_path / "in"
    (place / "Ann").mkdir(parents=True)
    both = np.concatenate([portrait, portrait[:, ::-1]], axis=1)
    save(place / "Ann" / "both.png", both)
    save(place / "Ann" / "one.png", portrait)
    return place


def test_one_face_is_chosen_or_wanted(two: Path, recognizer: Recognizer) -> None:
    (both, crop), (one, _) = FaceReader(recognizer, PrepareSettings()).look(listing(two).pictures)
    assert (both.faces, one.faces) == (2, 1)
    assert load(crop).size == (112, 112)
    (both, crop), (one, _) = FaceReader(recognizer, PrepareSettings(face="only")).look(listing(two).pictures)
    assert (both.why, crop, one.why) == ("2 faces where one is wanted", b"", "")


def test_a_picture_that_spoils_the_run_of_others_goes_alone(
    two: Path, recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Recognizer.embed

    def embed(self: Recognizer, crops: Sequence[Crops]) -> list[Reading]:
        if any(each.source.endswith("both.png") for each in crops):
            raise GraphError("no usable vector")
        return real(self, crops)

    monkeypatch.setattr(Recognizer, "embed", embed)
    (both, _), (one, crop) = FaceReader(recognizer, PrepareSettings()).look(listing(two).pictures)
    assert (both.why, one.why, bool(crop)) == ("no usable vector", "", True)
