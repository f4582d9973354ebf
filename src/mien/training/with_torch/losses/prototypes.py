"""The classifier's weights: a direction a person, or several, held whole or in parts."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from mien.errors import InputError
from mien.training.loss_settings import MarginSettings
from mien.training.with_torch.losses import ranks
from mien.training.with_torch.losses.partial_fc import drawn_classes, generator_for

DEVIATION = 0.01  # of the first weights, as InsightFace's
BLOCK = 4096  # classes that are drawn from one seed
SHORTEST = 1e-6  # a vector shorter than this has no direction


class Prototypes(nn.Module):
    """Weights (classes · centres, d): a class's centres stand one after another. Only directions count.

    They begin normal with deviation 0.01, drawn from `seed` and the class alone, so the same however many
    processes hold them. With several processes and `shard`, or `sample` below 1, each holds its own
    `ranks.share` of the classes: build this after the process group. Where a step draws classes, the weights'
    gradient is sparse and no larger than the draw.
    """

    def __init__(
        self, settings: MarginSettings, *, dimension: int, classes: int, centres: int = 1, seed: int = 0
    ) -> None:
        super().__init__()
        self.classes, self.centres, self.sample = classes, centres, settings.sample
        self.sharded = ranks.count() > 1 and (settings.shard or settings.sample < 1)
        if self.sharded and classes < ranks.count():
            raise InputError(
                f"{classes} people cannot be shared out among {ranks.count()} processes: shard=false"
            )
        self.own = ranks.share(classes) if self.sharded else range(classes)
        self.weight = nn.Parameter(_first(self.own, centres, dimension, seed))
        self._draw: tuple[int, int] | None = None

    @property
    def apart(self) -> bool:
        """Whether DDP must leave the weights alone."""
        return self.sharded or self.sample < 1

    def begin_step(self, seed: int, step: int) -> None:
        """Say from what this step's classes are drawn."""
        self._draw = (seed, step)

    def forward(self, unit: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Unit features (n,d) and their people (n,) → cosines (n,c) with this process's classes of the step.

        Also the column (n,) of each face's own person, and whether (n,) it is here; where not, the column is 0.
        """
        local = labels - self.own.start
        here = (local >= 0) & (local < len(self.own))
        chosen = self._chosen(local, here)
        weight: Tensor = self.weight
        if chosen is not None:
            weight = functional.embedding(self._rows(chosen), weight, sparse=True)
            local = torch.searchsorted(chosen, local)
        cosines = closest(unit @ directions(weight.to(unit.dtype))[0].T, self.centres)
        return cosines, torch.where(here, local, 0), here

    def _chosen(self, local: Tensor, here: Tensor) -> Tensor | None:
        """The step's classes, counted from the first of this process; None for all."""
        if self.sample == 1 or not self.training:
            return None
        if self._draw is None:
            raise InputError("sample is below 1, so begin_step(seed, step) must say from what to draw")
        generator = generator_for(*self._draw, ranks.number())
        own = len(self.own)
        return drawn_classes(torch.where(here, local, own), own, self.sample, generator)

    def _rows(self, classes: Tensor) -> Tensor:
        steps = torch.arange(self.centres, device=classes.device)
        return (classes[:, None] * self.centres + steps).flatten()

    @torch.no_grad()
    def imprint(self, features: Tensor, labels: Tensor) -> None:
        """Set each person's first centre to the mean direction of their features.

        Other centres stay free for what does not fit the first.
        """
        people, members = torch.unique(labels, return_inverse=True)
        unit = directions(features.to(self.weight))[0]
        sums = unit.new_zeros(len(people), unit.shape[1]).index_add_(0, members.to(unit.device), unit)
        local = people.to(unit.device) - self.own.start
        here = (local >= 0) & (local < len(self.own))
        self.weight[local[here] * self.centres] = directions(sums[here])[0]

    def gather_rows(self, tensor: Tensor) -> Tensor:
        """(own rows, …) → (classes · centres, …) on the CPU of every process."""
        if not self.sharded:
            return tensor
        by_class = tensor.reshape(len(self.own), self.centres, *tensor.shape[1:])
        return ranks.joined(by_class, self.classes).flatten(0, 1)

    def own_rows(self, tensor: Tensor) -> Tensor:
        """(classes · centres, …) → this process's. Raises InputError where there are other rows than wanted."""
        wanted = self.classes * self.centres
        if len(tensor) != wanted:
            raise InputError(
                f"weights of {len(tensor)} rows given, {wanted} wanted: {self.classes} people, {self.centres} "
                f"each; go on with the people that the run began with"
            )
        return tensor[self.own.start * self.centres : self.own.stop * self.centres]


def directions(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """(n,d) → unit vectors (n,d) and the lengths (n,) they had. What has no length stays near zero."""
    lengths = torch.linalg.vector_norm(vectors, dim=1)
    return vectors / lengths.clamp_min(SHORTEST)[:, None], lengths


def closest(cosines: Tensor, centres: int) -> Tensor:
    """(n, c · centres) → (n,c): each class by its nearest centre (Deng et al. 2020, Eq. 2)."""
    return cosines if centres == 1 else cosines.reshape(len(cosines), -1, centres).max(dim=2).values


def _first(own: range, centres: int, dimension: int, seed: int) -> Tensor:
    """The first weights of these classes, a block of classes a seed: nobody draws what others hold."""
    blocks = range(own.start // BLOCK, -(-own.stop // BLOCK))
    rows = [
        torch.randn(BLOCK, centres, dimension, generator=generator_for(seed, block))[
            max(own.start - block * BLOCK, 0) : own.stop - block * BLOCK
        ]
        for block in blocks
    ]
    return torch.cat(rows).flatten(0, 1) * DEVIATION
