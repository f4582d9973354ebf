"""Supervised contrastive learning: everybody else in the batch is a class."""

from __future__ import annotations

import torch
from torch import Tensor

from mien.training.loss_settings import SupCon
from mien.training.with_torch.losses import ranks
from mien.training.with_torch.losses.face_loss import FaceLoss, require_batch
from mien.training.with_torch.losses.pairs import global_directions, relations


class SupConLoss(FaceLoss):
    """−1/|P(i)| · Σ_p log (exp(z_i·z_p / τ) / Σ_{a≠i} exp(z_i·z_a / τ)), the mean over the anchors i.

    Khosla et al. 2020, Eq. 2 (the sum outside the logarithm), over the global batch; the paper adds the anchors
    up. Anchors without another picture of their person are left out; a batch of only those has the loss 0.
    """

    def __init__(self, settings: SupCon) -> None:
        super().__init__()
        self.temperature = settings.temperature

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """See `FaceLoss`."""
        require_batch(features, labels)
        with torch.autocast(features.device.type, enabled=False):
            unit = global_directions(features)
            same, other = relations(ranks.everyone(labels))
            cosines = unit @ unit.T
            costs = contrasts(cosines / self.temperature, same, other)
            self.logs = {"same cosine": cosines.detach()[same].mean()} if len(costs) else {}
            return costs.mean() if len(costs) else unit.sum() * 0


def contrasts(logits: Tensor, same: Tensor, other: Tensor) -> Tensor:
    """(k,) the cost of each anchor that has positives. logits, same, other: (N,N)."""
    everyone_else = torch.where(same | other, logits, -torch.inf).logsumexp(dim=1)
    positives = same.sum(dim=1)
    usable = positives > 0
    mean = torch.where(same, logits, 0).sum(dim=1)[usable] / positives[usable]
    return everyone_else[usable] - mean
