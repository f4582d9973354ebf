"""What can be taken over from a teacher: one value a distillation loss, chosen in a recipe by its `name`."""

from __future__ import annotations

from typing import ClassVar

import msgspec

LARGEST = 1e6


class DistillationSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="name"
):
    """A distillation loss, multiplied by `weight`. `relational`: it compares a batch's faces mutually."""

    relational: ClassVar[bool] = False
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Refuse weights that are no number above 0."""
        if not 0 < self.weight <= LARGEST:
            raise ValueError(f"weight: a number above 0 is wanted, {self.weight} given")


class Cosine(DistillationSettings, frozen=True, kw_only=True, tag="cosine"):
    """1 − the cosine of the student's and the teacher's vector of a face, 0 to 2."""


class UnitMse(DistillationSettings, frozen=True, kw_only=True, tag="unit-mse"):
    """The mean squared difference of both unit vectors, number by number: 2/d of what `cosine` says."""


class RelationalDistance(DistillationSettings, frozen=True, kw_only=True, tag="relational-distance"):
    """RKD-D (Park et al. 2019, Eq. 6), beside a loss of its own weight 1: the paper gives it 25."""

    relational: ClassVar[bool] = True
    weight: float = 25.0


class RelationalAngle(DistillationSettings, frozen=True, kw_only=True, tag="relational-angle"):
    """RKD-A (Park et al. 2019, Eq. 8), beside a loss of its own weight 1: the paper gives it 50."""

    relational: ClassVar[bool] = True
    weight: float = 50.0


class SimilarityPreserving(DistillationSettings, frozen=True, kw_only=True, tag="similarity-preserving"):
    """Tung and Mori 2019, Eq. 4, beside a loss of its own weight 1: the paper gives it 3000."""

    relational: ClassVar[bool] = True
    weight: float = 3000.0


AnyDistillation = Cosine | UnitMse | RelationalDistance | RelationalAngle | SimilarityPreserving
