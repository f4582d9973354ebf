"""Backup and restore, between both kinds of database."""

from __future__ import annotations

from pathlib import Path

import pytest
from galleries import filled, of_person, opened, picture, reading

from mien.errors import InputError, KeyingError, StoreError
from mien.gallery.backup import restore
from mien.gallery.protection.keys import MainKey
from mien.gallery.protection.scan import scan


@pytest.mark.parametrize("closed", [False, True])
def test_everything_comes_back(database: str, tmp_path: Path, closed: bool) -> None:
    key = MainKey.generate() if closed else None
    copy, again = tmp_path / "copy.db", tmp_path / "again.db"
    with filled(database, 3, key=key, encrypt=closed, renewable=closed) as held:
        held.mark("person 1", of_person(70))
        held.identify(reading(picture(1, 7), reasons=[("dark",)]), queue=True)
        counts = held.backup(copy)
        before = (held.people(), held.reviews(), held.info()["id"])
    assert (counts["people"], counts["templates"], counts["marks"], counts["reviews"]) == (3, 6, 1, 1)
    assert copy.stat().st_mode & 0o777 == 0o600
    assert restore(copy, str(again)) == {**counts, "left_out": 0}
    with opened(again, key=key) as held:
        assert (held.people(), held.reviews(), held.info()["id"]) == before
        assert held.identify(of_person(2, 7))[0].person == "person 2"
        assert held.check_log() == []
        held.enroll("new", of_person(50))  # numbers go on where they were
        assert len(held) == 4
    if closed:
        with pytest.raises(KeyingError):
            opened(copy)


def test_into_postgres(postgres: str, tmp_path: Path) -> None:
    from databases import new_database

    place = new_database(postgres)
    with filled(tmp_path / "people.db", 3) as held:
        held.backup(tmp_path / "copy.db")
    restore(tmp_path / "copy.db", place)
    with opened(place) as held:
        held.enroll("new", of_person(50))
        assert held.identify(of_person(50, 1))[0].person == "new"
        assert held.identify(of_person(1, 5))[0].person == "person 1"


def test_the_forgotten_are_not_in_a_later_backup(tmp_path: Path) -> None:
    with filled(tmp_path / "people.db", 3) as held:
        held.forget("person 1")
        held.backup(tmp_path / "copy.db")
    assert scan([tmp_path / "copy.db"], [picture(1, 0).tobytes()], [b"person 1"]) == []


def test_the_forgotten_since_do_not_come_back(database: str, tmp_path: Path) -> None:
    with filled(database, 3) as held:
        held.backup(tmp_path / "copy.db")
        receipt = held.forget("person 1").document
    counts = restore(tmp_path / "copy.db", str(tmp_path / "again.db"), [receipt])
    assert (counts["people"], counts["templates"], counts["left_out"]) == (2, 4, 1)
    with opened(tmp_path / "again.db") as held:
        assert [each.name for each in held.people()] == ["person 0", "person 2"]
    assert scan([tmp_path / "again.db"], [picture(1, 0).tobytes()], [b"person 1"]) == []
    for other in ({**receipt, "gallery": "f" * 32}, {**receipt, "person": "p_0"}, {}):
        with pytest.raises(InputError, match="of another gallery, or was changed"):
            restore(tmp_path / "copy.db", str(tmp_path / "third.db"), [other])
    assert not (tmp_path / "third.db").exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    with filled(tmp_path / "people.db", 1) as held:
        with pytest.raises(InputError, match="exists already"):
            held.backup(tmp_path / "people.db")
        held.backup(tmp_path / "copy.db")
    with pytest.raises(StoreError, match="restore into an empty database"):
        restore(tmp_path / "copy.db", str(tmp_path / "people.db"))
    with pytest.raises(StoreError, match="no gallery here"):
        restore(tmp_path / "nothing.db", str(tmp_path / "other.db"))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["copy.db", "people.db"]
