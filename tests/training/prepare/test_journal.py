from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import InputError
from mien.training.prepare.journal import Journal, Looked


def looked(name: str, **more: str) -> Looked:
    return Looked(picture=name, person="Ann", stamp="1 2", vector=b"\0\1\2\3", reasons=("small",), **more)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def test_what_is_added_is_there_again(file: Path) -> None:
    with Journal(file, "r") as journal:
        journal.add(looked("Ann/1.jpg"))
        journal.add(looked("Ann/ü\n2.jpg", why="no face"))
    with Journal(file, "r") as journal:
        assert journal.looked == {
            each.picture: each for each in (looked("Ann/1.jpg"), looked("Ann/ü\n2.jpg", why="no face"))
        }
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 600))
def test_a_file_cut_anywhere_loses_its_last_line_alone(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    file = tmp_path_factory.mktemp("cut") / "journal.jsonl"
    with Journal(file, "r") as journal:
        for number in range(3):
            journal.add(looked(f"{number}"))
    whole = file.read_bytes()
    cut = min(cut, len(whole))
    file.write_bytes(whole[:cut])
    with Journal(file, "r") as journal:
        kept = max(whole[:cut].count(b"\n") - 1, 0)
        assert list(journal.looked) == [str(number) for number in range(kept)]
        journal.add(looked("next"))
    with Journal(file, "r") as journal:
        assert list(journal.looked) == [*(str(number) for number in range(kept)), "next"]


def test_a_spoilt_line_is_read_again_and_the_others_stay(file: Path) -> None:
    with Journal(file, "r") as journal:
        for name in "abc":
            journal.add(looked(name))
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[:2], b"\xff\x00 spoilt\n", lines[3]]))
    with Journal(file, "r") as journal:
        assert list(journal.looked) == ["a", "c"]


def test_the_last_word_on_a_picture_counts(file: Path) -> None:
    with Journal(file, "r") as journal:
        journal.add(looked("a"))
        journal.add(looked("a", why="no face"))
    with Journal(file, "r") as journal:
        assert journal.looked["a"].why == "no face"


def test_other_crops_and_other_files_are_refused(file: Path) -> None:
    Journal(file, "r").__exit__(None, None, None)
    with pytest.raises(InputError, match="other crops, detector, bundle"):
        Journal(file, "another")
    file.write_bytes(b"a shopping list\n")
    with pytest.raises(InputError, match="no journal of a preparation"):
        Journal(file, "r")
    with pytest.raises(InputError, match="cannot be written"):
        Journal(file / "below", "r")
