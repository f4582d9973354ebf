"""`mien train`, `mien distil` and `mien publish`, as they are called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from made_training import Tiny, made_recipe, made_teacher, tiny, write_faces
from typer.testing import CliRunner, Result

from mien.bundle.bundle import Bundle
from mien.cli import training
from mien.errors import BundleError, InputError, MienError
from mien.training.datasets.contract import square
from mien.training.recipe_file import write_recipe
from mien.training.run import Run
from mien.training.with_torch import saved

__all__ = ["Tiny", "tiny"]
pytestmark = pytest.mark.usefixtures("tiny")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with faces to train and measure on, and a recipe; it is the current one."""
    write_faces(tmp_path / "faces")
    write_faces(tmp_path / "others", 6, 5, first=50)
    write_recipe(tmp_path / "made.toml", made_recipe(tmp_path / "unsaid", "data.train="))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: object) -> Result:
    app = typer.Typer()
    training.register(app)
    return CliRunner().invoke(app, [str(word) for word in words])


def lines(*words: object) -> list[dict[str, Any]]:
    result = run(*words, "--json")
    assert result.exit_code == 0, (result.output, result.exception)
    return [json.loads(line) for line in result.stdout.splitlines()]


def refused(kind: type[MienError], words: str, *arguments: object) -> None:
    result = run(*arguments)
    assert isinstance(result.exception, kind), (result.output, result.exception)
    assert words in str(result.exception)


def test_a_training_ends_in_a_bundle(place: Path) -> None:
    told = lines(
        "train",
        "made.toml",
        "--data",
        "faces",
        "--validation",
        "others",
        "--out",
        "runs/mine",
        "--licence",
        "MIT",
    )
    *measured, bundle, end = told
    assert [each["step"] for each in measured] == [0, 5, 7]
    assert bundle["bundle"] == "runs/mine/bundle"
    assert bundle["proof"]["pictures"] == 80
    assert bundle["proof"]["cosine_min"] > 1 - 1e-6
    assert bundle["notes"]
    assert end == {"run": "runs/mine", "bundle": "runs/mine/bundle"}
    made = Bundle.open(place / "runs" / "mine" / "bundle")
    assert made.digest == bundle["digest"]
    assert made.card.name == "made"
    assert made.card.provenance.licence == "MIT"
    assert Run.open(place / "runs" / "mine").recipe().data.train == "faces"
    again = lines("train", "--resume", "runs/mine")  # all is done
    assert again == [end]
    second = lines("publish", "runs/mine", "out", "--name", "second")
    assert second[0]["bundle"] == "out"
    assert Bundle.open(place / "out").card.name == "second"


def test_people_are_told_in_words(place: Path) -> None:
    result = run(
        "train", "made.toml", "--data", "faces", "--validation", "others", "--no-publish", "--set", "name=words"
    )
    assert result.exit_code == 0, result.output
    folder = next((place / "runs").iterdir())
    assert folder.name.startswith("words-")
    said = result.stdout.splitlines()
    assert said[0].startswith("epoch 0  EER ")
    assert "TAR at FMR 1e-2 " in said[0]
    assert "loss" in said[1]
    assert said[-3].startswith("before  epoch 0 ")
    assert said[-2].startswith("after   epoch 1.4 ")
    assert (
        said[-1]
        == f"run     runs/{folder.name}; look at it with: tensorboard --logdir runs/{folder.name}/events"
    )
    assert not (folder / "bundle").exists()


@pytest.mark.parametrize("as_json", [True, False])
def test_a_dry_run_writes_nothing(place: Path, as_json: bool) -> None:
    before = sorted(place.rglob("*"))
    words = ("train", "made.toml", "--data", "faces", "--dry-run", "--set", "batch.size=40")
    if as_json:
        found = lines(*words)[0]
        assert found["plan"]["data"] == "faces: 80 pictures of 8 people"
        assert found["recipe"]["batch"]["size"] == 40
    else:
        result = run(*words)
        assert result.exit_code == 0
        assert "faces: 80 pictures of 8 people" in result.stdout
        assert "7 steps of 40 faces" in result.stdout
    assert sorted(place.rglob("*")) == before


