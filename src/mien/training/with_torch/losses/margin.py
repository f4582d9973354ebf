"""What a margin loss is: how the cosine of a face with its own person is made harder to satisfy."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mien.training.loss_settings import MarginSettings, NormFace, ScaledSettings

# The least 1 − cos² that is looked at: float32 has no finer steps there, and the sine's slope stays finite.
EPSILON = 1e-7


class Margin(nn.Module):
    """The difference that a loss makes to plain softmax of cosines; this one makes none.

    Vectors are (n,), a number a face: `cosine` with the own person's weight, −1..1 (rounding may overstep), and
    `norms`, the lengths of the features. Both are at least float32.
    """

    observes = False  # whether `observe` wants the global batch: gathering it costs a round between processes

    def __init__(self, settings: MarginSettings) -> None:
        super().__init__()

    def observe(self, cosine: Tensor, norms: Tensor) -> None:
        """Learn from a global batch, without gradient, before its targets are made."""

    def target(self, cosine: Tensor, norms: Tensor) -> Tensor:
        """(n,) what stands in the softmax in place of the own person's cosine."""
        return cosine

    def negatives(self, cosines: Tensor, target: Tensor) -> Tensor:
        """(n,c) what stands there in place of other people's; target (n,) is `target`'s, without gradient."""
        return cosines

    def scaled(self, cosines: Tensor, norms: Tensor) -> Tensor:
        """(n,c) logits of what the softmax sees. May overwrite its input."""
        return cosines

    def penalty(self, norms: Tensor) -> Tensor:
        """(n,) or 0-d, what is added to each face's loss."""
        return norms.new_zeros(())

    def begin_step(self, step: int) -> None:
        """Called before each step with its number."""

    def logs(self) -> dict[str, Tensor]:
        """Figures of the last batch, by name."""
        return {}


class ScaledMargin(Margin):
    """Cosines times s."""

    def __init__(self, settings: ScaledSettings) -> None:
        super().__init__(settings)
        self.scale = settings.scale

    def scaled(self, cosines: Tensor, norms: Tensor) -> Tensor:
        """s · cosines, in place: over a million people every copy counts."""
        return cosines.mul_(self.scale)


class NormFaceMargin(ScaledMargin):
    """No margin: s · cos θ (Wang et al. 2017, "NormFace", Eq. 6)."""

    def __init__(self, settings: NormFace) -> None:
        super().__init__(settings)


def sine(cosine: Tensor) -> Tensor:
    """(n,) sin θ ≥ 0 of cos θ, its slope bounded where the angle is 0 or π."""
    return ((1 - cosine) * (1 + cosine)).clamp_min(EPSILON).sqrt()


def turned(cosine: Tensor, angle: Tensor) -> Tensor:
    """cos(θ + angle) by the addition theorem: an arccosine's slope is infinite at cos θ = ±1."""
    return cosine * angle.cos() - sine(cosine) * angle.sin()


def widened(cosine: Tensor, margin: Tensor) -> Tensor:
    """cos(θ + m), and cos θ − m·sin m once θ + m is past π, where cos(θ + m) would rise again.

    The latter is InsightFace's way and most others': it falls on, with a step down at π − m.
    """
    return torch.where(cosine > -margin.cos(), turned(cosine, margin), cosine - margin * margin.sin())
