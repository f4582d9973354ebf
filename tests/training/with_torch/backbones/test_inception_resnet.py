from __future__ import annotations

import torch
from torch import nn

from mien.training.with_torch.backbones import build

LAYER = ("conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var", "bn.num_batches_tracked")
STEM = ("conv2d_1a", "conv2d_2a", "conv2d_2b", "conv2d_3b", "conv2d_4a", "conv2d_4b")
NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def branches(block: str, lengths: tuple[int, ...]) -> set[str]:
    """A branch of one layer is that layer, a longer one numbers them."""
    names: set[str] = set()
    for branch, length in enumerate(lengths):
        places = [""] if length == 1 else [f".{number}" for number in range(length)]
        names |= {f"{block}.branch{branch}{place}.{part}" for place in places for part in LAYER}
    return names


def residual(block: str, lengths: tuple[int, ...]) -> set[str]:
    return branches(block, lengths) | {f"{block}.conv2d.weight", f"{block}.conv2d.bias"}


def facenet_pytorch_names() -> set[str]:
    """The names in facenet-pytorch's checkpoints, less the classifier, by the rule that its modules follow."""
    names = {f"{layer}.{part}" for layer in STEM for part in LAYER}
    for number in range(5):
        names |= residual(f"repeat_1.{number}", (1, 2, 3)) | residual(f"repeat_3.{number}", (1, 3))
    for number in range(10):
        names |= residual(f"repeat_2.{number}", (1, 3))
    names |= branches("mixed_6a", (1, 3)) | branches("mixed_7a", (2, 2, 3)) | residual("block8", (1, 3))
    return names | {"last_linear.weight"} | {f"last_bn.{part}" for part in NORM}


def test_names_are_facenet_pytorchs() -> None:
    with torch.device("meta"):
        state = build("inception-resnet-v1").state_dict()
    assert set(state) == facenet_pytorch_names()
    assert state["last_linear.weight"].shape == (512, 1792)
    assert state["repeat_2.3.branch1.1.conv.weight"].shape == (128, 128, 1, 7)
    assert state["repeat_2.3.branch1.2.conv.weight"].shape == (128, 128, 7, 1)


def test_normalisation_has_tensorflows_epsilon() -> None:
    network = build("inception-resnet-v1", dimension=128)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    assert {norm.eps for norm in norms} == {1e-3}


def test_scales_of_the_residual_blocks() -> None:
    network = build("inception-resnet-v1", dimension=8)
    assert {block.scale for block in network.repeat_1} == {0.17}
    assert {block.scale for block in network.repeat_2} == {0.10}
    assert {block.scale for block in network.repeat_3} == {0.20}
    assert (network.block8.scale, network.block8.linear) == (1.0, True)


def test_only_the_last_block_is_linear() -> None:
    torch.manual_seed(0)
    network = build("inception-resnet-v1", dimension=8).eval()
    x = torch.randn(1, 1792, 3, 3)
    assert (network.repeat_3[0](x) >= 0).all()
    assert (network.block8(x) < 0).any()
