"""Plain softmax: a linear classifier."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from mien.training.with_torch.losses.face_loss import FaceLoss, require_batch
from mien.training.with_torch.losses.partial_fc import generator_for
from mien.training.with_torch.losses.prototypes import DEVIATION, directions


class PlainSoftmax(FaceLoss):
    """Cross entropy of W·x + b, neither normalised, in float32. W (classes, d) begins as normal · 0.01."""

    def __init__(self, *, dimension: int, classes: int, seed: int) -> None:
        super().__init__()
        first = torch.randn(classes, dimension, generator=generator_for(seed))
        self.weight = nn.Parameter(first * DEVIATION)
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """See `FaceLoss`."""
        require_batch(features, labels, len(self.weight))
        with torch.autocast(features.device.type, enabled=False):
            exact = features.to(torch.promote_types(features.dtype, torch.float32))
            self.logs = {"norm": torch.linalg.vector_norm(exact.detach(), dim=1).mean()}
            logits = functional.linear(exact, self.weight.to(exact.dtype), self.bias.to(exact.dtype))
            return functional.cross_entropy(logits, labels)

    @torch.no_grad()
    def imprint(self, features: Tensor, labels: Tensor) -> None:
        """See `FaceLoss`; the biases of these people become 0."""
        require_batch(features, labels, len(self.weight))
        unit = directions(features.to(self.weight))[0]
        for person in torch.unique(labels):
            self.weight[person] = directions(unit[labels == person].sum(dim=0, keepdim=True))[0][0]
            self.bias[person] = 0
