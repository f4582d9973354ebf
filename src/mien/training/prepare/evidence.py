"""What is known of all faces at once, and how alike strangers are among them."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mien.bundle.calibration import Calibration, Threshold
from mien.bundle.search import as_single
from mien.errors import MienError
from mien.evaluation.allpairs import impostor_pairs
from mien.evaluation.calibrate import Row, fused, thresholds
from mien.evaluation.samples import Samples
from mien.training.prepare.journal import Looked
from mien.training.prepare.prints import Prints
from mien.values import Floats

MOST = 20_000  # faces that are compared to learn how alike strangers are
METHOD = "strangers of the set itself, those that look mislabelled left out; for its review only"
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """The faces of a preparation; row i of every array is one picture.

    owners (n,): the number in `people` of whose picture it is said to be. vectors (n,d) unit vectors, prints
    (n,p): of the whole pictures.
    """

    looked: tuple[Looked, ...]
    people: tuple[str, ...]
    owners: NDArray[np.int32]
    vectors: Floats
    prints: Prints

    @classmethod
    def of(cls, looked: Sequence[Looked]) -> Evidence:
        """Of the pictures that have a face to use."""
        used = tuple(each for each in looked if each.crop)
        people = sorted({each.person for each in used})
        number = {person: i for i, person in enumerate(people)}
        vectors = np.frombuffer(b"".join(each.vector for each in used), np.float32)
        prints = np.frombuffer(b"".join(each.print_ for each in used), np.int8)
        owners = np.array([number[each.person] for each in used], np.int32)
        return cls(
            used,
            tuple(people),
            owners,
            vectors.reshape(len(used), len(vectors) // max(len(used), 1)),
            prints.reshape(len(used), len(prints) // max(len(used), 1)),
        )

    def __len__(self) -> int:
        return len(self.looked)

    def rows_by_person(self, keep: NDArray[np.bool_]) -> dict[int, Rows]:
        """The rows of everybody who has some among those kept."""
        rows = np.flatnonzero(keep)
        rows = rows[np.argsort(self.owners[rows], kind="stable")]
        numbers, starts = np.unique(self.owners[rows], return_index=True)
        parts = np.split(rows, starts[1:])
        return {
            int(number): part for number, part in zip(numbers, parts, strict=False)
        }  # nobody: one empty part


def centre(vectors: Floats) -> Floats:
    """(d,) the unit mean of vectors (n,d), as `mien.fusion` fuses templates."""
    total = vectors.sum(axis=0)
    unit: Floats = total / max(float(np.linalg.norm(total)), 1e-12)
    return unit


def single(calibration: Calibration, scores: Floats, templates: Rows | Sequence[int]) -> Floats:
    """Scores (…, k) against means of so many templates (k,), on the scale of one template."""
    return as_single(calibration, np.clip(scores, -1, 1), templates)


def measured_here(evidence: Evidence, keep: NDArray[np.bool_], bundle: str, aligner: str) -> Calibration | None:
    """How alike strangers of the set itself are, by the rows kept; None where they are too few to say.

    For bundles without a calibration that fits. It is as wrong as the labels are, so those in doubt stay out.
    """
    rows = np.sort(np.random.default_rng(0).permutation(np.flatnonzero(keep))[:MOST])
    names = tuple(evidence.looked[row].picture for row in rows)
    enrolled = np.ones(len(rows), np.bool_)
    if len(np.unique(evidence.owners[rows])) < 2:
        return None
    samples = Samples(names, evidence.owners[rows], evidence.people, evidence.vectors[rows], enrolled)
    try:
        impostor = impostor_pairs(samples)
        table = _table(thresholds(impostor, "person"))
        return Calibration(
            bundle=bundle,
            aligner=aligner,
            thresholds=table,
            tar=(0.0,) * len(table),
            people=len(np.unique(evidence.owners[rows])),
            genuine_pairs=0,
            impostor_pairs=impostor.count,
            data="the set itself",
            date=datetime.date.today().isoformat(),
            method=METHOD,
            fused=tuple(fused(samples, "person")),
        )
    except (ValueError, MienError):  # fewer than two rates
        return None


def _table(rows: Sequence[Row]) -> tuple[Threshold, ...]:
    """The rows as far as they rise and stay within −1..1."""
    usable = [row for row in rows if row.similarity < 1]
    falls = [i for i, (a, b) in enumerate(pairwise(usable), 1) if b.similarity < a.similarity]
    return tuple(
        Threshold(
            fmr=row.fmr,
            similarity=row.similarity,
            low=max(min(row.low, row.similarity), -1.0),
            high=min(max(row.high, row.similarity), 1.0),
            fmr_low=0.0,
            fmr_high=1.0,
            kind=row.kind,
        )
        for row in usable[: falls[0] if falls else None]
    )
