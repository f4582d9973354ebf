"""ArcFace: an additive angular margin."""

from __future__ import annotations

from torch import Tensor

from mien.training.loss_settings import ArcFace
from mien.training.with_torch.losses.margin import ScaledMargin, widened


class ArcFaceMargin(ScaledMargin):
    """s · cos(θ + m): Deng et al. 2019, "ArcFace", Eq. 3. Past θ + m = π: see `widened`.

    With several centres a person (Deng et al. 2020, "Sub-center ArcFace", Eq. 2) θ is the angle to the nearest,
    which `Prototypes` sees to.
    """

    def __init__(self, settings: ArcFace) -> None:
        super().__init__(settings)
        self.margin = settings.margin

    def target(self, cosine: Tensor, norms: Tensor) -> Tensor:
        """cos(θ + m)."""
        return widened(cosine, cosine.new_full((), self.margin))
