"""Two systems on the same comparisons: how much better one is, and whether that could be chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mien.bundle.card import Part
from mien.errors import InputError
from mien.evaluation.comparisons import WEIGHTINGS, Doubles, pair_keys
from mien.evaluation.intervals import percentiles
from mien.evaluation.kept import Kept
from mien.evaluation.metrics import Measured, Trial, complement
from mien.evaluation.protocols.pairs import PairList
from mien.evaluation.samples import Numbers, Samples
from mien.evaluation.study import RATES, Figure, System, Weighting
from mien.evaluation.trials import all_pairs, listed_pairs

NO_PAIR = "the studies compare no pair in common"


class Difference(Part, frozen=True, kw_only=True):
    """One figure of two systems, and second minus first with the interval of that difference.

    name: "TAR", "generalised TAR", "EER", "AUC"; fmr: the operating point, where there is one.
    """

    name: str
    weighting: Weighting
    fmr: float | None = None
    first: Figure
    second: Figure
    difference: Figure


class Differences(Part, frozen=True, kw_only=True):
    """Two studies of the same comparisons."""

    protocol: str
    data: str
    systems: tuple[System, System]
    pictures: int
    people: int
    genuine_pairs: int
    impostor_pairs: int
    rows: tuple[Difference, ...]
    notes: tuple[str, ...] = ()


def differences(first: Kept, second: Kept) -> Differences:
    """What the second system gains over the first, on the pictures that both studies know (paired bootstrap).

    Every draw takes the same people for both, so what they share cancels. InputError where the studies have no
    common comparisons.
    """
    a, b, notes = _aligned(first, second)
    trials = [_trial(each) for each in (a, b)]
    weightings = WEIGHTINGS if a.samples.known else WEIGHTINGS[1:]
    rows = [row for weighting in weightings for row in _rows(*(Measured.of(t, weighting) for t in trials))]
    return Differences(
        protocol=a.study.protocol,
        data=a.study.data,
        systems=(first.study.system, second.study.system),
        pictures=len(a.samples),
        people=len(np.unique(a.samples.subjects)) if a.samples.known else 0,
        genuine_pairs=trials[0].genuine.count,
        impostor_pairs=trials[0].impostor.count,
        rows=tuple(rows),
        notes=tuple(notes),
    )


def tar_difference(first: Measured, second: Measured, rate: float) -> Difference:
    """TAR at an FMR, each system at its own threshold for it."""
    points = first.point(rate), second.point(rate)
    why = next((point.tar.why for point in points if point.tar.value is None), "")
    drawn = [] if why else [1 - each.at(rate, each.fnmr) for each in (first, second)]
    return _difference("TAR", first.weighting, rate, (points[0].tar, points[1].tar), drawn)


def _rows(first: Measured, second: Measured) -> list[Difference]:
    rows = [tar_difference(first, second, rate) for rate in RATES]
    rows += [_generalised(first, second, rate) for rate in RATES if _failed(first) or _failed(second)]
    drawn = [first.equal_errors, second.equal_errors]
    rows.append(_difference("EER", first.weighting, None, (first.equal_error, second.equal_error), drawn))
    rows.append(
        _difference("AUC", first.weighting, None, (first.area, second.area), [first.areas, second.areas])
    )
    return [row for row in rows if row.difference.value is not None]


def _failed(measured: Measured) -> bool:
    return len(measured.trial.genuine) > len(measured.trial.enrolled)


def _generalised(first: Measured, second: Measured, rate: float) -> Difference:
    """One minus the generalised false-reject rate: pictures that could not be enrolled count against a
    system.
    """
    passed = complement(first.point(rate).gfrr), complement(second.point(rate).gfrr)
    stated = all(each.value is not None for each in passed)
    drawn = [1 - each.at(rate, each.gfrr) for each in (first, second)] if stated else []
    return _difference("generalised TAR", first.weighting, rate, passed, drawn)


def _difference(
    name: str, weighting: Weighting, fmr: float | None, values: tuple[Figure, Figure], drawn: Sequence[Doubles]
) -> Difference:
    a, b = values
    if a.value is None or b.value is None or len(drawn) != 2:
        gained = Figure(why=a.why or b.why)
    else:
        gained = percentiles(b.value - a.value, drawn[1] - drawn[0])
    return Difference(name=name, weighting=weighting, fmr=fmr, first=a, second=b, difference=gained)


def _trial(kept: Kept) -> Trial:
    return all_pairs(kept.samples) if kept.pairs is None else listed_pairs(kept.samples, kept.pairs)


def _aligned(first: Kept, second: Kept) -> tuple[Kept, Kept, list[str]]:
    """Both studies cut down to the pictures that both have, in the first one's order."""
    if (first.pairs is None) != (second.pairs is None):
        raise InputError("one study compares all pairs, the other a list: evaluate both alike")
    if first.samples.known != second.samples.known:
        raise InputError("one study names the people, the other does not: evaluate both alike")
    there = {name: row for row, name in enumerate(second.samples.names)}
    common = [row for row, name in enumerate(first.samples.names) if name in there]
    rows_a, rows_b = (
        np.array(common, np.int32),
        np.array([there[first.samples.names[i]] for i in common], np.int32),
    )
    if not common:
        raise InputError(
            f"the studies have no picture in common: {first.samples.names[0]!r} here, "
            f"{second.samples.names[0]!r} there"
        )
    notes = []
    left = len(first.samples) + len(second.samples) - 2 * len(common)
    if left:
        notes.append(f"left out, since only one of the studies has them: {left} pictures")
    a, b = _cut(first, rows_a), _cut(second, rows_b)
    _require_same_people(a.samples, b.samples)
    # One numbering of people for both, so that a draw means the same people.
    b = replace(b, samples=replace(b.samples, subjects=a.samples.subjects, people=a.samples.people))
    if a.pairs is not None and b.pairs is not None:
        a, b, lost = _common_pairs(a, b)
        notes += [f"left out, since only one of the lists has them: {lost} pairs"] if lost else []
    return a, b, notes


