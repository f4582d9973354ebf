"""Comparisons in, a study out: everything that is stated of them."""

from __future__ import annotations

import datetime
import time
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np

from mien.evaluation.accuracy import accuracy
from mien.evaluation.calibrate import reliability
from mien.evaluation.comparisons import WEIGHTINGS, Comparisons
from mien.evaluation.groups import groups
from mien.evaluation.intervals import rate_figure
from mien.evaluation.memory import peak_mb
from mien.evaluation.metrics import Trial, unsupported, verification
from mien.evaluation.protocols.pairs import PairList
from mien.evaluation.samples import Samples
from mien.evaluation.study import (
    RATES,
    Figure,
    Groups,
    HardPair,
    Histogram,
    Identification,
    Reliability,
    Speed,
    Study,
    System,
    Weighting,
)

BARS = 80  # of a histogram that is shown
HARDEST = 12  # pairs of each kind that are shown
OFTEN = 2  # times that one picture may stand among them: one bad one would fill the page
SPLITS, SPLITTING = (20, 100), 3e7  # of the people into halves, at least and at most; pairs to look at in all
GROUP_RATES = (1e-2, 1e-3, 1e-4)


@dataclass(frozen=True, slots=True)
class About:
    """What a study says of itself beside its figures."""

    protocol: str
    data: str
    system: System
    command: str = ""
    face: str = "central"
    embedded: int = 0
    cached: int = 0
    embed_seconds: float = 0.0
    notes: tuple[str, ...] = ()


def measure(
    trial: Trial,
    about: About,
    *,
    pairs: PairList | None = None,
    identification: Identification | None = None,
) -> Study:
    """Measure a trial. pairs: the list it comes from, whose folds give an accuracy."""
    started = time.perf_counter()
    samples = trial.samples
    weightings: tuple[Weighting, ...] = WEIGHTINGS if samples.known else ("pair",)
    tables = tuple(verification(trial, weighting) for weighting in weightings)
    return Study(
        protocol=about.protocol,
        data=about.data,
        system=about.system,
        command=about.command,
        date=datetime.date.today().isoformat(),
        version=version("mien"),
        pictures=len(samples),
        people=len(np.unique(samples.subjects)) if samples.known else 0,
        several_faces=samples.several,
        face=about.face,
        genuine_pairs=trial.genuine.count,
        impostor_pairs=trial.impostor.count,
        failure_to_enrol=failures(samples),
        missed=samples.missed,
        verification=tables,
        histogram=histogram(trial),
        hard_genuine=hardest(samples, trial.enrolled, best=False),
        hard_impostor=hardest(samples, trial.impostor, best=True),
        accuracy=accuracy(samples, pairs) if pairs is not None else None,
        identification=identification,
        groups=_groups(trial) if samples.groups else (),
        reliability=_reliability(trial) if pairs is None and samples.known else (),
        notes=about.notes,
        speed=Speed(
            embedded=about.embedded,
            cached=about.cached,
            embed_seconds=round(about.embed_seconds, 2),
            measure_seconds=round(time.perf_counter() - started, 2),
            peak_mb=round(peak_mb(), 1),
        ),
    )


def failures(samples: Samples) -> Figure:
    """The failure-to-enrol rate, each person's pictures counting together (ISO/IEC 19795-1)."""
    missed = ~samples.enrolled
    each = np.bincount(samples.subjects)
    people = int((each > 0).sum())
    rate = float(missed.mean()) if len(samples) else 0.0
    moved = np.bincount(samples.subjects, missed) - rate * each
    return rate_figure(rate, float((moved**2).sum()) / max(len(samples), 1) ** 2, people)


def histogram(trial: Trial) -> Histogram:
    """Scores in even bins over all that were seen, every comparison counting alike."""
    impostor, genuine = trial.curve("pair")
    counted = impostor.edges[1:][np.diff(impostor.beyond) > 0]  # lower edges of the bins that hold something
    levels = [levels[np.isfinite(levels)] for levels in (impostor.levels, counted, genuine.levels)]
    seen = np.concatenate(levels) if any(len(each) for each in levels) else np.array([0.0, 1.0])
    edges = np.linspace(seen.min(), np.nextafter(seen.max(), 2), BARS + 1)
    shares = [tuple((-np.diff(curve.rate(edges))).tolist()) for curve in (genuine, impostor)]
    return Histogram(edges=tuple(edges.tolist()), genuine=shares[0], impostor=shares[1])


def hardest(samples: Samples, comparisons: Comparisons, *, best: bool) -> tuple[HardPair, ...]:
    """The comparisons with the best or the worst scores, hardest first; no picture more than `OFTEN`."""
    order = range(len(comparisons)) if best else range(len(comparisons) - 1, -1, -1)
    shown: Counter[int] = Counter()
    rows: list[int] = []
    for row in order:
        pictures = int(comparisons.left[row]), int(comparisons.right[row])
        if max(shown[each] for each in pictures) < OFTEN:
            shown.update(pictures)
            rows.append(row)
        if len(rows) == HARDEST:
            break
    return tuple(_pair(samples, comparisons, row) for row in rows)


def _pair(samples: Samples, comparisons: Comparisons, row: int) -> HardPair:
    left, right = (int(column[row]) for column in (comparisons.left, comparisons.right))
    people = tuple(samples.people[samples.subjects[each]] if samples.known else "" for each in (left, right))
    return HardPair(
        first=samples.names[left],
        second=samples.names[right],
        people=(people[0], people[1]),
        similarity=float(comparisons.scores[row]),
    )


def _groups(trial: Trial) -> tuple[Groups, ...]:
    rates = [rate for rate in GROUP_RATES if not unsupported(rate, trial.impostor, "person")]
    return groups(trial, rates or [RATES[0]])


def _reliability(trial: Trial) -> tuple[Reliability, ...]:
    """Of the rates that half of the people support."""
    impostor = trial.impostor
    held = float(impostor.shares["person"].sum())
    rates = [rate for rate in RATES[1:] if 3 * rate <= held and not unsupported(rate / 5, impostor, "person")]
    if not rates:
        return ()
    looked_at = 3 * max(rates) * impostor.count
    splits = int(np.clip(SPLITTING / looked_at, *SPLITS))
    return tuple(reliability(impostor, "person", rates, splits=splits))
