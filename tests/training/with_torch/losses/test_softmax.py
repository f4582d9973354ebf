from __future__ import annotations

import math

import torch
from losses_by_hand import DIMENSION, PEOPLE, Vectors, check_features

from mien.training.loss_settings import Softmax
from mien.training.with_torch.losses import build

LABELS = [0, 1, 2, 3, 4, 0]


def test_plain_softmax_is_its_formula() -> None:
    loss = build(Softmax(), dimension=DIMENSION, classes=PEOPLE).double()
    parameters = dict(loss.named_parameters())
    with torch.no_grad():
        parameters["bias"].copy_(torch.tensor([0.5, -1.0, 0.0, 2.0, 0.1]))
        parameters["weight"].mul_(100)
    weights, biases = (parameters[name].detach().tolist() for name in ("weight", "bias"))

    def by_hand(features: Vectors) -> float:
        costs = []
        for x, label in zip(features, LABELS, strict=True):
            logits = [math.fsum(x * w) + b for w, b in zip(weights, biases, strict=True)]
            costs.append(math.log(math.fsum(math.exp(value) for value in logits)) - logits[label])
        return math.fsum(costs) / len(costs)

    features = torch.randn(6, DIMENSION, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    check_features(lambda x: loss(x, torch.tensor(LABELS)), by_hand, features)


def test_imprinted_people_are_recognised() -> None:
    loss = build(Softmax(), dimension=DIMENSION, classes=PEOPLE)
    features = torch.eye(DIMENSION)[:4] * 30
    features[3] = torch.tensor([0.0, 0, 3, 4, 0, 0])
    loss.imprint(features, torch.tensor([0, 1, 4, 4]))
    weight = loss.state_dict()["weight"]
    torch.testing.assert_close(weight[:2], torch.eye(DIMENSION)[:2])
    mean = torch.tensor([0.0, 0, 1.6, 0.8, 0, 0])
    torch.testing.assert_close(weight[4], mean / mean.norm())
    assert weight[2].norm() < 0.1
