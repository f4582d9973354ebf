"""Which weights move, how fast at which step, and the average that follows them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mien.errors import InputError
from mien.training.recipe import Optimizer, Schedule
from mien.training.with_torch.losses.row_sgd import RowSGD

Groups = list[dict[str, Any]]


def _sgd(groups: Groups, settings: Optimizer) -> torch.optim.Optimizer:
    return RowSGD(groups, momentum=settings.momentum)


def _adamw(groups: Groups, settings: Optimizer) -> torch.optim.Optimizer:
    return torch.optim.AdamW(groups, betas=(settings.momentum, 0.999))


OPTIMIZERS: Mapping[str, Callable[[Groups, Optimizer], torch.optim.Optimizer]] = {"sgd": _sgd, "adamw": _adamw}


def optimizer(network: nn.Module, loss: nn.Module, settings: Optimizer, batch: int) -> torch.optim.Optimizer:
    """The optimiser of both; each group's `base` is its learning rate at the top of the schedule.

    Biases, normalisations and slopes are not decayed: a decayed scale only shrinks what the next layer
    restores. InputError where nothing is left to learn.
    """
    rate = settings.rate(batch)
    groups = [
        *_split(network.parameters(), rate, settings.weight_decay),
        *_split(loss.parameters(), rate * settings.loss_lr, settings.weight_decay),
    ]
    if not groups:
        raise InputError("every part of the network is frozen, so there is nothing to learn")
    return OPTIMIZERS[settings.name](groups, settings)


def _split(parameters: Iterable[nn.Parameter], rate: float, decay: float) -> Groups:
    moving = [each for each in parameters if each.requires_grad]
    parts = ((decay, [p for p in moving if p.ndim > 1]), (0.0, [p for p in moving if p.ndim <= 1]))
    return [{"params": part, "lr": rate, "base": rate, "weight_decay": d} for d, part in parts if part]


def height(schedule: Schedule, step: int, steps: int, warmup: int) -> float:
    """The learning rate at a step as a share of its height: up in a line over `warmup` steps, then `shape`."""
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(steps - warmup, 1)
    return schedule.final + (1 - schedule.final) * SHAPES[schedule.shape](done, schedule)


def _steps(done: float, schedule: Schedule) -> float:
    passed = sum(done >= milestone for milestone in schedule.milestones)
    return float(0.1**passed)


# The share of the height that is left when a share of the training is done. Cosine: Loshchilov and Hutter 2017.
SHAPES: Mapping[str, Callable[[float, Schedule], float]] = {
    "cosine": lambda done, _: (1 + math.cos(math.pi * done)) / 2,
    "linear": lambda done, _: 1 - done,
    "steps": _steps,
    "constant": lambda done, _: 1.0,
}


def set_rates(found: torch.optim.Optimizer, share: float) -> None:
    """Every group's learning rate to this share of its height."""
    for group in found.param_groups:
        group["lr"] = group["base"] * share


class Average:
    """An exponential average of a network's weights, which is often the better network (Polyak and Juditsky
    1992).

    keep: the share of the average that stays at each step; in the first steps less, so that it does not
    remember the random beginning. Statistics of batch norms are taken over as they are.
    """

    def __init__(self, network: nn.Module, keep: float) -> None:
        self._keep = keep
        self.state = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}

    @torch.no_grad()
    def follow(self, network: nn.Module, step: int) -> None:
        """Move towards the network as it is after `step` steps."""
        keep = min(self._keep, (1 + step) / (10 + step))
        learnt = dict(network.named_parameters())
        for name, tensor in network.state_dict().items():
            if name in learnt:
                self.state[name].lerp_(tensor.detach(), 1 - keep)
            else:
                self.state[name].copy_(tensor)

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take the average of an earlier run."""
        for name, tensor in self.state.items():
            tensor.copy_(state[name])
