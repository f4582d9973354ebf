"""The combined margin: SphereFace's, ArcFace's and CosFace's at once."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mien.training.loss_settings import CombinedMargin
from mien.training.with_torch.losses.margin import ScaledMargin, sine


class CombinedMarginRule(ScaledMargin):
    """s · (cos(m1·θ + m2) − m3): Deng et al. 2019, "ArcFace", Eq. 4.

    Past φ = m1·θ + m2 = π the curve goes on falling as SphereFace's does, (−1)^k · cos φ − 2k with k = ⌊φ/π⌋:
    for every m1, and without a step.
    """

    def __init__(self, settings: CombinedMargin) -> None:
        super().__init__(settings)
        self.settings = settings

    def target(self, cosine: Tensor, norms: Tensor) -> Tensor:
        """cos(m1·θ + m2) − m3, the angle taken by atan2, whose slope stays finite at cos θ = ±1."""
        s = self.settings
        angle = s.m1 * torch.atan2(sine(cosine), cosine) + s.m2
        k = (angle.detach() / math.pi).floor()
        return (1 - 2 * (k % 2)) * angle.cos() - 2 * k - s.m3
