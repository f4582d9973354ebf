from __future__ import annotations

import math

import pytest
import torch
from losses_by_hand import DIMENSION, WEIGHT, Rule

from mien.errors import InputError
from mien.training.loss_settings import ArcFace, NormFace, SubCentreArcFace
from mien.training.with_torch.losses import build
from mien.training.with_torch.losses.partial_fc import drawn_classes, generator_for


def drawn(positive: list[int], rate: float, *numbers: int, classes: int = 20) -> list[int]:
    return drawn_classes(torch.tensor(positive), classes, rate, generator_for(*numbers)).tolist()


def test_every_positive_is_drawn_and_others_fill_up_to_the_rate() -> None:
    for step in range(20):
        classes = drawn([3, 17, 3, 20], 0.3, 1, step)
        assert len(classes) == len(set(classes)) == 6
        assert classes == sorted(classes)
        assert {3, 17} <= set(classes) <= set(range(20))


def test_more_positives_than_the_rate_are_all_drawn() -> None:
    assert drawn([*range(8)], 0.1, 0) == [*range(8)]


def test_strangers_are_drawn_alike() -> None:
    """2000 draws of 4 among 18 strangers: 444 each are expected, with a deviation of 19."""
    counts = torch.zeros(20)
    for step in range(2000):
        counts[drawn([3, 17], 0.3, 5, step)] += 1
    assert counts[3] == counts[17] == 2000
    strangers = counts[[each for each in range(20) if each not in (3, 17)]]
    assert strangers.sum() == 8000
    assert (strangers - 444.4).abs().max() < 5 * 19


def test_draws_follow_from_seed_step_and_rank_and_from_each() -> None:
    assert drawn([0], 0.3, 1, 2, 3) == drawn([0], 0.3, 1, 2, 3)
    assert (
        len({tuple(drawn([0], 0.3, *numbers)) for numbers in ((1, 2, 3), (2, 2, 3), (1, 3, 3), (1, 2, 4))}) == 4
    )


@pytest.mark.parametrize("kind", [ArcFace, SubCentreArcFace])
def test_a_draw_of_everybody_is_the_full_softmax(kind: type[ArcFace]) -> None:
    """Values and gradients; 0.999 of ten people is all ten, on the sparse road."""
    drawing, full = (build(kind(sample=rate), dimension=DIMENSION, classes=10) for rate in (0.999, 1.0))
    drawing.begin_step(0, 0)
    labels = torch.tensor([0, 3, 3, 9])
    made = torch.randn(4, DIMENSION, generator=torch.Generator().manual_seed(0))
    features = [made.clone().requires_grad_() for _ in range(2)]
    values = [loss(x, labels) for loss, x in zip((drawing, full), features, strict=True)]
    for value in values:
        value.backward()
    torch.testing.assert_close(values[0], values[1])
    torch.testing.assert_close(features[0].grad, features[1].grad)
    sparse, dense = (dict(loss.named_parameters())[WEIGHT].grad for loss in (drawing, full))
    assert sparse is not None
    assert dense is not None
    assert sparse.is_sparse
    torch.testing.assert_close(sparse.to_dense(), dense)


def test_of_a_part_the_softmax_is_over_that_part() -> None:
    loss = build(NormFace(sample=0.4), dimension=DIMENSION, classes=10).double()
    loss.begin_step(4, 9)
    labels = [7, 2, 2]
    features = torch.randn(3, DIMENSION, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    classes = drawn(labels, 0.4, 4, 9, 0, classes=10)
    weights = dict(loss.named_parameters())[WEIGHT].detach().numpy()[classes]
    by_hand = Rule(lambda theta, norm: math.cos(theta))
    places = [classes.index(label) for label in labels]
    wanted = by_hand.loss(features.numpy(), weights, places)
    assert loss(features, torch.tensor(labels)).item() == pytest.approx(wanted)


def test_the_gradient_is_no_larger_than_the_draw() -> None:
    loss = build(ArcFace(sample=0.01), dimension=DIMENSION, classes=5000)
    loss.begin_step(0, 0)
    loss(torch.ones(2, DIMENSION), torch.tensor([1, 4999])).backward()
    gradient = dict(loss.named_parameters())[WEIGHT].grad
    assert gradient is not None
    assert gradient.is_sparse
    assert gradient._values().untyped_storage().nbytes() == 50 * DIMENSION * 4


def test_looked_at_only_everybody_counts() -> None:
    drawing, full = (build(ArcFace(sample=rate), dimension=DIMENSION, classes=10).eval() for rate in (0.2, 1.0))
    features, labels = torch.eye(3, DIMENSION), torch.tensor([0, 3, 9])
    torch.testing.assert_close(drawing(features, labels), full(features, labels))


def test_a_draw_from_nothing_is_refused() -> None:
    loss = build(ArcFace(sample=0.2), dimension=DIMENSION, classes=10)
    with pytest.raises(InputError, match="begin_step"):
        loss(torch.eye(3, DIMENSION), torch.tensor([0, 3, 9]))
