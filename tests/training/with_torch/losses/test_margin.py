"""What holds of every margin loss: NormFace is the softmax of cosines, and no number is ever lost."""

from __future__ import annotations

import math

import pytest
import torch
from losses_by_hand import DIMENSION, PEOPLE, WEIGHT, Rule, check_margin

from mien.training.loss_settings import (
    AdaFace,
    ArcFace,
    CombinedMargin,
    CosFace,
    CurricularFace,
    MagFace,
    MarginSettings,
    NormFace,
    SphereFace,
    SubCentreArcFace,
)
from mien.training.with_torch.losses import build

EVERY = [
    NormFace(),
    ArcFace(),
    SubCentreArcFace(),
    CosFace(),
    SphereFace(least=0, start=0),
    CombinedMargin(),
    CombinedMargin(m1=0.7),
    CurricularFace(),
    AdaFace(),
    MagFace(),
]
NO_MARGIN = [
    ArcFace(margin=0),
    CosFace(margin=0),
    CombinedMargin(m2=0, m3=0),
    AdaFace(margin=0),
    MagFace(low_margin=0, high_margin=0, regulariser=0),
]


def name(settings: MarginSettings) -> str:
    return type(settings).__name__


def test_normface_is_its_formula() -> None:
    check_margin(NormFace(), Rule(lambda theta, norm: math.cos(theta)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("settings", EVERY, ids=name)
def test_gradients_are_finite_where_the_angle_is_none_or_half_a_circle(
    settings: MarginSettings, dtype: torch.dtype
) -> None:
    loss = build(settings, dimension=DIMENSION, classes=PEOPLE)
    weights = dict(loss.named_parameters())[WEIGHT]
    centres = len(weights) // PEOPLE
    own = weights.detach()[[0, centres, 2 * centres]]
    towards = torch.cat([own * 1000, -own * 1000, torch.zeros(1, DIMENSION), own * 1e-9])
    features = towards.to(dtype).requires_grad_()
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 3, 0, 1, 2])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(features, labels)
    assert value.dtype == torch.float32
    value.backward()
    assert features.grad is not None
    assert weights.grad is not None
    assert features.grad.dtype == dtype
    assert torch.isfinite(value)
    assert torch.isfinite(features.grad).all()
    assert torch.isfinite(weights.grad).all()


@pytest.mark.parametrize("settings", NO_MARGIN, ids=name)
def test_without_a_margin_each_is_normface(settings: MarginSettings) -> None:
    """With every curve's kinks and its ends looked at: faces all over, and exactly at their own weights."""
    plain, loss = (build(each, dimension=DIMENSION, classes=PEOPLE) for each in (NormFace(), settings))
    own = dict(plain.named_parameters())[WEIGHT].detach()
    generator = torch.Generator().manual_seed(1)
    features = torch.cat([torch.randn(20, DIMENSION, generator=generator), own, -own])
    labels = torch.tensor([*range(5)] * 6)
    mine, theirs = features.clone().requires_grad_(), features.clone().requires_grad_()
    value, wanted = loss(mine, labels), plain(theirs, labels)
    torch.testing.assert_close(value, wanted, rtol=1e-5, atol=1e-4)
    value.backward()
    wanted.backward()
    assert mine.grad is not None
    torch.testing.assert_close(mine.grad[:20], theirs.grad[:20], rtol=1e-4, atol=1e-4)  # type: ignore[index]
    assert torch.isfinite(mine.grad).all()


def test_bfloat16_features_give_what_their_values_give_in_float32() -> None:
    """Under autocast too: nothing but the features themselves is rounded."""
    loss = build(ArcFace(), dimension=DIMENSION, classes=PEOPLE)
    features = torch.randn(20, DIMENSION, generator=torch.Generator().manual_seed(2)).to(torch.bfloat16)
    labels = torch.tensor([*range(5)] * 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = loss(features, labels)
    torch.testing.assert_close(rounded, loss(features.float(), labels), rtol=0, atol=0)
