"""`mien demo`, as it is called."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from mien.cli import main
from mien.images import save
from mien.values import Pixels


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["mien", "demo", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


@pytest.fixture
def folder(tmp_path: Path, portrait: Pixels) -> Path:
    """The portrait twice (once darker), a picture without a face, and a file that is no picture."""
    place = tmp_path / "my <b>photos</b>"
    (place / "陳").mkdir(parents=True)
    save(place / "one.png", portrait)
    save(place / "陳" / "<script>two.jpg", (portrait * 0.7).astype(np.uint8))
    save(place / "wall.png", np.full((200, 300, 3), 200, np.uint8))
    (place / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    return place


def test_the_portrait_makes_one_page_and_a_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch) == 0
    printed = capsys.readouterr()
    page = tmp_path / "mien-demo.html"
    assert page.as_uri() in printed.out
    assert printed.err == ""
    for word in ("Blur", "Rotation", "Darkness", "JPEG", "Occlusion", "Small size", "Noise", "strangers"):
        assert word in printed.out
    document = page.read_text("utf-8")
    assert document.count("<h2>") == 4
    assert "low quality" in document
    assert "no face found" in document
    assert page.stat().st_size < 3_000_000
    assert [file.name for file in tmp_path.iterdir()] == ["mien-demo.html"]


def test_a_folder_makes_a_page_of_its_faces(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "album.html"
    assert run(monkeypatch, folder, "--out", page, "--json") == 2  # one picture could not be read
    printed = capsys.readouterr()
    answer = json.loads(printed.out)
    assert (answer["page"], answer["pictures"], answer["faces"]) == (str(page), 4, 2)
    assert answer["without_face"] == ["wall.png"]
    assert list(answer["failures"]) == [str(folder / "broken.jpg")]
    assert "broken.jpg" in printed.err
    document = page.read_text("utf-8")
    assert "my &lt;b&gt;photos&lt;/b&gt;" in document
    assert "陳/&lt;script&gt;two.jpg" in document
    assert "<script" not in document
    assert "wall.png" in document
    assert len(re.findall("<symbol ", document)) == 2


def test_another_detector_says_uncalibrated(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "broken.jpg").unlink()
    page = tmp_path / "album.html"
    assert run(monkeypatch, folder, "--out", page, "--detector", "mmod") == 0
    assert "uncalibrated" in capsys.readouterr().out
    document = page.read_text("utf-8")
    assert "Uncalibrated: " in document
    assert 'class="badge uncalibrated"' in document
    assert "Who is who" not in document


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing"], "missing: there is no such file or folder"),
        (["empty"], "empty: no picture there"),
        (["file.jpg"], "a folder of pictures is wanted"),
        (["--out", "missing/page.html"], "its folder does not exist"),
        (["--bundle", "nobody"], "nobody"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.jpg").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, *arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert words in printed.err
    assert len(printed.err.splitlines()) == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == ["empty", "file.jpg"]
