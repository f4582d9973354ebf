from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from mien.errors import InputError
from mien.training.prepare.findings import Suggestion
from mien.training.prepare.journal import Looked
from mien.training.prepare.review import CSV, JSON, outcomes, read_review, write_review
from mien.training.prepare.store import Decision


def looked(*names: str) -> list[Looked]:
    return [Looked(picture=name, person=name.split("/")[0], stamp="", crop="c") for name in names]


PICTURES = looked("Ann/1", "Ann/2", "Bob/1", "Bob/2", "Cleo/1")
SUGGESTED = [
    Suggestion("Ann/2", "Ann", "mislabelled", "move", "like Bob, not Ann", "Bob"),
    Suggestion("Bob/2", "Bob", "poor", "drop", "dark"),
    Suggestion("", "Cleo", "one person", "move", "alike", "Ann"),
]


def became(
    suggested: Sequence[Suggestion], *decisions: Decision, at_once: bool = False
) -> dict[str, str | None]:
    found = outcomes(PICTURES, suggested, decisions, at_once=at_once)
    return {each.looked.picture: each.person for each in found}


def decision(picture: str, do: str, to: str = "", person: str = "") -> Decision:
    return Decision(picture=picture, person=person or picture.split("/")[0], do=do, to=to)


def test_undecided_only_poor_ones_go() -> None:
    assert became(SUGGESTED) == {
        "Ann/1": "Ann",
        "Ann/2": "Ann",
        "Bob/1": "Bob",
        "Bob/2": None,
        "Cleo/1": "Cleo",
    }


def test_suggestions_may_be_followed_at_once() -> None:
    found = became(SUGGESTED, at_once=True)
    assert found == {"Ann/1": "Ann", "Ann/2": "Bob", "Bob/1": "Bob", "Bob/2": None, "Cleo/1": "Ann"}


def test_decisions_go_before_suggestions() -> None:
    decided = (
        decision("Ann/2", "keep"),
        decision("Bob/2", "keep"),
        decision("", "keep", person="Cleo"),
        decision("Ann/1", "move", "Dora"),
    )
    found = became(SUGGESTED, *decided, at_once=True)
    assert found == {"Ann/1": "Dora", "Ann/2": "Ann", "Bob/1": "Bob", "Bob/2": "Bob", "Cleo/1": "Cleo"}
    assert became([], decision("", "drop", person="Bob"))["Bob/1"] is None


def test_people_that_move_take_those_along_that_moved_to_them_and_rings_end() -> None:
    chain = (decision("", "move", "Bob", "Ann"), decision("", "move", "Cleo", "Bob"))
    assert set(became([], *chain).values()) == {"Cleo"}
    ring = (*chain, decision("", "move", "Ann", "Cleo"))
    assert set(became([], *ring).values()) == {"Ann"}


def test_a_picture_without_a_crop_is_left_out_whatever_was_decided() -> None:
    (found,) = outcomes(
        [Looked(picture="Ann/9", person="Ann", stamp="", why="no face")],
        [],
        [decision("Ann/9", "keep")],
        at_once=False,
    )
    assert (found.person, found.why) == (None, "no face")


@pytest.mark.parametrize("name", [CSV, JSON])
def test_a_review_is_read_as_it_was_written(tmp_path: Path, name: str) -> None:
    write_review(tmp_path, SUGGESTED, [decision("Ann/2", "keep")])
    assert read_review(tmp_path / name, PICTURES) == [
        decision("Ann/2", "keep"),
        decision("Bob/2", "drop"),
        decision("", "move", "Ann", "Cleo"),
    ]


def test_what_a_spreadsheet_makes_of_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "edited.CSV"
    file.write_bytes("\ufeffdecision,picture,person,to\r\nmove,Ann/2,Ann,  Émile \r\n".encode())
    assert read_review(file, PICTURES) == [decision("Ann/2", "move", "Émile")]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Ann/7,Ann,drop,", "line 1: there is no face of 'Ann' in 'Ann/7'"),
        ("Ann/1,Bob,drop,", "no face of 'Bob'"),
        (",Nobody,drop,", "no face of 'Nobody'"),
        ("Ann/1,Ann,burn,", "'burn' is unknown; known: keep, drop, move"),
        ("Ann/1,Ann,,", "'' is unknown"),
        ("Ann/1,Ann,move,", "wants the person"),
        ("Ann/1,Ann,move,../up", "no slashes"),
        ("Ann/1,Ann,move,.hidden", "leading dot"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, line: str, words: str) -> None:
    file = tmp_path / "review.csv"
    file.write_text(f"picture,person,decision,to\n{line}\n")
    with pytest.raises(InputError, match=words.replace("(", r"\(")):
        read_review(file, PICTURES)


@pytest.mark.parametrize(
    ("name", "data"), [("a.txt", b""), ("a.csv", b"one,two\n1,2\n"), ("a.json", b"{"), ("a.csv", b"\xff\xfe")]
)
def test_other_files_are_no_review(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match="review"):
        read_review(tmp_path / name, PICTURES)


def test_names_with_commas_and_quotes_survive(tmp_path: Path) -> None:
    odd = 'O\'Neil, "Ann"/1,2.jpg'
    write_review(tmp_path, [Suggestion(odd, odd.split("/")[0], "copy", "drop", "why, so")], [])
    with (tmp_path / CSV).open(newline="") as stream:
        assert next(csv.DictReader(stream))["picture"] == odd
    assert read_review(tmp_path / CSV, looked(odd)) == [decision(odd, "drop")]
    assert msgspec.json.decode((tmp_path / JSON).read_bytes())[0]["why"] == "why, so"
