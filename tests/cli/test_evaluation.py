"""The verbs that measure, as a person and as a script call them."""

from __future__ import annotations

import csv
import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from people import make_people, write_people
from typer.testing import CliRunner, Result

from mien.bundle.calibration import decode_calibration
from mien.bundle.catalog import find_bundle
from mien.cli import build_app
from mien.errors import InputError, MienError
from mien.images import encode_jpeg
from mien.recognition.recognizer import Recognizer

COUNT = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve people with four pictures each, and one picture without a face."""
    folder = tmp_path_factory.mktemp("photos")
    write_people(folder, COUNT)
    (folder / "astronaut" / "wall.jpg").write_bytes(encode_jpeg(np.full((120, 120, 3), 90, np.uint8)))
    return folder


@pytest.fixture(scope="module")
def vectors(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("vectors") / "photos.npz"
    assert run("embed", folder, "--out", out, "--face", "central").exit_code == 1  # the wall
    return out


def run(*words: object) -> Result:
    return CliRunner().invoke(build_app(), [str(word) for word in words], catch_exceptions=True)


def study(*words: object) -> dict[str, Any]:
    result = run("evaluate", *words, "--json")
    assert result.exit_code == 0, result.exception or result.output
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def test_a_folder_is_measured_one_to_one_and_one_to_many(folder: Path) -> None:
    found = study("folder", folder)
    assert (found["pictures"], found["people"]) == (49, COUNT)
    assert found["missed"] == [{"picture": "astronaut/wall.jpg", "why": "no face found"}]
    assert found["genuine_pairs"] == 11 * 6 + 10  # the astronaut has a fifth picture, which fails
    assert found["impostor_pairs"] == 48 * 47 // 2 - COUNT * 6
    person, pair = found["verification"]
    assert (person["weighting"], pair["weighting"]) == ("person", "pair")
    assert person["points"][0]["tar"]["value"] > 0.9
    # A twelfth of the people lose 4 of 10 comparisons to the picture without a face.
    lost = person["points"][0]["gfrr"]["value"] - person["points"][0]["fnmr"]["value"]
    assert lost == pytest.approx((4 / 10) / COUNT, abs=0.01)
    assert "rule of three" in person["points"][-1]["tar"]["why"]
    assert found["identification"]["ranks"][0][1]["value"] > 0.9
    assert found["speed"]["embedded"] + found["speed"]["cached"] == 49


def test_the_second_time_nothing_is_embedded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = study("folder", folder)
    monkeypatch.setattr(Recognizer, "read_many", lambda *_: pytest.fail("a picture was read again"))
    again = study("folder", folder)
    assert (again["speed"]["embedded"], again["speed"]["cached"]) == (0, 49)
    assert again["verification"] == first["verification"]


def test_without_the_cache_nothing_is_kept(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_bundle("mtcnn")
    cache = tmp_path / "cache"
    monkeypatch.setenv("MIEN_CACHE", str(cache))
    study("folder", folder, "--no-cache")
    assert not (cache / "readings").exists()


def test_vectors_stand_in_for_pictures(folder: Path, vectors: Path) -> None:
    pictures, stored = study("folder", folder), study("folder", folder, "--embeddings", vectors)
    assert stored["verification"] == pictures["verification"]
    assert stored["missed"][0]["why"] == "not in photos.npz"
    assert stored["system"]["bundle"] == pictures["system"]["bundle"]


def test_any_system_s_vectors_can_be_measured(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names = [f"{person}/{number}.jpg" for person in range(30) for number in range(4)]
    centres = np.repeat(rng.normal(size=(30, 16)), 4, axis=0)
    np.savez(tmp_path / "other.npz", vectors=centres + 0.3 * rng.normal(size=(120, 16)), names=np.array(names))
    found = study("folder", tmp_path / "nowhere", "--embeddings", tmp_path / "other.npz")
    assert (found["pictures"], found["people"]) == (120, 30)
    assert found["system"] == {"name": "vectors of other.npz", "bundle": "", "aligner": ""}


def test_pairs_in_lfw_s_own_format(folder: Path, tmp_path: Path) -> None:
    photos, listing = lfw_like(tmp_path)
    found = study("pairs", photos, listing)
    assert found["protocol"] == "pairs (lfw)"
    assert len(found["accuracy"]["folds"]) == 2
    assert found["accuracy"]["mean"] >= 0.9
    assert (found["genuine_pairs"], found["impostor_pairs"]) == (20, 20)
    assert found["reliability"] == []


def lfw_like(folder: Path) -> tuple[Path, Path]:
    photos, lines = folder / "lfw", ["2\t10"]
    names = list(write_people(folder / "raw", 20, 2))
    for name in names:
        (photos / name).mkdir(parents=True)
        for number in (0, 1):
            shutil.copy(folder / "raw" / name / f"{number}.jpg", photos / name / f"{name}_{number + 1:04}.jpg")
    for fold in (names[:10], names[10:]):
        lines += [f"{name}\t1\t2" for name in fold]
        lines += [f"{name}\t1\t{other}\t2" for name, other in zip(fold, fold[1:] + fold[:1], strict=True)]
    (folder / "pairs.txt").write_text("\n".join(lines) + "\n")
    return photos, folder / "pairs.txt"


def test_a_bin_of_crops(tmp_path: Path) -> None:
    file = tmp_path / "set.bin"
    file.write_bytes(pickle.dumps(([encode_jpeg(crop) for crop in crops()], [True, True, False, False] * 5)))
    found = study("bin", file)
    assert found["people"] == 0
    assert [table["weighting"] for table in found["verification"]] == ["pair"]
    assert any("name no people" in note for note in found["notes"])
    assert any("outside the given ones" in note for note in found["notes"])
    small = tmp_path / "small.bin"
    small.write_bytes(
        pickle.dumps(([encode_jpeg(crop[:100]) for crop in crops()], [True, True, False, False] * 5))
    )
    result = run("evaluate", "bin", small)
    assert isinstance(result.exception, InputError)
    assert "not one of the pictures" in str(result.exception)


def crops() -> list[np.ndarray]:
    """Forty crops of 112×112: pairs of one person, one person, two people, two people, and so on."""
    import cv2

    people = [[picture[64:176, 64:176] for picture in pictures] for pictures in make_people(20, 4).values()]
    chosen = []
    for i in range(5):
        a, b, c, d = people[4 * i : 4 * i + 4]
        chosen += [a[0], a[1], b[0], b[1], c[0], d[0], d[1], a[2]]
    return [cv2.resize(crop, (112, 112)) for crop in chosen]


def test_groups_of_a_protocol_file(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "groups.csv"
    rows = [(f"person-{n:03}/{k}.jpg", "odd" if n % 2 else "even") for n in range(1, COUNT) for k in range(4)]
    with table.open("w", newline="") as stream:
        csv.writer(stream).writerows([("picture", "parity"), *rows])
    found = study("folder", folder, "--protocol", table)
    assert {(each["column"], each["fmr"]) for each in found["groups"]} == {
        ("parity", 0.1)
    }  # of 66 pairs of people
    assert [each["groups"] for each in found["groups"][0]["rates"]] == [
        ["even", "even"],
        ["odd", "odd"],
        ["even", "odd"],
    ]
    text = run("evaluate", "folder", folder, "--protocol", table).stdout
    assert "even × odd" in text


def test_everything_that_can_be_written_is(folder: Path, tmp_path: Path) -> None:
    places = [tmp_path / name for name in ("page.html", "study", "scores.csv")]
    result = run("evaluate", "folder", folder, "--report", places[0], "--out", places[1], "--scores", places[2])
    assert result.exit_code == 0, result.exception
    assert all(f"wrote {place}" in result.stdout for place in places)
    page = places[0].read_text("utf-8")
    assert "<script" not in page
    assert "astronaut/wall.jpg" in page
    assert "data:image/jpeg" in page
    lines = list(csv.DictReader(places[2].read_text("utf-8").splitlines()))
    assert len(lines) == 49 * 48 // 2
    walls = [line for line in lines if "wall" in line["first"] + line["second"]]
    assert {line["similarity"] for line in walls} == {""}
    diff = run("evaluate", "diff", places[1], places[1], "--report", tmp_path / "diff.html")
    assert diff.exit_code == 0, diff.exception
    assert "could be chance" in diff.stdout
    assert (tmp_path / "diff.html").is_file()


def test_traps_say_what_a_wrong_setting_costs(folder: Path) -> None:
    found = study("folder", folder, "--traps")
    changes = [each["change"] for each in found["traps"]]
    assert changes == [
        "colours as BGR instead of RGB",
        "without the mirrored crop",
        "ArcFace's reference points",
    ]
    assert all(
        each["stated"] + each["difference"]["value"] == pytest.approx(each["tar"]) for each in found["traps"]
    )


def test_a_calibration_is_shown_and_only_written_when_asked(folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(find_bundle("dlib-resnet").folder, own)
    shown = run("calibrate", folder, "--bundle", own)
    assert shown.exit_code == 0, shown.exception
    assert "nothing written" in shown.stdout
    assert not (own / "calibrations").exists()
    written = json.loads(run("calibrate", folder, "--bundle", own, "--write", "--json").stdout)
    found = decode_calibration(Path(written["written"]).read_bytes())
    assert found.people == COUNT
    assert found.weighting == "person"
    compared = run(
        "compare", folder / "astronaut/0.jpg", folder / "astronaut/1.jpg", "--bundle", own, "--fmr", "1e-1"
    )
    assert "uncalibrated" not in compared.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("evaluate", "folder", "{nowhere}"), "there is no such file or folder"),
        (("evaluate", "folder", "{photos}/astronaut"), "one folder a person is wanted"),
        (("evaluate", "pairs", "{photos}"), "pairs.txt"),
        (("evaluate", "pairs", "{photos}", "--set", "megaface"), "known: "),
        (("evaluate", "bin", "{photos}/astronaut/0.jpg"), "0.jpg"),
        (("evaluate", "ijb", "{photos}"), "meta"),
        (("evaluate", "diff", "{photos}", "{photos}"), "no study.json there"),
        (("evaluate", "folder", "{photos}", "--report", "{photos}"), "a folder, where a file is to be written"),
        (("evaluate", "folder", "{photos}", "--protocol", "{nowhere}"), "nowhere"),
        (
            ("evaluate", "folder", "{photos}", "--out", "{photos}/astronaut/0.jpg"),
            "is a file, where a folder is to be",
        ),
        (("evaluate", "folder", "{photos}", "--out", ""), "the name of a folder is wanted"),
        (("evaluate", "folder", "{photos}", "--embeddings", "{nowhere}"), "nowhere"),
        (
            ("evaluate", "folder", "{photos}", "--embeddings", "x.npz", "--traps"),
            "does not go with --embeddings",
        ),
        (("calibrate", "{photos}/astronaut/0.jpg"), "a folder of pictures is wanted"),
        (("calibrate", "{photos}", "--crop-points", "1,2"), "for .bin files"),
    ],
)
def test_bad_input_is_said(folder: Path, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    result = run(*(word.format(photos=folder, nowhere=tmp_path / "nowhere") for word in words))
    assert isinstance(result.exception, MienError), result.exception or result.output
    assert said in str(result.exception)


@pytest.mark.parametrize("verb", ["pairs", "bin", "folder", "ijb", "diff"])
def test_every_way_shows_an_example(verb: str) -> None:
    shown = run("evaluate", verb, "--help").stdout
    assert f"Example: mien evaluate {verb}" in shown
    assert "--json" in shown
