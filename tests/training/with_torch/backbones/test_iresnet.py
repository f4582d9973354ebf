from __future__ import annotations

import pytest
import torch

from mien.training.with_torch.backbones import build

BLOCKS = {
    "iresnet18": (2, 2, 2, 2),
    "iresnet34": (3, 4, 6, 3),
    "iresnet50": (3, 4, 14, 3),
    "iresnet100": (3, 13, 30, 3),
}
NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def arcface_torch_names(blocks: tuple[int, ...]) -> set[str]:
    """The names in a checkpoint of insightface's arcface_torch, by the rule that its modules follow."""
    names = {"conv1.weight", "prelu.weight", "fc.weight", "fc.bias"}
    names |= {f"{norm}.{part}" for norm in ("bn1", "bn2", "features") for part in NORM}
    for stage, count in enumerate(blocks, start=1):
        for number in range(count):
            block = f"layer{stage}.{number}"
            names |= {f"{block}.{layer}.weight" for layer in ("conv1", "conv2", "prelu")}
            names |= {f"{block}.bn{norm}.{part}" for norm in (1, 2, 3) for part in NORM}
        names |= {f"layer{stage}.0.downsample.0.weight"}
        names |= {f"layer{stage}.0.downsample.1.{part}" for part in NORM}
    return names


@pytest.mark.parametrize("name", BLOCKS)
def test_names_and_shapes_are_insightfaces(name: str) -> None:
    with torch.device("meta"):
        state = build(name).state_dict()
    assert set(state) == arcface_torch_names(BLOCKS[name])
    assert state["fc.weight"].shape == (512, 512 * 7 * 7)
    assert state["layer4.0.downsample.0.weight"].shape == (512, 256, 1, 1)
    assert state["layer2.0.conv1.weight"].shape == (128, 64, 3, 3)


def test_begins_as_documented() -> None:
    torch.manual_seed(0)
    network = build("iresnet18")
    weights = network.layer4[1].conv1.weight.detach()
    assert weights.mean().abs() < 1e-3
    assert weights.std() == pytest.approx(0.1, rel=0.01)
    assert (network.layer1[0].prelu.weight == 0.25).all()


def test_the_last_scale_is_fixed_at_one() -> None:
    network = build("iresnet18", dimension=16)
    assert not network.features.weight.requires_grad
    assert (network.features.weight == 1).all()
    assert network.features.bias.requires_grad


def test_block_adds_what_came_in() -> None:
    block = build("iresnet18", dimension=8).layer1[1].eval()
    block.bn3.weight.data.zero_()
    x = torch.randn(2, 64, 5, 5)
    assert torch.equal(block(x), x)
