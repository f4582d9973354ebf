from __future__ import annotations

import math

import pytest
import torch
from losses_by_hand import DIMENSION, Vectors, check_features, cosine

from mien.training.loss_settings import SupCon
from mien.training.with_torch.losses import build

LABELS = [0, 0, 1, 1, 2, 0, 3]


def by_hand(features: Vectors, temperature: float) -> float:
    costs = []
    for i, label in enumerate(LABELS):
        positives = [p for p, other in enumerate(LABELS) if other == label and p != i]
        if not positives:
            continue
        scores = {
            a: math.exp(cosine(features[i], features[a]) / temperature) for a in range(len(LABELS)) if a != i
        }
        below = math.fsum(scores.values())
        costs.append(-math.fsum(math.log(scores[p] / below) for p in positives) / len(positives))
    return math.fsum(costs) / len(costs)


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_supcon_is_its_formula(temperature: float) -> None:
    loss = build(SupCon(temperature=temperature), dimension=DIMENSION, classes=4)
    x = torch.randn(7, DIMENSION, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    check_features(lambda x: loss(x, torch.tensor(LABELS)), lambda f: by_hand(f, temperature), x)


def test_a_batch_of_single_pictures_costs_nothing() -> None:
    loss = build(SupCon(), dimension=DIMENSION, classes=4)
    features = torch.ones(3, DIMENSION, requires_grad=True)
    value = loss(features, torch.tensor([0, 1, 2]))
    value.backward()
    assert value.item() == 0
    assert features.grad is not None
    assert not features.grad.any()
