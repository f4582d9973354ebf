"""Similarities and verdicts on vectors whose cosines are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mien.bundle.calibration import Calibration, Threshold
from mien.errors import CalibrationError, InputError
from mien.recognition.compare import compare, similarities
from mien.values import Embeddings, Faces, Quality, Reading

BUNDLE, ALIGNER = "a" * 64, "b" * 64


def embeddings(*angles: float, bundle: str = BUNDLE, aligner: str = ALIGNER) -> Embeddings:
    """Unit vectors in a plane, at angles in degrees."""
    turned = np.radians(angles)
    vectors = np.stack([np.cos(turned), np.sin(turned)], axis=1).reshape(-1, 2)
    return Embeddings(vectors, np.ones(len(angles)), bundle, aligner)


def reading(*angles: float, reasons: tuple[str, ...] = (), source: str = "a.jpg", **origin: str) -> Reading:
    n = len(angles)
    faces = Faces(np.zeros((n, 4)), np.zeros((n, 5, 2)), np.ones(n))
    quality = Quality(np.ones(n), (reasons,) * n, {})
    return Reading(source, "c" * 64, (10, 10), faces, embeddings(*angles, **origin), quality)


def calibration(**changes: str) -> Calibration:
    rows = ((1e-1, 0.2), (1e-2, 0.4), (1e-3, 0.6), (1e-4, 0.8))
    thresholds = tuple(
        Threshold(fmr=f, similarity=s, low=s - 0.01, high=s + 0.01, fmr_low=f, fmr_high=f) for f, s in rows
    )
    return Calibration(
        **{
            "bundle": BUNDLE,
            "aligner": ALIGNER,
            "thresholds": thresholds,
            "tar": (0.99, 0.98, 0.95, 0.9),
            "people": 100,
            "genuine_pairs": 500,
            "impostor_pairs": 100_000,
            "data": "made up",
            "date": "2025-01-01",
            "method": "by hand",
            **changes,
        }
    )


def test_similarities_are_cosines_of_every_pair() -> None:
    found = similarities(embeddings(0, 30, 90), embeddings(0, 180))
    np.testing.assert_allclose(
        found, [[1, -1], [math.cos(math.pi / 6), -math.cos(math.pi / 6)], [0, 0]], atol=1e-6
    )


def test_similarities_stay_within_one() -> None:
    one = np.array([[0.6, 0.8000001]], np.float32)
    both = Embeddings(one, np.ones(1), BUNDLE, ALIGNER)
    assert similarities(both, both)[0, 0] <= 1


@pytest.mark.parametrize("other", [{"bundle": "d" * 64}, {"aligner": "d" * 64}])
def test_vectors_of_two_origins_do_not_compare(other: dict[str, str]) -> None:
    with pytest.raises(InputError, match="do not compare"):
        similarities(embeddings(0), embeddings(0, **other))
    with pytest.raises(InputError, match="do not compare"):
        compare(reading(0), reading(0, **other), calibration())


@pytest.mark.parametrize(
    ("similarity", "verdict"), [(0.61, "same"), (0.59, "review"), (0.41, "review"), (0.39, "different")]
)
def test_the_calibration_gives_the_verdict(similarity: float, verdict: str) -> None:
    answer = compare(reading(0), reading(math.degrees(math.acos(similarity))), calibration())
    assert answer.verdict == verdict
    assert answer.similarity == pytest.approx(similarity, abs=1e-5)
    assert (answer.fmr, answer.note) == (1e-3, "")
    exponent = 1 + (similarity - 0.2) / 0.2  # the table: one power of ten for each 0.2
    assert answer.score_fmr == pytest.approx(10**-exponent, rel=1e-3)


def test_another_rate_moves_the_threshold() -> None:
    pair = reading(0), reading(math.degrees(math.acos(0.7)))
    assert compare(*pair, calibration(), 1e-3).verdict == "same"
    assert compare(*pair, calibration(), 1e-4).verdict == "review"
    with pytest.raises(CalibrationError, match="FMR 1e-5 is outside"):
        compare(*pair, calibration(), 1e-5)


@pytest.mark.parametrize("of", [None, {"bundle": "d" * 64}, {"aligner": "d" * 64}])
def test_without_a_calibration_of_this_road_there_is_no_verdict(of: dict[str, str] | None) -> None:
    answer = compare(reading(0), reading(1), None if of is None else calibration(**of))
    assert (answer.verdict, answer.score_fmr) == ("uncalibrated", None)
    assert answer.similarity == pytest.approx(1, abs=1e-3)
    assert "mien calibrate" in answer.note


def test_low_quality_turns_same_into_review_and_says_whose() -> None:
    soft = reading(0, reasons=("blurred", "small"), source="soft.jpg")
    for pair in ((soft, reading(0)), (reading(0), soft)):
        answer = compare(*pair, calibration())
        assert answer.verdict == "review"
        assert answer.note == "low quality: soft.jpg: blurred, small"
    both = compare(soft, reading(0, reasons=("dark",), source="b.jpg"), calibration())
    assert both.note == "low quality: soft.jpg: blurred, small; b.jpg: dark"


def test_low_quality_makes_no_stranger_of_a_stranger_but_is_told() -> None:
    answer = compare(reading(0, reasons=("dark",)), reading(90), calibration())
    assert (answer.verdict, answer.note) == ("different", "low quality: a.jpg: dark")
    assert "dark" in compare(reading(0, reasons=("dark",)), reading(0), None).note


@pytest.mark.parametrize("sides", [((), (0.0,)), ((0.0,), (0.0, 1.0))])
def test_one_face_on_each_side(sides: tuple[tuple[float, ...], tuple[float, ...]]) -> None:
    with pytest.raises(InputError, match=r"one face on each side is wanted, \d and \d given"):
        compare(reading(*sides[0]), reading(*sides[1]), calibration())


@pytest.mark.parametrize("fmr", [0, 1, -1e-3, float("nan")])
def test_a_rate_is_between_zero_and_one(fmr: float) -> None:
    with pytest.raises(InputError, match="a rate between 0 and 1"):
        compare(reading(0), reading(0), None, fmr)
