"""Impostor scores in, a calibration out: the thresholds by which scores become decisions."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from mien.bundle.calibration import Calibration, Fused, SearchThreshold, Threshold
from mien.errors import CalibrationError, InputError
from mien.evaluation.allpairs import impostor_pairs
from mien.evaluation.comparisons import Comparisons, Mask, present
from mien.evaluation.curves import Curve
from mien.evaluation.everyone import DIGITS, SIZES, SPLITS, alone_searches, rounded_up, stated
from mien.evaluation.fused import Against, against_fused
from mien.evaluation.identification import open_set
from mien.evaluation.metrics import Trial, refusal, trials, unsupported
from mien.evaluation.resampling import Thinned
from mien.evaluation.samples import Samples
from mien.evaluation.spread import Spread, spread
from mien.evaluation.study import RATES, Figure, Reliability, Weighting
from mien.evaluation.tail import DECADES, Tail

AVERAGES = {"person": "averaged per pair of people", "pair": "over all pairs of pictures"}
TEMPLATES = 3  # of a person in galleries that are searched, beside those of one
VAGUE = 3.5  # relative error from which a fitted rate says nothing: a factor of 1,000 either way
WIDEST = 3.0  # comparisons held for splits reach this many times the largest rate that is looked at


@dataclass(frozen=True, slots=True)
class Row:
    """One FMR: the similarity that strangers reach at that rate, its 95 % interval, and the rate's spread."""

    fmr: float
    similarity: float
    low: float
    high: float
    kind: Literal["measured", "extrapolated"]
    spread: Spread


def thresholds(
    impostor: Comparisons,
    weighting: Weighting,
    rates: Sequence[float] = RATES,
    thinned: Thinned | None = None,
) -> list[Row]:
    """A measured row for every rate that the comparisons support, a fitted one up to two decades below."""
    curve = Curve.of(impostor, weighting)
    worth = trials(impostor, weighting)
    measured = [rate for rate in rates if not refusal(rate, worth)]
    least = min(measured, default=math.inf) * 10**-DECADES * (1 - 1e-9)
    beyond = [rate for rate in rates if least <= rate < min(measured, default=0.0)]
    tail = Tail.fit(impostor, weighting) if beyond else None
    rows = [_measured(impostor, curve, weighting, rate, thinned) for rate in measured]
    fitted = [_fitted(tail, rate) for rate in beyond if tail is not None]
    return rows + [row for row in fitted if row.spread.relative < VAGUE]


def _measured(
    impostor: Comparisons, curve: Curve, weighting: Weighting, rate: float, thinned: Thinned | None
) -> Row:
    def at(each: float) -> float:
        found = curve.threshold(each)
        return float(np.nextafter(curve.levels[0], 2)) if found is None else found

    similarity = at(rate)
    seen = spread(impostor, weighting, similarity, thinned)
    around = Spread(rate, seen.relative, seen.errors)
    low, high = around.interval()
    return Row(rate, similarity, min(at(high), similarity), max(at(low), similarity), "measured", around)


def _fitted(tail: Tail, rate: float) -> Row:
    around = tail.spread(rate)
    low, high = around.interval()
    return Row(rate, tail.threshold(rate), tail.threshold(high), tail.threshold(low), "extrapolated", around)


def calibrate(
    trial: Trial, bundle: str, aligner: str, data: str, weighting: Weighting = "person"
) -> Calibration:
    """The calibration of a bundle over an aligner (digests) that the trial's comparisons give.

    CalibrationError where they support fewer than two rates, or where nobody knows whose vectors they are.
    """
    if not (bundle and aligner):
        raise CalibrationError(
            f"{data}: the vectors do not name the bundle and aligner that made them, as `mien embed` does; a "
            f"calibration belongs to both"
        )
    weighting = weighting if trial.samples.known else "pair"
    rows = _rising(thresholds(trial.impostor, weighting, thinned=trial.thinned))
    if len(rows) < 2:
        why = unsupported(RATES[1], trial.impostor, weighting)
        raise CalibrationError(f"{data}: too few strangers were compared for a calibration ({why})")
    stated = tuple(_threshold(row) for row in rows)
    passed = Curve.of(trial.enrolled, weighting).rate([np.float32(each.similarity) for each in stated])
    return Calibration(
        bundle=bundle,
        aligner=aligner,
        thresholds=stated,
        tar=tuple(round(float(tar), DIGITS) for tar in passed),
        people=len(np.unique(trial.samples.subjects[trial.samples.enrolled])) if trial.samples.known else 0,
        genuine_pairs=trial.enrolled.count,
        impostor_pairs=trial.impostor.count,
        data=data,
        date=datetime.date.today().isoformat(),
        method=_method(rows, weighting),
        weighting=weighting,
        searches=tuple(searches(trial)) if trial.samples.known else (),
        fused=tuple(fused(trial.samples, weighting)) if trial.samples.known else (),
    )


def fused(samples: Samples, weighting: Weighting) -> list[Fused]:
    """What fusing does to strangers' scores, by how many templates of a person are fused."""
    found = (_fused(each, weighting) for each in against_fused(samples))
    return [each for each in found if each is not None]


