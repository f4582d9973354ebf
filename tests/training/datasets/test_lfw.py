from __future__ import annotations

from pathlib import Path

import pytest
from made_datasets import write_people

from mien.errors import InputError
from mien.training.datasets import open_dataset
from mien.training.datasets.lfw import read_people


def test_the_people_of_a_list_are_read(tmp_path: Path) -> None:
    write_people(tmp_path / "lfw")
    (tmp_path / "peopleDevTrain.txt").write_text("2\nAnn\t3\nCy\t4\n")
    (tmp_path / "lfw" / "peopleDevTest.txt").write_text("1\nBob\t2\n")
    assert open_dataset(tmp_path / "lfw", form="lfw-train").people == ("Ann", "Cy")
    assert open_dataset(tmp_path / "lfw", form="lfw-test").people == ("Bob",)


def test_view_2_is_a_list_of_lists(tmp_path: Path) -> None:
    (tmp_path / "people.txt").write_text("2\n1\nAnn\t3\n2\nBob\t2\nCy\t4\n")
    assert read_people(tmp_path / "people.txt") == ("Ann", "Bob", "Cy")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("3\nAnn\t3\nCy\t4\n", "promises 3 people, and 2 are listed"),
        ("Ann\t3\n", "promises 0 people, and 1 are listed"),
        ("1\nAnn three\n", "line 2: 'Ann three' found"),
        ("1\nAnn Lee 3\n", "line 2"),
        ("", "promises 0 people, and 0"),
    ],
)
def test_a_wrong_list_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "people.txt").write_text(text)
    with pytest.raises(InputError, match=complaint):
        read_people(tmp_path / "people.txt")


def test_people_that_are_not_there_and_missing_lists_are_named(tmp_path: Path) -> None:
    write_people(tmp_path / "lfw")
    with pytest.raises(InputError, match=r"peopleDevTrain.txt is wanted there or beside it"):
        open_dataset(tmp_path / "lfw", form="lfw-train")
    (tmp_path / "peopleDevTrain.txt").write_text("2\nAnn\t3\nDee\t4\n")
    with pytest.raises(InputError, match="1 names are nobody's here: 'Dee'"):
        open_dataset(tmp_path / "lfw", form="lfw-train")
