from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from losses_by_hand import DIMENSION, Vectors, check_features, length

from mien.errors import InputError
from mien.training.distillation_settings import (
    Cosine,
    DistillationSettings,
    RelationalAngle,
    RelationalDistance,
    SimilarityPreserving,
    UnitMse,
)
from mien.training.with_torch.losses.distillation import DISTILLATIONS, distilled

FACES = 6
EVERY = [kind(weight=2) for kind in DISTILLATIONS]


def units(features: Vectors) -> Vectors:
    return np.stack([x / length(x) for x in features])


def huber(a: float, b: float) -> float:
    gap = abs(a - b)
    return gap * gap / 2 if gap <= 1 else gap - 0.5


def cosine_by_hand(student: Vectors, teacher: Vectors) -> float:
    return sum(1 - math.fsum(s * t) for s, t in zip(student, teacher, strict=True)) / len(student)


def mse_by_hand(student: Vectors, teacher: Vectors) -> float:
    return math.fsum(((student - teacher) ** 2).ravel()) / student.size


def distances_by_hand(student: Vectors, teacher: Vectors) -> float:
    pairs = list(itertools.permutations(range(FACES), 2))
    sides = []
    for side in (student, teacher):
        apart = [length(side[i] - side[j]) for i, j in pairs]
        sides.append([d / (math.fsum(apart) / len(apart)) for d in apart])
    return math.fsum(huber(a, b) for a, b in zip(*sides, strict=True)) / len(pairs)


def angles_by_hand(student: Vectors, teacher: Vectors) -> float:
    def angle(side: Vectors, i: int, j: int, k: int) -> float:
        one, two = side[i] - side[j], side[k] - side[j]
        return math.fsum(one * two) / length(one) / length(two)

    triples = list(itertools.permutations(range(FACES), 3))
    return math.fsum(huber(angle(student, *t), angle(teacher, *t)) for t in triples) / len(triples)


def similarities_by_hand(student: Vectors, teacher: Vectors) -> float:
    def rows(side: Vectors) -> Vectors:
        return units(np.array([[math.fsum(a * b) for b in side] for a in side]))

    return math.fsum(((rows(student) - rows(teacher)) ** 2).ravel()) / FACES**2


BY_HAND = {
    Cosine: cosine_by_hand,
    UnitMse: mse_by_hand,
    RelationalDistance: distances_by_hand,
    RelationalAngle: angles_by_hand,
    SimilarityPreserving: similarities_by_hand,
}


def sides(dimension: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    student = torch.randn(FACES, DIMENSION, dtype=torch.float64, generator=generator) * 3
    return student, torch.randn(FACES, dimension, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("settings", EVERY, ids=lambda s: type(s).__name__)
def test_distillation_is_its_formula(settings: DistillationSettings) -> None:
    student, teacher = sides(9 if settings.relational else DIMENSION)

    def by_hand(features: Vectors) -> float:
        return 2 * BY_HAND[type(settings)](units(features), units(teacher.numpy()))

    check_features(lambda x: distilled(settings, x, teacher), by_hand, student)


@pytest.mark.parametrize("settings", EVERY, ids=lambda s: type(s).__name__)
def test_a_student_that_is_its_teacher_has_nothing_to_learn(settings: DistillationSettings) -> None:
    student = sides(DIMENSION)[0].requires_grad_()
    value = distilled(settings, student, student.detach() * 7)
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-12)
    assert student.grad is not None
    assert student.grad.abs().max() < 1e-7


@pytest.mark.parametrize("settings", EVERY, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("faces", [1, 2, 4])
def test_few_and_equal_faces_have_finite_gradients(settings: DistillationSettings, faces: int) -> None:
    student = torch.ones(faces, DIMENSION, dtype=torch.bfloat16).requires_grad_()
    teacher = torch.randn(faces, DIMENSION, generator=torch.Generator().manual_seed(0))
    distilled(settings, student, teacher).backward()
    assert student.grad is not None
    assert torch.isfinite(student.grad).all()


def test_the_teacher_learns_nothing() -> None:
    student, teacher = (side.requires_grad_() for side in sides(DIMENSION))
    distilled(RelationalDistance(), student, teacher).backward()
    assert teacher.grad is None


def test_features_of_two_lengths_are_refused_where_they_are_compared() -> None:
    student, teacher = sides(9)
    with pytest.raises(InputError, match=r"\(6, 6\) of the student and \(6, 9\) of the teacher"):
        distilled(Cosine(), student, teacher)
    with pytest.raises(InputError, match="one row a face"):
        distilled(RelationalAngle(), student[:5], teacher)
