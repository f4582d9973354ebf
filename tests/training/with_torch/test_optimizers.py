"""Rates, decay and averages, against a reckoning by hand."""

from __future__ import annotations

import math

import pytest
import torch
from made_training import Tiny
from torch import nn

from mien.errors import InputError
from mien.training.loss_settings import ArcFace
from mien.training.recipe import Optimizer, Schedule
from mien.training.with_torch import losses
from mien.training.with_torch.losses.row_sgd import RowSGD
from mien.training.with_torch.optimizers import Average, height, optimizer, set_rates


def network() -> Tiny:
    return Tiny(dimension=8, size=(32, 32), dropout=0)


def arcface() -> nn.Module:
    return losses.build(ArcFace(), dimension=8, classes=5)


def test_biases_norms_and_slopes_are_not_decayed() -> None:
    net, loss = network(), arcface()
    found = optimizer(net, loss, Optimizer(lr=0.2, lr_batch=64, loss_lr=3, weight_decay=0.01), 32)
    assert isinstance(found, RowSGD)
    where = {id(each): group for group in found.param_groups for each in group["params"]}
    for name, parameter in net.named_parameters():
        group = where[id(parameter)]
        decayed = name in ("trunk.0.weight", "trunk.3.weight", "head.weight")
        assert group["weight_decay"] == (0.01 if decayed else 0.0), name
        assert group["base"] == group["lr"] == pytest.approx(0.1)
    weight = where[id(next(loss.parameters()))]
    assert (weight["weight_decay"], weight["base"]) == (0.01, pytest.approx(0.3))


def test_what_is_frozen_is_not_moved_and_nothing_to_learn_is_said() -> None:
    net = network()
    net.trunk.requires_grad_(False)
    found = optimizer(net, nn.Module(), Optimizer(name="adamw"), 256)
    assert isinstance(found, torch.optim.AdamW)
    assert sum(len(group["params"]) for group in found.param_groups) == 2
    net.requires_grad_(False)
    with pytest.raises(InputError, match="every part of the network is frozen"):
        optimizer(net, nn.Module(), Optimizer(), 256)


def test_a_step_is_sgd_with_momentum_and_decay() -> None:
    layer = nn.Linear(2, 2, bias=False)
    begun = layer.weight.detach().clone()
    found = optimizer(layer, nn.Module(), Optimizer(lr=0.1, lr_batch=1, momentum=0.9, weight_decay=0.5), 1)
    weight, speed = begun.clone(), torch.zeros(2, 2)
    for step in range(3):
        gradient = torch.full((2, 2), float(step + 1))
        layer.weight.grad = gradient.clone()
        found.step()
        speed = gradient + 0.5 * weight if step == 0 else 0.9 * speed + gradient + 0.5 * weight
        weight = weight - 0.1 * speed
    assert torch.allclose(layer.weight, weight, atol=1e-6)


@pytest.mark.parametrize("shape", ["cosine", "linear", "steps", "constant"])
def test_the_rate_rises_in_a_line(shape: str) -> None:
    schedule = Schedule(shape=shape)  # type: ignore[arg-type]
    assert [height(schedule, step, 100, 4) for step in range(5)] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Schedule(shape="cosine"), lambda done: (1 + math.cos(math.pi * done)) / 2),
        (Schedule(shape="linear"), lambda done: 1 - done),
        (Schedule(shape="constant"), lambda done: 1.0),
        (Schedule(shape="linear", final=0.2), lambda done: 0.2 + 0.8 * (1 - done)),
        (
            Schedule(shape="steps", milestones=(0.5, 0.75)),
            lambda done: 1.0 if done < 0.5 else 0.1 if done < 0.75 else 0.01,
        ),
    ],
)
def test_then_it_falls_as_its_shape_says(schedule: Schedule, expected: object) -> None:
    assert callable(expected)
    for step in range(20, 100):
        assert height(schedule, step, 100, 20) == pytest.approx(expected((step - 20) / 80))


def test_a_training_that_is_all_warm_up_never_divides_by_nothing() -> None:
    assert height(Schedule(), 9, 10, 10) == 1.0
    assert height(Schedule(), 0, 1, 0) == 1.0


def test_every_group_keeps_its_own_height() -> None:
    found = optimizer(network(), arcface(), Optimizer(lr=1, lr_batch=1, loss_lr=2), 1)
    set_rates(found, 0.25)
    assert {group["lr"] for group in found.param_groups} == {0.25, 0.5}
    set_rates(found, 1)
    assert {group["lr"] for group in found.param_groups} == {1.0, 2.0}


def test_the_average_follows_as_by_hand() -> None:
    net = network()
    average = Average(net, 0.9)
    expected = {name: each.detach().clone() for name, each in net.named_parameters()}
    for step in range(1, 200):
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.add_(torch.randn_like(parameter))
            net.get_buffer("trunk.1.running_mean").fill_(float(step))
        average.follow(net, step)
        keep = min(0.9, (1 + step) / (10 + step))
        for name, parameter in net.named_parameters():
            expected[name] = keep * expected[name] + (1 - keep) * parameter.detach()
    for name, tensor in expected.items():
        assert torch.allclose(average.state[name], tensor, atol=1e-4), name
    assert torch.equal(average.state["trunk.1.running_mean"], torch.full((8,), 199.0))
    again = Average(network(), 0.9)
    again.load(average.state)
    assert all(torch.equal(again.state[name], tensor) for name, tensor in average.state.items())
    again.state["head.bias"].zero_()
    assert average.state["head.bias"].any()  # it took numbers, not the tensors
