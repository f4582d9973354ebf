from __future__ import annotations

import math

import pytest
from losses_by_hand import Rule, check_margin

from mien.training.loss_settings import MagFace


def held(norm: float) -> float:
    return min(max(norm, 10), 110)


def target(theta: float, norm: float) -> float:
    m = 0.35 / 100 * (held(norm) - 10) + 0.45
    return math.cos(theta + m) if theta < math.pi - m else math.cos(theta) - m * math.sin(m)


@pytest.mark.parametrize("norm", [9.0, 40.0, 110.0])  # lengths of half to one and a half of it
def test_magface_is_its_formula(norm: float) -> None:
    rule = Rule(target, penalty=lambda a: 35 * (held(a) / 110**2 + 1 / held(a)))
    check_margin(MagFace(), rule, norm=norm)
