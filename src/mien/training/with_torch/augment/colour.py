"""What colours pixels have: brightness, contrast, saturation, grey."""

from __future__ import annotations

import torch
from torch import Tensor

from mien.training.with_torch.augment.drawn import Drawn

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as in PIL and OpenCV


def coloured(pixels: Tensor, drawn: Drawn) -> Tensor:
    """Brighter or darker, then more or less contrast about the mean grey, then more or less saturation.

    The three are one matrix and one offset a picture, so only the end is held within 0..255.
    """
    brightness, contrast, saturation = (
        drawn.between(f"colour.{name}", getattr(drawn.settings, name))
        for name in ("brightness", "contrast", "saturation")
    )
    luma = pixels.new_tensor(LUMA)
    flat = pixels.flatten(2)
    mean = flat.mean(2) @ luma
    matrix = _saturating(saturation, luma) * (contrast * brightness)[:, None, None]
    offset = (1 - contrast) * brightness * mean
    return torch.baddbmm(offset[:, None, None], matrix, flat).clamp(0, 255).view_as(pixels)


def greyed(pixels: Tensor, drawn: Drawn) -> Tensor:
    """All three channels the brightness."""
    luma = pixels.new_tensor(LUMA)[:, None, None]
    return (pixels * luma).sum(1, keepdim=True).expand_as(pixels)


def _saturating(factor: Tensor, luma: Tensor) -> Tensor:
    # (n,3,3): grey where the factor is 0, the same colour where it is 1
    one = torch.eye(3, device=luma.device)
    return torch.lerp(luma.expand(3, 3), one, factor[:, None, None])
