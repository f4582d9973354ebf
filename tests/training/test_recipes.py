"""The recipes that come with mien."""

from __future__ import annotations

import tomllib
from typing import Any

import msgspec
import pytest

from mien.errors import InputError
from mien.training.recipe import Recipe
from mien.training.recipe_file import DEFAULT_LOSS, read_recipe
from mien.training.recipes import find, names
from mien.training.with_torch import backbones, losses


def leaves(tables: Any, place: str = "") -> dict[str, Any]:
    """Every value by its full key; a list is one value."""
    if not isinstance(tables, dict):
        return {place: tables}
    inside = (leaves(value, f"{place}.{key}" if place else key) for key, value in tables.items())
    return {key: value for found in inside for key, value in found.items()}


def test_they_are_listed_and_found() -> None:
    assert {"arcface-mobilefacenet", "demo", "distil", "few-shot"} <= set(names())
    assert names() == sorted(names())
    for name in names():
        assert find(name).is_file()
    assert find(str(find("demo"))) == find("demo")
    with pytest.raises(InputError, match=r"nowhere: neither a recipe file nor one of mien's: adaface-r18, "):
        find("nowhere")


@pytest.mark.parametrize("name", names())
def test_each_can_be_built(name: str) -> None:
    recipe = read_recipe(find(name))
    assert recipe.name == name
    assert recipe.data.train == ""
    assert type(recipe.loss) in losses.LOSSES
    backbone = backbones.find(recipe.network.backbone)
    assert set(recipe.network.options) <= set(backbone.options)
    assert find(name).read_text("utf-8").startswith("# ")  # what it is for


# Said though it may be the default, since a recipe is about it.
SAID = {"network.backbone", "loss.name", "distil.losses"}


@pytest.mark.parametrize("name", names())
def test_each_says_what_differs_from_the_defaults(name: str) -> None:
    given = leaves(tomllib.loads(find(name).read_text("utf-8")))
    plain = msgspec.to_builtins(Recipe())
    plain["loss"] = msgspec.to_builtins(type(read_recipe(find(name)).loss)()) | {"name": DEFAULT_LOSS}
    default = leaves(plain)
    assert {key for key, value in given.items() if default.get(key) == value} <= SAID
