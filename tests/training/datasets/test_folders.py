from __future__ import annotations

import os
from pathlib import Path

import pytest
from made_datasets import made, picture, write_people

from mien.errors import InputError
from mien.training.datasets.folders import read_folders, read_pictures


def test_people_and_pictures_are_sorted_and_pictures_may_lie_deeper(tmp_path: Path) -> None:
    write_people(tmp_path, {"b": 1, "a": 2})
    (tmp_path / "a" / "z").mkdir()
    (tmp_path / "a" / "z" / "9.PNG").write_bytes(picture(9))
    for hidden in (tmp_path / ".x", tmp_path / "a" / ".thumbs"):
        hidden.mkdir()
    (tmp_path / "notes.txt").write_text("left alone")
    dataset = read_folders(tmp_path)
    assert dataset.people == ("a", "b")
    assert list(dataset.names) == ["a/0.png", "a/1.png", "a/z/9.PNG", "b/0.png"]
    assert dataset.labels.tolist() == [0, 0, 0, 1]
    assert dataset.encoded(2) == picture(9)
    assert dataset.name == tmp_path.name


def test_a_relative_path_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_people(tmp_path)
    monkeypatch.chdir(tmp_path)
    dataset = read_folders(Path())
    assert (dataset.name, dataset.names[0]) == (tmp_path.name, "Ann/0.png")
    assert dataset.encoded(0) == picture(0)


def test_a_name_that_is_no_text_is_spelt_out_and_still_read(tmp_path: Path) -> None:
    write_people(tmp_path)
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/J\xf6rg")
    Path(odd).mkdir()
    (Path(odd) / "ü.png").write_bytes(picture(7))
    dataset = read_folders(tmp_path)
    assert dataset.people[-1] == "J\\udcf6rg"
    assert dataset.encoded(len(dataset) - 1) == picture(7)


def test_a_person_without_a_picture_is_named(tmp_path: Path) -> None:
    write_people(tmp_path)
    (tmp_path / "Empty").mkdir()
    with pytest.raises(InputError, match=r"Empty: no picture there .* or remove the folder"):
        read_folders(tmp_path)


def test_a_picture_of_nobody_is_named(tmp_path: Path) -> None:
    write_people(tmp_path)
    (tmp_path / "me.jpg").write_bytes(b"")
    with pytest.raises(InputError, match=r"me.jpg belongs to nobody"):
        read_folders(tmp_path)


def test_missing_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folders there; one a person"):
        read_folders(tmp_path)
    with pytest.raises(InputError, match=r"cannot be read .No such file"):
        read_folders(tmp_path / "nowhere")


def test_a_picture_that_went_away_is_named(tmp_path: Path) -> None:
    dataset = made(tmp_path / "set")
    (tmp_path / "set" / "Ann" / "1.png").unlink()
    with pytest.raises(InputError, match=r"Ann/1.png: cannot be read"):
        dataset.encoded(1)


def test_pictures_of_nobody_in_particular_are_one_persons(tmp_path: Path) -> None:
    for name in ("b.jpg", "deep/a.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    found = read_pictures(tmp_path)
    assert (found.people, list(found.names)) == (("anybody",), ["b.jpg", "deep/a.jpg"])
    assert [found.encoded(row) for row in range(2)] == [b"b.jpg", b"deep/a.jpg"]
