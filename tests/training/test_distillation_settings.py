from __future__ import annotations

import math

import msgspec
import pytest

from mien.training.distillation_settings import (
    AnyDistillation,
    Cosine,
    RelationalAngle,
    RelationalDistance,
    SimilarityPreserving,
)

NAMES = ["cosine", "unit-mse", "relational-distance", "relational-angle", "similarity-preserving"]


def test_a_recipe_names_each_and_may_weigh_it() -> None:
    tables = [{"name": name, "weight": 3} for name in NAMES]
    made = msgspec.convert(tables, tuple[AnyDistillation, ...])
    assert [type(each) for each in made] == list(AnyDistillation.__args__)
    assert all(each.weight == 3 for each in made)


@pytest.mark.parametrize("weight", [0, -1, math.nan, math.inf])
def test_weights_that_weigh_nothing_are_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="weight: a number above 0"):
        Cosine(weight=weight)


def test_those_that_compare_a_batch_s_faces_say_so() -> None:
    relational = {kind for kind in AnyDistillation.__args__ if kind.relational}
    assert relational == {RelationalDistance, RelationalAngle, SimilarityPreserving}
