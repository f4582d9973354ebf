"""CurricularFace: easy strangers first, hard ones later."""

from __future__ import annotations

import torch
from torch import Tensor

from mien.training.loss_settings import CurricularFace
from mien.training.with_torch.losses.margin import ScaledMargin, widened


class CurricularFaceMargin(ScaledMargin):
    """Huang et al. 2020, "CurricularFace", Eq. 5 to 7.

    The target is T = cos(θ + m), as ArcFace's. A stranger's cosine stays where T is no smaller, else it becomes
    cos θj · (t + cos θj). t, from 0, follows the global batch's mean target cosine.
    """

    observes = True
    t: Tensor

    def __init__(self, settings: CurricularFace) -> None:
        super().__init__(settings)
        self.margin, self.momentum = settings.margin, settings.momentum
        self.register_buffer("t", torch.zeros(()))

    def observe(self, cosine: Tensor, norms: Tensor) -> None:
        """t ← momentum · t + (1 − momentum) · mean cosine."""
        self.t.lerp_(cosine.mean().to(self.t.dtype), 1 - self.momentum)

    def target(self, cosine: Tensor, norms: Tensor) -> Tensor:
        """cos(θ + m)."""
        return widened(cosine, cosine.new_full((), self.margin))

    def negatives(self, cosines: Tensor, target: Tensor) -> Tensor:
        """Hard strangers' cosines times t + cosine."""
        return torch.where(cosines > target[:, None], cosines * (self.t + cosines), cosines)

    def logs(self) -> dict[str, Tensor]:
        """t."""
        return {"curricular t": self.t.clone()}
