from __future__ import annotations

import os
from pathlib import Path

import pytest

from mien.errors import InputError
from mien.training.datasets.contract import CONTRACTS
from mien.training.prepare.journal import Looked
from mien.training.prepare.review import Outcome
from mien.training.prepare.store import Store
from mien.training.prepare.writing import WRITTEN, placed, write_folder


def outcome(picture: str, person: str | None = None, suffix: str = ".jpg") -> Outcome:
    looked = Looked(
        picture=picture, person=picture.split("/")[0], stamp="", crop=f"{picture.replace('/', '-')}{suffix}"
    )
    return Outcome(looked, looked.person if person is None else person or None)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "out", CONTRACTS["arcface"])


def written(store: Store, *outcomes: Outcome) -> list[str]:
    for each in outcomes:
        store.crop(each.looked).write_bytes(each.looked.picture.encode())
    write_folder(store, placed(outcomes, 1))
    return files(store)


def files(store: Store) -> list[str]:
    return sorted(str(each.relative_to(store.out)) for each in store.out.glob("[!.]*/**/*") if each.is_file())


def test_names_stay_and_have_the_crops_suffix() -> None:
    places = placed(
        [
            outcome("Ann/1.jpg"),
            outcome("Ann/2.PNG"),
            outcome("Ann/sub/3.JPG"),
            outcome("Ann/4.png", suffix=".png"),
        ],
        1,
    )
    assert list(places) == ["Ann/1.jpg", "Ann/2.PNG.jpg", "Ann/4.png", "Ann/sub/3.JPG"]


def test_a_moved_picture_takes_nobodys_name() -> None:
    (name,) = placed([outcome("Ann/1.jpg", "Bob")], 1)
    both = placed([outcome("Ann/1.jpg", "Bob"), outcome("Cleo/1.jpg", "Bob"), outcome("Bob/1.jpg")], 1)
    assert name.startswith("Bob/")
    assert name in both
    assert len(both) == 3


def test_people_with_few_pictures_and_pictures_left_out_are_not_placed() -> None:
    outcomes = [outcome("Ann/1.jpg"), outcome("Bob/1.jpg"), outcome("Bob/2.jpg"), outcome("Ann/2.jpg", "")]
    assert list(placed(outcomes, 2)) == ["Bob/1.jpg", "Bob/2.jpg"]


def test_what_no_longer_stays_goes_and_nothing_else_does(store: Store) -> None:
    assert written(store, outcome("Ann/1.jpg"), outcome("Bob/sub/1.jpg")) == ["Ann/1.jpg", "Bob/sub/1.jpg"]
    (store.out / "Ann" / "mine.txt").write_text("keep me")
    assert written(store, outcome("Cleo/1.jpg")) == ["Ann/mine.txt", "Cleo/1.jpg"]
    assert not (store.out / "Bob").exists()
    assert (store.out / "Cleo" / "1.jpg").read_bytes() == b"Cleo/1.jpg"


def test_a_crop_that_was_made_anew_takes_the_olds_place(store: Store) -> None:
    written(store, outcome("Ann/1.jpg"))
    crop = store.crop(outcome("Ann/1.jpg").looked)
    crop.unlink()
    crop.write_bytes(b"new")
    write_folder(store, placed([outcome("Ann/1.jpg")], 1))
    assert (store.out / "Ann" / "1.jpg").read_bytes() == b"new"


def test_where_files_have_one_name_only_they_are_copied(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no such thing here")

    monkeypatch.setattr(os, "link", refuse)
    assert written(store, outcome("Ann/1.jpg")) == ["Ann/1.jpg"]
    assert (store.out / "Ann" / "1.jpg").read_bytes() == b"Ann/1.jpg"


def test_a_writing_that_was_cut_short_is_cleared_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    written(store, outcome("Ann/1.jpg"))
    real = Path.unlink
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        written(store, outcome("Bob/1.jpg"))
    monkeypatch.setattr(Path, "unlink", real)
    assert written(store, outcome("Cleo/1.jpg")) == ["Cleo/1.jpg"]


def test_what_cannot_be_written_is_named(store: Store) -> None:
    (store.out / "Ann").write_text("in the way")
    with pytest.raises(InputError, match="Ann"):
        written(store, outcome("Ann/1.jpg"))
    (store.folder / WRITTEN).write_text("[1")
    with pytest.raises(InputError, match="name another place"):
        written(store, outcome("Bob/1.jpg"))
