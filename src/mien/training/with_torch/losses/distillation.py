"""What a student network takes over from a teacher's features: single faces, or how faces lie to each other.

Only directions count, as in recognition: both sides' features are made unit vectors first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from mien.errors import InputError
from mien.training.distillation_settings import (
    Cosine,
    DistillationSettings,
    RelationalAngle,
    RelationalDistance,
    SimilarityPreserving,
    UnitMse,
)
from mien.training.with_torch.losses.pairs import EPSILON, distances, global_directions
from mien.training.with_torch.losses.prototypes import directions


def distilled(settings: DistillationSettings, student: Tensor, teacher: Tensor) -> Tensor:
    """The loss, 0-d, of a student's features (n,d) and a teacher's (n,e) of the same faces, times its weight.

    e may differ from d only where faces are compared with each other. The teacher gets no gradient. Several
    processes: as `FaceLoss`. Raises InputError for shapes that do not go together.
    """
    alike = settings.relational or student.shape[1:] == teacher.shape[1:]
    if not (student.ndim == teacher.ndim == 2 and len(student) == len(teacher) and alike):
        raise InputError(
            f"features {tuple(student.shape)} of the student and {tuple(teacher.shape)} of the teacher do not "
            f"go together: one row a face is wanted, of one length except in relational losses"
        )
    with torch.autocast(student.device.type, enabled=False):
        both = (_unit(settings, features) for features in (student, teacher.detach()))
        return settings.weight * DISTILLATIONS[type(settings)](*both)


def _unit(settings: DistillationSettings, features: Tensor) -> Tensor:
    if settings.relational:
        return global_directions(features)
    return directions(features.to(torch.promote_types(features.dtype, torch.float32)))[0]


def cosine_gap(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean of 1 − cos."""
    return 1 - (student * teacher).sum(dim=1).mean()


def distance_gap(student: Tensor, teacher: Tensor) -> Tensor:
    """RKD-D (Park et al. 2019, Eq. 4 to 6): Huber (δ = 1) of both sides' distances, each side's divided by
    their mean, averaged over the pairs of two faces.
    """
    if len(student) < 2:
        return student.sum() * 0
    pairs = ~torch.eye(len(student), dtype=torch.bool, device=student.device)
    mine, theirs = (distances(side, squared=False)[pairs] for side in (student, teacher))
    return functional.smooth_l1_loss(mine / mine.mean(), theirs / theirs.mean())


def angle_gap(student: Tensor, teacher: Tensor) -> Tensor:
    """RKD-A (Park et al. 2019, Eq. 7 and 8): Huber (δ = 1) of the cosines of the angles at j between i and k,
    averaged over the triples of three faces. Memory grows with the cube of the global batch.
    """
    count = len(student)
    if count < 3:
        return student.sum() * 0
    different = ~torch.eye(count, dtype=torch.bool, device=student.device)
    triples = different[:, :, None] & different[:, None, :] & different[None, :, :]
    return functional.smooth_l1_loss(_angles(student)[triples], _angles(teacher)[triples])


def _angles(unit: Tensor) -> Tensor:
    """(n,d) → (n,n,n) cosines [j,i,k] of the angle at j between i and k."""
    edges = unit[None, :, :] - unit[:, None, :]
    lengths = edges.square().sum(dim=2, keepdim=True).clamp_min(EPSILON).sqrt()
    edges = edges / lengths
    return edges @ edges.transpose(1, 2)


def similarity_gap(student: Tensor, teacher: Tensor) -> Tensor:
    """Tung and Mori 2019, Eq. 2 to 4: ‖G_T − G_S‖² / b²; G is the cosines, each row brought to length 1."""
    mine, theirs = (directions(side @ side.T)[0] for side in (student, teacher))
    return (mine - theirs).square().mean()


DISTILLATIONS: Mapping[type[DistillationSettings], Callable[[Tensor, Tensor], Tensor]] = {
    Cosine: cosine_gap,
    UnitMse: functional.mse_loss,
    RelationalDistance: distance_gap,
    RelationalAngle: angle_gap,
    SimilarityPreserving: similarity_gap,
}
