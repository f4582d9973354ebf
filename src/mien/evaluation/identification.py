"""1:N: who is it, and is it anybody we know? Galleries searched for the people in them and for strangers.

FPIR(T): the share of unmated probes (their people are not in the gallery) for which anybody scores T or more.
FNIR(T): the share of mated probes whose own person scores below T or not above everybody else, FNIR(N, R=1, T)
of NIST IR 8271; a tie counts against the own person. Both are of searches attempted, as the generalised rates
of ISO/IEC 19795-1 are: a probe that could not be enrolled returns nobody, so it is no false alarm and always a
miss, and so is every search for a person none of whose templates could be enrolled. Every person counts once,
however many probes show them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError
from mien.evaluation.comparisons import FAILED, Doubles, Mask
from mien.evaluation.curves import SLACK
from mien.evaluation.intervals import RULE_OF_THREE, percentiles, rate_figure
from mien.evaluation.resampling import BLOCK, Draws
from mien.evaluation.samples import Numbers, Samples
from mien.evaluation.study import FPIRS, RANKS, Figure, Identification
from mien.fusion import RULE, scorer
from mien.values import Floats, rate_text

LEAST = 4  # people: two to enrol, two strangers
WORK = 5e9  # similarities to look at, over all splits
NEVER = np.iinfo(np.int32).max  # the rank of who cannot be found
NOBODY = "nobody who was searched for is in the gallery"
Split = tuple[Numbers, Numbers]  # pictures to enrol, pictures to search for


def open_set(
    samples: Samples,
    *,
    templates: int = 1,
    gallery: int | None = None,
    splits: int = 20,
    seed: int = 0,
    draws: int = 200,
) -> Identification:
    """A random half of the people enrolled with `templates` pictures each; all other pictures searched for.

    A person of that half with fewer than templates + 1 pictures is enrolled with up to `templates` and not
    searched for. gallery: at most so many people of that half; its others are left out. Figures are means
    over the splits, of which there are fewer where they would take more than WORK. Where people are too few,
    or have too few pictures, every figure says so.
    """
    if min(templates, splits) < 1:
        raise InputError(f"{templates} templates and {splits} splits given; at least 1 of each is wanted")
    counts = np.bincount(samples.subjects, minlength=len(samples.people))
    why = _refused(counts, templates)
    if why:
        return _unstated(why)
    affordable = int(WORK / (len(samples) * np.count_nonzero(counts) / 2))
    rng = np.random.default_rng(seed)
    most = len(counts) if gallery is None else gallery
    made = (_split(samples, counts, templates, most, rng) for _ in range(max(min(splits, affordable), 1)))
    return _measured(samples, made, Draws.of(counts > 0, draws, seed))


def from_lists(
    samples: Samples, galleries: Sequence[Numbers], probes: Numbers, *, seed: int = 0, draws: int = 200
) -> Identification:
    """Given galleries, each searched for the same probes; figures are means over the galleries.

    samples: one row a template, as IJB has them. galleries, probes: numbers of rows. Probes whose person is not
    in a gallery are its unmated ones.
    """
    if not galleries:
        raise InputError("galleries: none given, at least one is wanted")
    present = np.bincount(samples.subjects[probes], minlength=len(samples.people)) > 0
    return _measured(samples, ((gallery, probes) for gallery in galleries), Draws.of(present, draws, seed))


def _refused(counts: NDArray[np.intp], templates: int) -> str:
    """Why people with so many pictures cannot be split; empty where they can."""
    people = np.count_nonzero(counts)
    if people < LEAST:
        return f"{people} people are too few for a gallery and strangers; {LEAST} are wanted"
    if counts.max() <= templates:
        wanted = "two" if templates == 1 else f"{templates + 1:,}"
        return f"no person has {wanted} pictures, so nobody who was enrolled could be searched for"
    return ""


def _unstated(why: str) -> Identification:
    no = Figure(why=why)
    ranks, fnirs = tuple((rank, no) for rank in RANKS), tuple((rate, no, no) for rate in FPIRS)
    return Identification(splits=0, gallery=0, mated=0, unmated=0, fusion=RULE, ranks=ranks, fnirs=fnirs)


def _split(
    samples: Samples, counts: NDArray[np.intp], templates: int, most: int, rng: np.random.Generator
) -> Split:
    """Pictures to enrol, of at most so many people, and pictures to search for.

    People are dealt to the two halves in turn, those that can be searched for first, so that each half gets as
    many of them.
    """
    people = rng.permutation(np.flatnonzero(counts))
    people = people[np.argsort(counts[people] <= templates, kind="stable")]
    rows = rng.permutation(len(samples)).astype(np.int32)
    rows = rows[
        np.argsort(samples.subjects[rows], kind="stable")
    ]  # a person's pictures together, in random order
    subjects = samples.subjects[rows]
    first = np.arange(len(rows)) - np.searchsorted(subjects, subjects) < templates
    half = people[::2]
    known = np.isin(subjects, rng.permutation(half)[:most])
    searched = known & ~first | ~np.isin(subjects, half)
    return rows[known & first], rows[searched]


@dataclass(frozen=True, slots=True, eq=False)
class Searches:
    """What searches of a gallery returned. people (n,): whose the probes are; mated (n,): known to the gallery.

    own, best (n,) float32: the score of the probe's own person, and the best of all. ranks (n,): the place of
    the own person, 1 the best. FAILED and NEVER where nobody was returned. gallery: how many people it is of.
    """

    people: Numbers
    mated: Mask
    own: Floats
    best: Floats
    ranks: Numbers
    gallery: int

    @classmethod
    def of(cls, samples: Samples, gallery: Numbers, probes: Numbers) -> Self:
        """Search a gallery for probes, both numbers of rows."""
        subjects, known = samples.subjects[probes], np.unique(samples.subjects[gallery])
        own, best = (np.full(len(probes), FAILED, np.float32) for _ in range(2))
        ranks = np.full(len(probes), NEVER, np.int32)
        for here, *found in _blocks(samples, gallery[samples.enrolled[gallery]], probes):
            own[here], best[here], ranks[here] = found
        return cls(subjects, np.isin(subjects, known), own, best, ranks, len(known))

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """People in the gallery, mated and unmated probes, people behind the unmated ones that were usable."""
        mated = int(self.mated.sum())
        strangers = self.people[~self.mated & np.isfinite(self.best)]
        return self.gallery, mated, len(self.mated) - mated, len(np.unique(strangers))


def _blocks(
    samples: Samples, gallery: Numbers, probes: Numbers
) -> Iterator[tuple[NDArray[np.intp], Floats, Floats, Numbers]]:
    """Which probes, their own and best scores and their ranks: so many at a time as make BLOCK similarities."""
    gallery = gallery[np.argsort(samples.subjects[gallery], kind="stable")]
    people, owners = np.unique(samples.subjects[gallery], return_inverse=True)
    score = scorer(samples.vectors[gallery], owners, len(people))
    usable = np.flatnonzero(samples.enrolled[probes]) if len(people) else np.empty(0, np.intp)
    step = max(BLOCK // max(len(gallery), 1), 1)
    for start in range(0, len(usable), step):
        here = usable[start : start + step]
        rows = probes[here]
        yield here, *_looked_up(score(samples.vectors[rows]), people, samples.subjects[rows])


def _looked_up(scores: Floats, people: Numbers, subjects: Numbers) -> tuple[Floats, Floats, Numbers]:
    """The own score, the best and the rank of each probe, by the scores (n, people)."""
    columns = np.minimum(np.searchsorted(people, subjects), len(people) - 1)
    there = people[columns] == subjects
    own = np.where(there, scores[np.arange(len(subjects)), columns], FAILED).astype(np.float32)
    places = np.count_nonzero(scores >= own[:, None], axis=1)  # the own score is itself among those counted
    return own, scores.max(axis=1), np.where(there, places, NEVER).astype(np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class Ladder:
    """Scores of probes, falling; whose they are; and the part (n,) that each has in its person's rate."""

    scores: Doubles
    people: Numbers
    parts: Doubles

    @classmethod
    def of(cls, scores: NDArray[np.floating] | Numbers, people: Numbers) -> Self:
        """The ladder of some probes."""
        order = np.argsort(-scores, kind="stable")
        people = people[order]
        return cls(scores[order].astype(np.float64), people, 1 / np.bincount(people)[people])

    def passed(self, weights: Floats) -> Doubles:
        """(n + 1, k) the share of all that the first 0, 1, … n make up; weights (people, k): each person's."""
        sums = np.zeros((len(self.people) + 1, weights.shape[1]))
        np.cumsum(self.parts[:, None] * weights[self.people], axis=0, out=sums[1:])
        with np.errstate(invalid="ignore"):  # NaN where a draw holds none of these people
            shares: Doubles = sums / sums[-1]
        return shares

    def thresholds(self, rates: Sequence[float], weights: Floats) -> Doubles:
        """(rates, k) the lowest score that at most `rate` reach; just above the highest where no score is."""
        if not len(self.scores):
            return np.full((len(rates), weights.shape[1]), np.nan)
        last = np.flatnonzero(np.append(self.scores[:-1] != self.scores[1:], True))
        passed = self.passed(weights)[last + 1]
        above = np.nextafter(np.float32(self.scores[0]), np.float32(np.inf))  # scores are float32
        levels = np.append(self.scores[last], max(above, -1.0))  # −1 where all failed
        found: Doubles = levels[[(passed <= rate * SLACK).sum(axis=0) - 1 for rate in rates]]
        return found

    def reached(self, thresholds: Doubles, weights: Floats) -> Doubles:
        """(rates, k) the share that scores a threshold (rates, k) or more."""
        places = np.searchsorted(-self.scores, -thresholds, side="right")
        return np.take_along_axis(self.passed(weights), places, axis=0)


