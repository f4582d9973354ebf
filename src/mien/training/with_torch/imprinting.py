"""Weights that begin as what the network makes of the people already (Qi et al. 2018)."""

from __future__ import annotations

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from mien.errors import InputError
from mien.training.datasets.dataset import decode
from mien.training.material import Material
from mien.training.with_torch.keeping import module_of
from mien.training.with_torch.objectives import Recognition

TOGETHER = 64


class Imprint(Callback):
    """Sets each person's weight to the mean vector of their pictures, before the first step."""

    def __init__(self, material: Material) -> None:
        self._material = material

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Every process does so, from the same pictures."""
        face, train = module_of(module), self._material.train
        objective = face.taught
        if not isinstance(objective, Recognition):
            raise InputError("few_shot.imprint wants a loss that learns a weight a person")
        parts = []
        face.network.eval()
        with torch.no_grad():
            for start in range(0, len(train), TOGETHER):
                rows = range(start, min(start + TOGETHER, len(train)))
                pixels = torch.from_numpy(np.stack([decode(train, row) for row in rows])).to(face.device)
                parts.append(face.network(objective.prepare(pixels.permute(0, 3, 1, 2).float())))
        face.network.train()
        labels = torch.from_numpy(train.labels.astype(np.int64)).to(face.device)
        objective.imprint(torch.cat(parts), labels)
