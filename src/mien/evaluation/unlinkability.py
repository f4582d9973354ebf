"""Unlinkability: can two databases, protected with two secrets, be told to hold the same person?

Gomez-Barrero, Galbally, Rathgeb and Busch 2018 (IEEE TIFS 13:1406, doi 10.1109/TIFS.2017.2788000): a linkage
function scores a template of one database against one of the other. *Mated* scores are of one person,
*non-mated* ones of two. What a score s tells is D(s) = 2·LR·ω/(1 + LR·ω) − 1 where LR·ω > 1, else 0, with
LR(s) = p(s|mated)/p(s|non-mated) and ω = 1; what the system tells is D_sys = ∫ p(s|mated) D(s) ds. 0 is
nothing, 1 everything. A figure holds for its linkage function: it is the least that an attacker learns.

The densities are histograms whose bins hold equal shares of mated and non-mated scores together. Every person
counts once, and so does every pair of people. Histograms of few people differ by chance, so D_sys is never
quite 0: `null` is what it reads where nothing links, here from the same scores with people of one shifted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError
from mien.evaluation.intervals import rate_figure
from mien.evaluation.samples import Samples
from mien.evaluation.study import Figure
from mien.values import Floats

Doubles = NDArray[np.float64]
Linkage = Callable[[Floats, Floats], Floats]
DRAWS = 200
PEOPLE = 25  # a bin, about
BINS = (6, 50)  # at least and at most; of an even number, so that the middle edge parts two kinds
FEWEST = 10  # people, below which nothing can be said
ROUNDS = 30
LEVEL = 95  # percent of what chance reads


@dataclass(frozen=True, slots=True)
class Unlinkability:
    """What two databases tell about who is in both.

    linkability: D_sys, 0..1. null: what it reads, 95 times of 100 at most, where nothing links. area: under the
    ROC curve of mated against non-mated scores; 0.5 where the higher score says nothing. mated: comparisons.
    """

    people: int
    mated: int
    linkability: Figure
    null: float
    area: Figure


def unlinkability(
    first: Samples, second: Samples, *, linkage: str = "similarity", draws: int = DRAWS, seed: int = 0
) -> Unlinkability:
    """Measure two databases of templates as they are stored; people of one number are the same.

    People who are not in both are left out. Intervals come from drawing the people anew. InputError where the
    two do not fit, fewer than 10 people are in both, or the linkage function is unknown.
    """
    if first.people != second.people or first.vectors.shape[1] != second.vectors.shape[1]:
        raise InputError("two databases of the same people's templates, of as many numbers, are wanted")
    if linkage not in LINKAGES:
        raise InputError(f"linkage function {linkage!r} is unknown; known: {', '.join(LINKAGES)}")
    present = np.intersect1d(first.subjects[first.enrolled], second.subjects[second.enrolled])
    if len(present) < FEWEST:
        raise InputError(f"{len(present)} people are in both databases; {FEWEST} or more are wanted")
    (rows, a), (columns, b) = (_by_person(samples, present) for samples in (first, second))
    scores = LINKAGES[linkage](first.vectors[rows], second.vectors[columns])
    levels, mated, other = _levels(scores, a, b)
    bins = np.searchsorted(_edges(levels, mated, other, len(a)), scores)
    parts = _parts(bins, a, b, draws=draws, rng=np.random.default_rng(seed))
    seen, drawn, null = (linkability(*each) for each in parts)
    return Unlinkability(
        people=len(present),
        mated=int((a * b).sum()),
        linkability=rate_figure(float(seen[0]), float(drawn.var()), len(present)),
        null=float(np.percentile(null, LEVEL)),
        area=rate_figure(float(_area(mated, other)), float(_area(*parts[1]).var()), len(present)),
    )


def linkability(mated: Doubles, non_mated: Doubles) -> Doubles:
    """D_sys of histograms (bins, …), each summing to one over its bins; with ω = 1, D = (LR − 1)/(LR + 1)."""
    sums = mated + non_mated
    local = np.clip((mated - non_mated) / np.where(sums > 0, sums, 1), 0, None)
    total: Doubles = (mated * local).sum(axis=0)
    return total


def similarity(first: Floats, second: Floats) -> Floats:
    """The cosines (n,m) of templates (n,d), (m,d): what somebody tries who takes both secrets for the same."""
    scores: Floats = first @ second.T
    return scores


def aligned(first: Floats, second: Floats) -> Floats:
    """The cosines (n,m) once the databases are laid over each other by their shapes alone.

    A rotation keeps the shape of a cloud of points. First its principal axes are matched, with the signs of
    their third moments (Liu, Giannella, Kargupta 2006, PKDD); then, over and over, the templates that are each
    other's nearest are taken for one, and the rotation that fits those best for the truth (Schönemann 1966).
    """
    (a, mean_a), (b, mean_b) = (_centred(each) for each in (first, second))
    rotation = _axes(a) @ _axes(b).T
    for _ in range(ROUNDS):
        scores = _unit(a @ rotation) @ _unit(b).T
        nearest, back = scores.argmax(axis=1), scores.argmax(axis=0)
        mutual = np.flatnonzero(back[nearest] == np.arange(len(a)))
        fit = a[mutual].T @ b[nearest[mutual]] + len(mutual) * np.outer(mean_a, mean_b)
        left, _, right = np.linalg.svd(fit)
        if np.abs(left @ right - rotation).max() < 1e-9:
            break
        rotation = left @ right
    return (_unit(a @ rotation) @ _unit(b).T).astype(np.float32)


LINKAGES: dict[str, Linkage] = {"similarity": similarity, "aligned": aligned}


def _centred(vectors: Floats) -> tuple[Doubles, Doubles]:
    mean = vectors.mean(axis=0, dtype=np.float64)
    return vectors - mean, mean


def _axes(centred: Doubles) -> Doubles:
    """(d,d) the principal axes, one a column, turned so that their third moments are positive."""
    _, axes = np.linalg.eigh(centred.T @ centred)
    turned: Doubles = axes * np.copysign(1, ((centred @ axes) ** 3).sum(axis=0))
    return turned


def _unit(vectors: Doubles) -> Doubles:
    unit: Doubles = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return unit


def _by_person(samples: Samples, present: NDArray[np.int32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The rows of those present, person by person, and how many each has."""
    chosen = np.flatnonzero(samples.enrolled & np.isin(samples.subjects, present))
    rows = chosen[np.argsort(samples.subjects[chosen], kind="stable")]
    return rows, np.unique(samples.subjects[rows], return_counts=True)[1]


