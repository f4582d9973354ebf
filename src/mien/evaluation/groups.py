"""Groups of people: the error rates of each by itself and of every two, at the one threshold for everybody.

A system that is right on the whole may be wrong about some: strangers of one group look more alike to it, or
its people less like themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mien.evaluation.comparisons import Comparisons
from mien.evaluation.curves import Curve
from mien.evaluation.grouping import Column, Counts, Rates, Tally
from mien.evaluation.intervals import LEVEL, RULE_OF_THREE, Z, rate_figure, student
from mien.evaluation.metrics import Trial, unsupported
from mien.evaluation.study import Figure, GroupRates, Groups

ROUNDING = 1e-9  # of a squared rate: a variance below it is that of float32 sums


@dataclass(frozen=True, slots=True)
class Kind:
    """Words for an error, for what counts once in its rate, and for why there is no rate."""

    error: str
    unit: str
    none: str


FALSE_MATCH = Kind("false match", "pairs of people", "no two people were compared")
FALSE_NON_MATCH = Kind("false non-match", "people", "no two pictures of one person were compared")


def groups(trial: Trial, fmrs: Sequence[float]) -> tuple[Groups, ...]:
    """What every column of the samples says at every FMR, at the threshold that all impostors pass so often.

    Left out are rates that the comparisons cannot show, and those whose threshold lies below the comparisons
    that are held one by one. InputError where a column names too many groups.
    """
    columns = [Column.of(title, labels) for title, labels in trial.samples.groups.items()]
    curve = Curve.of(trial.impostor, "person")
    asked = ((fmr, _threshold(trial.impostor, curve, fmr)) for fmr in fmrs)
    points = [(fmr, threshold) for fmr, threshold in asked if threshold is not None]
    return tuple(
        found for column in columns if points and column.names for found in _found(trial, column, points)
    )


def _threshold(impostor: Comparisons, curve: Curve, fmr: float) -> float | None:
    threshold = None if unsupported(fmr, impostor, "person") else curve.threshold(fmr)
    lowest = impostor.scores[-1] if len(impostor) else np.inf
    return None if threshold is None or (impostor.rest is not None and threshold < lowest) else threshold


def _found(trial: Trial, column: Column, points: Sequence[tuple[float, float]]) -> Iterator[Groups]:
    """What one column says at every FMR and its threshold."""
    pairs = zip((trial.enrolled, trial.impostor), trial.drawn, strict=True)
    genuine, impostor = (Tally.of(column, c, draws, trial.samples) for c, draws in pairs)
    for fmr, threshold in points:
        fmrs = impostor.rates(slice(0, _passed(trial.impostor, threshold)))
        fnmrs = genuine.rates(slice(_passed(trial.enrolled, threshold), None))
        yield Groups(
            column=column.title,
            fmr=fmr,
            threshold=threshold,
            rates=tuple(_rows(column, (impostor, genuine), (fmrs, fnmrs))),
            fmr_ratio=_ratio(column.names, fmrs, FALSE_MATCH),
            fnmr_ratio=_ratio(column.names, fnmrs, FALSE_NON_MATCH),
        )


def _passed(c: Comparisons, threshold: float) -> int:
    return int(np.searchsorted(-c.scores, -np.float32(threshold), side="right"))


def _rows(column: Column, tallies: tuple[Tally, Tally], rates: tuple[Rates, Rates]) -> Iterator[GroupRates]:
    """A row a cell, but for two groups that were never compared."""
    (impostor, genuine), (fmrs, fnmrs), people = tallies, rates, _people(*tallies)
    for cell, (a, b) in enumerate(column.cells.tolist()):
        if a == b or impostor.units[cell] or genuine.units[cell]:
            yield GroupRates(
                groups=(column.names[a], column.names[b]),
                people=int(people[cell]),
                comparisons=int(impostor.counts[cell]),
                fmr=_figure(fmrs, cell, FALSE_MATCH),
                fnmr=_figure(fnmrs, cell, FALSE_NON_MATCH) if a == b or genuine.units[cell] else None,
            )


def _people(impostor: Tally, genuine: Tally) -> Counts:
    """(c,) people who took part in comparisons of either kind."""
    n, alike = len(impostor.units), impostor.draws is genuine.draws
    # Where the data name no people, every pair is somebody of its own, numbered anew in each kind.
    others = genuine.people if alike else genuine.people + impostor.comparisons.people * n
    return np.bincount(np.union1d(impostor.people, others) % n, minlength=n)


def _figure(rates: Rates, cell: int, kind: Kind) -> Figure:
    """The rate of one cell; without errors the bound of the rule of three."""
    value, units = float(rates.values[cell]), int(rates.units[cell])
    if not units:
        return Figure(why=kind.none)
    if not value:
        return Figure(value=0.0, low=0.0, high=min(RULE_OF_THREE / units, 1.0))
    variance = float(rates.drawn[cell].var())
    return rate_figure(value, variance if variance > ROUNDING * value**2 else 0.0, units)


def _ratio(names: Sequence[str], rates: Rates, kind: Kind) -> Figure:
    """Worst group over best, of those by themselves.

    A group without errors says something only where three would be expected if it were like everybody (the
    rule of three); smaller ones are left aside.
    """
    values, units = rates.values[: len(names)], rates.units[: len(names)]
    told = np.flatnonzero((values > 0) | (units * rates.overall >= RULE_OF_THREE)).tolist()
    if len(told) < 2:
        return Figure(why="there are too few errors to compare groups by")
    best, *_, worst = sorted(told, key=lambda i: (values[i], -units[i]))
    if not values[best]:
        return Figure(why=_bound(names, rates, kind, (worst, best)))
    ratio, factor = float(values[worst] / values[best]), _factor(rates, told, (worst, best))
    return Figure(value=ratio, low=ratio / factor, high=ratio * factor)


def _bound(names: Sequence[str], rates: Rates, kind: Kind, pair: tuple[int, int]) -> str:
    """Why there is no ratio to a group without errors, and how large it is at least, where that is known."""
    worst, best = (_figure(rates, cell, kind) for cell in pair)
    why = f"no {kind.error} was seen among “{names[pair[1]]}” ({rates.units[pair[1]]:,} {kind.unit})"
    if not worst.low or not best.high or worst.low <= best.high:
        return why
    return f"{why}; they are at least {worst.low / best.high:.1f} times as frequent among “{names[pair[0]]}”"


def _factor(rates: Rates, told: Sequence[int], pair: tuple[int, int]) -> float:
    """By what factor the ratio of a pair of groups may be off, either way, at 95 %.

    Which groups are worst and best is only seen in the result. So the bound is one that every pair of groups
    keeps at once: the greatest of their studentised differences, draw by draw.
    """
    values, units = rates.values[told], rates.units[told]
    off = rates.drawn[told] / values[:, None] - 1  # to first order of the logarithm: a draw may show no error
    # People who are all alike show no spread; then their number is what is known.
    lack = np.where(off.var(axis=1) > ROUNDING, 0.0, 1 / (units * values))
    first, second = np.triu_indices(len(told), 1)
    apart = off[first] - off[second]
    spread = np.sqrt(apart.var(axis=1) + lack[first] + lack[second])
    if spread.min() < ROUNDING:  # groups of the same people, who err alike: only their number says something
        spread = np.sqrt(apart.var(axis=1) + (1 / (units * values))[first] + (1 / (units * values))[second])
    widest = float(np.quantile(np.abs(apart / spread[:, None]).max(axis=0), LEVEL))
    low, high = sorted(told.index(i) for i in pair)
    own = float(spread[(first == low) & (second == high)][0])
    return float(np.exp(max(widest, Z) * own * student(own**-2) / Z))