def _fused(against: Against, weighting: Weighting) -> Fused | None:
    """The rates that the comparisons support, and what the same people's single templates reach there."""
    worth = trials(against.fused, weighting)
    measured = [rate for rate in RATES if not refusal(rate, worth)]
    rows = _rising(thresholds(against.fused, weighting, measured))
    alone = Curve.of(against.alone, weighting)
    levels = [(row, level) for row in rows if (level := alone.threshold(row.fmr)) is not None]
    if not levels:
        return None
    return Fused(
        templates=against.templates,
        people=against.people,
        thresholds=tuple(_threshold(row) for row, _ in levels),
        alone=tuple(rounded_up(level) for _, level in levels),
    )


def searches(trial: Trial) -> list[SearchThreshold]:
    """1:N thresholds for galleries of several sizes, with one template a person and with several."""
    every = trial if trial.impostor.sizes is not None else None
    impostor = every.impostor if every else impostor_pairs(trial.samples)
    alone = alone_searches(trial.samples, impostor, every.thinned if every else None)
    return alone + fused_searches(trial.samples)


def fused_searches(samples: Samples) -> list[SearchThreshold]:
    """Half of the people enrolled with up to TEMPLATES pictures, or fewer people, and the rest searched for."""
    people = len(np.unique(samples.subjects)) // 2
    sizes = [size for size in SIZES if size < people] + [people]
    found = (open_set(samples, templates=TEMPLATES, gallery=size, splits=SPLITS) for size in sizes)
    return [
        stated(fpir, each.gallery, TEMPLATES, (threshold.value, threshold.low, threshold.high), fnir.value)
        for each in found
        for fpir, threshold, fnir in each.fnirs
        if threshold.value is not None and fnir.value is not None
    ]


def _rising(rows: list[Row]) -> list[Row]:
    """The rows as far as their thresholds rise: beyond, too few scores tell rates apart."""
    falls = [i for i, (a, b) in enumerate(pairwise(rows)) if b.similarity < a.similarity]
    return rows[: falls[0] + 1] if falls else rows


def _threshold(row: Row) -> Threshold:
    similarity = rounded_up(row.similarity)
    low, high = row.spread.interval(others=1.0)
    return Threshold(
        fmr=row.fmr,
        similarity=similarity,
        low=max(min(round(row.low, DIGITS), similarity), -1.0),
        high=min(max(round(row.high, DIGITS), similarity), 1.0),
        fmr_low=float(f"{low:.3g}"),
        fmr_high=float(f"{high:.3g}"),
        kind=row.kind,
    )


def _method(rows: Sequence[Row], weighting: Weighting) -> str:
    beyond = "; extrapolated by a generalised Pareto fit" if any(row.kind != "measured" for row in rows) else ""
    intervals = "intervals by the variance of a U-statistic of people"
    return f"impostor comparisons {AVERAGES[weighting]}; {intervals}{beyond}"


def reliability(
    impostor: Comparisons,
    weighting: Weighting,
    rates: Sequence[float],
    *,
    splits: int = 20,
    part: float = 0.5,
    seed: int = 0,
) -> list[Reliability]:
    """Thresholds made on a random `part` of the people, held against the others, so many times.

    A rate that no split's people support, nor a fit of their scores, is left out. InputError for a part that
    leaves nobody on one side.
    """
    if not 0 < part < 1:
        raise InputError(f"part={part}: a share of the people between 0 and 1 is wanted")
    best = impostor.best(min(WIDEST * max(rates, default=0.0), 1.0))
    rng = np.random.default_rng(seed)
    seen: dict[float, list[_Seen]] = {rate: [] for rate in rates}
    for _ in range(splits):
        chosen, rest = _split(impostor, part, rng)
        others = Curve.of(best.among(rest), weighting)
        for row in thresholds(best.among(chosen), weighting, rates):
            stated = row.spread.interval(chosen.sum() / rest.sum())
            seen[row.fmr].append(_Seen(float(others.rate(row.similarity)), *stated, row.kind))
    return [_reliable(rate, found) for rate, found in seen.items() if found]


@dataclass(frozen=True, slots=True)
class _Seen:
    """One split: what the others showed, the bounds that were stated, and on what."""

    rate: float
    low: float
    high: float
    kind: Literal["measured", "extrapolated"]


def _split(impostor: Comparisons, part: float, rng: np.random.Generator) -> tuple[Mask, Mask]:
    """Two masks of people: a random part of those there are, and the rest."""
    there = np.flatnonzero(present(impostor))
    chosen, rest = np.zeros(impostor.people, np.bool_), np.zeros(impostor.people, np.bool_)
    drawn = rng.permutation(there)
    cut = round(part * len(there))
    chosen[drawn[:cut]], rest[drawn[cut:]] = True, True
    return chosen, rest


def _reliable(rate: float, found: Sequence[_Seen]) -> Reliability:
    low, middle, high = np.percentile([each.rate for each in found], [2.5, 50, 97.5])
    bounds = np.median([(each.low, each.high) for each in found], axis=0)
    return Reliability(
        fmr=rate,
        splits=len(found),
        kind="measured" if all(each.kind == "measured" for each in found) else "extrapolated",
        observed=Figure(value=float(middle), low=float(low), high=float(high)),
        stated=(float(bounds[0]), float(bounds[1])),
        within=float(np.mean([each.low <= each.rate <= each.high for each in found])),
    )
