"""Semi-siamese training (Du et al. 2020), for people with two pictures: a network learns to meet a slow copy
of it.

With few pictures a person, learnt weights a person remember the pictures instead of the face. Here a person's
weight is the vector that a slow copy of the network makes of another picture, and the last of them stand for
strangers.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from mien.errors import InputError
from mien.training.recipe import FewShot
from mien.training.with_torch.losses import ranks
from mien.training.with_torch.losses.margin_softmax import MarginSoftmax
from mien.training.with_torch.losses.prototypes import directions
from mien.training.with_torch.objectives import Objective

NOBODY = -1


class Siamese(Objective):
    """A batch holds two pictures each of n people, side by side; each is once the probe and once the weight.

    margin: that of the recipe's loss. settings.siamese: how many vectors of the slow network are remembered.
    """

    queue: Tensor
    people: Tensor
    place: Tensor

    def __init__(
        self, prepare: nn.Module, network: nn.Module, loss: nn.Module, settings: FewShot, dimension: int
    ) -> None:
        super().__init__(prepare)
        if not isinstance(loss, MarginSoftmax):
            raise InputError("few_shot.siamese wants a loss with a margin over cosines, such as arcface")
        self.margin = loss.margin
        self.slow = copy.deepcopy(network).requires_grad_(False)
        self._following = settings.following
        self.register_buffer("queue", torch.zeros(settings.siamese, dimension))
        self.register_buffer("people", torch.full((settings.siamese,), NOBODY))
        self.register_buffer("place", torch.zeros((), dtype=torch.int64))

    def forward(self, network: nn.Module, pixels: Tensor, labels: Tensor) -> Tensor:
        """See `Objective`."""
        if not bool((labels[0::2] == labels[1::2]).all()):
            raise InputError("few_shot.siamese wants batches of two pictures a person: batch.per_person=2")
        seen = self.prepare(pixels)
        features = network(seen)
        with torch.no_grad():
            slow = directions(self.slow(seen).float())[0]
        with torch.autocast(pixels.device.type, enabled=False):
            unit, norms = directions(features.float())
            parts = [self._against(unit[a::2], norms[a::2], slow[1 - a :: 2], labels[a::2]) for a in (0, 1)]
            penalty = self.margin.penalty(norms).mean()
        self._remember(ranks.everyone(slow), ranks.everyone(labels))
        return torch.stack(parts).mean() + penalty

    def begin_step(self, seed: int, step: int) -> None:
        """See `Objective`: SphereFace's λ follows the step."""
        self.margin.begin_step(step)

    def _against(self, probe: Tensor, norms: Tensor, other: Tensor, labels: Tensor) -> Tensor:
        """The loss of probes (n,d) whose own weights are `other` (n,d), beside this batch's and the queue's."""
        rows = torch.arange(len(probe), device=probe.device)
        weights = torch.cat([other, self.queue])
        cosines = probe @ weights.T
        own = cosines[rows, rows]
        if self.training and self.margin.observes:
            self.margin.observe(ranks.everyone(own), ranks.everyone(norms))
        target = self.margin.target(own, norms)
        others = self.margin.negatives(cosines, target.detach())
        logits = self.margin.scaled(others.scatter(1, rows[:, None], target[:, None]), norms)
        known = torch.cat([labels, self.people])
        twin = (known[None, :] == labels[:, None]) | (known == NOBODY)[None, :]
        twin[rows, rows] = False
        self.logs = {"target cosine": own.detach().mean()}
        return nn.functional.cross_entropy(logits.masked_fill(twin, -torch.inf), rows)

    @torch.no_grad()
    def _remember(self, vectors: Tensor, labels: Tensor) -> None:
        """Put the newest vectors in the place of the oldest."""
        size = len(self.queue)
        kept = vectors[-size:]
        places = (self.place + torch.arange(len(kept), device=kept.device)) % size
        self.queue[places], self.people[places] = kept, labels[-size:]
        self.place.copy_((self.place + len(kept)) % size)

    @torch.no_grad()
    def end_step(self, network: nn.Module) -> None:
        """The slow network follows."""
        learnt, sources = dict(network.named_parameters()), network.state_dict()
        for name, tensor in self.slow.state_dict().items():
            if name in learnt:
                tensor.lerp_(sources[name], 1 - self._following)
            else:
                tensor.copy_(sources[name])
