from __future__ import annotations

import pytest
import torch
from torch import nn

from mien.training.with_torch.backbones import build
from mien.training.with_torch.key_maps import (
    halved_patches,
    insightface_name,
    linear_as_convolution,
    same_shape,
)

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def layer(place: str, *, slope: bool = True) -> set[str]:
    """A convolution, its normalisation and its slopes, numbered."""
    return (
        {f"{place}.0.weight"}
        | {f"{place}.1.{part}" for part in NORM}
        | ({f"{place}.2.weight"} if slope else set())
    )


def bottleneck(place: str) -> set[str]:
    parts = [layer(f"{place}.layers.{number}.layers", slope=number < 2) for number in range(3)]
    return set().union(*parts)


def insightfaces_mbf() -> set[str]:
    """The names in a checkpoint of arcface_torch's mbf, by the rule that its modules follow."""
    names = layer("layers.0.layers") | layer("layers.1.layers") | layer("conv_sep.layers")
    names |= layer("features.layers.0.layers", slope=False)
    for single in (2, 4, 6):
        names |= bottleneck(f"layers.{single}")
    for row, count in ((3, 4), (5, 6), (7, 2)):
        for number in range(count):
            names |= bottleneck(f"layers.{row}.layers.{number}")
    return names | {"features.layers.2.weight"} | {f"features.layers.3.{part}" for part in NORM}


def test_every_name_of_insightfaces_mbf_becomes_one_of_ours() -> None:
    with torch.device("meta"):
        ours = set(build("mbf").state_dict())
    theirs = insightfaces_mbf()
    assert {insightface_name(name) for name in theirs} == ours
    assert len(theirs) == len(ours)


@pytest.mark.parametrize("name", ["iresnet18", "vit-tiny"])
def test_names_that_are_ours_stay(name: str) -> None:
    with torch.device("meta"):
        names = list(build(name).state_dict())
    assert [insightface_name(each) for each in names] == names


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("layers.2.layers.1.layers.1.bias", "blocks.0.conv.4.bias"),
        ("layers.3.layers.0.layers.0.layers.0.weight", "blocks.1.conv.0.weight"),
        ("layers.5.layers.5.layers.2.layers.1.running_var", "blocks.11.conv.7.running_var"),
        ("layers.7.layers.1.layers.0.layers.2.weight", "blocks.14.conv.2.weight"),
        ("features.layers.3.running_mean", "linear1.bn.running_mean"),
    ],
)
def test_names_by_hand(theirs: str, ours: str) -> None:
    assert insightface_name(theirs) == ours


def test_linear_layer_as_the_convolution_that_computes_the_same() -> None:
    x, weight = torch.randn(2, 6), torch.randn(4, 6)
    kernel = linear_as_convolution(weight, (4, 6, 1, 1))
    torch.testing.assert_close(nn.functional.conv2d(x[:, :, None, None], kernel).flatten(1), x @ weight.T)
    assert linear_as_convolution(weight, (4, 6)) is weight
    assert linear_as_convolution(weight, (5, 6, 1, 1)) is weight


def test_only_patches_of_twice_the_size_are_halved() -> None:
    kernel = torch.randn(2, 3, 4, 4)
    halved = halved_patches(kernel, (2, 3, 2, 2))
    torch.testing.assert_close(halved[1, 2, 0, 1], kernel[1, 2, 0:2, 2:4].sum())
    assert halved_patches(kernel, (2, 3, 4, 4)) is kernel
    assert halved_patches(torch.ones(4), (2,)).shape == (4,)


def test_same_shape_is_what_it_was() -> None:
    tensor = torch.zeros(2)
    assert same_shape(tensor, (3,)) is tensor
