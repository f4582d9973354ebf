from __future__ import annotations

import copy
import io

import pytest
import torch
from torch import nn

from mien.errors import InputError
from mien.training.with_torch.backbones import build
from mien.training.with_torch.backbones.frozen import freeze, freeze_statistics, group_norm

NORMS = nn.BatchNorm1d | nn.BatchNorm2d


def network() -> nn.Module:
    torch.manual_seed(0)
    return build("mobilefacenet", dimension=16, size=(48, 48))


def statistics(of: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in of.named_buffers() if "running" in name}


def test_statistics_stay_after_train() -> None:
    still = network()
    assert freeze_statistics(still) == sum(isinstance(module, NORMS) for module in still.modules())
    before = statistics(still)
    still.train()(torch.randn(4, 3, 48, 48)).sum().backward()
    assert all(torch.equal(value, before[name]) for name, value in statistics(still).items())
    assert still.conv1.bn.weight.grad is not None  # scales go on learning
    assert still.training
    assert not still.conv1.bn.training


def test_without_freezing_they_move() -> None:
    moving = network()
    before = statistics(moving)
    moving.train()(torch.randn(4, 3, 48, 48))
    assert not torch.equal(statistics(moving)["conv1.bn.running_mean"], before["conv1.bn.running_mean"])


def test_names_copies_and_files_are_as_before() -> None:
    still = network()
    names = list(still.state_dict())
    freeze_statistics(still)
    assert list(still.state_dict()) == names
    again = copy.deepcopy(still).train()
    assert not again.conv1.bn.training
    stream = io.BytesIO()
    torch.save(still.state_dict(), stream)
    stream.seek(0)
    network().load_state_dict(torch.load(stream, weights_only=True))


def test_vectors_and_a_lone_normalisation_too() -> None:
    lone = nn.BatchNorm1d(4)
    assert freeze_statistics(lone) == 1
    lone.train()(torch.randn(8, 4) + 5)
    assert (lone.running_mean == 0).all()


def test_frozen_parts_neither_learn_nor_move() -> None:
    part = network()
    count = freeze(part, ["conv1", "blocks.0"])
    assert count == sum(
        p.numel() for name in ("conv1", "blocks.0") for p in part.get_submodule(name).parameters()
    )
    before = statistics(part)
    part.train()(torch.randn(4, 3, 48, 48)).sum().backward()
    learns = {name for name, parameter in part.named_parameters() if parameter.grad is not None}
    assert not any(name.startswith(("conv1.", "blocks.0.")) for name in learns)
    assert "blocks.1.conv.0.weight" in learns
    after = statistics(part)
    assert torch.equal(after["conv1.bn.running_mean"], before["conv1.bn.running_mean"])
    assert not torch.equal(after["conv2.bn.running_mean"], before["conv2.bn.running_mean"])


def test_parts_named_twice_count_once() -> None:
    part = network()
    assert freeze(part, ["blocks", "blocks.0"]) == sum(p.numel() for p in part.blocks.parameters())


@pytest.mark.parametrize("name", ["layer1", ""])
def test_unknown_part_lists_the_outermost(name: str) -> None:
    with pytest.raises(InputError, match=r"outermost parts are conv1, dw_conv1, blocks, conv2, linear7"):
        freeze(network(), [name])


def test_group_norm_makes_pictures_independent() -> None:
    grouped = network()
    norms = sum(isinstance(module, NORMS) for module in grouped.modules())
    assert group_norm(grouped) == norms
    assert not any(isinstance(module, NORMS) for module in grouped.modules())
    batch = torch.randn(4, 3, 48, 48).double()
    grouped.double().train()
    torch.testing.assert_close(grouped(batch)[:1], grouped(batch[:1]))


def test_group_norm_keeps_scales_and_divides_channels() -> None:
    mixed = nn.Sequential(nn.Conv2d(3, 20, 1), nn.BatchNorm2d(20), nn.Flatten(), nn.BatchNorm1d(20))
    nn.init.normal_(mixed[1].weight)
    weight = mixed[1].weight
    mixed[3].weight.requires_grad = False
    assert group_norm(mixed, groups=8) == 2
    assert (mixed[1].num_groups, mixed[3].num_groups) == (5, 1)
    assert mixed[1].weight is weight
    assert not mixed[3].weight.requires_grad


def test_group_norm_on_vectors_normalises_each() -> None:
    norm = nn.Sequential(nn.BatchNorm1d(64))
    group_norm(norm)
    out = norm(torch.randn(3, 64) * 5 + 2)
    torch.testing.assert_close(out.mean(1), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.norm(dim=1), torch.full((3,), 8.0), rtol=1e-3, atol=0)
