"""1:N decisions, held against values worked out by hand from a calibration made by hand."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.bundle.calibration import Calibration, Fused, SearchThreshold, Threshold
from mien.bundle.search import (
    DEFAULT_FPIR,
    as_single,
    fused_note,
    fused_up_to,
    gate_threshold,
    operating_point,
)
from mien.errors import InputError

# Straight in the logarithm: a tenth of similarity a decade.
ROWS = ((1e-1, 0.30), (1e-2, 0.40), (1e-3, 0.50), (1e-4, 0.60), (1e-5, 0.70))
FUSED_BY = 0.08  # what ever more templates add; two add half of it


def threshold(fmr: float, similarity: float, kind: Any = "measured") -> Threshold:
    return Threshold(
        fmr=fmr,
        similarity=similarity,
        low=similarity,
        high=similarity,
        fmr_low=fmr / 2,
        fmr_high=fmr * 2,
        kind=kind,
    )


def search(fpir: float, people: int, similarity: float, templates: int = 1, **more: Any) -> SearchThreshold:
    return SearchThreshold(
        fpir=fpir,
        people=people,
        templates=templates,
        similarity=similarity,
        low=similarity,
        high=similarity,
        fnir=0.1,
        **more,
    )


def fused(templates: int, by: float, people: int = 100, rows: Any = ROWS[:4]) -> Fused:
    """As the law has it: k templates gain (1 − 1/k) of `by`; these people's own levels are moved a little."""
    gain = by * (1 - 1 / templates)
    return Fused(
        templates=templates,
        people=people,
        thresholds=tuple(threshold(fmr, level + 0.01 + gain) for fmr, level in rows),
        alone=tuple(level + 0.01 for _, level in rows),
    )


def made(**changes: Any) -> Calibration:
    fields: dict[str, Any] = {
        "bundle": "a" * 64,
        "aligner": "b" * 64,
        "thresholds": tuple(threshold(*row, "extrapolated" if row[0] < 1e-4 else "measured") for row in ROWS),
        "tar": (0.99, 0.97, 0.94, 0.9, 0.8),
        "people": 400,
        "genuine_pairs": 400,
        "impostor_pairs": 80_000,
        "data": "made up",
        "date": "2025-01-01",
        "method": "by hand",
        "searches": (
            search(1e-1, 10, 0.41),
            search(1e-2, 10, 0.51),
            search(1e-1, 100, 0.52),
            search(1e-2, 100, 0.61),
            search(1e-1, 100, 0.9, templates=3),
        ),
        "fused": (fused(2, FUSED_BY), fused(4, FUSED_BY)),
    }
    return Calibration(**{**fields, **changes})


@pytest.mark.parametrize(
    ("people", "fpir", "similarity"),
    [
        (10, 1e-1, 0.41),
        (100, 1e-2, 0.61),
        (100, 10**-1.5, 0.565),  # half-way between the rates
        (round(1000**0.5), 1e-2, 0.51 + 0.1 * math.log10(round(1000**0.5) / 10)),  # between the sizes
        (1, 1e-2, 0.40),  # one person is a comparison,
        (1, 1e-3, 0.50),
        (5, 1e-2, 0.40 + 0.11 * math.log10(5)),  # and so the smallest gallery
    ],
)
def test_measured_between_the_galleries_and_rates_that_were_searched(
    people: int, fpir: float, similarity: float
) -> None:
    found = operating_point(made(), people, fpir)
    assert (found.people, found.fpir, found.basis, found.note) == (people, fpir, "measured", "")
    assert found.similarity == pytest.approx(similarity)


def test_searches_of_fused_galleries_are_not_taken_for_those_of_one_template() -> None:
    assert operating_point(made(), 100, 1e-1).similarity == pytest.approx(0.52)


@pytest.mark.parametrize(
    ("people", "fpir", "basis"),
    [
        (101, 2e-2, "bound"),
        (101, 1e-2, "extrapolated"),
        (1000, 1e-1, "bound"),
        (10, 2e-3, "bound"),
        (10, 0.2, "bound"),
        (20, 1e-3, "extrapolated"),
    ],
)
def test_what_was_not_searched_is_bounded_by_the_rate_of_one_comparison(
    people: int, fpir: float, basis: str
) -> None:
    """A stranger's chance to be met by nobody of N is (1 − FMR)^N at least: so FMR = 1 − (1 − FPIR)^(1/N)."""
    found = operating_point(made(), people, fpir)
    fmr = 1 - (1 - fpir) ** (1 / people)
    assert found.basis == basis
    assert found.fmr == pytest.approx(fmr)
    assert found.similarity == pytest.approx(0.2 - 0.1 * math.log10(fmr))
    assert found.fpir_low == 0
    assert 1 - (1 - found.fmr) ** people == pytest.approx(fpir)


def test_a_rate_beyond_the_table_is_the_last_rows_carried_on() -> None:
    found = operating_point(made(), 10_000, 1e-3)
    assert (found.basis, found.fmr) == ("extrapolated", pytest.approx(1e-7, rel=1e-3))
    assert found.similarity == pytest.approx(0.90, abs=1e-4)
    assert "1e-4 that was measured" in found.note


