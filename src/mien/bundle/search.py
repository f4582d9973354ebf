"""1:N decisions: from a calibration and a gallery's size to a threshold that says what it rests on.

Scores are brought to one scale first, that of people with one template: strangers score higher against people
of several (a mean vector has less noise), so raw scores of a mixed gallery have no threshold in common.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.bundle.calibration import REVIEW_FACTOR, Calibration, SearchThreshold
from mien.errors import InputError
from mien.values import Floats, Verdict, rate_text

DEFAULT_FPIR = 1e-2
GATE_FMR = 1e-5
LARGEST = 0.1  # FPIR: a review band goes no further
SLACK = 1 + 1e-9  # rates are written as decimals
TINY = 1e-12
CURVE = (0.99, 0.9, 0.7, 0.5, 0.3, 1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 1e-4, 1e-5, 1e-6)
Basis = Literal["measured", "bound", "extrapolated"]
Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """From which similarity a search of `people` people answers with a name, at FPIR `fpir`.

    similarity, review_similarity: on the scale of one template (`as_single`); above 1 nobody can be known.
    basis: "measured": searched for in galleries of such sizes. "bound": FPIR ≤ 1 − (1 − FMR)^people, of a
    measured FMR. "extrapolated": the same of an FMR that was not measured. fpir_low, fpir_high: the 95 %
    prediction interval of the rate that one gallery of so many other people shows to strangers without end; 0
    below where the basis is not "measured". fmr: the rate of one comparison there. review_fpir: up to ten times
    `fpir`. note: what to know beside it, or empty. curve: FPIR and similarity, from the largest rate down.
    """

    people: int
    fpir: float
    similarity: float
    basis: Basis
    fpir_low: float
    fpir_high: float
    fmr: float
    review_fpir: float
    review_similarity: float
    note: str
    curve: tuple[tuple[float, float], ...]

    def fpir_at(self, similarity: float) -> float:
        """The rate at which the best match of a stranger scores `similarity` or more, held within the curve.

        So its smallest rate reads "this or less", its largest "this or more".
        """
        levels = [level for _, level in self.curve]
        after = bisect_left(levels, similarity)
        if after in (0, len(levels)):
            return self.curve[min(after, len(levels) - 1)][0]
        logs = [math.log(rate) for rate, _ in self.curve[after - 1 : after + 1]]
        return float(math.exp(np.interp(similarity, levels[after - 1 : after + 1], logs)))

    def verdict(self, similarity: float) -> Verdict:
        """same: from `similarity` up; review: from `review_similarity` up; different: below."""
        if similarity >= self.similarity:
            return "same"
        return "review" if similarity >= self.review_similarity else "different"


def operating_point(calibration: Calibration, people: int, fpir: float = DEFAULT_FPIR) -> OperatingPoint:
    """The threshold at which a gallery of `people` people takes a stranger for somebody at a rate of `fpir`.

    InputError for an empty gallery and for a rate that is not between 0 and 1.
    """
    if people < 1 or not 0 < fpir < 1:
        raise InputError(
            f"{people} people and FPIR {fpir}: at least one, and a rate between 0 and 1, are wanted"
        )
    level = _level(calibration, people, fpir)
    review_fpir = max(fpir, min(fpir * REVIEW_FACTOR, LARGEST))
    review = min(_level(calibration, people, review_fpir).similarity, level.similarity)
    return OperatingPoint(
        people=people,
        fpir=fpir,
        similarity=level.similarity,
        basis=level.basis,
        fpir_low=fpir * math.exp(-level.below),
        fpir_high=max(math.exp(min(math.log(fpir) + level.above, 0.0)), fpir),
        fmr=level.fmr,
        review_fpir=review_fpir,
        review_similarity=review,
        note=_note(calibration, level, people),
        curve=_curve(calibration, people, {fpir, review_fpir}),
    )


def gate_threshold(calibration: Calibration, fmr: float = GATE_FMR) -> float:
    """The similarity that a stranger reaches at a rate of `fmr`, or at the table's rate nearest to it."""
    largest, smallest = (calibration.thresholds[end].fmr for end in (0, -1))
    return calibration.threshold(min(max(fmr, smallest), largest))


