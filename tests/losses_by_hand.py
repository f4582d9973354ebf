"""Losses by loops from their papers' formulas, in plain numbers, to hold the real ones against."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call

from mien.training.loss_settings import LossSettings
from mien.training.with_torch.losses import FaceLoss, build

Vectors = NDArray[np.float64]
PEOPLE, DIMENSION = 5, 6
WEIGHT = "prototypes.weight"


def cosine(a: Vectors, b: Vectors) -> float:
    return math.fsum(a * b) / math.sqrt(math.fsum(a * a)) / math.sqrt(math.fsum(b * b))


def length(a: Vectors) -> float:
    return math.sqrt(math.fsum(a * a))


@dataclass(frozen=True)
class Rule:
    """A margin loss's formulas: target(θ, ‖x‖), stranger(cos θj, the target's value), logit(value, ‖x‖)."""

    target: Callable[[float, float], float]
    stranger: Callable[[float, float], float] = lambda cosine, target: cosine
    logit: Callable[[float, float], float] = lambda value, norm: 64 * value
    penalty: Callable[[float], float] = lambda norm: 0.0

    def loss(self, features: Vectors, weights: Vectors, labels: list[int], centres: int = 1) -> float:
        """The mean over the faces; a class's centres stand one after another in weights."""
        costs = []
        for x, label in zip(features, labels, strict=True):
            cosines = [
                max(cosine(x, w) for w in weights[j * centres : (j + 1) * centres])
                for j in range(len(weights) // centres)
            ]
            target = self.target(math.acos(cosines[label]), length(x))
            values = [target if j == label else self.stranger(c, target) for j, c in enumerate(cosines)]
            logits = [self.logit(value, length(x)) for value in values]
            top = max(logits)
            total = math.log(math.fsum(math.exp(value - top) for value in logits)) + top
            costs.append(total - logits[label] + self.penalty(length(x)))
        return math.fsum(costs) / len(costs)


def made_loss(settings: LossSettings) -> FaceLoss:
    """In float64, with weights far from each other, its statistics at rest."""
    loss = build(settings, dimension=DIMENSION, classes=PEOPLE, seed=3).double()
    return loss.eval()


def made_batch(loss: FaceLoss, *, norm: float = 20.0) -> tuple[Tensor, list[int]]:
    """Ten faces of five people: two near their own weights, one nearly opposite, the rest anywhere."""
    numbers = np.random.default_rng(7)
    features = numbers.normal(size=(10, DIMENSION))
    labels = [0, 1, 2, 3, 4, 0, 1, 2, 2, 4]
    weights = dict(loss.named_parameters())[WEIGHT].detach().numpy()
    centres = len(weights) // PEOPLE
    for face, towards in ((0, 9.0), (1, 4.0), (2, -9.0)):
        own = weights[labels[face] * centres]
        features[face] = towards * own / length(own) + numbers.normal(size=DIMENSION) * 0.3
    features *= norm * numbers.uniform(0.5, 1.5, (10, 1)) / np.linalg.norm(features, axis=1, keepdims=True)
    return torch.from_numpy(features), labels


def check_margin(
    settings: LossSettings, rule: Rule, *, centres: int = 1, norm: float = 20.0, whole: bool = True
) -> None:
    """The loss's value and its gradients in features and weights are the rule's.

    whole: nothing in it is held without gradient, so its own differences show its gradient too.
    """
    loss = made_loss(settings)
    features, labels = made_batch(loss, norm=norm)
    weights = dict(loss.named_parameters())[WEIGHT].detach().clone()
    people = torch.tensor(labels)

    def real(x: Tensor, w: Tensor) -> Tensor:
        value: Tensor = functional_call(loss, {WEIGHT: w}, (x, people))
        return value

    x, w = features.clone().requires_grad_(), weights.clone().requires_grad_()
    value = real(x, w)
    by_hand = rule.loss(features.numpy(), weights.numpy(), labels, centres)
    np.testing.assert_allclose(value.item(), by_hand, rtol=1e-9)
    value.backward()
    for given, gradient in ((features.numpy(), x.grad), (weights.numpy(), w.grad)):
        assert gradient is not None
        slopes = differences(lambda: rule.loss(features.numpy(), weights.numpy(), labels, centres), given)
        np.testing.assert_allclose(gradient.numpy(), slopes, rtol=1e-5, atol=1e-6 * np.abs(slopes).max())
    assert not whole or torch.autograd.gradcheck(real, (x, w), atol=1e-5, rtol=1e-4)


def differences(value: Callable[[], float], numbers: Vectors, step: float = 1e-6) -> Vectors:
    """Central differences of a value by each of the numbers it looks at, which are moved in place."""
    slopes = np.empty_like(numbers)
    for place in np.ndindex(*numbers.shape):
        before = numbers[place]
        ends = []
        for moved in (before - step, before + step):
            numbers[place] = moved
            ends.append(value())
        numbers[place] = before
        slopes[place] = (ends[1] - ends[0]) / (2 * step)
    return slopes


def check_features(loss: Callable[[Tensor], Tensor], by_hand: Callable[[Vectors], float], x: Tensor) -> None:
    """A loss of features alone: its value and gradient are those by hand."""
    features = x.clone().requires_grad_()
    value = loss(features)
    numbers = x.numpy().copy()
    np.testing.assert_allclose(value.item(), by_hand(numbers), rtol=1e-9)
    value.backward()
    assert features.grad is not None
    slopes = differences(lambda: by_hand(numbers), numbers)
    np.testing.assert_allclose(features.grad.numpy(), slopes, rtol=1e-5, atol=1e-6 * np.abs(slopes).max())
    assert torch.autograd.gradcheck(loss, (features,), atol=1e-5, rtol=1e-4)
