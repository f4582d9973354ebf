from __future__ import annotations

import math

from losses_by_hand import Rule, check_margin

from mien.training.loss_settings import ArcFace, SubCentreArcFace


def widened(theta: float, m: float) -> float:
    return math.cos(theta + m) if theta < math.pi - m else math.cos(theta) - m * math.sin(m)


def test_arcface_is_its_formula() -> None:
    check_margin(ArcFace(), Rule(lambda theta, norm: widened(theta, 0.5)))


def test_scale_and_margin_are_the_settings() -> None:
    rule = Rule(lambda theta, norm: widened(theta, 1.2), logit=lambda value, norm: 8 * value)
    check_margin(ArcFace(scale=8, margin=1.2), rule)


def test_of_several_centres_the_nearest_counts() -> None:
    check_margin(SubCentreArcFace(), Rule(lambda theta, norm: widened(theta, 0.5)), centres=3)
