"""AdaFace: the margin follows the picture's quality, read from the feature's length."""

from __future__ import annotations

import torch
from torch import Tensor

from mien.training.loss_settings import AdaFace
from mien.training.with_torch.losses.margin import ScaledMargin, turned

SHORTEST, LONGEST = 1e-3, 100.0  # lengths are held within, as in the authors' code
SMALL = 1e-3


class AdaFaceMargin(ScaledMargin):
    """s · (cos(θ + g_angle) − g_add): Kim et al. 2022, "AdaFace", without gradient through the norm.

    ẑ = h · (‖x‖ − μ) / σ within −1..1, g_angle = −m·ẑ, g_add = m·ẑ + m. μ and σ follow the global batch's
    lengths, from 20 and 100 as in the authors' code. θ + g_angle is held within 0..π, as there.
    """

    observes = True
    mean: Tensor
    deviation: Tensor

    def __init__(self, settings: AdaFace) -> None:
        super().__init__(settings)
        self.settings = settings
        self.register_buffer("mean", torch.tensor(20.0))
        self.register_buffer("deviation", torch.tensor(100.0))
        self._last: dict[str, Tensor] = {}

    def observe(self, cosine: Tensor, norms: Tensor) -> None:
        """Move μ and σ; one face alone has no deviation and is let pass."""
        if len(norms) < 2:
            return
        held = norms.clamp(SHORTEST, LONGEST).to(self.mean.dtype)
        self.mean.lerp_(held.mean(), 1 - self.settings.momentum)
        self.deviation.lerp_(held.std(), 1 - self.settings.momentum)

    def target(self, cosine: Tensor, norms: Tensor) -> Tensor:
        """cos(θ + g_angle) − g_add."""
        m = self.settings.margin
        z = self._quality(norms.detach())
        self._last = {"adaface quality": z.mean(), "adaface mean norm": self.mean.clone()}
        return held_turn(cosine, -m * z) - (m * z + m)

    def _quality(self, norms: Tensor) -> Tensor:
        """ẑ (n,)."""
        spread = (norms.clamp(SHORTEST, LONGEST) - self.mean) / (self.deviation + SMALL)
        return (spread * self.settings.concentration).clamp(-1, 1)

    def logs(self) -> dict[str, Tensor]:
        """ẑ's mean in the last batch, and μ."""
        return self._last


def held_turn(cosine: Tensor, angle: Tensor) -> Tensor:
    """cos(θ + angle), the sum held within 0..π."""
    past_end = (angle > 0) & (cosine < -angle.cos())
    past_start = (angle < 0) & (cosine > angle.cos())
    value = torch.where(past_end, -1.0, turned(cosine, angle))
    return torch.where(past_start, 1.0, value)
