"""CosFace: an additive margin of the cosine."""

from __future__ import annotations

from torch import Tensor

from mien.training.loss_settings import CosFace
from mien.training.with_torch.losses.margin import ScaledMargin


class CosFaceMargin(ScaledMargin):
    """s · (cos θ − m): Wang et al. 2018, "CosFace", Eq. 4."""

    def __init__(self, settings: CosFace) -> None:
        super().__init__(settings)
        self.margin = settings.margin

    def target(self, cosine: Tensor, norms: Tensor) -> Tensor:
        """cos θ − m."""
        return cosine - self.margin
