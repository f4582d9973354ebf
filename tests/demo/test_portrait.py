"""The portrait's study and page."""

from __future__ import annotations

import copy
import sys

import numpy as np
import pytest

from mien.bundle.calibration import Calibration, Threshold
from mien.demo import portrait as study
from mien.demo.parts import rate_words, rule_words
from mien.demo.portrait_page import around, build
from mien.demo.stress import STRESSES, covered, darkened, noisy, shrunk, turned
from mien.errors import FaceCountError, MissingExtraError
from mien.recognition.recognizer import Recognizer
from mien.values import Pixels

BOX = np.array([180, 60, 280, 180], np.float32)
STRESS = {stress.name: stress for stress in STRESSES}
# As measured roughly for the starter road; only what follows from them is tested, not whether they are right.
RATES = ((1e-1, 0.884), (1e-2, 0.912), (1e-3, 0.929), (1e-4, 0.942))


@pytest.fixture(scope="module")
def road(recognizer: Recognizer) -> Recognizer:
    """The starter road with thresholds of its own, so that these tests stand whatever is shipped."""
    rows = tuple(
        Threshold(fmr=fmr, similarity=s, low=s - 0.01, high=s + 0.01, fmr_low=fmr, fmr_high=fmr)
        for fmr, s in RATES
    )
    calibrated = copy.copy(recognizer)
    calibrated.calibration = Calibration(
        bundle=recognizer.bundle.digest,
        aligner=recognizer.aligner.digest,
        thresholds=rows,
        tar=(1, 1, 1, 1),
        people=9,
        genuine_pairs=9,
        impostor_pairs=100_000,
        data="<made up>",
        date="2026-01-01",
        method="by hand",
    )
    return calibrated


@pytest.fixture(scope="module")
def found(road: Recognizer) -> study.Found:
    return study.read_portrait(road)


@pytest.fixture(scope="module")
def series(road: Recognizer, found: study.Found) -> list[study.Series]:
    return study.try_stresses(road, found)


@pytest.fixture(scope="module")
def crowd(road: Recognizer) -> study.Crowd:
    return study.read_strangers(road)


@pytest.mark.parametrize("stress", STRESSES, ids=lambda stress: stress.name)
def test_each_stress_keeps_pictures_pictures_and_starts_mildly(portrait: Pixels, stress: study.Stress) -> None:
    spoilt = [stress.apply(portrait, BOX, strength) for strength in stress.strengths]
    assert all(each.dtype == np.uint8 and each.ndim == 3 and each.shape[2] == 3 for each in spoilt)
    assert max(each.shape[0] for each in spoilt) <= 512
    if stress.name != "Small size":
        difference = [float(np.abs(each.astype(int) - portrait).mean()) for each in (spoilt[0], spoilt[-1])]
        assert difference[0] + 1 < difference[1]


def test_what_is_done_is_what_is_said(portrait: Pixels) -> None:
    assert shrunk(portrait, BOX, 50).shape == (256, 256, 3)
    assert shrunk(portrait, BOX, 200) is portrait
    assert abs(darkened(portrait, BOX, 50).mean() / portrait.mean() - 0.5) < 0.01
    assert np.array_equal(noisy(portrait, BOX, 30), noisy(portrait, BOX, 30))
    sheet = covered(portrait, BOX, 50)
    assert (sheet[120:180, 180:280] == 128).all()
    assert np.array_equal(sheet[:120], portrait[:120])
    centre = turned(portrait, BOX, 90)[118:123, 228:233]
    assert np.abs(centre.astype(int) - np.rot90(portrait[118:123, 228:233])).max() <= 1


def test_the_portrait_is_found_and_stays_herself_under_mild_stress(series: list[study.Series]) -> None:
    for each in series:
        assert each.trials[0].outcome == "same", each.stress.name
        assert each.trials[0].answer is not None
        assert each.trials[0].answer.similarity > 0.99


def test_hopeless_pictures_are_never_called_the_same(series: list[study.Series]) -> None:
    last = {each.stress.name: each.trials[-1].outcome for each in series if each.stress.name != "Rotation"}
    assert "same" not in last.values(), last
    upside_down = next(trial for trial in series[1].trials if trial.strength == 180)
    assert upside_down.outcome != "same"


def test_the_summary_says_how_far_it_holds(series: list[study.Series]) -> None:
    trials = [study.Trial(s, np.zeros((1, 1, 3), np.uint8), None, a) for s, a in _outcomes(series)]
    blurred = study.Series(STRESS["Blur"], trials)
    assert blurred.summary() == ("Blur", "same up to 1 px", "no face found at 2 px")
    assert study.Series(STRESS["Blur"], trials[:2]).summary() == ("Blur", "same up to 1 px", "–")


