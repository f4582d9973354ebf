"""`mien prepare`, as it is called."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from mien.cli import prepare
from mien.errors import InputError, MienError
from mien.images import save
from mien.training.datasets import open_dataset
from mien.values import Pixels


def run(*words: object) -> Result:
    app = typer.Typer()
    prepare.register(app)
    return CliRunner().invoke(app, [str(word) for word in words])


def answer(*words: object, code: int = 0) -> dict[str, Any]:
    result = run(*words, "--json")
    assert result.exit_code == code, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def refused(kind: type[MienError], words: str, *arguments: object) -> None:
    result = run(*arguments)
    assert isinstance(result.exception, kind), result.output
    assert words in str(result.exception)


@pytest.fixture
def folder(tmp_path: Path, people: dict[str, list[Path]]) -> Path:
    """Two people, a copy of a file with the wrong one, a wall, and an empty folder."""
    place = tmp_path / "people"
    for name in ("astronaut", "person-001"):
        shutil.copytree(people[name][0].parent, place / name)
    shutil.copyfile(place / "astronaut" / "0.jpg", place / "person-001" / "taken.jpg")
    save(place / "astronaut" / "wall.png", np.full((99, 99, 3), 200, np.uint8))
    (place / "empty").mkdir()
    return place


def test_crops_and_a_review_are_made(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "crops"
    found = answer(folder, out, "--keep-poor")
    assert (found["pictures"], found["people"], found["crops"]) == (10, 2, 9)
    assert found["left_out"] == {"no face": 1}
    assert found["unusable"] == {"astronaut/wall.png": "no face"}
    assert found["warnings"] == ["1 people's folders hold no picture: empty"]
    assert found["found"]["same bytes"] >= 1
    assert Path(found["review"]).is_file()
    assert len(open_dataset(out)) == 9
    told = run(folder, out, "--keep-poor")
    assert told.exit_code == 0
    assert "9 crops of 2 people, from 10 pictures of 2; left out: 1 no face" in told.stdout
    assert "astronaut/wall.png: no face" in told.stderr
    assert "1 people's folders hold no picture: empty" in told.stderr


def test_a_review_is_applied(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "crops"
    run(folder, out, "--keep-poor")
    applied = answer(folder, out, "--keep-poor", "--apply-review", out / "review.csv")
    assert applied["crops"] < 9
    assert applied["decided"] > 0
    at_once = answer(folder, tmp_path / "other", "--keep-poor", "--drop-suspects")
    assert at_once["crops"] == applied["crops"]


def test_another_size_and_form(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "crops"
    assert answer(folder, out, "--keep-poor", "--reference", "facenet", "--to", "records")["crops"] == 9
    contract = open_dataset(out).contract
    assert contract is not None
    assert contract.size == (160, 160)
    assert (out / "train.rec").is_file()
    out = tmp_path / "small"
    answer(folder, out, "--keep-poor", "--size", 96, "--min-pictures", 5)
    contract = open_dataset(out).contract
    assert contract is not None
    assert contract.size == (96, 96)
    assert open_dataset(out).people == ("person-001",)


def test_crops_that_are_ready(folder: Path, tmp_path: Path) -> None:
    run(folder, tmp_path / "crops", "--keep-poor")
    assert answer(tmp_path / "crops", tmp_path / "again", "--keep-poor", "--already-aligned")["crops"] == 9
    found = answer(folder, tmp_path / "wrong", "--already-aligned", code=1)
    assert found["crops"] == 0
    assert found["unusable"]["astronaut/0.jpg"] == "240×240 pixels, where crops of 112×112 are declared"


def test_pictures_out_of_a_video(tmp_path: Path, portrait: Pixels) -> None:
    film = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter_fourcc(*"MJPG"), 5.0, (512, 512))
    for _ in range(3):
        writer.write(cv2.cvtColor(portrait, cv2.COLOR_RGB2BGR))
    writer.release()
    found = answer("--from-video", film, "--person", "Ann", tmp_path / "people")
    (picture,) = found["pictures"]
    assert Path(picture).parent == tmp_path / "people" / "Ann"
    assert sum(found["missing"].values()) == 24
    told = run("--from-video", film, "--person", "Ann", tmp_path / "people")
    assert "1 pictures from 3 frames" in told.stdout
    assert "look straight into the camera" in told.stderr


def test_bad_input_is_refused(folder: Path, tmp_path: Path) -> None:
    refused(InputError, "FOLDER and OUT are wanted", folder)
    refused(InputError, "no such file or folder", tmp_path / "nowhere", tmp_path / "out")
    refused(InputError, "is a file", folder, folder / "astronaut" / "0.jpg")
    refused(InputError, "one folder is wanted, OUT", "--from-video", "0", "--person", "Ann", folder, tmp_path)
    refused(InputError, "a name is wanted", "--from-video", "film.avi", tmp_path)
    refused(InputError, "cannot be read", folder, tmp_path / "out", "--apply-review", tmp_path / "none.csv")


def test_help_has_an_example() -> None:
    assert "Example: mien prepare people/ crops/" in " ".join(run("--help").stdout.split())
