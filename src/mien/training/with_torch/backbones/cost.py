"""What a network costs, counted layer by layer without running it."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mien.training.with_torch.backbones.backbone import Size


@dataclass(frozen=True)
class Cost:
    """parameters: weights and biases, frozen ones too. macs: multiply-accumulates of one picture.

    Convolutions, matrix products and attention count; normalisations and activations do not, as in most papers.
    """

    parameters: int
    macs: int


def cost(network: nn.Module, size: Size) -> Cost:
    """The cost for one picture of (h, w) pixels. Counts a copy without data: the network is left alone."""
    shadow = copy.deepcopy(network).to("meta").eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        shadow(torch.empty(1, 3, *size, device="meta"))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Cost(parameters, counter.get_total_flops() // 2)  # torch counts a multiplication and an addition
