"""Every face of a batch beside every other: who is the same person, and how far apart they are."""

from __future__ import annotations

import torch
from torch import Tensor

from mien.training.with_torch.losses import ranks
from mien.training.with_torch.losses.prototypes import directions

EPSILON = 1e-7  # the least squared distance: float32 sees no less, and the root's slope stays finite


def global_directions(features: Tensor) -> Tensor:
    """Local features (n,d) → unit vectors (N,d) of the global batch, at least float32.

    Every process has them all and computes the whole loss from them.
    """
    exact = features.to(torch.promote_types(features.dtype, torch.float32))
    return directions(ranks.gathered(exact))[0]


def relations(labels: Tensor) -> tuple[Tensor, Tensor]:
    """labels (N,) → (N,N) masks: two pictures of one person, and of two people."""
    same = labels[:, None] == labels[None, :]
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    return same & ~itself, ~same


def distances(unit: Tensor, *, squared: bool) -> Tensor:
    """Unit vectors (N,d) → Euclidean distances (N,N), 0 to 2, or their squares, 0 to 4."""
    apart = (2 - 2 * unit @ unit.T).clamp_min(EPSILON)
    return apart if squared else apart.sqrt()
