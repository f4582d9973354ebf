"""Samples: the vectors that are measured, and whose they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError
from mien.evaluation.study import Missed
from mien.values import UNIT, Floats, frozen_array

Numbers = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """One vector a picture, and the person it shows. Row i of every array is one picture.

    names: each picture's. subjects (n,) int32: the number of its person in `people`. vectors (n,d) float32 unit
    vectors; a row of zeros where `enrolled` (n,) is False: no usable face. groups: column of a protocol file →
    one word a picture. missed: why pictures were not enrolled. several: pictures in which one of several faces
    was taken. known: False where the data name no people (then every picture is somebody of its own).
    """

    names: tuple[str, ...]
    subjects: Numbers
    people: tuple[str, ...]
    vectors: Floats
    enrolled: NDArray[np.bool_]
    bundle: str = ""
    aligner: str = ""
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    missed: tuple[Missed, ...] = ()
    several: int = 0
    known: bool = True

    def __post_init__(self) -> None:
        n = len(self.names)
        for field_name in ("names", "people"):  # NumPy's own strings are no JSON
            object.__setattr__(self, field_name, tuple(map(str, getattr(self, field_name))))
        object.__setattr__(self, "vectors", frozen_array("vectors", self.vectors, n, None))
        subjects = np.array(self.subjects, np.int32)
        enrolled = np.array(self.enrolled, np.bool_)
        if subjects.shape != (n,) or enrolled.shape != (n,):
            raise InputError(f"{n} pictures want {n} people and marks, not {subjects.shape}, {enrolled.shape}")
        if n and not 0 <= subjects.min() <= subjects.max() < len(self.people):
            raise InputError(f"subjects: numbers of {len(self.people)} people are wanted")
        if any(len(labels) != n for labels in self.groups.values()):
            raise InputError(f"groups: {n} labels a column are wanted")
        self._require_unit(enrolled)
        for name, array in (("subjects", subjects), ("enrolled", enrolled)):
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def _require_unit(self, enrolled: NDArray[np.bool_]) -> None:
        lengths = np.linalg.norm(self.vectors[enrolled], axis=1)
        if len(lengths) and np.abs(lengths - 1).max() > UNIT:
            raise InputError("vectors: of length one are wanted")

    def __len__(self) -> int:
        return len(self.names)

    def subset(self, keep: NDArray[Any]) -> Self:
        """The pictures of a mask or of a list of numbers, in that order; `people` keeps its numbering."""
        chosen: Sequence[int] = np.arange(len(self))[keep].tolist()
        return type(self)(
            names=tuple(self.names[i] for i in chosen),
            subjects=self.subjects[keep],
            people=self.people,
            vectors=self.vectors[keep],
            enrolled=self.enrolled[keep],
            bundle=self.bundle,
            aligner=self.aligner,
            groups={key: tuple(labels[i] for i in chosen) for key, labels in self.groups.items()},
            several=self.several,
            known=self.known,
        )
