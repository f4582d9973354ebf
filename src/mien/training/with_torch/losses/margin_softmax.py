"""Softmax over cosines with a margin: what ArcFace, CosFace and all their kin share."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mien.training.with_torch.losses import ranks
from mien.training.with_torch.losses.face_loss import FaceLoss, require_batch
from mien.training.with_torch.losses.margin import Margin
from mien.training.with_torch.losses.prototypes import Prototypes, directions

WEIGHT = "prototypes.weight"


class MarginSoftmax(FaceLoss):
    """Cross entropy of the margin's logits over the people, in float32 even under autocast.

    In bfloat16 a cosine near 1 has steps of 1/256, which the scale 64 makes a quarter of a logit. Where each
    process holds a part of the people, features and labels are gathered, and the parts' softmaxes joined.
    """

    def __init__(self, margin: Margin, prototypes: Prototypes) -> None:
        super().__init__()
        self.margin, self.prototypes = margin, prototypes

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """See `FaceLoss`."""
        require_batch(features, labels, self.prototypes.classes)
        with torch.autocast(features.device.type, enabled=False):
            exact = features.to(torch.promote_types(features.dtype, torch.float32))
            penalty = self.margin.penalty(torch.linalg.vector_norm(exact, dim=1)).mean()
            if self.prototypes.sharded:
                exact, labels = ranks.gathered(exact, parts=True), ranks.everyone(labels)
            return self._entropy(exact, labels) + penalty

    def _entropy(self, features: Tensor, labels: Tensor) -> Tensor:
        """Mean over the faces of log Σ exp − the own logit, over all processes' classes if sharded."""
        unit, norms = directions(features)
        cosines, columns, here = self.prototypes(unit, labels)
        cosine = _at(cosines, columns)
        known = self._known(cosine, here)
        self._observe(known, norms.detach())
        target = self.margin.target(torch.where(here, cosine, known), norms)
        others = self.margin.negatives(cosines, target.detach())
        placed = torch.where(here, target, _at(others, columns)) if self.prototypes.sharded else target
        own = self.margin.scaled(placed[:, None].clone(), norms).squeeze(1)
        # In place: at a million people every copy counts.
        logits = self.margin.scaled(others.scatter_(1, columns[:, None], placed[:, None]), norms)
        self.logs |= self.margin.logs()
        return self._joined(logits.logsumexp(dim=1), torch.where(here, own, 0)).mean()

    def _joined(self, everything: Tensor, own: Tensor) -> Tensor:
        """(n,) the cost of each face, from what this process knows of its denominator and of its own logit."""
        if self.prototypes.sharded:
            return ranks.logsumexp(everything) - ranks.summed(own)
        return everything - own

    def _known(self, cosine: Tensor, here: Tensor) -> Tensor:
        """(n,) every face's cosine with its own person, whoever holds the weight, without gradient."""
        if not self.prototypes.sharded:
            return cosine.detach()
        return ranks.total(torch.where(here, cosine, 0))

    def _observe(self, cosine: Tensor, norms: Tensor) -> None:
        if self.training and self.margin.observes:
            alone = not self.prototypes.sharded  # then these are the local faces only
            batch = (ranks.everyone(cosine), ranks.everyone(norms)) if alone else (cosine, norms)
            self.margin.observe(*batch)
        self.logs = {"target cosine": cosine.mean(), "norm": norms.mean()}

    def begin_step(self, seed: int, step: int) -> None:
        """See `FaceLoss`: the classes of Partial FC, and SphereFace's λ."""
        self.prototypes.begin_step(seed, step)
        self.margin.begin_step(step)

    def sharded_parameters(self) -> dict[str, nn.Parameter]:
        """See `FaceLoss`."""
        return {WEIGHT: self.prototypes.weight} if self.prototypes.apart else {}

    def gathered_state(self) -> dict[str, Tensor]:
        """See `FaceLoss`."""
        return self.state_dict() | {WEIGHT: self.gather_rows(self.prototypes.weight.detach())}

    def load_gathered(self, state: Mapping[str, Tensor]) -> None:
        """See `FaceLoss`."""
        self.load_state_dict({**state, WEIGHT: self.own_rows(state[WEIGHT])})

    def gather_rows(self, tensor: Tensor) -> Tensor:
        """See `FaceLoss`."""
        return self.prototypes.gather_rows(tensor)

    def own_rows(self, tensor: Tensor) -> Tensor:
        """See `FaceLoss`."""
        return self.prototypes.own_rows(tensor)

    def imprint(self, features: Tensor, labels: Tensor) -> None:
        """See `FaceLoss`; of several centres a person, the first is set."""
        require_batch(features, labels, self.prototypes.classes)
        self.prototypes.imprint(features, labels)


def _at(matrix: Tensor, columns: Tensor) -> Tensor:
    """(n,c), (n,) → (n,) one number a row. `gather` would keep the matrix, which is overwritten later."""
    return matrix[torch.arange(len(matrix), device=matrix.device), columns]