def _rates(found: Searches, weights: Floats) -> Doubles:
    """(rows, k) thresholds at FPIRS, FNIRs there, shares found at RANKS; weights (people, k): each person's."""
    strangers = Ladder.of(found.best[~found.mated], found.people[~found.mated])
    people, own, ranks = found.people[found.mated], found.own[found.mated], found.ranks[found.mated]
    first, places = Ladder.of(np.where(ranks == 1, own, FAILED), people), Ladder.of(-ranks, people)
    bars = -np.array(RANKS, np.float64)[:, None]
    parts = []
    step = max(BLOCK // max(len(found.people), 1), 1)
    for start in range(0, weights.shape[1], step):
        some = weights[:, start : start + step]
        thresholds = strangers.thresholds(FPIRS, some)
        shares = places.reached(np.repeat(bars, some.shape[1], axis=1), some)
        parts.append(np.concatenate([thresholds, 1 - first.reached(thresholds, some), shares]))
    return np.concatenate(parts, axis=1)


def _measured(samples: Samples, splits: Iterable[Split], draws: Draws) -> Identification:
    """The means over the splits, with intervals.

    The same people come back in all splits, now enrolled, now strangers: so one draw of people weighs them in
    every split, and what varies is its mean over the splits, as the figure is one.
    """
    weights = np.concatenate([np.ones_like(draws.weights[:, :1]), draws.weights], axis=1)
    searched = np.zeros(len(samples.people), np.bool_)
    tables, sizes = [], []
    for gallery, probes in splits:
        found = Searches.of(samples, gallery, probes)
        searched[found.people[found.mated]] = True
        tables.append(_rates(found, weights))
        sizes.append(found.sizes)
    return _stated(_mean(np.array(tables)), np.array(sizes), int(searched.sum()))


def _stated(table: Doubles, sizes: NDArray[np.int64], people: int) -> Identification:
    """The figures of a table (rows, 1 + draws). sizes (splits, 4); people: how many were mated at all."""
    thresholds, misses, shares = np.split(table, [len(FPIRS), 2 * len(FPIRS)])
    gallery, mated, unmated, _ = (round(float(size)) for size in sizes.mean(axis=0))
    strangers = int(sizes[:, 3].min())
    rows = zip(FPIRS, thresholds, misses, strict=True)
    return Identification(
        splits=len(sizes),
        gallery=gallery,
        mated=mated,
        unmated=unmated,
        fusion=RULE,
        ranks=tuple((rank, _share(row, people)) for rank, row in zip(RANKS, shares, strict=True)),
        fnirs=tuple(_point(rate, threshold, miss, people, strangers) for rate, threshold, miss in rows),
    )


def _mean(tables: Doubles) -> Doubles:
    """The mean over the splits (first axis) in which there is a number."""
    there = np.isfinite(tables)
    with np.errstate(invalid="ignore"):
        mean: Doubles = np.where(there, tables, 0).sum(axis=0) / there.sum(axis=0)
    return mean


def _share(row: Doubles, people: int) -> Figure:
    """A rate (1 + draws,), the undrawn one first, of so many people."""
    if not people:
        return Figure(why=NOBODY)
    drawn = row[1:][np.isfinite(row[1:])]
    return rate_figure(float(row[0]), float(np.var(drawn)) if len(drawn) else 0.0, people)


def _point(
    rate: float, threshold: Doubles, miss: Doubles, people: int, strangers: int
) -> tuple[float, Figure, Figure]:
    """FPIR, threshold and FNIR, or why they cannot be stated (rule of three)."""
    if rate * strangers * SLACK < RULE_OF_THREE:
        needed = f"FPIR {rate_text(rate)} needs {RULE_OF_THREE / rate:,.0f} people who are not in the gallery"
        no = Figure(why=f"{needed} (rule of three); {strangers:,} were searched for")
        return rate, no, no
    return rate, _bounds(threshold), _share(miss, people)


def _bounds(row: Doubles) -> Figure:
    """A threshold and its interval.

    A false alarm has two people, and only the one searched for is drawn: the one in the gallery is taken to add
    as much variance again.
    """
    return percentiles(float(row[0]), row[0] + np.sqrt(2) * (row[1:] - np.nanmean(row[1:])))
