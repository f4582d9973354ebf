"""People who are one: two folders of the same person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mien.bundle.calibration import Calibration
from mien.bundle.search import gate_threshold
from mien.training.prepare.evidence import Evidence, Rows, centre, single

FALSE_PAIRS = 0.1  # pairs of different people that would be called one, in the whole set
LOOK_FMR = 1e-3  # means that strangers are alike more rarely than so are looked at
BLOCK = 1 << 22  # similarities held at a time


@dataclass(frozen=True, slots=True)
class OnePerson:
    """Two people's numbers, the one with more pictures first, and the median similarity of either one's

    pictures to the other's mean, on the scale of one template. level: what was wanted of it, rate: the
    false-match rate that stands for, per pair of people.
    """

    first: int
    second: int
    similarity: float
    level: float
    rate: float


def find_one_person(evidence: Evidence, cores: dict[int, Rows], calibration: Calibration) -> list[OnePerson]:
    """The pairs of people that are more alike than strangers are in as many comparisons, most alike first."""
    there = {person: rows for person, rows in cores.items() if len(rows)}
    rate = FALSE_PAIRS / max(len(there) * (len(there) - 1) / 2, 1)
    level = gate_threshold(calibration, rate)
    rate = max(min(rate, calibration.thresholds[0].fmr), calibration.thresholds[-1].fmr)
    found = (
        OnePerson(*_ordered(there, a, b), _similarity(evidence, there[a], there[b], calibration), level, rate)
        for a, b in _near(evidence, there, gate_threshold(calibration, LOOK_FMR))
    )
    return sorted((each for each in found if each.similarity >= level), key=lambda each: -each.similarity)


def _ordered(cores: dict[int, Rows], a: int, b: int) -> tuple[int, int]:
    return (a, b) if len(cores[a]) >= len(cores[b]) else (b, a)


def _near(evidence: Evidence, cores: dict[int, Rows], floor: float) -> Iterator[tuple[int, int]]:
    people = list(cores)
    if len(people) < 2:
        return
    means = np.stack([centre(evidence.vectors[cores[person]]) for person in people])
    step = max(BLOCK // len(people), 1)
    for start in range(0, len(people), step):
        alike = np.triu(means[start : start + step] @ means[start:].T >= floor, 1)
        yield from ((people[start + i], people[start + j]) for i, j in np.argwhere(alike))


def _similarity(evidence: Evidence, a: Rows, b: Rows, calibration: Calibration) -> float:
    scores = [
        single(calibration, (evidence.vectors[mine] @ centre(evidence.vectors[others]))[:, None], [len(others)])
        for mine, others in ((a, b), (b, a))
    ]
    return float(np.median(np.concatenate(scores)))
