from __future__ import annotations

import math

from losses_by_hand import Rule, check_margin

from mien.training.loss_settings import CosFace


def test_cosface_is_its_formula() -> None:
    check_margin(CosFace(), Rule(lambda theta, norm: math.cos(theta) - 0.35))
