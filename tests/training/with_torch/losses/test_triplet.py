from __future__ import annotations

import math
from typing import Literal

import pytest
import torch
from losses_by_hand import DIMENSION, Vectors, check_features, cosine

from mien.training.loss_settings import Triplet
from mien.training.with_torch.losses import build

LABELS = [0, 0, 1, 1, 2, 2, 0, 1, 3]
EVERY = [
    Triplet(),
    Triplet(mining="hard", squared=False, margin=0.3),
    Triplet(mining="hard", soft=True, squared=False),
    Triplet(soft=True),
    Triplet(squared=False, margin=1.0),
]


def faces(seed: int = 0, labels: list[int] = LABELS) -> torch.Tensor:
    """Around their people, and the last but two nearly opposite the first, so farther than any stranger."""
    generator = torch.Generator().manual_seed(seed)
    people = torch.randn(max(labels) + 1, DIMENSION, dtype=torch.float64, generator=generator)
    noise = torch.randn(len(labels), DIMENSION, dtype=torch.float64, generator=generator)
    made = 5 * (people[torch.tensor(labels)] + noise)
    made[-3] = noise[-3] / 10 - made[0]
    return made


def triplets(apart: list[list[float]], labels: list[int], mining: str) -> list[tuple[float, float]]:
    found = []
    for a, label in enumerate(labels):
        near = [apart[a][p] for p, other in enumerate(labels) if other == label and p != a]
        far = [apart[a][n] for n, other in enumerate(labels) if other != label]
        if not near or not far:
            continue
        if mining == "hard":
            found.append((max(near), min(far)))
            continue
        for distance in near:
            farther = [each for each in far if each > distance]
            found.append((distance, min(farther) if farther else max(far)))
    return found


def by_hand(settings: Triplet, features: Vectors, labels: list[int]) -> float:
    squares = [[2 - 2 * cosine(a, b) for b in features] for a in features]
    apart = squares if settings.squared else [[math.sqrt(max(d, 0)) for d in row] for row in squares]
    gaps = [near - far for near, far in triplets(apart, labels, settings.mining)]
    costs = [math.log1p(math.exp(gap)) if settings.soft else max(gap + settings.margin, 0) for gap in gaps]
    return math.fsum(costs) / len(costs)


@pytest.mark.parametrize("settings", EVERY, ids=repr)
@pytest.mark.parametrize("seed", [0, 1])
def test_triplet_is_its_formula(settings: Triplet, seed: int) -> None:
    loss = build(settings, dimension=DIMENSION, classes=4)
    x = faces(seed)
    check_features(lambda x: loss(x, torch.tensor(LABELS)), lambda f: by_hand(settings, f, LABELS), x)


def test_both_ways_of_semi_hard_mining_are_met_in_these_faces() -> None:
    """What the oracle is asked: some positives have a farther negative, some have none."""
    apart = [[2 - 2 * cosine(a, b) for b in faces(0).numpy()] for a in faces(0).numpy()]
    kinds = {far > near for near, far in triplets(apart, LABELS, "semi-hard")}
    assert kinds == {True, False}


@pytest.mark.parametrize("labels", [[0, 1, 2], [0, 0, 0]], ids=["nobody twice", "nobody else"])
@pytest.mark.parametrize("mining", ["hard", "semi-hard"])
def test_a_batch_without_triplets_costs_nothing(
    mining: Literal["hard", "semi-hard"], labels: list[int]
) -> None:
    loss = build(Triplet(mining=mining), dimension=DIMENSION, classes=4)
    features = faces(0, labels).requires_grad_()
    value = loss(features, torch.tensor(labels))
    value.backward()
    assert value.item() == 0
    assert features.grad is not None
    assert not features.grad.any()


@pytest.mark.parametrize("settings", EVERY, ids=repr)
def test_pictures_that_are_one_and_the_same_have_finite_gradients(settings: Triplet) -> None:
    loss = build(settings, dimension=DIMENSION, classes=4)
    features = torch.ones(6, DIMENSION, dtype=torch.bfloat16).requires_grad_()
    loss(features, torch.tensor([0, 0, 1, 1, 2, 2])).backward()
    assert features.grad is not None
    assert torch.isfinite(features.grad).all()


def test_logs_say_how_far_people_are_apart() -> None:
    loss = build(Triplet(mining="hard"), dimension=2, classes=2)
    loss(torch.tensor([[1.0, 0], [0, 1], [-1, 0], [-1, 0]]), torch.tensor([0, 0, 1, 1]))
    assert float(loss.logs["same distance"]) == pytest.approx((2 + 2 + 0 + 0) / 4, abs=1e-5)
    assert float(loss.logs["other distance"]) == pytest.approx((4 + 2 + 2 + 2) / 4)
    assert float(loss.logs["triplets violated"]) == 0
