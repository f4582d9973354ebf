from __future__ import annotations

import pytest
import torch
from torch import nn

from mien.training.with_torch.backbones import BACKBONES, build
from mien.training.with_torch.backbones.cost import cost


def slopes(network: nn.Module) -> int:
    return sum(module.weight.numel() for module in network.modules() if isinstance(module, nn.PReLU))


def elements(network: nn.Module, kinds: tuple[type[nn.Module], ...]) -> int:
    """How many numbers the layers of these kinds give out for one picture."""
    counts: list[int] = []
    for module in network.modules():
        if isinstance(module, kinds):
            module.register_forward_hook(lambda _module, _given, out: counts.append(out.numel()))
    network.eval()(torch.empty(1, 3, 112, 112, device="meta"))
    return sum(counts)


def test_parameters_and_products_of_the_paper() -> None:
    published = BACKBONES["mobilefacenet"].published
    assert published is not None
    with torch.device("meta"):
        network = build("mobilefacenet", dimension=published.dimension)
    found = cost(network, (112, 112))
    assert found.parameters - slopes(network) == pytest.approx(published.parameters, rel=0.01)
    assert found.macs == pytest.approx(published.macs, rel=0.01)


@pytest.mark.parametrize(
    ("name", "normalisation", "slope"),
    # What their counters add to the products: ptflops two operations a normalised number and one an activated
    # one, TensorFlow's, halved, one a normalised number.
    [("mbf", 2, 1), ("ghostfacenet", 1, 0)],
)
def test_products_that_others_counted_with_normalisations(name: str, normalisation: int, slope: int) -> None:
    published = BACKBONES[name].published
    assert published is not None
    with torch.device("meta"):
        network = build(name)
    macs = cost(network, (112, 112)).macs
    macs += normalisation * elements(network, (nn.BatchNorm1d, nn.BatchNorm2d))
    macs += slope * elements(network, (nn.PReLU,))
    assert macs == pytest.approx(published.macs, rel=0.01)


def test_residual_only_where_shapes_agree() -> None:
    blocks = build("mobilefacenet", dimension=8).blocks
    assert [block.residual for block in blocks] == [False, *[True] * 4, False, *[True] * 6, False, True, True]


def test_the_last_filter_covers_the_map() -> None:
    assert build("mobilefacenet", dimension=8).linear7.conv.kernel_size == (7, 7)
    assert build("mobilefacenet", dimension=8, size=(112, 96)).linear7.conv.kernel_size == (7, 6)


def test_begins_kaiming_by_fan_out() -> None:
    torch.manual_seed(0)
    weights = build("mobilefacenet").conv2.conv.weight.detach()  # (512, 128, 1, 1): fan out 512
    assert weights.std() == pytest.approx((2 / 512) ** 0.5, rel=0.02)
