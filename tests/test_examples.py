"""The examples run, and print what they promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from graphs import embed_card
from people import write_people

from mien.images import save
from mien.values import Pixels

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.fixture(scope="module")
def pictures(portrait: Pixels, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("album")
    save(folder / "ann.png", portrait)
    save(folder / "dark.png", portrait // 2)
    (folder / "broken.jpg").write_bytes(b"nothing")
    return folder


def run(name: str, *words: object) -> str:
    command = [sys.executable, str(EXAMPLES / name), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_find_faces(pictures: Path) -> None:
    said = run("find_faces.py", pictures / "ann.png", pictures / "broken.jpg")
    assert "ann.png: 1 faces" in said
    assert "broken.jpg" in said.splitlines()[-1]


def test_same_person(pictures: Path) -> None:
    assert run("same_person.py", pictures / "ann.png", pictures / "dark.png", "1e-4").startswith("same ")


def test_find_someone(pictures: Path) -> None:
    best = run("find_someone.py", pictures / "dark.png", pictures).splitlines()
    assert len(best) == 2
    assert best[0].endswith("dark.png")


def test_who_is_it(portrait: Pixels, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "people" / "Ann").mkdir(parents=True)
    save(tmp_path / "people" / "Ann" / "1.png", portrait)
    said = run("who_is_it.py", tmp_path / "people", pictures, tmp_path / "people.db").splitlines()
    assert {"ann.png: known Ann", "dark.png: known Ann"} < set(said)
    assert said[-1] == "Ann done"


def test_own_bundle(pictures: Path, tmp_path: Path) -> None:
    _, files = embed_card(size=(112, 112))
    (tmp_path / "made.onnx").write_bytes(next(iter(files.values())))
    said = run("own_bundle.py", tmp_path / "made.onnx", tmp_path / "bundle", pictures / "ann.png")
    assert "proved on 1 outputs" in said


def test_how_good(tmp_path: Path) -> None:
    write_people(tmp_path / "photos", 10, 2)  # 45 pairs of people: enough for a rate of 1e-1
    said = run("how_good.py", tmp_path / "photos", tmp_path / "report.html")
    assert said.startswith("0.1 TAR ")
    assert "rule of three" in said.splitlines()[-1]
    assert (tmp_path / "report.html").is_file()


@pytest.mark.long
def test_train_your_own(tmp_path: Path) -> None:
    *told, last = run("train_your_own.py", tmp_path / "out").splitlines()
    errors = [
        float(line.split("equal error rate ")[1].split("%")[0]) for line in told if line.startswith("epoch")
    ]
    assert errors[-1] < errors[0] / 2  # it learnt something
    assert "calibrated for [0.1, 0.01" in told[-1]
    assert last.startswith("Comparison(")
    assert "fmr=1e-2" in last
    assert "uncalibrated" not in last


def test_examples_are_short() -> None:
    for example in EXAMPLES.glob("*.py"):
        assert len(example.read_text("utf-8").splitlines()) <= 40
        assert example.name in Path(__file__).read_text("utf-8")