def test_a_student_is_taught(place: Path) -> None:
    made_teacher(place / "teacher", square(24), 12)
    small = ("--set", "schedule.steps=3", "--set", "network.dimension=12", "--recipe", "made.toml")
    before = sorted(place.rglob("*"))
    planned = lines("distil", "teacher", "faces", *small, "--dry-run")[0]
    assert planned["plan"]["taught by"] == "teacher"
    assert sorted(place.rglob("*")) == before
    *_, bundle, end = lines("distil", "teacher", "faces", "--validation", "others", *small, "--out", "taught")
    assert end == {"run": "taught", "bundle": "taught/bundle"}
    assert Bundle.open(place / "taught" / "bundle").digest == bundle["digest"]


def test_options_are_the_recipes_keys(place: Path) -> None:
    odd = write_faces(place / 'it\'s "odd" \\ é', 4, 5)
    found = lines("train", "made.toml", "--data", odd.name, "--device", "cpu", "--devices", "2", "--dry-run")[0]
    assert found["recipe"]["data"]["train"] == odd.name
    assert (found["recipe"]["machine"]["device"], found["recipe"]["machine"]["devices"]) == ("cpu", 2)
    assert "2 processes" in found["plan"]["batch"]
    last = lines("train", "made.toml", "--data", "faces", "--set", "data.train=others", "--dry-run")[0]
    assert last["recipe"]["data"]["train"] == "others"  # --set has the last word


def test_a_run_goes_on_elsewhere_but_not_otherwise(place: Path) -> None:
    lines("train", "made.toml", "--data", "faces", "--out", "mine", "--no-publish")
    saved.path_of(Run(place / "mine").checkpoints, 7).unlink()
    lines("train", "--resume", "mine", "--device", "cpu", "--devices", "1", "--no-publish")
    assert saved.path_of(Run(place / "mine").checkpoints, 7).is_file()
    for option, value in (("--data", "faces"), ("--validation", "others"), ("--out", "x"), ("--set", "name=x")):
        refused(InputError, f"{option} cannot be given beside it", "train", "--resume", "mine", option, value)
    refused(InputError, "RECIPE cannot be given beside it", "train", "made.toml", "--resume", "mine")
    refused(InputError, "--dry-run cannot be given beside it", "train", "--resume", "mine", "--dry-run")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("train",), "a recipe is wanted: a TOML file, or one of adaface-r18"),
        (("train", "nowhere"), "nowhere: neither a recipe file nor one of mien's: adaface-r18"),
        (("train", "made.toml"), "data.train: name the folder"),
        (("train", "made.toml", "--data", "away"), "away: no data there"),
        (
            ("train", "made.toml", "--data", "faces", "--set", "optimizer.momentom=1"),
            "did you mean 'momentum'?",
        ),
        (("train", "made.toml", "--data", "faces", "--out", "others"), "something is there already"),
        (("train", "--resume", "others"), "no run of `mien train`"),
        (("publish", "others", "out"), "no run of `mien train`"),
        (("distil", "away", "faces", "--recipe", "made.toml"), "away"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(place: Path, words: tuple[str, ...], said: str) -> None:
    before = sorted(place.rglob("*"))
    refused(MienError, said, *words)
    assert sorted(place.rglob("*")) == before


def test_a_bundle_is_not_written_over(place: Path) -> None:
    lines("train", "made.toml", "--data", "faces", "--out", "mine", "--no-publish")
    (place / "out").mkdir()
    refused(BundleError, "out: exists already", "publish", "mine", "out")


@pytest.mark.parametrize(
    ("verb", "words"),
    [
        ("train", ["RECIPE", "--resume", "--set", "--dry-run", "--devices", "--json", "Example: mien train"]),
        ("distil", ["TEACHER", "FACES", "--recipe", "--set", "Example: mien distil"]),
        ("publish", ["RUN", "OUT", "--name", "--licence", "Example: mien publish"]),
    ],
)
def test_help_names_what_there_is(verb: str, words: list[str]) -> None:
    result = run(verb, "--help")
    assert result.exit_code == 0
    for word in words:
        assert word in result.stdout
