"""Strangers' pictures against people of several templates, fused; and against the same people with one each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.evaluation.comparisons import Comparisons, Doubles
from mien.evaluation.samples import Numbers, Samples
from mien.evaluation.study import Weighting
from mien.fusion import scorer

COUNTS = (2, 3, 5, 8)  # of templates a person
FEWEST = 30  # people: of fewer, one who resembles many decides
MOST = 700_000  # comparisons made for each count
Both = tuple[Comparisons, Comparisons]


@dataclass(frozen=True, slots=True)
class Against:
    """Comparisons with people of `templates` templates, and the same with one of these templates each."""

    templates: int
    people: int
    fused: Comparisons
    alone: Comparisons


def against_fused(samples: Samples, *, seed: int = 0, most: int = MOST) -> Iterator[Against]:
    """For each of COUNTS of which FEWEST people have enough usable pictures, all of these or as many as `most`
    allows, each with a random choice of so many; the probes are pictures of everybody.
    """
    rng = np.random.default_rng(seed)
    rows = rng.permutation(np.flatnonzero(samples.enrolled)).astype(np.int32)
    each = np.bincount(samples.subjects[rows], minlength=len(samples.people))
    for count in COUNTS:
        people = rng.permutation(np.flatnonzero(each >= count))
        if len(people) >= FEWEST:
            everybody = int(np.count_nonzero(each))
            chosen = np.sort(people[: max(most // everybody, FEWEST)]).astype(np.int32)
            probes = _spread_over(samples.subjects[rows], rows, most // len(chosen))
            yield Against(count, len(chosen), *_compared(samples, rows, chosen, count, probes))


def _spread_over(subjects: Numbers, rows: Numbers, most: int) -> Numbers:
    """At most so many of the rows, one of each person first, then a second of each who has one, and so on."""
    return rows[np.argsort(_turn(subjects), kind="stable")][: max(most, 1)]


def _turn(subjects: Numbers) -> NDArray[np.intp]:
    """(n,) the how many-th of its person each is, from 0."""
    order = np.argsort(subjects, kind="stable")
    turn = np.empty(len(subjects), np.intp)
    turn[order] = np.arange(len(subjects)) - np.searchsorted(subjects[order], subjects[order])
    return turn


def _compared(samples: Samples, rows: Numbers, people: Numbers, count: int, probes: Numbers) -> Both:
    own = np.isin(samples.subjects[rows], people)
    rows = rows[own][_turn(samples.subjects[rows[own]]) < count]
    rows = rows[np.argsort(samples.subjects[rows], kind="stable")]
    owners = np.searchsorted(people, samples.subjects[rows])
    first = np.arange(len(rows)) % count == 0
    vectors, probe = samples.vectors[rows], samples.vectors[probes]
    whose = samples.subjects[probes]
    fused = scorer(vectors, owners, len(people))(probe)
    alone = scorer(vectors[first], owners[first], len(people))(probe)
    columns = probes, whose, rows[first], people, len(samples.people)
    return _listed(fused, *columns), _listed(alone, *columns)


def _listed(
    scores: NDArray[np.float32], probes: Numbers, whose: Numbers, rows: Numbers, people: Numbers, total: int
) -> Comparisons:
    """Comparisons of probes with strangers by the scores (probes, people), two people's sharing their part."""
    apart = np.flatnonzero((whose[:, None] != people[None, :]).ravel())
    order = apart[np.argsort(-scores.ravel()[apart], kind="stable")]
    probe, person = np.divmod(order, len(people))
    first, second = whose[probe], people[person]
    return Comparisons(
        scores.ravel()[order],
        probes[probe],
        rows[person],
        first,
        second,
        _shares(first, second, total),
        total,
        len(order),
    )


def _shares(first: Numbers, second: Numbers, total: int) -> dict[Weighting, Doubles]:
    """As of any list, without sorting its pairs: how often each is a probe, and who is known, says it."""
    known = np.bincount(second, minlength=total) > 0
    gallery = max(int(np.count_nonzero(known)), 1)
    probed = np.bincount(first, minlength=total) / np.maximum(gallery - known, 1)  # pictures of each
    parts = 1 / (probed[first] + known[first] * probed[second])
    return {"person": parts / parts.sum(), "pair": np.full(len(first), 1 / max(len(first), 1))}
