"""Pictures that are there more than once: the same bytes, and copies of one photograph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mien.bundle.calibration import Calibration
from mien.bundle.search import gate_threshold
from mien.training.prepare.evidence import Evidence, Rows, centre, single
from mien.training.prepare.prints import COPY, correlation

LOOK_FMR = 1e-3  # faces that strangers' pass this rarely are looked at: a copy's vector is far nearer
LOOK = 0.5  # the similarity instead, where nothing is calibrated
FITS_FMR = 1e-2  # the rate from which on a picture fits its person
BLOCK = 1 << 22  # similarities held at a time
TOGETHER = 4096  # pairs whose prints are compared at a time


@dataclass(frozen=True, slots=True, eq=False)
class Copies:
    """One photograph, and all its rows. kept: the best of those that lie with the right person.

    None where several people have it and nothing tells whose it is. same_bytes: the rows' files are one.
    mirrored: some row shows it mirrored. alike: the least correlation of two prints that joined the rows.
    """

    rows: tuple[int, ...]
    kept: int | None
    same_bytes: bool
    mirrored: bool
    alike: float

    @property
    def dropped(self) -> tuple[int, ...]:
        """The rows that should go."""
        return tuple(row for row in self.rows if row != self.kept)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two rows that are one photograph."""

    first: int
    second: int
    alike: float
    mirrored: bool


def find_copies(evidence: Evidence, calibration: Calibration | None) -> list[Copies]:
    """The photographs that are there more than once, within a person and across people."""
    pairs = [*_same_bytes(evidence), *_alike(evidence, calibration)]
    return [_resolved(evidence, calibration, group) for group in _joined(pairs)]


def _same_bytes(evidence: Evidence) -> Iterator[Pair]:
    first: dict[str, int] = {}
    for row, looked in enumerate(evidence.looked):
        earlier = first.setdefault(looked.sha256, row)
        if earlier != row:
            yield Pair(earlier, row, 1.0, False)


def _alike(evidence: Evidence, calibration: Calibration | None) -> Iterator[Pair]:
    """Pairs whose faces and whose whole pictures both say that they are one photograph."""
    floor = LOOK if calibration is None else gate_threshold(calibration, LOOK_FMR)
    n = len(evidence)
    step = max(BLOCK // max(n, 1), 1)
    for start in range(0, n, step):
        near = evidence.vectors[start : start + step] @ evidence.vectors[start:].T >= floor
        here, there = np.nonzero(np.triu(near, 1))
        for begin in range(0, len(here), TOGETHER):
            part = slice(begin, begin + TOGETHER)
            yield from _verified(evidence, start + here[part], start + there[part])


def _verified(evidence: Evidence, first: Rows, second: Rows) -> Iterator[Pair]:
    plain, mirrored = correlation(evidence.prints, first, second)
    alike = np.maximum(plain, mirrored)
    for i in np.flatnonzero(alike >= COPY):
        yield Pair(int(first[i]), int(second[i]), float(alike[i]), bool(mirrored[i] > plain[i]))


def _joined(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """The pairs of each photograph, photographs in the order of their first rows."""
    parent: dict[int, int] = {}

    def root(row: int) -> int:
        while (above := parent.setdefault(row, row)) != row:
            parent[row] = row = parent[above]
        return row

    for pair in pairs:
        low, high = sorted((root(pair.first), root(pair.second)))
        parent[high] = low
    groups: dict[int, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(root(pair.first), []).append(pair)
    return [groups[key] for key in sorted(groups)]


def _resolved(evidence: Evidence, calibration: Calibration | None, pairs: Sequence[Pair]) -> Copies:
    rows = tuple(sorted({row for pair in pairs for row in (pair.first, pair.second)}))
    owner = _owner(evidence, calibration, rows)
    own = [row for row in rows if evidence.owners[row] == owner]
    return Copies(
        rows=rows,
        kept=max(own, key=lambda row: _worth(evidence, row), default=None),
        same_bytes=len({evidence.looked[row].sha256 for row in rows}) == 1,
        mirrored=any(pair.mirrored for pair in pairs),
        alike=min(pair.alike for pair in pairs),
    )


def _worth(evidence: Evidence, row: int) -> tuple[int, float, int]:
    """The largest picture is the original, then the best; of equal ones the first."""
    looked = evidence.looked[row]
    return looked.size[0] * looked.size[1], looked.quality, -row


def _owner(evidence: Evidence, calibration: Calibration | None, rows: Sequence[int]) -> int | None:
    """Whose the photograph is; None where that cannot be told."""
    owners = sorted({int(evidence.owners[row]) for row in rows})
    if len(owners) == 1:
        return owners[0]
    if calibration is None:
        return None
    level = gate_threshold(calibration, FITS_FMR)
    fits = [_fit(evidence, calibration, rows, owner) for owner in owners]
    # Nobody knows how the picture of a person without others fits: it does where it fits nobody else.
    marks = [level if fit is None else fit for fit in fits]
    best = int(np.argmax(marks))
    alone = sum(mark >= level for mark in marks) == 1
    return owners[best] if alone or (fits[best] is not None and marks[best] > level) else None


def _fit(evidence: Evidence, calibration: Calibration, rows: Sequence[int], owner: int) -> float | None:
    """How like the photograph is to the owner's others, on the scale of one template; None without others."""
    others = np.setdiff1d(np.flatnonzero(evidence.owners == owner), rows)
    if not len(others):
        return None
    score = evidence.vectors[list(rows)] @ centre(evidence.vectors[others])
    return float(single(calibration, score.mean()[None], [len(others)])[0])