def _cut(kept: Kept, rows: Numbers) -> Kept:
    samples = kept.samples.subset(rows)
    if kept.pairs is None:
        return Kept(kept.study, samples)
    place = np.full(len(kept.samples), -1, np.int32)
    place[rows] = np.arange(len(rows), dtype=np.int32)
    first, second = place[kept.pairs.first], place[kept.pairs.second]
    stay = (first >= 0) & (second >= 0)
    if not stay.any():
        raise InputError(NO_PAIR)
    people = None if kept.pairs.people is None else tuple(kept.pairs.people[row] for row in rows)
    pairs = PairList(
        samples.names, people, first[stay], second[stay], kept.pairs.same[stay], kept.pairs.fold[stay]
    )
    return Kept(kept.study, samples, pairs)


def _require_same_people(a: Samples, b: Samples) -> None:
    pairs = {(a.people[i], b.people[j]) for i, j in zip(a.subjects.tolist(), b.subjects.tolist(), strict=True)}
    if len(pairs) != len(np.unique(a.subjects)) or len(pairs) != len(np.unique(b.subjects)):
        raise InputError(
            "the studies do not agree on who is who: a picture shows one person here, another there"
        )


def _common_pairs(a: Kept, b: Kept) -> tuple[Kept, Kept, int]:
    """Both cut down to the pairs that both lists have, in the first one's order; how many were left out."""
    keys_a, keys_b = _keys(a), _keys(b)
    in_a, in_b = np.isin(keys_a, keys_b), np.isin(keys_b, keys_a)
    if not in_a.any():
        raise InputError(NO_PAIR)
    order = np.argsort(keys_b, kind="stable")
    rows_a = np.flatnonzero(in_a)
    rows_b = order[np.searchsorted(keys_b, keys_a[in_a], sorter=order)]
    lost = int((~in_a).sum() + (~in_b).sum())
    a, b = _with_pairs(a, rows_a), _with_pairs(b, rows_b)
    if not np.array_equal(_same(a), _same(b)):
        raise InputError("the studies do not agree on which pairs show one person")
    return a, b, lost


def _keys(kept: Kept) -> NDArray[np.int64]:
    """A number for each pair, the same whichever of its pictures stands first."""
    pairs = _listing(kept)
    return pair_keys(pairs.first, pairs.second, len(kept.samples))


def _with_pairs(kept: Kept, rows: NDArray[np.intp]) -> Kept:
    pairs = _listing(kept)
    chosen = (pairs.first[rows], pairs.second[rows], pairs.same[rows], pairs.fold[rows])
    return Kept(kept.study, kept.samples, PairList(pairs.pictures, pairs.people, *chosen))


def _same(kept: Kept) -> NDArray[np.bool_]:
    return _listing(kept).same


def _listing(kept: Kept) -> PairList:
    if kept.pairs is None:
        raise InputError("a list of pairs is wanted")
    return kept.pairs