def test_where_strangers_reach_1_so_often_nobody_can_be_known() -> None:
    found = operating_point(made(), 10_000_000, 1e-3)
    assert found.similarity > 1
    assert found.note.endswith("nobody can be known at that rate")
    assert found.verdict(1.0) != "same"


def test_where_all_thresholds_are_one_nothing_is_known_beyond() -> None:
    flat = made(thresholds=(threshold(1e-1, 0.5), threshold(1e-2, 0.5)), tar=(1, 1), searches=(), fused=())
    assert operating_point(flat, 1000, 1e-2).similarity > 1


def test_a_rate_above_the_table_has_its_lowest_threshold() -> None:
    found = operating_point(made(searches=()), 2, 0.9)
    assert (found.similarity, found.basis) == (pytest.approx(0.30), "bound")


def test_the_default_is_one_in_a_hundred() -> None:
    assert DEFAULT_FPIR == 1e-2
    assert operating_point(made(), 100) == operating_point(made(), 100, 1e-2)


@pytest.mark.parametrize(
    ("people", "fpir"), [(0, 0.1), (-1, 0.1), (5, 0), (5, 1), (5, -0.1), (5, float("nan"))]
)
def test_empty_galleries_and_rates_that_are_none_are_refused(people: int, fpir: float) -> None:
    with pytest.raises(InputError, match="at least one, and a rate between 0 and 1"):
        operating_point(made(), people, fpir)


@pytest.mark.parametrize(
    ("fpir", "review_fpir", "review"),
    [(1e-2, 1e-1, 0.52), (3e-2, 1e-1, 0.52), (1e-1, 1e-1, 0.52), (0.2, 0.2, None)],
)
def test_the_review_band_goes_up_to_ten_times_the_rate_as_far_as_a_tenth(
    fpir: float, review_fpir: float, review: float | None
) -> None:
    found = operating_point(made(), 100, fpir)
    assert found.review_fpir == pytest.approx(review_fpir)
    assert found.review_similarity == pytest.approx(found.similarity if review is None else review)


@pytest.mark.parametrize(
    ("similarity", "verdict"), [(0.61, "same"), (0.609, "review"), (0.52, "review"), (0.519, "different")]
)
def test_verdicts(similarity: float, verdict: str) -> None:
    assert operating_point(made(), 100, 1e-2).verdict(similarity) == verdict


def test_a_similarity_s_own_rate() -> None:
    found = operating_point(made(), 100, 1e-2)
    assert found.fpir_at(0.61) == pytest.approx(1e-2)
    assert found.fpir_at(0.52) == pytest.approx(1e-1)
    assert found.fpir_at(0.30) == found.fpir_at(-1) == pytest.approx(1 - 0.9**100)  # the table's end: or more
    assert found.fpir_at(0.999) == found.fpir_at(float("inf")) == pytest.approx(1 - (1 - 1e-5) ** 100)
    assert found.fpir_at(0.40) == pytest.approx(1 - 0.99**100, rel=0.05)


@given(
    st.integers(1, 10**9),
    st.floats(0, 1, exclude_min=True, exclude_max=True),
    st.lists(st.floats(-1, 1.5), min_size=2, max_size=2),
)
def test_a_point_holds_together(people: int, fpir: float, pair: list[float]) -> None:
    found = operating_point(made(), people, fpir)
    assert found.review_similarity <= found.similarity
    assert found.fpir <= found.review_fpir < 1
    assert 0 <= found.fpir_low <= fpir <= found.fpir_high <= 1
    low, high = sorted(pair)
    assert 0 < found.fpir_at(high) <= found.fpir_at(low) <= 1
    rates, levels = zip(*found.curve, strict=True)
    assert list(rates) == sorted(rates, reverse=True)
    assert list(levels) == sorted(set(levels))


@given(st.integers(1, 10**6), st.floats(1e-5, 0.5))
def test_more_people_and_smaller_rates_never_ask_for_less(people: int, fpir: float) -> None:
    bounded = made(searches=())
    one = operating_point(bounded, people, fpir).similarity
    assert operating_point(bounded, people + 1, fpir).similarity >= one - 1e-9
    assert operating_point(bounded, people, fpir / 2).similarity >= one - 1e-9


def test_bounds_of_a_row_are_its_own_where_it_has_them() -> None:
    told = (
        search(1e-2, 10, 0.51, fpir_low=5e-3, fpir_high=2e-2),
        search(1e-2, 1000, 0.7, fpir_low=2.5e-3, fpir_high=4e-2),
    )
    for people, factor in ((10, 2), (1000, 4), (100, 8**0.5)):
        found = operating_point(made(searches=told), people, 1e-2)
        assert (found.fpir_low, found.fpir_high) == pytest.approx((1e-2 / factor, 1e-2 * factor))


@pytest.mark.parametrize("people", [1, 10, 100])
def test_bounds_of_old_rows_are_those_of_the_comparisons_and_one_gallery(people: int) -> None:
    """Twice as many are √2 deviations of 400 people's rate; a gallery of N adds 400/(4 N) of its variance."""
    found = operating_point(made(), people, 1e-2)
    factor = 2 ** (math.sqrt(1 + 400 / (4 * people)) / math.sqrt(2))
    assert (found.fpir_low, found.fpir_high) == pytest.approx((1e-2 / factor, min(1e-2 * factor, 1)))