def _outcomes(series: list[study.Series]) -> list[tuple[float, study.Comparison | None]]:
    same = series[0].trials[0].answer
    return [(0, same), (1, same), (2, None), (3, same)]


def test_the_gate_stops_poor_pictures_that_pass_the_threshold(crowd: study.Crowd) -> None:
    """The reason for the gate: enlarged faces of 25 pixels pass far more often than the threshold promises."""
    pairs = len(crowd.similarity)
    assert len(crowd.faces) >= 90
    assert pairs == len(crowd.faces) * (len(crowd.faces) - 1) // 2
    assert sum(crowd.good) <= 0.1 * len(crowd.faces)
    assert crowd.passing[1e-3] > 5 * 1e-3 * pairs
    assert crowd.gated[1e-3] <= 1e-3 * pairs
    assert sorted(crowd.passing, reverse=True) == [1e-2, 1e-3, 1e-4]
    a, b = crowd.most_alike[0]
    vectors = [crowd.faces[i].reading.embeddings.vectors[0] for i in (a, b)]
    assert float(vectors[0] @ vectors[1]) == pytest.approx(float(crowd.similarity.max()), abs=1e-5)
    assert f"{crowd.passing[1e-3]} do without the quality gate" in crowd.summary()


def test_the_page_shows_every_trial_and_explains_itself(
    road: Recognizer, found: study.Found, series: list[study.Series], crowd: study.Crowd
) -> None:
    document = build(road, found, series, crowd)
    trials = [trial for each in series for trial in each.trials]
    thumbs = document.count("<figure><img")
    assert thumbs == len(trials) + 2 + 7  # portrait and crop, the pairs of strangers most alike
    missed = sum(trial.found is None for trial in trials)
    assert missed > 0
    assert document.count('badge no face found"') == missed
    assert document.count('class="missing"') == missed
    assert document.count('class="zone same"') == len(series) + 1
    assert "&lt;made up&gt;" in document


def test_without_a_calibration_the_page_says_so(
    recognizer: Recognizer, found: study.Found, crowd: study.Crowd
) -> None:
    road = copy.copy(recognizer)
    road.calibration = None
    bare = study.Crowd(crowd.shown, crowd.faces, crowd.similarity, crowd.good, {}, {})
    document = build(road, found, [], bare)
    assert "Uncalibrated: " in document
    assert 'class="zone' not in document
    assert 'class="badge same"' not in document
    assert "uncalibrated" in bare.summary()


def test_a_portrait_that_is_missed_is_an_error(road: Recognizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "portrait_pixels", lambda: np.full((64, 64, 3), 99, np.uint8))
    with pytest.raises(FaceCountError, match="no face found by this detector"):
        study.read_portrait(road)


def test_without_scikit_image_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    for get in (study.portrait_pixels, study.stranger_pixels):
        with pytest.raises(MissingExtraError, match=r"mien\[demo\]"):
            get()


def test_rates_at_the_ends_of_the_table_are_bounds(road: Recognizer) -> None:
    assert road.calibration is not None
    assert rate_words(1e-4, road.calibration) == "≤ 1e-4"
    assert rate_words(1e-1, road.calibration) == "≥ 1e-1"
    assert rate_words(2.5e-3, road.calibration) == "2.5e-3"
    assert "one pair of strangers in 1,000" in rule_words(road.calibration)


def test_a_small_picture_shows_the_face_and_keeps_within_the_picture() -> None:
    pixels = np.zeros((100, 100, 3), np.uint8)
    pixels[40:60, 40:60] = 255
    small = around(pixels, np.array([40, 40, 60, 60], np.float32), 2, 40)
    assert small.shape == (40, 40, 3)
    assert (small[12:28, 12:28] == 255).all()
    assert (small[:8] == 0).all()
    corner = around(pixels, np.array([0, 0, 20, 20], np.float32), 2, 40)
    assert (corner == 0).all()  # nothing from outside, which would be grey
    assert (around(pixels, np.array([0, 0, 100, 100], np.float32), 2, 40)[-1] == 128).all()


def test_without_a_calibration_the_summary_says_how_far_the_face_is_found() -> None:
    bare = study.Comparison(0.9, "uncalibrated", 1e-3, None)
    trials = [study.Trial(s, np.zeros((1, 1, 3), np.uint8), None, a) for s, a in ((0, bare), (1, None))]
    assert study.Series(STRESS["Noise"], trials).summary() == ("Noise", "found up to 0", "no face found at 1")
