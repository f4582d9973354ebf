"""Harder pictures are harder, still the same for the same seed, and easy ones stay what they were."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.demo.people import SIDE, hardened, make_people, stamps, write_people
from mien.errors import MissingExtraError
from mien.values import Pixels


def departures(hardness: float) -> list[float]:
    """How far a person's pictures are from their first, on the mean."""
    people = make_people(6, 6, seed=1, hardness=hardness)
    return [float(np.abs(np.diff(np.float32(pictures), axis=0)).mean()) for pictures in people.values()]


def test_an_easy_picture_draws_nothing_more() -> None:
    rng, face = np.random.default_rng(3), stamps()[0]
    np.testing.assert_array_equal(hardened(face, rng, 0.0), face)
    assert rng.random() == np.random.default_rng(3).random()


def test_a_persons_pictures_differ_more_the_harder_they_are() -> None:
    easy, middling, hard = (departures(hardness) for hardness in (0.0, 0.5, 1.0))
    assert np.mean(easy) < np.mean(middling) < np.mean(hard)
    assert np.mean(hard) > 1.5 * np.mean(easy)


def test_hard_pictures_are_the_same_for_the_same_seed() -> None:
    one, same, other = (make_people(3, 2, seed, hardness=1.0) for seed in (1, 1, 2))
    for name, pictures in one.items():
        assert all(picture.shape == (SIDE, SIDE, 3) and picture.dtype == np.uint8 for picture in pictures)
        np.testing.assert_array_equal(pictures, same[name])
        assert not np.array_equal(pictures, other[name])


def test_people_can_still_be_told_apart() -> None:
    """By the correlation of small pictures alone most hard ones are nearest to one of their own."""

    def small(picture: Pixels) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        grey = cv2.cvtColor(cv2.resize(picture, (20, 20), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
        flat = grey.ravel().astype(np.float64)
        return (flat - flat.mean()) / np.linalg.norm(flat - flat.mean())

    people = make_people(12, 8, hardness=1.0)
    rows = np.array([small(picture) for pictures in people.values() for picture in pictures])
    owners = np.repeat(np.arange(12), 8)
    scores = rows @ rows.T - 2 * np.eye(len(rows))
    right = (owners[scores.argmax(1)] == owners).mean()
    assert 0.5 < right < 1.0


def test_files_hold_hard_pictures_too(tmp_path: Path) -> None:
    paths = write_people(tmp_path, 1, 2, hardness=1.0)["astronaut"]
    wanted = make_people(1, 2, hardness=1.0)["astronaut"]
    for path, picture in zip(paths, wanted, strict=True):
        read = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        assert np.abs(np.float32(read) - picture).mean() < 4


def test_hardness_is_from_0_to_1() -> None:
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="hardness"):
            make_people(1, 1, hardness=wrong)


def test_a_missing_scikit_image_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(MissingExtraError, match=r"mien\[demo\]"):
        make_people(1, 1)
