"""SphereFace (A-Softmax): the angle multiplied by a whole number."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mien.training.loss_settings import SphereFace
from mien.training.with_torch.losses.margin import Margin

CHEBYSHEV = {  # cos(mθ) as a polynomial of cos θ, the highest power first
    1: (1.0, 0.0),
    2: (2.0, 0.0, -1.0),
    3: (4.0, 0.0, -3.0, 0.0),
    4: (8.0, 0.0, -8.0, 0.0, 1.0),
}


class SphereFaceMargin(Margin):
    """‖x‖ · (λ·cos θ + ψ(θ)) / (1 + λ): Liu et al. 2017, "SphereFace", Eq. 7, annealed as in its section 4.1.

    ψ(θ) = (−1)^k · cos(mθ) − 2k for θ within [kπ/m, (k + 1)π/m]. λ falls with the step's number; before the
    first `begin_step` it is the schedule's start.
    """

    def __init__(self, settings: SphereFace) -> None:
        super().__init__(settings)
        self.settings = settings
        self.step = 0

    def begin_step(self, step: int) -> None:
        """Move λ on."""
        self.step = step

    @property
    def annealing(self) -> float:
        """λ at this step."""
        s = self.settings
        return max(s.least, s.start * float((1 + s.decay * self.step) ** -s.power))

    def target(self, cosine: Tensor, norms: Tensor) -> Tensor:
        """(λ·cos θ + ψ(θ)) / (1 + λ)."""
        weight = self.annealing
        return (weight * cosine + falling(cosine, self.settings.margin)) / (1 + weight)

    def scaled(self, cosines: Tensor, norms: Tensor) -> Tensor:
        """‖x‖ · cosines."""
        return cosines * norms[:, None]

    def logs(self) -> dict[str, Tensor]:
        """λ."""
        return {"sphereface annealing": torch.tensor(self.annealing)}


def falling(cosine: Tensor, m: int) -> Tensor:
    """ψ(θ): cos(mθ) mirrored piece by piece, so that it falls from 1 to 1 − 2m as θ grows from 0 to π."""
    value = torch.zeros_like(cosine)
    for coefficient in CHEBYSHEV[m]:
        value = value * cosine + coefficient
    ends = cosine.new_tensor([math.cos(j * math.pi / m) for j in range(1, m)])
    k = (cosine[:, None] <= ends).sum(dim=1).to(cosine.dtype)
    return (1 - 2 * (k % 2)) * value - 2 * k
