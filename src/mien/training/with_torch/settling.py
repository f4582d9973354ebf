"""The network as it is measured and published: with averaged weights, and statistics that belong to them.

A batch norm's running statistics follow the weights with a delay; after few steps, or with averaged weights,
they belong to another network. So they are computed anew on training pictures (Wu and Johnson 2021, "Rethinking
Batch in BatchNorm", section 3: precise BatchNorm). The training itself goes on with its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mien.training.with_torch.backbones.frozen import STILL
from mien.training.with_torch.face_module import FaceModule
from mien.training.with_torch.loader import Decoded


@contextmanager
def settled(face: FaceModule) -> Iterator[None]:
    """Within it, the network is what would be published; afterwards it is as it was."""
    own = {name: tensor.detach().clone() for name, tensor in face.network.state_dict().items()}
    if face.average is not None:
        face.network.load_state_dict(face.average.state)
    norms = [module for module in face.network.modules() if follows(module)]
    try:
        if norms and face.recipe.validation.settle:
            _settle(face, norms)
        yield
    finally:
        face.network.load_state_dict(own)


def follows(module: nn.Module) -> bool:
    """Whether a module has running statistics that are not frozen."""
    still = tuple(STILL.values())
    return isinstance(module, _BatchNorm) and module.track_running_stats and not isinstance(module, still)


@torch.no_grad()
def _settle(face: FaceModule, norms: list[nn.Module]) -> None:
    """Statistics as the even mean over batches, so many pictures in all, varied as in training."""
    momenta = [module.momentum for module in norms]
    training = face.network.training
    for module in norms:
        module.reset_running_stats()  # type: ignore[operator]
        module.momentum = None  # type: ignore[assignment]
    face.network.train()
    try:
        _look(face)
    finally:
        face.network.train(training)
        for module, momentum in zip(norms, momenta, strict=True):
            module.momentum = momentum


def _look(face: FaceModule) -> None:
    parts = face.recipe.batch.accumulate * face.trainer.world_size
    batches = -(-face.recipe.validation.settle * parts // face.recipe.batch.size)
    decoded = Decoded(face.dataset, face.recipe.machine.seed)
    for chosen in islice(face.batches.since(face.step), batches):
        batch = decoded[chosen.part(0, parts)]
        pixels = face.view(batch.pixels.to(face.device), batch.draws)
        face.network(face.taught.prepare(pixels))
