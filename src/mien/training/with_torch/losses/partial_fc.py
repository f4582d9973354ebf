"""Partial FC: each step looks at the batch's people and at some others only."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor


def drawn_classes(positive: Tensor, classes: int, rate: float, generator: torch.Generator) -> Tensor:
    """(c,) int64, rising: the classes of this process that a step looks at (An et al. 2021, section 3.3; 2022).

    positive: (n,) int64, each face's class, or `classes` where another process holds it. All positives stay;
    others, every one as likely, fill up to rate · classes. The generator is the CPU's, so a run draws the same
    on any device.
    """
    marks = torch.rand(classes + 1, generator=generator).to(positive.device)
    marks[positive] = 2.0
    marks = marks[:classes]
    wanted = max(math.ceil(rate * classes), int((marks == 2.0).sum()))
    return marks.topk(wanted, sorted=False).indices.sort().values


def generator_for(*numbers: int) -> torch.Generator:
    """A generator whose draws follow from these numbers, and from each of them differently."""
    state = int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])
    return torch.Generator().manual_seed(state)
