"""`mien cluster`, as it is called."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from mien.cli import cluster
from mien.errors import CalibrationError, InputError, MienError, OriginError, UnknownPersonError
from mien.gallery.clustering import groups_file
from mien.images import save
from mien.recognition.recognizer import Recognizer
from mien.values import Crops, Pixels, Reading


def run(*words: object) -> Result:
    app = typer.Typer()
    cluster.register(app)
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


def groups_of(found: dict[str, Any]) -> dict[int, list[str]]:
    return {each["group"]: [face["picture"] for face in each["faces"]] for each in found["groups"]}


@pytest.fixture
def folder(tmp_path: Path, portrait: Pixels) -> Path:
    """The portrait twice, once darker; a copy of the first; and a wall."""
    place = tmp_path / "photos"
    place.mkdir()
    save(place / "a.png", portrait)
    save(place / "b.jpg", (portrait * 0.7).astype(portrait.dtype))
    save(place / "copy.png", portrait)
    save(place / "wall.png", portrait[:99, :99] * 0 + 200)
    return place


def test_a_folder_is_grouped_and_nothing_is_written(folder: Path, tmp_path: Path) -> None:
    found = answer(folder)
    assert groups_of(found) == {1: ["a.png", "b.jpg"]}
    assert (found["faces"], found["pictures"], found["without_face"]) == (2, 3, ["wall.png"])
    assert found["fmr"] == 1e-3
    assert [each.name for each in tmp_path.iterdir()] == ["photos"]
    told = run(folder)
    assert "2 faces in 3 pictures (3 new): 1 groups, 0 seen once, 0 too poor to group" in told.stdout


def test_new_pictures_join_and_old_ones_are_not_read_again(
    folder: Path, tmp_path: Path, portrait: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "people"
    assert groups_of(answer(folder, "--out", out)) == {1: ["a.png", "b.jpg"]}
    assert {stat.S_IMODE(each.stat().st_mode) for each in out.iterdir()} == {0o600}
    assert stat.S_IMODE(out.stat().st_mode) == 0o700
    assert "a.png" in (out / "index.html").read_text("utf-8")
    assert answer("--out", out, "--name", "1=Ann")["groups"][0]["name"] == "Ann"
    embedded: list[str] = []

    def watched(self: Recognizer, crops: list[Crops]) -> list[Reading]:
        embedded.extend(Path(each.source).name for each in crops)
        return real(self, crops)

    real = Recognizer.embed
    monkeypatch.setattr(Recognizer, "embed", watched)
    save(folder / "later.jpg", (portrait * 0.85).astype(portrait.dtype))
    found = answer(folder, "--out", out)
    assert embedded == ["later.jpg"]
    assert (found["new_faces"], found["known_pictures"], found["new_pictures"]) == (1, 4, 1)
    assert groups_of(found) == {1: ["a.png", "b.jpg", "later.jpg"]}
    assert found["groups"][0]["name"] == "Ann"
    assert "Ann · group 1 · 3 faces" in (out / "index.html").read_text("utf-8")


def test_a_removed_group_does_not_come_back(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "people"
    run(folder, "--out", out)
    assert answer("--out", out, "--remove", 1, code=1)["faces"] == 0
    assert answer(folder, "--out", out, code=1)["faces"] == 0
    assert len(groups_file.load(out / "groups.npz").faces) == 0
    assert "a.png" not in (out / "index.html").read_text("utf-8")


def test_a_page_alone_keeps_no_vectors(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "people.html"
    answer(folder, "--out", page)
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert sorted(each.name for each in tmp_path.iterdir()) == ["people.html", "photos"]


def test_a_rate_of_ones_own_stays_with_the_groups(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "people"
    assert answer(folder, "--out", out, "--fmr", "1e-2")["fmr"] == 1e-2
    assert answer(folder, "--out", out)["fmr"] == 1e-2
    assert answer("--out", out, "--fmr", "1e-4")["fmr"] == 1e-4


def test_exit_codes_say_no_face_and_what_could_not_be_read(folder: Path, tmp_path: Path) -> None:
    for name in ("a.png", "b.jpg", "copy.png"):
        (folder / name).unlink()
    assert answer(folder, code=1)["groups"] == []
    (folder / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    result = run(folder, "--out", tmp_path / "people.html")
    assert result.exit_code == 2
    assert "torn.png" in result.stderr
    assert "torn.png" in (tmp_path / "people.html").read_text("utf-8")


def test_bad_input_is_refused_before_any_picture_is_read(folder: Path, tmp_path: Path) -> None:
    wanted = "a FOLDER of pictures is wanted"
    refused(InputError, wanted)
    refused(InputError, wanted, "--out", tmp_path / "nowhere")
    refused(InputError, "a folder of pictures is wanted", folder / "a.png")
    refused(InputError, "no such file or folder", tmp_path / "nowhere")
    refused(InputError, "GROUP=NAME is wanted", folder, "--name", "Ann")
    refused(InputError, "its folder does not exist", folder, "--out", tmp_path / "nowhere" / "page.html")
    refused(InputError, "is a file", folder, "--out", folder / "a.png")
    refused(UnknownPersonError, "no group 7", folder, "--name", "7=Ann")
    refused(CalibrationError, "outside what this calibration measured", folder, "--fmr", "1e-12")
    refused(CalibrationError, "uncalibrated", folder, "--detector", "mmod")


def test_another_models_groups_are_refused(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "people"
    run(folder, "--out", out)
    file = out / "groups.npz"
    kept = groups_file.load(file)
    other = type(kept).none("c" * 64, kept.faces.embeddings.aligner, 128)
    groups_file.save(file, other)
    refused(OriginError, "another bundle", folder, "--out", out)
    file.write_bytes(b"torn")
    refused(InputError, "groups.npz", folder, "--out", out)


def test_help_has_an_example() -> None:
    assert "Example: mien cluster holiday/" in " ".join(run("--help").stdout.split())