def as_single(calibration: Calibration, scores: Floats, templates: ArrayLike) -> Floats:
    """Fused scores (…, people) on the scale of one template, float32; templates (people,): how many each has.

    Every score goes to what strangers reach at the same rate against people of one template. So it rises with
    the score, and leaves people of one template as they are; −inf stays −inf. Where nothing fused was
    calibrated, nothing changes. InputError where the two do not fit.
    """
    counts = np.asarray(templates)
    if counts.shape != scores.shape[-1:]:
        raise InputError(f"templates: {scores.shape[-1:]} numbers are wanted, one a person, not {counts.shape}")
    single = np.array(scores, np.float32)
    levels, gains = _gains(calibration)
    for count in np.unique(counts[counts > 1]).tolist() if len(levels) else ():
        here = counts == count
        raised = np.maximum.accumulate(levels + gains * (1 - 1 / count))
        raw = single[..., here]
        single[..., here] = raw - np.interp(raw, raised, raised - levels)  # beyond the ends the gain is held
    return single


def _gains(calibration: Calibration) -> tuple[Doubles, Doubles]:
    """Levels of one template, rising, and how much higher strangers reach at their rates by any number of them.

    The gain of k templates is this times 1 − 1/k, as the noise of a mean falls with 1/k. It is fitted by least
    squares to the numbers that were calibrated, each by how many people had so many, and so holds for all.
    """
    rates = {row.fmr: row.similarity for row in calibration.thresholds}
    sums = {rate: np.zeros(2) for rate in rates}
    for fused in calibration.fused:
        part = 1 - 1 / fused.templates
        for row, alone in zip(fused.thresholds, fused.alone, strict=True):
            if row.fmr in sums:
                sums[row.fmr] += fused.people * part * np.array([row.similarity - alone, part])
    found = [(rates[rate], gain / weight) for rate, (gain, weight) in sums.items() if weight]
    levels, gains = np.array(found, np.float64).reshape(-1, 2).T
    return levels, gains


def fused_up_to(calibration: Calibration) -> int:
    """The most templates of a person whose fused scores were calibrated; 1: none were."""
    return calibration.fused[-1].templates if calibration.fused else 1


def fused_note(calibration: Calibration, templates: int) -> str:
    """What to know of the fused score of a person with so many templates, or empty."""
    if templates <= (most := fused_up_to(calibration)):
        return ""
    if most == 1:
        return "this calibration says nothing of fused scores, which strangers reach more easily"
    return (
        f"{templates} templates of a person are judged by those of up to {most}, as the gain goes with 1 − 1/k"
    )


@dataclass(frozen=True, slots=True)
class _Level:
    """A similarity at some FPIR, what it rests on, its FMR; how far the rate may lie off, in natural logs."""

    similarity: float
    basis: Basis
    fmr: float
    below: float
    above: float


def _level(calibration: Calibration, people: int, fpir: float) -> _Level:
    return _searched(calibration, people, fpir) or _bound(calibration, people, fpir)


def _bound(calibration: Calibration, people: int, fpir: float) -> _Level:
    """By the FMR at which FPIR = 1 − (1 − FMR)^people.

    Given the probe, people drawn at random match it or not independently of each other, so by Jensen's
    inequality over the probes FPIR is that or less: Boole's FPIR ≤ people · FMR, a little sharper.
    """
    fmr = max(-math.expm1(math.log1p(-fpir) / people), 1e-300)
    measured = [row.fmr for row in calibration.thresholds if row.kind == "measured"]
    basis: Basis = "bound" if measured and fmr * SLACK >= min(measured) else "extrapolated"
    above = _around(calibration, fmr, people)[1]
    return _Level(_threshold(calibration, fmr), basis, fmr, math.inf, above)


def _threshold(calibration: Calibration, fmr: float) -> float:
    """The similarity of any FMR: above the table's rates its lowest, below them straight on in log FMR."""
    rows = calibration.thresholds
    last = rows[-1]
    if fmr * SLACK >= last.fmr:
        return calibration.threshold(min(max(fmr, last.fmr), rows[0].fmr))
    lower = [row for row in rows if row.similarity < last.similarity]
    if not lower:
        return float(np.nextafter(1, 2))  # all thresholds are one: nobody knows where strangers end
    slope = (last.similarity - lower[-1].similarity) / math.log(lower[-1].fmr / last.fmr)
    return last.similarity + slope * math.log(last.fmr / fmr)


