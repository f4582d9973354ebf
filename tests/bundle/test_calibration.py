"""Calibrations against values worked out by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.bundle.calibration import (
    Calibration,
    Fused,
    SearchThreshold,
    Threshold,
    decode_calibration,
    encode_calibration,
)
from mien.errors import CalibrationError, CardError

ROWS = ((1e-1, 0.20), (1e-2, 0.40), (1e-3, 0.50), (1e-4, 0.56))


def threshold(fmr: float, similarity: float, **more: Any) -> Threshold:
    around = {"low": similarity - 0.01, "high": similarity + 0.01, "fmr_low": fmr / 2, "fmr_high": fmr * 2}
    return Threshold(fmr=fmr, similarity=similarity, **around, **more)


def made(**changes: Any) -> Calibration:
    fields = {
        "bundle": "a" * 64,
        "aligner": "b" * 64,
        "thresholds": tuple(threshold(*row) for row in ROWS),
        "tar": (0.99, 0.97, 0.94, 0.9),
        "people": 50,
        "genuine_pairs": 400,
        "impostor_pairs": 30_000,
        "data": "made up",
        "date": "2025-01-01",
        "method": "by hand",
    }
    return Calibration(**{**fields, **changes})


@pytest.mark.parametrize(("fmr", "similarity"), ROWS)
def test_rows_stand_for_themselves(fmr: float, similarity: float) -> None:
    assert made().threshold(fmr) == pytest.approx(similarity)
    assert made().fmr_at(similarity) == pytest.approx(fmr)


def test_between_rows_the_threshold_is_linear_in_log_fmr() -> None:
    # Half-way between 1e-2 and 1e-3 in the logarithm is 10^-2.5; half-way from 0.40 to 0.50 is 0.45.
    assert made().threshold(10**-2.5) == pytest.approx(0.45)
    assert made().fmr_at(0.45) == pytest.approx(10**-2.5)
    # A quarter of the way from 1e-3 (0.50) to 1e-4 (0.56).
    assert made().threshold(10**-3.25) == pytest.approx(0.515)


@given(st.floats(-4, -1))
def test_threshold_and_rate_are_inverse(exponent: float) -> None:
    assert made().fmr_at(made().threshold(10**exponent)) == pytest.approx(10**exponent, rel=1e-6)


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_a_higher_score_is_never_likelier_a_stranger_s(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert made().fmr_at(low) >= made().fmr_at(high)


def test_beyond_the_ends_the_rate_is_held() -> None:
    assert made().fmr_at(-1) == 1e-1
    assert made().fmr_at(1) == 1e-4


@pytest.mark.parametrize("fmr", [0.2, 9e-5, 1e-6, 0, -1, float("nan"), float("inf")])
def test_rates_that_were_not_measured_are_refused(fmr: float) -> None:
    with pytest.raises(
        CalibrationError, match=r"outside what this calibration measured \(1e-4 to 1e-1 on 30000"
    ):
        made().threshold(fmr)
    with pytest.raises(CalibrationError):
        made().compare(0.5, fmr)


@pytest.mark.parametrize(
    ("similarity", "fmr", "verdict"),
    [
        (0.500, 1e-3, "same"),
        (0.499, 1e-3, "review"),
        (0.400, 1e-3, "review"),
        (0.399, 1e-3, "different"),
        (0.499, 1e-4, "different"),
        (0.559, 1e-4, "review"),
        (0.560, 1e-4, "same"),
        (0.200, 1e-1, "same"),
        (0.199, 1e-1, "different"),  # the table ends here: there is no review band above 1e-1
        (0.399, 1e-2, "review"),
        (0.199, 1e-2, "different"),
    ],
)
def test_verdicts(similarity: float, fmr: float, verdict: str) -> None:
    answer = made().compare(similarity, fmr, note="n")
    assert (answer.verdict, answer.similarity, answer.fmr, answer.note) == (verdict, similarity, fmr, "n")
    assert answer.score_fmr == made().fmr_at(similarity)


def test_the_default_rate_is_one_in_a_thousand() -> None:
    assert made().compare(0.51).fmr == 1e-3


def test_equal_thresholds_state_the_larger_rate() -> None:
    flat = made(thresholds=(threshold(1e-1, 0.2), threshold(1e-2, 0.4), threshold(1e-3, 0.4)), tar=(1, 1, 1))
    assert flat.fmr_at(0.4) == pytest.approx(1e-2)


@pytest.mark.parametrize(("pairs", "supported"), [(30_000, True), (29_999, False), (0, False), (-1, False)])
def test_rule_of_three(pairs: int, supported: bool) -> None:
    """No match among n pairs bounds the rate by 3/n at 95 %: so 1e-4 wants 30,000 pairs."""
    if supported:
        assert made(impostor_pairs=pairs).impostor_pairs == pairs
    else:
        with pytest.raises(ValueError, match=f"{pairs} impostor pairs cannot support a measured FMR 0.0001"):
            made(impostor_pairs=pairs)


def test_an_extrapolated_rate_may_go_below_the_rule_of_three() -> None:
    rows = (*(threshold(*row) for row in ROWS[:3]), threshold(*ROWS[3], kind="extrapolated"))
    assert made(thresholds=rows, impostor_pairs=3000).threshold(1e-4) == pytest.approx(0.56)
    with pytest.raises(ValueError, match="2999 impostor pairs cannot support"):
        made(thresholds=rows, impostor_pairs=2999)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"thresholds": (threshold(1e-1, 0.2),), "tar": (1,)}, "at least two"),
        ({"tar": (1, 1)}, "a TAR for each"),
        ({"tar": (1, 1, 1, 1.1)}, "rates are 0 to 1"),
        ({"tar": (1, 1, 1, float("nan"))}, "rates are 0 to 1"),
        ({"thresholds": tuple(threshold(*row) for row in ROWS[::-1])}, "fmr must fall"),
        ({"thresholds": tuple(threshold(f, 0.9 - s) for f, s in ROWS)}, "similarity rise"),
        ({"thresholds": (threshold(*ROWS[0]),) * 4}, "fmr must fall"),
        ({"bundle": "a" * 63}, "SHA-256"),
        ({"aligner": "../" + "a" * 61}, "SHA-256"),
        ({"format": 2}, "a newer mien wrote this"),
    ],
)
def test_tables_that_contradict_themselves_are_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        made(**changes)


@pytest.mark.parametrize(
    ("fmr", "low", "similarity", "high"),
    [(0, 0, 0, 0), (1, 0, 0, 0), (0.1, 0.3, 0.2, 0.4), (0.1, 0.1, 0.2, 0.15), (0.1, -2, 0, 0), (0.1, 0, 0, 2)],
)
def test_thresholds_that_contradict_themselves(fmr: float, low: float, similarity: float, high: float) -> None:
    with pytest.raises(ValueError, match=r"rate between|in order"):
        Threshold(fmr=fmr, similarity=similarity, low=low, high=high, fmr_low=fmr, fmr_high=fmr)


SEARCH = {"fpir": 0.1, "people": 10, "templates": 1, "similarity": 0.3, "low": 0.2, "high": 0.4, "fnir": 0.1}


@pytest.mark.parametrize(
    "change",
    [
        {"fpir_low": 0.2},
        {"fpir_high": 0.05},
        {"fpir_high": 1.1},
        {"fpir_low": -0.1},
        {"fpir_low": float("nan")},
        {"people": 0},
        {"templates": 0},
        {"fpir": 1.0},
        {"fnir": 1.1},
        {"low": 0.35},
    ],
)
def test_searches_that_contradict_themselves(change: dict[str, Any]) -> None:
    assert SearchThreshold(**SEARCH, fpir_low=0.05, fpir_high=0.2).fpir == 0.1
    with pytest.raises(ValueError, match=r"between 0 and 1|in order|at least one"):
        SearchThreshold(**{**SEARCH, **change})


def fused(**changes: Any) -> Fused:
    rows = tuple(threshold(fmr, similarity + 0.05) for fmr, similarity in ROWS)
    alone = tuple(similarity for _, similarity in ROWS)
    return Fused(**{"templates": 2, "people": 40, "thresholds": rows, "alone": alone, **changes})


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"templates": 1}, "at least two templates"),
        ({"people": 0}, "at least one person"),
        ({"thresholds": (), "alone": ()}, "a threshold is wanted"),
        ({"alone": (0.1, 0.2)}, "for each"),
        ({"alone": (0.4, 0.3, 0.5, 0.6)}, "alone must rise"),
        ({"alone": (0.4, 0.5, 0.6, 1.1)}, "−1 to 1"),
        ({"alone": (0.4, 0.5, 0.6, float("nan"))}, "−1 to 1"),
        ({"thresholds": tuple(threshold(*row) for row in ROWS[::-1])}, "fmr must fall"),
    ],
)
def test_fused_tables_that_contradict_themselves(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        fused(**change)


def test_fused_tables_stand_by_their_number_of_templates() -> None:
    assert len(made(fused=(fused(), fused(templates=3))).fused) == 2
    for wrong in ((fused(), fused()), (fused(templates=3), fused())):
        with pytest.raises(ValueError, match="number of templates must rise"):
            made(fused=wrong)


@pytest.mark.parametrize(
    "changes",
    [{}, {"fused": (fused(),), "searches": (SearchThreshold(**SEARCH, fpir_low=0.05, fpir_high=0.2),)}],
)
def test_a_calibration_comes_back_as_it_was_written(changes: dict[str, Any]) -> None:
    assert decode_calibration(encode_calibration(made(**changes))) == made(**changes)


def test_files_of_before_1_to_n_decisions_still_load() -> None:
    written = json.loads(encode_calibration(made(searches=(SearchThreshold(**SEARCH),))))
    del written["fused"]
    assert written["searches"] == [SEARCH]
    assert decode_calibration(json.dumps(written).encode()) == made(searches=(SearchThreshold(**SEARCH),))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"extra": 1}, "extra"),
        ({"people": "many"}, r"int.*people"),
        ({"weighting": "nobody"}, "nobody"),
        ({"format": 9}, "newer mien"),
        ({"impostor_pairs": 5}, "cannot support"),
        ({"thresholds": []}, "at least two"),
    ],
)
def test_files_that_say_something_else_are_refused_by_name(change: dict[str, Any], complaint: str) -> None:
    text = json.dumps({**json.loads(encode_calibration(made())), **change}).encode()
    with pytest.raises(CardError, match=complaint):
        decode_calibration(text)
