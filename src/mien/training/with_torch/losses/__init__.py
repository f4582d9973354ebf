"""Losses: one file a paper, chosen by the type of their settings (`mien.training.loss_settings`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mien.errors import InputError
from mien.training.loss_settings import (
    AdaFace,
    ArcFace,
    CombinedMargin,
    CosFace,
    CurricularFace,
    LossSettings,
    MagFace,
    NormFace,
    Softmax,
    SphereFace,
    SubCentreArcFace,
    SupCon,
    Triplet,
)
from mien.training.with_torch.losses.adaface import AdaFaceMargin
from mien.training.with_torch.losses.arcface import ArcFaceMargin
from mien.training.with_torch.losses.combined import CombinedMarginRule
from mien.training.with_torch.losses.cosface import CosFaceMargin
from mien.training.with_torch.losses.curricularface import CurricularFaceMargin
from mien.training.with_torch.losses.face_loss import FaceLoss
from mien.training.with_torch.losses.magface import MagFaceMargin
from mien.training.with_torch.losses.margin import Margin, NormFaceMargin
from mien.training.with_torch.losses.margin_softmax import MarginSoftmax
from mien.training.with_torch.losses.prototypes import Prototypes
from mien.training.with_torch.losses.softmax import PlainSoftmax
from mien.training.with_torch.losses.sphereface import SphereFaceMargin
from mien.training.with_torch.losses.supcon import SupConLoss
from mien.training.with_torch.losses.triplet import TripletLoss

__all__ = ["LOSSES", "FaceLoss", "build"]


@dataclass(frozen=True)
class Shape:
    """What a loss must fit: the features' dimension and the number of people; seed: of its first weights."""

    dimension: int
    classes: int
    seed: int


def _margin(kind: Callable[[Any], Margin]) -> Callable[[Any, Shape], FaceLoss]:
    def built(settings: Any, shape: Shape) -> FaceLoss:
        prototypes = Prototypes(
            settings,
            dimension=shape.dimension,
            classes=shape.classes,
            centres=getattr(settings, "centres", 1),
            seed=shape.seed,
        )
        return MarginSoftmax(kind(settings), prototypes)

    return built


def _softmax(settings: Softmax, shape: Shape) -> FaceLoss:
    return PlainSoftmax(dimension=shape.dimension, classes=shape.classes, seed=shape.seed)


LOSSES: Mapping[type[LossSettings], Callable[[Any, Shape], FaceLoss]] = {
    Softmax: _softmax,
    NormFace: _margin(NormFaceMargin),
    ArcFace: _margin(ArcFaceMargin),
    SubCentreArcFace: _margin(ArcFaceMargin),
    CosFace: _margin(CosFaceMargin),
    SphereFace: _margin(SphereFaceMargin),
    CombinedMargin: _margin(CombinedMarginRule),
    CurricularFace: _margin(CurricularFaceMargin),
    AdaFace: _margin(AdaFaceMargin),
    MagFace: _margin(MagFaceMargin),
    Triplet: lambda settings, shape: TripletLoss(settings),
    SupCon: lambda settings, shape: SupConLoss(settings),
}


def build(settings: LossSettings, *, dimension: int, classes: int, seed: int = 0) -> FaceLoss:
    """The loss of these settings over features (n, dimension) of so many people.

    seed: of the first weights, one on every process. With several processes, build after the process group.
    """
    if type(settings) not in LOSSES:
        known = ", ".join(kind.__name__ for kind in LOSSES)
        raise InputError(f"{type(settings).__name__} is no known loss; known: {known}")
    if dimension < 1 or classes < 1:
        raise InputError(f"dimension and classes of 1 or more are wanted, {dimension} and {classes} given")
    return LOSSES[type(settings)](settings, Shape(dimension, classes, seed))
