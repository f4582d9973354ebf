from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from made_datasets import made, same_pictures

from mien.errors import InputError
from mien.training.datasets import open_dataset
from mien.training.datasets.contract import CONTRACTS
from mien.training.datasets.dataset import merged
from mien.training.datasets.folder_writer import folder_name, write_folder
from mien.training.datasets.record_writer import write_records


def test_what_is_written_is_read(tmp_path: Path) -> None:
    dataset = replace(made(tmp_path / "set"), contract=CONTRACTS["arcface"])
    write_folder(tmp_path / "out", dataset)
    found = open_dataset(tmp_path / "out")
    assert same_pictures(found, dataset)
    assert list(found.names) == list(dataset.names)
    assert found.contract == CONTRACTS["arcface"]


def test_names_that_meet_are_numbered_and_those_of_records_are_made(tmp_path: Path) -> None:
    both = merged([made(tmp_path / "set"), made(tmp_path / "more", {"Ann": 1})], unite=True)
    write_folder(tmp_path / "out", both)
    assert {each.name for each in (tmp_path / "out" / "Ann").iterdir()} == {
        "0.png",
        "1.png",
        "2.png",
        "0-9.png",
    }
    write_records(tmp_path / "a.rec", both)
    write_folder(tmp_path / "again", open_dataset(tmp_path / "a.rec"))
    assert same_pictures(open_dataset(tmp_path / "again"), both)
    assert (tmp_path / "again" / "Ann" / "000000.png").is_file()


def test_people_of_merged_sets_have_folders_of_their_own(tmp_path: Path) -> None:
    both = merged([made(tmp_path / "set"), made(tmp_path / "more")])
    write_folder(tmp_path / "out", both)
    assert open_dataset(tmp_path / "out").people == tuple(
        sorted(f"{name}_{who}" for name in ("set", "more") for who in ("Ann", "Bob", "Cy"))
    )


@pytest.mark.parametrize(
    ("person", "name"),
    [("a/b", "a_b"), ("..", "_."), (".x", "_x"), ("", "_"), ("é:\\", "é__"), ("n" * 300, "n" * 100)],
)
def test_a_folder_is_called_what_a_folder_can_be(person: str, name: str) -> None:
    assert folder_name(person) == name


def test_two_people_never_share_a_folder(tmp_path: Path) -> None:
    dataset = replace(made(tmp_path / "set"), people=("a/b", "a_b", "c"))
    with pytest.raises(InputError, match="would have one name"):
        write_folder(tmp_path / "out", dataset)
    assert not (tmp_path / "out").exists()
