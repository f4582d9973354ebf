from __future__ import annotations

import math

import pytest
from losses_by_hand import Rule, check_margin

from mien.training.loss_settings import CombinedMargin


@pytest.mark.parametrize("m1", [1.0, 0.9, 1.35, 3.0])
def test_combined_is_its_formula(m1: float) -> None:
    def target(theta: float, norm: float) -> float:
        angle = m1 * theta + 0.3
        k = math.floor(angle / math.pi)
        return (-1) ** k * math.cos(angle) - 2 * k - 0.2

    check_margin(CombinedMargin(m1=m1), Rule(target))
