"""The triplet loss: a person's pictures nearer to each other than to anybody else's."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from mien.training.loss_settings import Triplet
from mien.training.with_torch.losses import ranks
from mien.training.with_torch.losses.face_loss import FaceLoss, require_batch
from mien.training.with_torch.losses.pairs import distances, global_directions, relations

Gaps = tuple[Tensor, Tensor]  # (k,) distances to the same person, (k,) to another, triplet by triplet


class TripletLoss(FaceLoss):
    """Mean over the chosen triplets of [D(a,p) − D(a,n) + m]₊, or log(1 + exp(D(a,p) − D(a,n))) where soft.

    Schroff et al. 2015, "FaceNet", Eq. 2; Hermans et al. 2017, Eq. 5. Triplets are those of the global batch.
    A batch without one has the loss 0.
    """

    def __init__(self, settings: Triplet) -> None:
        super().__init__()
        self.settings = settings

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """See `FaceLoss`."""
        require_batch(features, labels)
        with torch.autocast(features.device.type, enabled=False):
            unit = global_directions(features)
            same, other = relations(ranks.everyone(labels))
            apart = distances(unit, squared=self.settings.squared)
            near, far = MINING[self.settings.mining](apart, same, other)
            if not len(near):
                return unit.sum() * 0
            return self._loss(near, far)

    def _loss(self, near: Tensor, far: Tensor) -> Tensor:
        gaps = near - far
        costs = (
            functional.softplus(gaps) if self.settings.soft else functional.relu(gaps + self.settings.margin)
        )
        self.logs = {
            "same distance": near.detach().mean(),
            "other distance": far.detach().mean(),
            "triplets violated": (gaps.detach() > 0).to(gaps.dtype).mean(),
        }
        return costs.mean()


def hardest(apart: Tensor, same: Tensor, other: Tensor) -> Gaps:
    """Each anchor with its farthest positive and its nearest negative (Hermans et al. 2017, batch hard)."""
    usable = same.any(dim=1) & other.any(dim=1)
    near = torch.where(same, apart, -torch.inf).amax(dim=1)
    far = torch.where(other, apart, torch.inf).amin(dim=1)
    return near[usable], far[usable]


def semi_hard(apart: Tensor, same: Tensor, other: Tensor) -> Gaps:
    """Each anchor and positive with the nearest negative that is farther than the positive, or, where there is
    none, with the farthest negative.

    Schroff et al. 2015, section 3.2, with the choice that TensorFlow's `triplet_semihard_loss` makes.
    """
    ordered = torch.where(other, apart, torch.inf).sort(dim=1).values  # (N,N), the negatives first
    negatives = other.sum(dim=1, keepdim=True)
    first_farther = torch.searchsorted(ordered.detach(), apart.detach(), right=True)
    far = ordered.gather(1, torch.minimum(first_farther, negatives - 1).clamp_min(0))
    usable = same & (negatives > 0)
    return apart[usable], far[usable]


MINING: Mapping[str, Callable[[Tensor, Tensor, Tensor], Gaps]] = {"hard": hardest, "semi-hard": semi_hard}
