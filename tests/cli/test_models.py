"""The verbs of bundles."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from graphs import graph_of, serialised
from grid_graphs import without_landmarks
from onnx import helper
from typer.testing import CliRunner, Result

from mien.bundle.bundle import Bundle
from mien.bundle.card import EmbedCard
from mien.bundle.catalog import entries, find_bundle
from mien.bundle.importers.dlib import SOURCE
from mien.bundle.runtime import Runtime
from mien.cli import build_app
from mien.errors import BundleError, CardError, InputError
from mien.recognition.detect import Detector
from mien.values import Pixels


def run(*words: object) -> Result:
    return CliRunner().invoke(build_app(), [str(word) for word in words])


def test_list_names_the_starter_bundles() -> None:
    result = run("models", "list", "--json")
    assert [json.loads(line)["name"] for line in result.stdout.splitlines()] == list(entries())
    assert "dlib-resnet" in run("models", "list").stdout


def test_show_prints_the_card_and_its_calibration() -> None:
    shown = json.loads(run("models", "show", "dlib-resnet", "--json").stdout)
    assert shown["card"]["dimension"] == 128
    assert shown["card"]["mirror"] is True
    assert shown["calibrations"][0]["impostor_pairs"] > 5_000_000
    assert "dlib-resnet" in run("models", "show", "dlib-resnet").stdout


@pytest.mark.parametrize("name", ["mtcnn", "dlib-resnet", "mmod"])
def test_verify_proves_the_starter_bundles(name: str) -> None:
    answer = json.loads(run("models", "verify", name, "--json").stdout)
    assert answer["proved"] is True
    assert answer["deviation"] < 1e-3


def test_verify_refuses_a_bundle_whose_card_lies(tmp_path: Path) -> None:
    honest = find_bundle("dlib-resnet")
    for file in ("card.json", "model.onnx"):
        (tmp_path / file).write_bytes((honest.folder / file).read_bytes())
    card = (tmp_path / "card.json").read_text("utf-8").replace('"RGB"', '"BGR"')
    (tmp_path / "card.json").write_text(card, "utf-8")
    result = run("models", "verify", tmp_path)
    assert isinstance(result.exception, BundleError)
    assert "not the model its card describes" in str(result.exception)


def test_import_makes_a_bundle_that_proves_itself(shared_data: Path, tmp_path: Path) -> None:
    file = shared_data / "models" / "mobilefacenet_112_128d.onnx"
    result = run("models", "import", "onnx", file, "--out", tmp_path / "mobile", "--licence", "none stated")
    assert result.exit_code == 0, result.exception
    bundle = Bundle.open(tmp_path / "mobile")
    assert (bundle.card.name, bundle.card.task, bundle.card.provenance.licence) == (
        "mobile",
        "embed",
        "none stated",
    )
    assert bundle.read("model.onnx") == file.read_bytes()
    assert run("models", "verify", tmp_path / "mobile").exit_code == 0


def test_import_gives_a_detector_without_landmarks_those_of_mtcnn(
    shared_data: Path, portrait: Pixels, tmp_path: Path
) -> None:
    nine = shared_data / "models" / "scrfd_500m.onnx"
    (tmp_path / "six.onnx").write_bytes(without_landmarks(nine.read_bytes()))
    for file, name in ((nine, "nine"), (tmp_path / "six.onnx", "six")):
        result = run("models", "import", "onnx", file, "--out", tmp_path / name, "--licence", "research")
        assert result.exit_code == 0, result.exception
    assert "MIT (landmarks)" in result.stdout
    assert "third network of MTCNN" in result.stdout
    (wanted,), (found,) = (
        Detector(Bundle.open(tmp_path / name), Runtime(threads=1))([portrait]) for name in ("nine", "six")
    )
    assert len(found) == len(wanted) == 1
    assert np.abs(found.boxes - wanted.boxes).max() < 0.01
    assert np.linalg.norm(found.landmarks - wanted.landmarks, axis=2).max() < 6


def test_import_refuses_a_name_that_is_none(shared_data: Path, tmp_path: Path) -> None:
    file = shared_data / "models" / "mobilefacenet_112_128d.onnx"
    result = run("models", "import", "onnx", file, "--out", tmp_path / "out", "--name", "../elsewhere")
    assert isinstance(result.exception, CardError)
    assert "not a plain name" in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_import_refuses_what_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"not a graph")
    result = run("models", "import", "onnx", tmp_path / "x.onnx", "--out", tmp_path / "out")
    assert result.exit_code != 0
    assert "x.onnx" in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_import_lists_the_formats_it_knows(tmp_path: Path) -> None:
    result = run("models", "import", "caffe", tmp_path / "x", "--out", tmp_path / "out")
    assert isinstance(result.exception, InputError)
    assert "known: onnx, dlib, mtcnn" in str(result.exception)


def test_import_says_how_many_files_a_format_wants(tmp_path: Path) -> None:
    result = run("models", "import", "mtcnn", tmp_path / "x", "--out", tmp_path / "out")
    assert "this format wants pnet.lz4, rnet.lz4, onet.lz4" in str(result.exception)


@pytest.mark.parametrize("format", ["dlib", "mtcnn"])
@pytest.mark.parametrize(
    "options",
    [
        ("--family", "arcface"),
        ("--channels", "RGB"),
        ("--mean", "127.5", "--scale", "0.1"),
        ("--no-mirror",),
        ("--reference", "1,1 2,2 3,3 4,4 5,5"),
    ],
    ids=str,
)
def test_import_refuses_options_of_another_format(
    format: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    result = run("models", "import", format, tmp_path / "x", "--out", tmp_path / "out", *options)
    assert isinstance(result.exception, InputError)
    wanted = ", ".join(word for word in options if word.startswith("--")).replace("--no-", "--")
    assert str(result.exception) == f"{wanted}: for the format onnx, not for {format}"


def test_import_takes_an_embedders_settings_and_so_its_family(tmp_path: Path) -> None:
    shape = ("n", 3, 112, 96)  # not a square: without --reference there are no points for it
    (tmp_path / "x.onnx").write_bytes(embedder_file(shape))
    points = "30,30 60,30 45,50 33,70.5 57,70"
    options = ("--reference", points, "--channels", "BGR", "--mean", "1", "--scale", "0.5", "--mirror")
    result = run("models", "import", "onnx", tmp_path / "x.onnx", "--out", tmp_path / "out", *options)
    assert result.exit_code == 0, result.exception
    card = Bundle.open(tmp_path / "out").card
    assert isinstance(card, EmbedCard)
    assert card.reference.points == ((30, 30), (60, 30), (45, 50), (33, 70.5), (57, 70))
    assert (card.input.channels, card.input.mean, card.input.scale) == ("BGR", (1.0,) * 3, (0.5,) * 3)
    assert card.mirror
    assert "arcface (as asked)" in card.provenance.recipe
    assert card.provenance.licence == "unknown"


def test_import_refuses_an_embedders_settings_for_a_detector(tmp_path: Path) -> None:
    options = ("--family", "scrfd", "--mirror")
    result = run("models", "import", "onnx", tmp_path / "x.onnx", "--out", tmp_path / "out", *options)
    assert isinstance(result.exception, InputError)
    assert "settings of an embedder were given for family 'scrfd'" in str(result.exception)


@pytest.mark.parametrize(
    "text", ["", "1,2", "1,1 2,2 3,3 4,4 5", "1,1 2,2 3,3 4,4 5,five", "1,1 2,2 3,3 4,4 5,5 6,6", "nan,1 " * 5]
)
def test_import_refuses_points_that_are_none(text: str, tmp_path: Path) -> None:
    options = ("--reference", text)
    result = run("models", "import", "onnx", tmp_path / "x.onnx", "--out", tmp_path / "out", *options)
    assert isinstance(result.exception, InputError)
    assert "five points are wanted, x,y x,y x,y x,y x,y" in str(result.exception)


@pytest.mark.parametrize("told", [True, False])
def test_import_keeps_source_and_licence_of_every_format(told: bool, tmp_path: Path) -> None:
    spec = find_spec("face_recognition_models")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("needs the package face_recognition_models (extra starter)")
    file = Path(spec.submodule_search_locations[0]) / "models" / "dlib_face_recognition_resnet_model_v1.dat"
    options = ("--source", "a talk", "--licence", "none stated") if told else ()
    result = run("models", "import", "dlib", file, "--out", tmp_path / "out", *options)
    assert result.exit_code == 0, result.exception
    found = Bundle.open(tmp_path / "out").card.provenance
    assert (found.source, found.licence) == (("a talk", "none stated") if told else (SOURCE, "CC0-1.0"))


def embedder_file(shape: Sequence[int | str]) -> bytes:
    nodes = [helper.make_node("ReduceMean", ["input"], ["output"], axes=[2, 3], keepdims=0)]
    return serialised(graph_of(nodes, shape, {"output": ("n", 3)}, {}))
