"""Every network of the shelf as an ONNX graph: the same numbers, whatever the batch."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from mien.bundle.engines import open_engine
from mien.bundle.runtime import Runtime
from mien.training.with_torch.backbones import BACKBONES, build
from mien.training.with_torch.export import to_onnx

pytestmark = pytest.mark.long
DEEPER = {"iresnet34", "iresnet50", "iresnet100", "vit-small", "vit-base"}  # than another of the same code
ROUNDING = 4.0  # other kernels round otherwise: so many times the network's own error is still rounding


def settled(network: nn.Module, size: tuple[int, int]) -> nn.Module:
    """The network with statistics of its own activations, without which numbers grow past all measure."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = None  # the first batch's statistics, not a tenth of them
    network.train()(torch.randn(8, 3, *size))
    return network


@pytest.mark.parametrize("name", sorted(BACKBONES.keys() - DEEPER))
def test_every_backbone_exports(name: str) -> None:
    """The oracle is the network in float64: the graph may be no worse than the network in float32 is.

    A fixed limit would measure how a network without training magnifies rounding, which differs twentyfold.
    """
    torch.manual_seed(0)
    size = BACKBONES[name].size
    network = settled(build(name), size).eval()
    exact = copy.deepcopy(network).double()
    engine = open_engine(to_onnx(network, size), Runtime(threads=1))
    for count in (1, 2, 7):
        pictures = torch.randn(count, 3, *size, generator=torch.Generator().manual_seed(count))
        with torch.inference_mode():
            single, want = network(pictures).numpy(), exact(pictures.double()).numpy()
        (have,) = engine.run(pictures.numpy())
        assert have.shape == want.shape == (count, 512)
        assert np.abs(have - want).max() <= ROUNDING * np.abs(single - want).max()