Histograms = tuple[Doubles, Doubles]  # mated, non-mated: (bins, draws), each draw's summing to one


def _parts(
    bins: NDArray[np.intp], a: NDArray[np.intp], b: NDArray[np.intp], *, draws: int, rng: np.random.Generator
) -> list[Histograms]:
    """The histograms as seen, of people drawn anew, and of people shifted.

    bins (n,m): each score's; the rows person by person, a of them each; the columns, b each.
    """
    people = len(a)
    weights = np.stack(
        [np.bincount(rng.integers(0, people, people), minlength=people) for _ in range(draws)], 1
    )
    weights = np.concatenate([np.ones((people, 1)), weights], axis=1)
    orders = np.stack([rng.permutation(people) for _ in range(draws)])
    mated, other, shifted = [], [], []
    for number in range(int(bins.max()) + 1):
        shares = _shares(bins == number, a, b)
        own = np.diag(shares).copy()
        np.fill_diagonal(shares, 0)
        mated.append(own @ weights)
        other.append((weights * (shares @ weights)).sum(axis=0))
        shifted.append(shares[orders, np.roll(orders, 1, axis=1)].sum(axis=1))
    seen, apart, by_chance = (_normal(np.array(each)) for each in (mated, other, shifted))
    one, rest = slice(0, 1), slice(1, None)
    return [(seen[:, one], apart[:, one]), (seen[:, rest], apart[:, rest]), (by_chance, apart[:, one])]


def _levels(scores: Floats, a: NDArray[np.intp], b: NDArray[np.intp]) -> tuple[Floats, Doubles, Doubles]:
    """The different scores, rising, and what share of the mated and of the non-mated has each."""
    same = np.repeat(np.arange(len(a)), a)[:, None] == np.repeat(np.arange(len(b)), b)
    shares = np.outer(np.repeat(1 / a, a), np.repeat(1 / b, b))
    order = np.argsort(scores, axis=None)
    levels, starts = np.unique(scores.ravel()[order], return_index=True)
    kinds = (np.where(which, shares, 0).ravel()[order] for which in (same, ~same))
    mated, other = (_normal(np.add.reduceat(each, starts)) for each in kinds)
    return levels, mated, other


def _edges(levels: Floats, mated: Doubles, other: Doubles, people: int) -> Doubles:
    """Scores between bins that hold equal shares of both kinds together."""
    least, most = BINS
    count = min(max(people // PEOPLE // 2 * 2, least), most)
    places = np.searchsorted(np.cumsum(mated + other) / 2, np.arange(1, count) / count)
    return np.unique(levels[np.minimum(places, len(levels) - 1)]).astype(np.float64)


def _shares(inside: NDArray[np.bool_], a: NDArray[np.intp], b: NDArray[np.intp]) -> Doubles:
    """(people, people) the share of each two people's comparisons that is inside."""
    rows = np.add.reduceat(inside.astype(np.float64), np.cumsum(a) - a, axis=0)
    sums: Doubles = np.add.reduceat(rows, np.cumsum(b) - b, axis=1)
    return sums / np.outer(a, b)


def _normal(counts: Doubles) -> Doubles:
    normal: Doubles = counts / np.maximum(counts.sum(axis=0), 1e-300)
    return normal


def _area(mated: Doubles, non_mated: Doubles) -> Doubles:
    """P(a mated score is higher than a non-mated one), draw by draw, two of one bin counting a half."""
    below = np.cumsum(non_mated, axis=0) - non_mated / 2
    area: Doubles = (mated * below).sum(axis=0)
    return area