def test_bounds_grow_beyond_the_table_as_they_grew_in_it() -> None:
    rows = [*made().thresholds[:-1], msgspec.structs.replace(made().thresholds[-1], fmr_high=4e-5)]
    found = operating_point(made(thresholds=tuple(rows)), 100_000, 1e-2)  # two decades on
    factor = math.sqrt((1 + 400 / (4 * 100_000)) / 2)
    assert found.fpir_high == pytest.approx(1e-2 * 16**factor, rel=1e-2)


def test_where_nobody_counted_people_the_table_s_interval_is_taken() -> None:
    found = operating_point(made(people=0, searches=()), 50, 1e-2)
    assert found.fpir_high == pytest.approx(2e-2)


@pytest.mark.parametrize(
    ("templates", "gain"), [(2, 0.04), (4, 0.06), (3, 0.08 * 2 / 3), (8, 0.07), (10**6, 0.08)]
)
def test_fused_scores_come_to_the_scale_of_one_template(templates: int, gain: float) -> None:
    """Strangers reach 0.40 of one template as often as 0.40 and the gain of several: at 1e-2."""
    levels = [level for _, level in ROWS[:4]]
    scores = np.array([level + gain for level in levels], np.float32)[:, None]
    assert as_single(made(), scores, [templates])[:, 0] == pytest.approx(levels, abs=1e-6)


def test_the_gain_may_depend_on_the_rate_and_is_held_beyond_the_ends() -> None:
    table = Fused(
        templates=2,
        people=50,
        thresholds=(threshold(1e-2, 0.46), threshold(1e-3, 0.54)),
        alone=(0.40, 0.50),
    )
    scores = np.array([[0.30], [0.46], [0.50], [0.54], [0.90], [-np.inf]], np.float32)
    found = as_single(made(fused=(table,)), scores, [2])[:, 0]
    assert found == pytest.approx([0.24, 0.40, 0.45, 0.50, 0.86, -np.inf], abs=1e-6)


def test_numbers_of_templates_are_weighed_by_the_people_who_had_so_many() -> None:
    """The gain g that makes n₂(g/2 − 0.04)² + n₄(3g/4 − 0.09)² least, by hand."""
    made_up = made(fused=(fused(2, 0.08, people=300), fused(4, 0.12, people=100)))
    gain = (300 * 0.02 + 100 * 0.0675) / (300 / 4 + 100 * 9 / 16)
    assert as_single(made_up, np.full((1, 1), 0.5, np.float32), [2]) == pytest.approx(0.5 - gain / 2, abs=1e-6)


def test_people_of_one_template_and_of_none_stay_as_they_are() -> None:
    scores = np.array([[0.5, 0.5, 0.5, -np.inf], [0.1, 0.2, 0.9, -np.inf]], np.float32)
    found = as_single(made(), scores, np.array([1, 2, 1, 0]))
    assert found.dtype == np.float32
    assert (found[:, [0, 2, 3]] == scores[:, [0, 2, 3]]).all()
    assert (found[:, 1] < scores[:, 1]).all()
    assert scores[0, 1] == np.float32(0.5)  # what was given is left alone


def test_where_nothing_fused_was_calibrated_scores_stay() -> None:
    scores = np.array([0.5, 0.6], np.float32)
    assert (as_single(made(fused=()), scores, [3, 1]) == scores).all()


@given(st.lists(st.floats(-1, 1, width=32), min_size=2, max_size=9), st.integers(2, 50))
def test_a_higher_score_stays_the_higher(scores: list[float], templates: int) -> None:
    ordered = np.sort(np.array(scores, np.float32))[:, None]
    found = as_single(made(), ordered, [templates])[:, 0]
    assert (np.diff(found) >= -1e-6).all()


@pytest.mark.parametrize("templates", [[1], [1, 2, 3], 2, [[1, 2]]])
def test_scores_and_templates_that_do_not_fit_are_refused(templates: Any) -> None:
    with pytest.raises(InputError, match="one a person"):
        as_single(made(), np.zeros((3, 2), np.float32), templates)


def test_how_far_fused_scores_were_calibrated_is_told() -> None:
    assert (fused_up_to(made()), fused_up_to(made(fused=()))) == (4, 1)
    assert fused_note(made(), 1) == fused_note(made(), 4) == fused_note(made(fused=()), 1) == ""
    assert "up to 4" in fused_note(made(), 5)
    assert "says nothing of fused scores" in fused_note(made(fused=()), 2)


@pytest.mark.parametrize(("fmr", "similarity"), [(1e-5, 0.7), (1e-3, 0.5), (1e-9, 0.7), (0.5, 0.3)])
def test_the_gate_takes_the_nearest_rate_of_the_table(fmr: float, similarity: float) -> None:
    assert gate_threshold(made(), fmr) == pytest.approx(similarity)
    assert gate_threshold(made()) == pytest.approx(0.7)
