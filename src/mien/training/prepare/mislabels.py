"""Pictures that show somebody else than their folder says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mien.bundle.calibration import Calibration
from mien.bundle.search import gate_threshold
from mien.training.prepare.evidence import Evidence, Rows, centre, single
from mien.values import Floats

# A picture is in doubt unless strangers are as like its person as it is more rarely than this. On LFW with one
# picture in twenty moved, 1e-2 finds 99 % of them with 3 % false findings; 5e-2 finds 97 %, 1e-3 all with 15 %.
DOUBT_FMR = 1e-2
FALSE_MOVES = 0.01  # pictures of strangers to all, out of one, that would be given to somebody
SAMPLED = 1000  # of a person's pictures, that are compared with each other
ROUNDS = 20
TOGETHER = 256  # pictures compared with everybody at a time


@dataclass(frozen=True, slots=True)
class Stranger:
    """A picture that is not like its person's others.

    own: its similarity to their mean, others: how many they are. best: the number of the person that it is most
    like, with that similarity; known: it is so like them that it is theirs. Similarities are on the scale of
    one template. torn: the person's other pictures do not agree either, so which one is wrong cannot be told.
    """

    row: int
    own: float
    others: int
    best: int = -1
    best_similarity: float = -1.0
    known: bool = False
    torn: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Agreed:
    """Everybody's pictures that agree with each other, and those that do not. cores: person → rows."""

    cores: dict[int, Rows]
    strangers: tuple[Stranger, ...]


def find_strangers(evidence: Evidence, keep: NDArray[np.bool_], calibration: Calibration) -> Agreed:
    """The rows of `keep` that show somebody else, and whom, as far as that can be told."""
    level = gate_threshold(calibration, DOUBT_FMR)
    cores: dict[int, Rows] = {}
    found: list[Stranger] = []
    for person, rows in evidence.rows_by_person(keep).items():
        cores[person], strangers = _agreeing(evidence.vectors, rows, calibration, level)
        found += strangers
    return Agreed(cores, tuple(_told(evidence, _compared(evidence, found, cores, calibration))))


def _agreeing(
    vectors: Floats, rows: Rows, calibration: Calibration, level: float
) -> tuple[Rows, list[Stranger]]:
    """The largest part of a person's rows that agree with each other, and the strangers among the rest.

    Where another part is as large, or no two agree, all are torn.
    """
    core = _core(vectors, rows, calibration, level)
    rest = np.setdiff1d(rows, core)
    if not len(rest):
        return core, []
    if len(_core(vectors, rest, calibration, level)) >= len(core):
        owns = _to_others(vectors[rows], np.ones(len(rows), np.bool_), calibration)
        torn = (
            Stranger(int(row), float(own), len(rows) - 1, torn=True)
            for row, own in zip(rows, owns, strict=True)
        )
        return rows[:0], list(torn)
    return core, list(_against(vectors, rest, core, calibration))


def _core(vectors: Floats, rows: Rows, calibration: Calibration, level: float) -> Rows:
    """From the row that most others are like: those like the mean of those like it, until nothing changes.

    A mean of all would lie between two people who share a folder, and fit both.
    """
    own = vectors[rows]
    some = np.random.default_rng(0).permutation(len(rows))[:SAMPLED]
    near = own[some] @ own[some].T >= level
    inside = own @ own[some[int(near.sum(axis=1).argmax())]] >= level
    for _ in range(ROUNDS):
        after = _to_others(own, inside, calibration) >= level
        if not after.any() or (after == inside).all():
            break
        inside = after
    core: Rows = rows[inside]
    return core


def _to_others(own: Floats, inside: NDArray[np.bool_], calibration: Calibration) -> Floats:
    """(n,) the similarity of each to the mean of the others that are inside, on the scale of one template.

    −1 where there are none.
    """
    others = own[inside].sum(axis=0) - own * inside[:, None]
    counts = inside.sum() - inside
    scores = (own * others).sum(axis=1) / np.maximum(np.linalg.norm(others, axis=1), 1e-12)
    found = np.full(len(own), -1, np.float32)
    for count in np.unique(counts[counts > 0]).tolist():
        here = counts == count
        found[here] = single(calibration, scores[here][:, None], [count])[:, 0]
    return found


def _against(vectors: Floats, rest: Rows, core: Rows, calibration: Calibration) -> Iterator[Stranger]:
    scores = vectors[rest] @ centre(vectors[core])
    owns = single(calibration, scores[:, None], [len(core)])[:, 0]
    yield from (Stranger(int(row), float(own), len(core)) for row, own in zip(rest, owns, strict=True))


def _compared(
    evidence: Evidence, found: Sequence[Stranger], cores: dict[int, Rows], calibration: Calibration
) -> Iterator[Stranger]:
    """With the person that each is most like, of all the others."""
    people = np.array([person for person, rows in cores.items() if len(rows)], np.int32)
    if not len(people):
        yield from found
        return
    counts = [len(cores[int(person)]) for person in people]
    means = np.stack([centre(evidence.vectors[cores[int(person)]]) for person in people])
    level = gate_threshold(calibration, FALSE_MOVES / len(people))
    for start in range(0, len(found), TOGETHER):
        part = found[start : start + TOGETHER]
        rows = [each.row for each in part]
        scores = single(calibration, evidence.vectors[rows] @ means.T, counts)
        scores[evidence.owners[rows][:, None] == people] = -1
        for each, line in zip(part, scores, strict=True):
            best = int(line.argmax())
            known = bool(line[best] >= max(level, each.own))
            yield replace(each, best=int(people[best]), best_similarity=float(line[best]), known=known)


def _told(evidence: Evidence, found: Iterator[Stranger]) -> Iterator[Stranger]:
    """Of two that do not agree, where one is somebody else's the other one is no longer in doubt."""
    every = list(found)
    torn: dict[int, list[Stranger]] = {}
    for each in every:
        if each.torn:
            torn.setdefault(int(evidence.owners[each.row]), []).append(each)
    settled = {who for who, group in torn.items() if len(group) == 2 and sum(not e.known for e in group) == 1}
    for each in every:
        if int(evidence.owners[each.row]) not in settled:
            yield each
        elif each.known:
            yield replace(each, torn=False)
