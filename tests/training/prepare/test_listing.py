from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mien.errors import InputError
from mien.training.datasets.dataset import Dataset
from mien.training.datasets.words import Words
from mien.training.prepare.listing import listing


class Bytes:
    def __init__(self, names: list[str]) -> None:
        self.names = Words.of(names)

    def encoded(self, row: int) -> bytes:
        if row:
            return b"picture"
        raise InputError("gone")

    def taken(self, rows: np.ndarray) -> Bytes:
        return Bytes([self.names[int(row)] for row in rows])


def touch(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")


def test_people_are_folders_and_deeper_folders_are_theirs(tmp_path: Path) -> None:
    touch(tmp_path / "Bob" / "2.jpg", tmp_path / "Bob" / "summer" / "1.png", tmp_path / "Ann" / "a.pgm")
    touch(tmp_path / "Ann" / ".hidden.jpg", tmp_path / ".cache" / "x.jpg", tmp_path / "Ann" / "notes.txt")
    found = listing(tmp_path)
    assert [(each.name, each.person) for each in found.pictures] == [
        ("Ann/a.pgm", "Ann"),
        ("Bob/2.jpg", "Bob"),
        ("Bob/summer/1.png", "Bob"),
    ]
    assert found.warnings == ()
    assert found.pictures[0].source() == tmp_path / "Ann" / "a.pgm"


def test_empty_folders_and_stray_pictures_are_named(tmp_path: Path) -> None:
    touch(tmp_path / "Ann" / "1.jpg", tmp_path / "stray.jpg", tmp_path / "Cleo" / "notes.txt")
    (tmp_path / "Bob").mkdir()
    empty, stray = listing(tmp_path).warnings
    assert empty == "2 people's folders hold no picture: Bob, Cleo"
    assert "stray.jpg" in stray


def test_a_changed_file_has_another_stamp(tmp_path: Path) -> None:
    touch(tmp_path / "Ann" / "1.jpg")
    before = listing(tmp_path).pictures[0].stamp
    assert listing(tmp_path).pictures[0].stamp == before
    (tmp_path / "Ann" / "1.jpg").write_bytes(b"longer")
    assert listing(tmp_path).pictures[0].stamp != before


def test_where_there_is_nobody_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        listing(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no folders there"):
        listing(tmp_path)
    touch(tmp_path / "1.jpg")
    with pytest.raises(InputError, match="lie directly in it"):
        listing(tmp_path)
    (tmp_path / "1.jpg").unlink()
    (tmp_path / "Ann").mkdir()
    with pytest.raises(InputError, match="its 1 folders hold no picture"):
        listing(tmp_path)


def test_a_data_sets_names_never_leave_their_folder() -> None:
    source = Bytes(["../../etc/passwd", "Ann/1.jpg"])
    found = listing(Dataset("set", ("..", "Ann"), np.array([0, 1], np.int32), source)).pictures
    assert found[1].name == "Ann/1.jpg"
    person, name = found[0].name.split("/")
    assert not person.startswith(".")
    assert not name.startswith(".")
    assert found[1].source() == b"picture"
    assert found[0].source() == b""
    # What had to be changed carries a digest, so two names that look alike then stay two.
    twins = Dataset("set", ("a/b", "a_b"), np.array([0, 1], np.int32), Bytes(["1.jpg", "1.jpg"]))
    assert len({each.person for each in listing(twins).pictures}) == 2
