"""MagFace: a margin that grows with the feature's length, and a pull that makes good faces long."""

from __future__ import annotations

from torch import Tensor

from mien.training.loss_settings import MagFace
from mien.training.with_torch.losses.margin import ScaledMargin, widened


class MagFaceMargin(ScaledMargin):
    """s · cos(θ + m(a)) and, added to the loss, λ_g · g(a): Meng et al. 2021, "MagFace", Eq. 3.

    a = ‖x‖ held within l_a..u_a; m(a) is straight between (l_a, l_m) and (u_a, u_m); g(a) = a / u_a² + 1 / a.
    Both pass gradients to the length, within its bounds.
    """

    def __init__(self, settings: MagFace) -> None:
        super().__init__(settings)
        self.settings = settings

    def target(self, cosine: Tensor, norms: Tensor) -> Tensor:
        """cos(θ + m(a))."""
        s = self.settings
        slope = (s.high_margin - s.low_margin) / (s.high_norm - s.low_norm)
        return widened(cosine, slope * (self._held(norms) - s.low_norm) + s.low_margin)

    def penalty(self, norms: Tensor) -> Tensor:
        """λ_g · g(a) (n,)."""
        a = self._held(norms)
        return self.settings.regulariser * (a / self.settings.high_norm**2 + 1 / a)

    def _held(self, norms: Tensor) -> Tensor:
        return norms.clamp(self.settings.low_norm, self.settings.high_norm)
