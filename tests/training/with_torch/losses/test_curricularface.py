from __future__ import annotations

import math

import pytest
import torch
from losses_by_hand import DIMENSION, PEOPLE, WEIGHT, Rule, check_margin, cosine, made_batch

from mien.training.loss_settings import CurricularFace
from mien.training.with_torch.losses import build


def target(theta: float, norm: float) -> float:
    return math.cos(theta + 0.5) if theta < math.pi - 0.5 else math.cos(theta) - 0.5 * math.sin(0.5)


def test_curricularface_is_its_formula_at_rest() -> None:
    check_margin(CurricularFace(), Rule(target, lambda c, t: c if t >= c else c * (0 + c)))


def test_t_follows_the_mean_cosine_and_weighs_hard_strangers() -> None:
    loss = build(CurricularFace(momentum=0.9), dimension=DIMENSION, classes=PEOPLE).double()
    features, labels = made_batch(loss)
    weights = dict(loss.named_parameters())[WEIGHT].detach().numpy()
    mean = sum(cosine(x, weights[j]) for x, j in zip(features.numpy(), labels, strict=True)) / len(labels)
    t = 0.0
    for _ in range(3):
        value = loss(features, torch.tensor(labels))
        t = 0.9 * t + 0.1 * mean
        assert float(loss.logs["curricular t"]) == pytest.approx(t)
        rule = Rule(target, lambda c, cap: c if cap >= c else c * (t + c))  # noqa: B023
        assert value.item() == pytest.approx(rule.loss(features.numpy(), weights, labels))


def test_t_rests_while_the_loss_is_only_looked_at() -> None:
    loss = build(CurricularFace(), dimension=DIMENSION, classes=PEOPLE).double().eval()
    features, labels = made_batch(loss)
    loss(features, torch.tensor(labels))
    assert float(loss.logs["curricular t"]) == 0