def _around(calibration: Calibration, fmr: float, people: int) -> tuple[float, float]:
    """How far the rate at an FMR may lie off in one gallery of other people, below and above, in natural logs.

    The table's prediction intervals are for as many other people, so of twice a variance 4ζ/n; one gallery of N
    adds only ζ/N to the first (the first projection of a U-statistic, Hoeffding 1948).
    """
    rows = calibration.thresholds[::-1]
    logs = np.log([row.fmr for row in rows])
    ends = [[row.fmr / max(row.fmr_low, 1e-300) for row in rows], [row.fmr_high / row.fmr for row in rows]]
    n = calibration.people or 4 * people
    factor = math.sqrt((1 + n / (4 * people)) / 2)
    below, above = (factor * _extended(math.log(fmr), logs, np.log(end)) for end in ends)
    return below, above


def _extended(at: float, places: Doubles, values: Doubles) -> float:
    """Values at rising places; before the first they go on as they came, if they grew, and never back."""
    beyond = max(places[0] - at, 0) * max((values[0] - values[1]) / (places[1] - places[0]), 0)
    return float(np.interp(at, places, values) + beyond)


def _searched(calibration: Calibration, people: int, fpir: float) -> _Level | None:
    """Between the sizes of galleries that were searched at this rate, in log people; None beyond them."""
    asked = math.log(fpir)
    found = []
    for size, table in sorted(_tables(calibration).items()):
        logs = np.log(table[:, 0])
        if logs[0] - TINY <= asked <= logs[-1] + TINY:
            found.append((math.log(size), *(np.interp(asked, logs, column) for column in table[:, 1:].T)))
    if not found or not found[0][0] - TINY <= math.log(people) <= found[-1][0] + TINY:
        return None
    sizes, *columns = np.array(found).T
    similarity, below, above = (float(np.interp(math.log(people), sizes, column)) for column in columns)
    return _Level(similarity, "measured", calibration.fmr_at(similarity), below, above)


def _tables(calibration: Calibration) -> dict[int, Doubles]:
    """Gallery size → rows of FPIR, similarity, and how far off the rate may lie; FPIR rising.

    A gallery of one person is a comparison, so the 1:1 table is its own.
    """
    tables: dict[int, list[tuple[float, float, float, float]]] = {1: []}
    for row in calibration.thresholds:
        if row.kind == "measured":
            tables[1].append((row.fmr, row.similarity, *_around(calibration, row.fmr, 1)))
    for each in calibration.searches:
        if each.templates == 1 and each.people > 1:
            rows = tables.setdefault(each.people, [])
            rows.append((each.fpir, each.similarity, *_off(calibration, each)))
    return {size: np.array(sorted(rows)) for size, rows in tables.items() if rows}


def _off(calibration: Calibration, row: SearchThreshold) -> tuple[float, float]:
    """How far the rate of a row may lie off, in natural logs; of old files, what its FMR's may."""
    if row.fpir_low is None or row.fpir_high is None:
        return _around(calibration, calibration.fmr_at(row.similarity), row.people)
    return math.log(row.fpir / max(row.fpir_low, 1e-300)), math.log(row.fpir_high / row.fpir)


def _note(calibration: Calibration, level: _Level, people: int) -> str:
    if level.basis == "measured":
        return ""
    rate = rate_text(float(f"{level.fmr:.2g}"))
    known = f"FMR {rate} a comparison among {people:,} people"
    if level.basis == "bound":
        said = f"a bound by {known}: galleries so large were not searched at this rate"
    else:
        least = min((row.fmr for row in calibration.thresholds if row.kind == "measured"), default=1.0)
        said = f"extrapolated: {known} is less than the {rate_text(least)} that was measured"
    return said if level.similarity <= 1 else f"{said}; nobody can be known at that rate"


def _curve(calibration: Calibration, people: int, asked: set[float]) -> tuple[tuple[float, float], ...]:
    """FPIR and similarity as far as the 1:1 table goes, rates falling and similarities rising."""
    largest, smallest = (-math.expm1(people * math.log1p(-calibration.thresholds[end].fmr)) for end in (0, -1))
    rates = {rate for rate in (*CURVE, *asked) if smallest < rate < largest}
    ordered = sorted({*rates, min(largest, 1 - TINY), min(smallest, 1 - TINY)}, reverse=True)
    levels = [_level(calibration, people, rate).similarity for rate in ordered]
    rising = zip(ordered, accumulate(levels, max), strict=True)
    return tuple(_different(rising))


def _different(points: Iterable[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Of points that share a similarity the first, which has the largest rate."""
    last = -math.inf
    for rate, level in points:
        if level > last:
            yield rate, level
            last = level
