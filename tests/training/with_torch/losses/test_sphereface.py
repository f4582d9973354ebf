from __future__ import annotations

import math

import pytest
import torch
from losses_by_hand import Rule, check_margin, made_batch, made_loss

from mien.training.loss_settings import SphereFace
from mien.training.with_torch.losses.sphereface import falling


def psi(theta: float, m: int) -> float:
    k = min(int(theta * m / math.pi), m - 1)
    return (-1) ** k * math.cos(m * theta) - 2 * k


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_sphereface_is_its_formula(m: int) -> None:
    settings = SphereFace(margin=m, start=5, least=5)
    target = Rule(lambda theta, norm: (5 * math.cos(theta) + psi(theta, m)) / 6, logit=lambda v, norm: norm * v)
    check_margin(settings, target)


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_the_mirrored_pieces_meet_and_fall(m: int) -> None:
    theta = torch.linspace(0, math.pi, 2001, dtype=torch.float64)
    values = falling(theta.cos(), m)
    oracle = torch.tensor([psi(float(t), m) for t in theta], dtype=torch.float64)
    torch.testing.assert_close(values, oracle, rtol=0, atol=1e-9)
    assert (values.diff() < 1e-12).all()
    assert values[0] == 1
    assert values[-1] == pytest.approx(1 - 2 * m)


def test_annealing_falls_with_the_step_to_its_least() -> None:
    loss = made_loss(SphereFace(start=1000, decay=0.12, power=1, least=5))
    features, labels = made_batch(loss)
    seen = []
    for step in (0, 100, 10_000):
        loss.begin_step(0, step)
        loss(features, torch.tensor(labels))
        seen.append(float(loss.logs["sphereface annealing"]))
    assert seen == pytest.approx([1000, 1000 / 13, 5])
