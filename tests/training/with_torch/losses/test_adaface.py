from __future__ import annotations

import math
import statistics

import pytest
import torch
from losses_by_hand import DIMENSION, PEOPLE, WEIGHT, Rule, check_margin, length, made_batch, made_loss

from mien.training.loss_settings import AdaFace
from mien.training.with_torch.losses import build
from mien.training.with_torch.losses.adaface import held_turn


def rule(mean: float, deviation: float, m: float = 0.4, h: float = 0.333) -> Rule:
    def target(theta: float, norm: float) -> float:
        z = (min(max(norm, 1e-3), 100) - mean) / (deviation + 1e-3) * h
        z = min(max(z, -1), 1)
        return math.cos(min(max(theta - m * z, 0), math.pi)) - (m * z + m)

    return Rule(target)


def test_adaface_is_its_formula_and_the_margin_passes_no_gradient_to_the_length() -> None:
    settings = AdaFace(concentration=5)
    lengths = [length(x) for x in made_batch(made_loss(settings))[0].numpy()]
    moving = rule(20, 100, h=5)

    def target(theta: float, norm: float) -> float:
        return moving.target(theta, min(lengths, key=lambda unmoved: abs(unmoved - norm)))

    check_margin(settings, Rule(target), whole=False)


def test_norm_statistics_follow_the_batch_and_set_the_margin() -> None:
    loss = build(AdaFace(momentum=0.9), dimension=DIMENSION, classes=PEOPLE).double()
    mean, deviation = 20.0, 100.0
    for norm in (5.0, 60.0, 200.0):
        features, labels = made_batch(loss, norm=norm)
        lengths = [min(length(x), 100) for x in features.numpy()]
        value = loss(features, torch.tensor(labels))
        mean = 0.9 * mean + 0.1 * statistics.mean(lengths)
        deviation = 0.9 * deviation + 0.1 * statistics.stdev(lengths)
        weights = dict(loss.named_parameters())[WEIGHT].detach().numpy()
        by_hand = rule(mean, deviation).loss(features.numpy(), weights, labels)
        assert value.item() == pytest.approx(by_hand, rel=1e-6)  # the statistics' first values are float32
        assert float(loss.logs["adaface mean norm"]) == pytest.approx(mean)


def test_one_face_alone_moves_the_statistics_not_at_all() -> None:
    loss = build(AdaFace(), dimension=DIMENSION, classes=PEOPLE)
    value = loss(torch.ones(1, DIMENSION), torch.zeros(1, dtype=torch.int64))
    assert torch.isfinite(value)
    assert float(loss.state_dict()["margin.mean"]) == 20


def test_the_turned_angle_is_held_within_the_half_circle() -> None:
    theta = torch.linspace(0.001, math.pi - 0.001, 1001, dtype=torch.float64)
    for angle in (-0.4, 0.0, 0.4):
        turned = held_turn(theta.cos(), torch.full_like(theta, angle))
        torch.testing.assert_close(turned, (theta + angle).clamp(0, math.pi).cos())
