"""The verbs detect, embed, compare, as a person and as a script call them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from mien.bundle.catalog import find_bundle
from mien.cli import build_app
from mien.errors import ImageError, InputError
from mien.images import Picture, load, save
from mien.recognition.recognizer import Recognizer
from mien.values import Pixels
from mien.vectors import VectorFile


@pytest.fixture(scope="module")
def folder(portrait: Pixels, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    save(folder / "ann.jpg", portrait)
    save(folder / "ann-soft.jpg", cv2.GaussianBlur(portrait, (3, 3), 0))
    save(folder / "wall.png", np.full((80, 90, 3), 120, np.uint8))
    save(folder / "two.jpg", np.concatenate([portrait, portrait[:, ::-1]], axis=1))
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a picture")
    return folder


def run(*words: object) -> Result:
    return CliRunner().invoke(build_app(), [str(word) for word in words], catch_exceptions=True)


def test_detect_writes_one_json_line_a_picture(folder: Path) -> None:
    result = run("detect", folder, "--json")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [Path(line["file"]).name for line in lines] == [
        "ann-soft.jpg", "ann.jpg", "broken.jpg", "two.jpg", "wall.png",
    ]  # fmt: skip
    assert [len(line["faces"]) for line in lines] == [1, 1, 0, 2, 0]
    face = lines[1]["faces"][0]
    x1, y1, x2, y2 = face["box"]
    assert 150 < x1 < 220 < 250 < x2 < 310
    assert 50 < y1 < 120 < 160 < y2 < 230
    assert len(face["landmarks"]) == 5
    assert all(x1 < x < x2 and y1 < y < y2 for x, y in face["landmarks"])
    assert 0.9 < face["score"] <= 1
    assert {"value", "reasons"} <= set(face["quality"])
    assert lines[1]["error"] is None
    assert "broken.jpg" in lines[2]["error"]
    assert result.exit_code == 2  # one picture could not be read


def test_detect_exit_codes(folder: Path) -> None:
    assert run("detect", folder / "ann.jpg").exit_code == 0
    without = run("detect", folder / "ann.jpg", folder / "wall.png")
    assert without.exit_code == 1
    assert "no face found" in without.stdout


def test_detecting_needs_no_embedder(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own"
    shutil.copytree(find_bundle("mtcnn").folder, own)
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "empty"))
    result = run("detect", folder / "ann.jpg", "--detector", own, "--json")
    assert result.exit_code == 0
    assert len(json.loads(result.stdout)["faces"]) == 1
    assert not (tmp_path / "empty").exists()


def test_detect_annotates(folder: Path, tmp_path: Path) -> None:
    assert run("detect", folder / "ann.jpg", "--annotate", tmp_path / "out").exit_code == 0
    (written,) = (tmp_path / "out").iterdir()
    drawn = cv2.imread(str(written))
    assert drawn.shape == (512, 512, 3)
    assert np.abs(drawn.astype(int) - cv2.imread(str(folder / "ann.jpg"))).max() > 100


def test_a_picture_that_cannot_be_drawn_on_stops_no_other(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(source: str) -> Picture:
        if source.endswith("ann.jpg"):
            raise ImageError(f"{source}: there is no such file")
        return load(source)

    monkeypatch.setattr("mien.cli.annotated.load", gone)
    result = run("detect", folder / "ann.jpg", folder / "ann-soft.jpg", "--annotate", tmp_path / "out")
    assert result.exit_code == 2
    assert result.stderr == f"mien: {folder / 'ann.jpg'}: there is no such file\n"
    assert [path.name[:9] for path in (tmp_path / "out").iterdir()] == ["ann-soft-"]
    assert "ann-soft.jpg" in result.stdout


def test_detect_prints_no_header_over_nothing(folder: Path) -> None:
    result = run("detect", folder / "broken.jpg")
    assert result.exit_code == 2
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("detect", "{in}", "--annotate", "{in}"), "which is read; name a folder outside it"),
        (("detect", "{in}", "--annotate", "{in}/sub/../deep/out"), "which is read; name a folder outside it"),
        (("detect", "{in}", "--annotate", "{in}/ann.jpg/out"), "which is read; name a folder outside it"),
        (("detect", "{in}", "--annotate", "{out}/file"), "cannot be made a folder"),
        (("detect", "{in}", "--annotate", "{out}/" + "a" * 5000), "cannot be made a folder"),
        (("embed", "{in}", "--out", "{out}"), "a folder, where a file is to be written"),
        (("embed", "{in}", "--out", "{out}/gone/x.npz"), "its folder does not exist"),
        (("embed", "{in}", "--out", "{out}/" + "a" * 5000), "cannot be written (File name too long)"),
        (("demo", "a" * 5000), "cannot be looked up"),
        (("demo", "--out", "{out}"), "a folder, where a file is to be written"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_any_work(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(Recognizer, "load", lambda *_, **__: pytest.fail("work was begun"))
    before = sorted(folder.rglob("*"))
    places = {"in": str(folder), "out": str(tmp_path)}
    result = run(*(word.format_map(places) for word in words))
    assert isinstance(result.exception, InputError)
    assert said in str(result.exception)
    assert sorted(folder.rglob("*")) == before


def test_embed_writes_vectors(folder: Path, tmp_path: Path) -> None:
    result = run("embed", folder / "ann.jpg", folder / "two.jpg", "--out", tmp_path / "x.npz")
    assert result.exit_code == 0
    back = VectorFile.load(tmp_path / "x.npz")
    assert [Path(name).name for name in back.names] == ["ann.jpg", "two.jpg", "two.jpg"]
    cosines = back.embeddings.vectors @ back.embeddings.vectors[0]
    assert cosines.min() > 0.95  # mirrored or not, she is herself


def test_embed_says_which_pictures_failed(folder: Path, tmp_path: Path) -> None:
    result = run("embed", folder, "--out", tmp_path / "x.npz", "--face", "only", "--json")
    assert result.exit_code == 2
    answer = json.loads(result.stdout)
    assert (answer["pictures"], answer["faces"], answer["failed"], answer["without_face"]) == (5, 2, 2, 1)
    assert "two.jpg: 2 faces found where one is wanted" in result.stderr


def test_compare_says_same(folder: Path) -> None:
    result = run("compare", folder / "ann.jpg", folder / "ann-soft.jpg", "--json")
    answer = json.loads(result.stdout)
    assert result.exit_code == 0
    assert answer["verdict"] == "same"
    assert answer["fmr"] == 1e-3
    assert answer["score_fmr"] <= 1e-3
    assert answer["similarity"] > 0.95
    assert "same" in run("compare", folder / "ann.jpg", folder / "ann-soft.jpg").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("ann.jpg", "wall.png"), "wall.png: no face found"),
        (("ann.jpg", "two.jpg"), "two.jpg: 2 faces found where one is wanted"),
        (("ann.jpg", "broken.jpg"), "broken.jpg"),
        (("ann.jpg", "nobody.jpg"), "nobody.jpg"),
        (("ann.jpg", "ann.jpg", "--fmr", "1e-12"), "FMR 1e-12 is outside what this calibration measured"),
        (("ann.jpg", "ann.jpg", "--bundle", "no-such"), "'no-such' is no folder and no known bundle; known:"),
        (("ann.jpg", "ann.jpg", "--detector", "dlib-resnet"), "cannot serve as a detector"),
        (("ann.jpg", "ann.jpg", "--device", "abacus"), "device 'abacus' is not on this machine; here: cpu"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(folder: Path, words: tuple[str, ...], said: str) -> None:
    command = [sys.executable, "-m", "mien", "compare", *words]
    answer = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert answer.returncode == 2
    assert said in answer.stderr
    assert len(answer.stderr.splitlines()) == 1
    assert answer.stderr.startswith("mien: ")
    assert not answer.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("compare", "ann.jpg"), "Missing argument 'B'"),
        (("compare", "a", "b", "--fmr", "often"), "Invalid value for '--fmr'"),
        (("detect", "--threads", "0", "ann.jpg"), "Invalid value for '--threads'"),
        (("detect", "--threads", "1025", "ann.jpg"), "Invalid value for '--threads'"),
        (("recognise",), "No such command 'recognise'"),
    ],
)
def test_wrong_words_are_one_line_too(folder: Path, words: tuple[str, ...], said: str) -> None:
    command = [sys.executable, "-m", "mien", *words]
    answer = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert answer.returncode == 2
    assert said in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_file_names_may_hold_anything(folder: Path, tmp_path: Path) -> None:
    odd = os.fsdecode(b"a\xff\x1b[2J\nb.jpg")
    (tmp_path / odd).write_bytes((folder / "ann.jpg").read_bytes())
    command = [sys.executable, "-m", "mien", "detect", ".", "--json"]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["file"] == odd
    table = subprocess.run(command[:-1], cwd=tmp_path, capture_output=True, text=True, check=False).stdout
    assert "a\\udcff\\x1b[2J\\nb.jpg" in table


def test_a_reader_who_has_enough_is_no_error(folder: Path) -> None:
    command = [sys.executable, "-m", "mien", "detect", "--json", *["ann.jpg"] * 40]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        running.stdout.readline()
        running.stdout.close()
        assert running.stderr is not None
        complaints = running.stderr.read()
    assert (running.returncode, complaints) == (0, b"")


def test_every_verb_has_help_with_an_example() -> None:
    for verb in (("detect",), ("embed",), ("compare",), ("demo",), *(("models", v) for v in MODEL_VERBS)):
        result = run(*verb, "--help")
        assert result.exit_code == 0
        assert "Example: mien " + " ".join(verb) in " ".join(result.stdout.split())


MODEL_VERBS = ("list", "show", "verify", "import")
