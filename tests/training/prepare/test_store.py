from __future__ import annotations

import stat
from pathlib import Path

import pytest

from mien.errors import InputError
from mien.training.datasets.contract import CONTRACTS, named_contract, read_contract
from mien.training.prepare.store import DECISIONS, Decision, Store

CROPS = CONTRACTS["arcface"]


def decision(picture: str, do: str = "drop", to: str = "") -> Decision:
    return Decision(picture=picture, person="Ann", do=do, to=to)


def test_a_store_says_what_its_crops_are_and_is_its_owners(tmp_path: Path) -> None:
    store = Store(tmp_path / "deep" / "out", CROPS)
    assert read_contract(tmp_path / "deep" / "out") == CROPS
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    Store(tmp_path / "deep" / "out", CROPS)
    with pytest.raises(InputError, match="name another place"):
        Store(tmp_path / "deep" / "out", named_contract("facenet"))


def test_an_empty_folder_may_be_there_already(tmp_path: Path) -> None:
    Store(tmp_path, CROPS)
    assert read_contract(tmp_path) == CROPS


def test_decisions_add_up_and_the_last_counts(tmp_path: Path) -> None:
    store = Store(tmp_path, CROPS)
    assert store.decisions() == []
    store.decide([decision("Ann/1"), decision("Ann/2")])
    store.decide([decision("Ann/2", "move", "Bob")])
    assert store.decisions() == [decision("Ann/1"), decision("Ann/2", "move", "Bob")]
    assert stat.S_IMODE((store.folder / DECISIONS).stat().st_mode) == 0o600
    (store.folder / DECISIONS).write_text("[{}]")
    with pytest.raises(InputError, match="remove it to decide anew"):
        store.decisions()


@pytest.mark.parametrize(
    ("do", "to"), [("burn", ""), ("move", ""), ("move", "."), ("move", "a/b"), ("move", "..")]
)
def test_decisions_that_nobody_can_follow_are_refused(do: str, to: str) -> None:
    with pytest.raises(ValueError, match=r"known: keep|wants the person|no person's name"):
        decision("Ann/1", do, to)
