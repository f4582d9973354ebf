"""Recipes as TOML and on the command line, and what is said of slips of the pen."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from mien.errors import InputError
from mien.training.loss_settings import AdaFace, ArcFace, CosFace
from mien.training.recipe import Recipe
from mien.training.recipe_file import all_keys, encode_recipe, read_recipe, recipe_of, write_recipe


def written(folder: Path, text: str) -> Path:
    file = folder / "mine.toml"
    file.write_text(text, "utf-8")
    return file


def complaint(changes: list[str], tables: dict[str, Any] | None = None) -> str:
    with pytest.raises(InputError) as caught:
        recipe_of(tables or {}, changes)
    return str(caught.value)


def test_an_empty_file_is_all_defaults_and_named_after_itself(tmp_path: Path) -> None:
    recipe = read_recipe(written(tmp_path, ""))
    assert recipe == msgspec.structs.replace(Recipe(), name="mine")
    assert read_recipe(written(tmp_path, 'name = "other"')).name == "other"


def test_a_file_says_what_differs(tmp_path: Path) -> None:
    text = '[loss]\nname = "cosface"\nmargin = 0.4\n[optimizer]\nlr = 1\n[data]\ntrain = "ж/лица"'
    recipe = read_recipe(written(tmp_path, text), ["optimizer.momentum=0.5"])
    assert recipe.loss == CosFace(margin=0.4)
    assert recipe.optimizer.lr == 1.0
    assert recipe.optimizer.momentum == 0.5
    assert recipe.data.train == "ж/лица"


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    recipe = recipe_of({"distil": {"teacher": "t", "losses": [{"name": "relational-angle", "weight": 2.0}]}})
    write_recipe(tmp_path / "out.toml", recipe)
    assert read_recipe(tmp_path / "out.toml") == recipe
    tables = tomllib.loads((tmp_path / "out.toml").read_text("utf-8"))
    missing = [key for key in all_keys() if "." in key and key.split(".")[1] not in tables[key.split(".")[0]]]
    assert missing == []  # every default is written out


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(
    data=TEXT,
    validation=TEXT,
    name=TEXT,
    lr=st.floats(1e-9, 1e9),
    scale=st.floats(-1e6, 1e6).filter(bool),
    frozen=st.lists(TEXT, max_size=3),
    options=st.dictionaries(TEXT, st.floats(0, 1), max_size=3),
    size=st.integers(1, 4096),
    mirror=st.floats(0, 1),
    sample=st.floats(0.01, 1),
)
def test_any_recipe_comes_back_from_its_toml(
    data: str,
    validation: str,
    name: str,
    lr: float,
    scale: float,
    frozen: list[str],
    options: dict[str, float],
    size: int,
    mirror: float,
    sample: float,
) -> None:
    given_tables = {
        "name": name,
        "data": {"train": data, "validation": validation},
        "network": {"scale": scale, "frozen": frozen, "options": options},
        "optimizer": {"lr": lr},
        "batch": {"size": 2 * size},
        "augment": {"mirror": mirror},
        "loss": {"name": "adaface", "sample": sample},
    }
    recipe = recipe_of(given_tables)
    assert recipe_of(tomllib.loads(encode_recipe(recipe))) == recipe


@given(text=TEXT)
def test_text_is_set_as_it_stands_in_tomls_quotes(text: str) -> None:
    assert recipe_of({}, [f"data.train={quoted(text)}"]).data.train == text


def quoted(text: str) -> str:
    return tomli_w.dumps({"value": text}).partition("=")[2].strip()


@pytest.mark.parametrize(
    ("change", "section", "key", "value"),
    [
        ("optimizer.lr=0.05", "optimizer", "lr", 0.05),
        ("optimizer.lr=1", "optimizer", "lr", 1.0),
        (" optimizer . lr = 5e-2 ", "optimizer", "lr", 0.05),
        ("network.mirror=false", "network", "mirror", False),
        ("network.backbone=iresnet18", "network", "backbone", "iresnet18"),
        ('network.backbone="iresnet18"', "network", "backbone", "iresnet18"),
        ("network.backbone=timm:resnet18.a1_in1k", "network", "backbone", "timm:resnet18.a1_in1k"),
        ("data.train=a/b=c", "data", "train", "a/b=c"),
        ("data.train=C:\\faces", "data", "train", "C:\\faces"),
        ("data.train='C:\\faces \"x\"'", "data", "train", 'C:\\faces "x"'),
        ("data.train=", "data", "train", ""),
        ('data.train=""', "data", "train", ""),
        ("schedule.milestones=[0.5, 0.8]", "schedule", "milestones", (0.5, 0.8)),
        ("network.options={mask_ratio=0.1}", "network", "options", {"mask_ratio": 0.1}),
        ("network.options.mask_ratio=0.1", "network", "options", {"mask_ratio": 0.1}),
        ("machine.seed=7", "machine", "seed", 7),
    ],
)
def test_changes_are_toml_or_bare_words(change: str, section: str, key: str, value: object) -> None:
    found = getattr(getattr(recipe_of({}, [change]), section), key)
    assert found == value
    assert type(found) is type(value)


def test_a_later_change_wins_and_the_tables_stay() -> None:
    tables = {"optimizer": {"lr": 0.5}}
    assert recipe_of(tables, ["optimizer.lr=0.1", "optimizer.lr=0.2"]).optimizer.lr == 0.2
    assert tables == {"optimizer": {"lr": 0.5}}


def test_a_loss_is_arcface_unless_it_says_otherwise() -> None:
    assert recipe_of({}, ["loss.margin=0.3"]).loss == ArcFace(margin=0.3)
    assert recipe_of({}, ["loss.name=adaface"]).loss == AdaFace()
    assert recipe_of({"loss": {"name": "adaface"}}, ["loss.concentration=0.5"]).loss == AdaFace(
        concentration=0.5
    )


def test_a_number_in_quotes_is_text() -> None:
    assert recipe_of({}, ['data.train="2024"']).data.train == "2024"
    assert "data.train: Expected `str`, got `int`" in complaint(["data.train=2024"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("optimizer.learning=1", "optimizer.learning: no such key; known: clip, loss_lr, lr"),
        ("optimizer.momentom=1", "optimizer.momentom: no such key; did you mean 'momentum'?"),
        ("optimizer.backbone=x", "optimizer.backbone: no such key; did you mean 'network.backbone'?"),
        ("lr=1", "lr: no such key; did you mean 'optimizer.lr'?"),
        ("optimiser.lr=1", "optimiser: no such key; did you mean 'optimizer'?"),
        ("loss.margni=1", "loss.margni: no such key; did you mean 'margin'?"),
        ("loss.name=arkface", "loss.name: Invalid value 'arkface'; known: softmax, normface, arcface"),
        ("optimizer.name=adam", "optimizer.name: Invalid enum value 'adam'; known: sgd, adamw"),
        ("optimizer.lr=fast", "optimizer.lr: Expected `float`, got `str`"),
        ("batch.size=2.5", "batch.size: Expected `int`, got `float`"),
        ("batch.size=0", "batch: size: 2 faces or more are wanted, 0 given"),
        ("network.frozen=trunk", "network.frozen: Expected `array`, got `str`"),
        ("batch=7", "batch: Expected `object`, got `int`"),
        ("batch.size.x=7", "batch.size: Expected `int`"),
        ("lr", "--set 'lr': section.key=value is wanted, optimizer.lr=0.05 say"),
        ("optimizer.=1", "section.key=value is wanted"),
        ("=1", "section.key=value is wanted"),
    ],
)
def test_slips_are_named_with_what_is_near(change: str, words: str) -> None:
    assert words in complaint([change])


def test_a_change_within_what_is_no_section_is_refused() -> None:
    assert "would stand within what is no section" in complaint(["batch.size.x=7"], {"batch": {"size": 8}})


def test_places_within_lists_are_named() -> None:
    distil = {"losses": [{"name": "cosine"}, {"name": "unit-mse", "wieght": 2.0}]}
    found = complaint([], {"distil": distil})
    assert "distil.losses[1].wieght: no such key; did you mean 'weight'?" in found
    found = complaint([], {"distil": {"losses": [{"name": "kosine"}]}})
    assert "distil.losses[0].name" in found
    assert "cosine, unit-mse" in found


@pytest.mark.parametrize("content", [b"[data\n", b"\xff\xfe", b"a = 1\na = 2"])
def test_what_is_no_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "broken.toml"
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"broken.toml: this is no TOML"):
        read_recipe(file)


def test_a_file_that_is_missing_or_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_recipe(tmp_path / "away.toml")
    large = tmp_path / "large.toml"
    large.write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(InputError, match="larger than"):
        read_recipe(large)


def test_the_file_is_named_in_complaints(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"mine.toml: batch.sise: no such key; did you mean 'size'"):
        read_recipe(written(tmp_path, "[batch]\nsise = 4"))


def test_all_keys_are_those_of_the_sections() -> None:
    keys = list(all_keys())
    assert {"data.train", "optimizer.lr", "augment.mirror", "distil.teacher", "name", "loss"} <= set(keys)
    assert len(keys) == len(set(keys))
