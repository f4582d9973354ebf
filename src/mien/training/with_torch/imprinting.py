"""What a training begins with, where something is known beforehand: people's vectors, or a teacher's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from mien.errors import InputError
from mien.training.datasets.dataset import Dataset, decode
from mien.training.material import Material
from mien.training.with_torch.keeping import module_of
from mien.training.with_torch.objectives import Recognition
from mien.training.with_torch.teaching import Teaching

TOGETHER = 64
INTRODUCED = 512  # faces whose teacher's vectors say where they lie


class Imprint(Callback):
    """Sets each person's weight to the mean of their pictures' vectors at the beginning (Qi et al. 2018)."""

    def __init__(self, material: Material) -> None:
        self._material = material

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Every process does so, from the same pictures."""
        face, train = module_of(module), self._material.train
        objective = face.taught
        if not isinstance(objective, Recognition):
            raise InputError("few_shot.imprint wants a loss that learns a weight a person")
        face.network.eval()
        found = over(
            train, range(len(train)), lambda pixels: face.network(objective.prepare(pixels)), face.device
        )
        face.network.train()
        labels = torch.from_numpy(train.labels.astype(np.int64)).to(face.device)
        objective.imprint(found, labels)


class Introduce(Callback):
    """Lets a student begin where its teacher's vectors lie: mean and spread of its last batch norm are theirs.

    A teacher's vectors may all point much the same way (two strangers' cosine by dlib's network is 0.85). A
    student that begins around zero spends its first thousand steps on finding that way.
    """

    def __init__(self, material: Material) -> None:
        self._material = material

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Every process does so, from the same pictures; a network without such a last layer stays as it is."""
        face, train = module_of(module), self._material.train
        objective, last = face.taught, last_norm(face.network)
        if (
            not isinstance(objective, Teaching)
            or last is None
            or last.num_features != objective.teacher.dimension
        ):
            return
        rows = np.unique(np.linspace(0, len(train) - 1, min(len(train), INTRODUCED)).astype(np.int64))
        taught = over(train, rows.tolist(), objective.teacher, face.device)
        with torch.no_grad():
            last.bias.copy_(taught.mean(dim=0))
            last.weight.copy_(taught.std(dim=0).clamp_min(1e-4))
        if face.average is not None:  # which began with the network as it was
            face.average.load(face.network.state_dict())


def last_norm(network: nn.Module) -> nn.BatchNorm1d | None:
    """The batch normalisation in which a network ends, None where it ends otherwise."""
    leaves = [module for module in network.modules() if not list(module.children())]
    last = leaves[-1] if leaves else None
    return last if isinstance(last, nn.BatchNorm1d) and last.affine else None


@torch.no_grad()
def over(
    train: Dataset, rows: range | list[int], look: Callable[[Tensor], Tensor], device: torch.device
) -> Tensor:
    """What `look` makes of these pictures as they are, (n,3,h,w) float in 0..255, a part of them at a time."""
    parts = []
    for start in range(0, len(rows), TOGETHER):
        pixels = np.stack([decode(train, row) for row in rows[start : start + TOGETHER]])
        parts.append(look(torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float()))
    return torch.cat(parts)
