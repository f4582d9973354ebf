"""A recipe's defaults, and what it refuses."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from mien.training.loss_settings import ArcFace, Triplet
from mien.training.recipe import Batch, FewShot, Machine, Optimizer, Recipe, Schedule, Section

SECTIONS = [field.name for field in msgspec.structs.fields(Recipe) if field.name not in ("name", "loss")]


def test_a_recipe_needs_nothing_but_data() -> None:
    recipe = Recipe()
    assert recipe.data.train == ""
    assert isinstance(recipe.loss, ArcFace)
    assert (recipe.loss.scale, recipe.loss.margin) == (64.0, 0.5)  # Deng et al. 2019
    assert (recipe.optimizer.momentum, recipe.optimizer.weight_decay) == (0.9, 5e-4)  # the same, section 3.1
    assert recipe.network.backbone == "mobilefacenet"
    assert recipe.augment.mirror == 0.5
    assert recipe.distil.teacher == ""


@pytest.mark.parametrize("section", SECTIONS)
def test_sections_are_frozen_and_say_what_they_are(section: str) -> None:
    value = getattr(Recipe(), section)
    assert isinstance(value, msgspec.Struct)
    assert type(value).__doc__
    with pytest.raises(AttributeError):
        value.name = "other"  # type: ignore[attr-defined]


def test_the_rate_follows_the_batch() -> None:
    settings = Optimizer(lr=0.1, lr_batch=1024)
    assert settings.rate(1024) == 0.1
    assert settings.rate(256) == 0.025


def convert(**given: Any) -> Recipe:
    return msgspec.convert(given, Recipe)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"data": {"held_out": -1}}, "held_out: 0 or more people are wanted, -1 given - at `$.data`"),
    ({"data": {"least_pictures": 0}}, "least_pictures: 1 or more, 0 given"),
    ({"network": {"scale": 0.0}}, "scale: 0 would erase the picture"),
    ({"network": {"dimension": 0}}, "dimension: 1 to 65536 is wanted, 0 given"),
    ({"network": {"statistics": "still"}}, "Invalid enum value 'still'"),
    ({"optimizer": {"lr": 0.0}}, "lr: above 0 is wanted, 0.0 given"),
    ({"optimizer": {"lr": float("nan")}}, "lr: above 0 is wanted, nan given"),
    ({"optimizer": {"lr": float("inf")}}, "optimizer.lr: a finite number is wanted, inf given"),
    ({"optimizer": {"loss_lr": float("nan")}}, "optimizer.loss_lr: a finite number is wanted, nan given"),
    ({"network": {"scale": float("nan")}}, "network.scale: a finite number is wanted, nan given"),
    ({"optimizer": {"momentum": 1.0}}, "momentum: 0 or more and below 1, 1.0 given"),
    ({"optimizer": {"clip": -1.0}}, "clip"),
    ({"optimizer": {"lr_batch": 0}}, "lr_batch: 1 or more"),
    ({"schedule": {"epochs": 0}}, "epochs: 1 or more is wanted, 0 given"),
    ({"schedule": {"steps": -1}}, "steps: 0 or more"),
    ({"schedule": {"warmup_epochs": -0.5}}, "warmup_epochs: 0 or more"),
    ({"schedule": {"final": 1.5}}, "final: a share of 0 to 1"),
    ({"batch": {"size": 1}}, "size: 2 faces or more are wanted, 1 given"),
    ({"batch": {"size": 6, "accumulate": 4}}, "size: 6 faces do not divide by accumulate, 4"),
    ({"batch": {"size": 6, "per_person": 4}}, "size: 6 faces do not divide by per_person, 4"),
    ({"validation": {"fmr": 0.0}}, "fmr: above 0 and below 1 is wanted, 0.0 given"),
    ({"validation": {"every": 0}}, "every: 1 epoch or more"),
    ({"validation": {"patience": -1}}, "patience: 0 or more"),
    ({"validation": {"pictures": 1}}, "pictures: 2 or more"),
    ({"machine": {"devices": 0}}, "devices and nodes: 1 or more"),
    ({"machine": {"seed": -1}}, "seed: 0 to 4294967295"),
    ({"machine": {"workers": -2}}, "workers: -1 or more"),
    ({"machine": {"ema": 1.0}}, "ema: 0 or more and below 1"),
    ({"machine": {"checkpoint_steps": -1}}, "checkpoint_steps: 0 or more"),
    ({"machine": {"keep": 0}}, "keep and log_steps: 1 or more"),
    ({"machine": {"examples": -1}}, "examples: 0 or more"),
    ({"few_shot": {"siamese": -1}}, "siamese: 0 or more"),
    ({"few_shot": {"following": 1.0}}, "following: 0 or more and below 1"),
    ({"distil": {"losses": []}}, "losses: one at least"),
    ({"distil": {"losses": [{"name": "cosine"}, {"name": "cosine"}]}}, "losses: each once"),
    ({"distil": {"mixed": 2.0}}, "mixed: a share of 0 to 1"),
    ({"augment": {"mirror": 2.0}}, "mirror: 0 to 1 is possible, 2 given"),
    ({"loss": {"name": "triplet"}}, "batch.per_person: the loss compares faces"),
    (
        {"loss": {"name": "arcface", "sample": 0.1}, "optimizer": {"name": "adamw"}},
        "loss.sample: below 1 wants",
    ),
    ({"machine": {"devices": 3}}, "256 faces do not divide among 3 parts"),
    (
        {"batch": {"size": 12, "per_person": 4}, "machine": {"devices": 2}},
        "12 faces do not divide among 2 parts",
    ),
    ({"few_shot": {"siamese": 8}}, "batch.per_person=2; 0 given"),
    (
        {"few_shot": {"siamese": 8, "imprint": True}, "batch": {"per_person": 2}},
        "imprint or siamese, one of both",
    ),
    ({"few_shot": {"imprint": True}, "distil": {"teacher": "t"}}, "mean nothing"),
    (
        {"few_shot": {"imprint": True}, "loss": {"name": "supcon"}, "batch": {"per_person": 2}},
        "few_shot.imprint wants a loss that learns a weight a person",
    ),
]


@pytest.mark.parametrize(("given", "words"), WRONG, ids=[words[:40] for _, words in WRONG])
def test_numbers_that_mean_nothing_are_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        convert(**given)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        {"loss": {"name": "triplet"}, "distil": {"teacher": "t"}},  # the loss is not asked
        {"loss": {"name": "arcface", "sample": 0.1}},
        {"batch": {"size": 64, "per_person": 4, "accumulate": 2}, "machine": {"devices": 4, "nodes": 2}},
        {"few_shot": {"siamese": 8}, "batch": {"per_person": 2}},
    ],
)
def test_what_can_be_is_let_be(given: dict[str, Any]) -> None:
    assert convert(**given) != Recipe()


def test_pieces_are_checked_wherever_they_are_made() -> None:
    for make in (
        lambda: Batch(size=3, per_person=2),
        lambda: Schedule(epochs=0),
        lambda: Machine(devices=0),
        lambda: FewShot(following=2),
        lambda: Recipe(loss=Triplet()),
    ):
        with pytest.raises(ValueError, match=r"."):
            make()


def test_an_unknown_key_is_refused() -> None:
    class Small(Section, frozen=True, kw_only=True):
        number: int = 0

    with pytest.raises(msgspec.ValidationError, match=r"unknown field `other`"):
        msgspec.convert({"other": 1}, Small)
