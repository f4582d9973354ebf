"""A gallery in a SQLite file: what is no gallery, what may not be written, and what was cut off or damaged."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from damaged_galleries import STRUCTURAL, WAYS, outcomes
from galleries import filled, of_person, opened, picture
from gallery_workers import NOBODY, Nursery, held, name_of, require_sound
from sqlalchemy import event

from mien.errors import StoreError
from mien.gallery.gallery import Gallery
from mien.gallery.protection.keys import MainKey
from mien.gallery.protection.scan import scan
from mien.gallery.store.sqlite import Sqlite
from mien.gallery.store.store import Store, parse


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "people.db"


def foreign(place: Path) -> None:
    with closing(sqlite3.connect(place)) as connection:
        connection.execute("CREATE TABLE history (url TEXT)")
        connection.execute("INSERT INTO history VALUES ('somebody else')")
        connection.commit()


def text_file(place: Path) -> None:
    place.write_text("name,number\nAnn,1\n")


def folder(place: Path) -> None:
    place.mkdir()


def pipe(place: Path) -> None:
    os.mkfifo(place)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (foreign, "another program's tables are in it; nothing was written"),
        (text_file, r"not a gallery's database \(nor any SQLite file\)"),
        (folder, "no file"),
        (pipe, "no file"),
    ],
)
def test_what_is_no_gallery_is_refused_and_left_as_it_was(place: Path, make: object, words: str) -> None:
    make(place)
    before = place.read_bytes() if place.is_file() else b""
    for create in (True, False):
        with pytest.raises(StoreError, match=words):
            opened(place, create=create)
    assert [each.name for each in place.parent.iterdir()] == [place.name]
    assert (place.read_bytes() if place.is_file() else b"") == before


def test_a_missing_folder(place: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot be made \(No such file or directory\)"):
        opened(place.parent / "nowhere" / "people.db")
    with pytest.raises(StoreError, match="there is no gallery here"):
        opened(place, create=False)
    for name in ("", ":memory:"):
        with pytest.raises(StoreError, match="a gallery lives in a file"):
            Sqlite(parse(name))


def test_the_file_is_its_owner_s_alone_and_safe_against_power_cuts(place: Path) -> None:
    with filled(place, 1) as gallery:
        assert {file.stat().st_mode & 0o777 for file in gallery._desk.store.dialect.files()} == {0o600}
        with gallery._desk.store.read() as connection:
            said = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "secure_delete", "foreign_keys")
            }
    assert said == {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1, "foreign_keys": 1}


@pytest.mark.parametrize("how", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_file_that_another_program_holds(place: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    filled(place, 2).close()
    monkeypatch.setattr("mien.gallery.store.sqlite.WAIT", 0.05)
    with opened(place) as gallery, closing(sqlite3.connect(place, isolation_level=None)) as other:
        other.execute(f"BEGIN {how}")
        with pytest.raises(StoreError, match="another program holds the database; nothing was written"):
            gallery.enroll("new", of_person(50))
        assert gallery.identify(of_person(1, 5))[0].person == "person 1"  # who searches does not wait
        other.execute("ROLLBACK")
        gallery.enroll("new", of_person(50))
        assert gallery.check_log() == []


def test_a_file_that_another_program_has_to_itself(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(place, 2).close()
    monkeypatch.setattr("mien.gallery.store.sqlite.WAIT", 0.05)
    with closing(sqlite3.connect(place, isolation_level=None)) as other:
        for statement in ("PRAGMA locking_mode=EXCLUSIVE", "BEGIN EXCLUSIVE", "UPDATE people SET until = NULL"):
            other.execute(statement)
        with pytest.raises(StoreError, match="another program holds the database"):
            opened(place)
        other.execute("ROLLBACK")
    with opened(place) as gallery:
        assert len(gallery) == 2


def test_a_full_database(place: Path) -> None:
    """SQLite's own bound on pages stands for a disk without room."""
    with filled(place, 3) as gallery:
        engine = gallery._desk.store.engine

        def bound(connection: sqlite3.Connection, _: object) -> None:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            connection.execute(f"PRAGMA max_page_count={pages}")

        event.listen(engine, "connect", bound)
        engine.dispose()
        acknowledged: list[str] = []
        with pytest.raises(StoreError, match=r"no space is left .*; nothing was written: make room"):
            enroll_on(gallery, acknowledged)
        event.remove(engine, "connect", bound)
        engine.dispose()
        assert {each.name for each in gallery.people()} == {*acknowledged, *(f"person {n}" for n in range(3))}
        gallery.enroll("new", of_person(600))
        require_sound(gallery)


def enroll_on(gallery: Gallery, acknowledged: list[str]) -> None:
    for number in range(10, 500):
        gallery.enroll(name_of(number), of_person(number))
        acknowledged.append(name_of(number))


def test_files_that_may_not_grow(place: Path) -> None:
    opened(place).close()
    with Nursery() as nursery:
        nursery.start("fill", url=str(place), limit=400_000)
        *enrolled, refused = nursery.heard()
    assert "the disk refuses" in refused or "no space" in refused
    assert len(enrolled) > 3
    require_everybody(place, enrolled)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk of a megabyte in memory; only root can make one, and not everywhere."""
    mount = shutil.which("mount")
    folder = Path(tempfile.mkdtemp())
    made = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False
    )
    if not made or made.returncode:
        folder.rmdir()
        pytest.skip("needs the right to mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()


def test_a_full_disk(small_disk: Path) -> None:
    place = small_disk / "people.db"
    opened(place).close()
    with Nursery() as nursery:
        nursery.start("fill", url=str(place), limit=1 << 30)
        *enrolled, refused = nursery.heard()
    assert "no space" in refused or "the disk refuses" in refused
    assert len(enrolled) > 3
    subprocess.run(["mount", "-o", "remount,size=8m", small_disk], check=True)
    require_everybody(place, enrolled)
    with opened(place) as gallery:
        assert gallery.forget(name_of(0)).state == "done"


def require_everybody(place: Path, enrolled: list[str]) -> None:
    with opened(place) as gallery:
        require_sound(gallery)
        assert set(held(gallery)) == {name_of(int(line.split()[1])) for line in enrolled}
        gallery.enroll("new", of_person(70_000))


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users can reach."""
    if os.geteuid():
        pytest.skip("needs root, to become a user without rights")
    folder = Path(tempfile.mkdtemp())
    (folder / "keys").mkdir()
    os.chown(folder / "keys", NOBODY, NOBODY)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("of_folder", "of_file", "said"),
    [
        (0o755, 0o644, ["closed may not be written to"]),  # SQLite needs two files beside it to read
        (0o777, 0o644, ["found person 1", "refused may not be written to", "closed may not be written to"]),
        (0o777, 0o600, ["closed cannot be read (Permission denied)"]),
        (0o777, 0o666, ["found person 1", "enrolled new"]),
    ],
)
def test_a_file_that_may_only_be_read(open_folder: Path, of_folder: int, of_file: int, said: list[str]) -> None:
    """Searches are answered, and at the end it is said that they could not be put into the audit log."""
    place = open_folder / "people.db"
    filled(place, 2).close()
    place.chmod(of_file)
    open_folder.chmod(of_folder)
    with Nursery() as nursery:
        nursery.start("as_nobody", url=str(place), keys=str(open_folder / "keys"))
        found = nursery.heard()
    assert [line.split()[0] for line in found] == [line.split()[0] for line in said]
    assert all(wanted.split(maxsplit=1)[1] in line for line, wanted in zip(found, said, strict=True))
    with opened(place) as gallery:
        assert len(gallery) == 2 + (said[-1] == "enrolled new")


@pytest.mark.parametrize("key", [None, MainKey.generate()], ids=["plain", "encrypted"])
def test_cuts_and_damage_are_refused_or_do_no_harm(tmp_path: Path, key: MainKey | None) -> None:
    ended = outcomes(tmp_path, range(8 * len(WAYS)), key)
    assert sum(ended[way, "StoreError"] for way in STRUCTURAL) > 4 * len(STRUCTURAL)
    # One bit of a value that nothing vouches for cannot be seen.
    assert {way for way, found in ended if found == "wrong"} <= {"flipped"}


def test_a_log_that_was_cut_off_is_an_earlier_state(tmp_path: Path) -> None:
    """SQLite's checksums end a damaged log before the damage: what stood after it was never there."""
    place, copy = tmp_path / "people.db", tmp_path / "copy.db"
    with filled(place, 12, 1) as gallery:
        log = place.with_name("people.db-wal").read_bytes()
        main = place.read_bytes()
        assert len(gallery) == 12
    seen = set()
    for damage in range(0, len(log), 11_003):
        for changed in (log[:damage], log[:damage] + bytes(64) + log[damage + 64 :]):
            copy.write_bytes(main)
            copy.with_name("copy.db-wal").write_bytes(changed)
            copy.with_name("copy.db-shm").unlink(missing_ok=True)
            seen.add(how_many(copy))
    assert len(seen) > 5


def how_many(place: Path) -> int:
    """The first so many people are there, and nobody else; −1 where no gallery is."""
    try:
        with opened(place, create=False) as gallery:
            there = [each.name for each in gallery.people()]
            assert gallery.check_log() == []
            assert not there or gallery.identify(of_person(0, 5))[0].person == "person 0"
    except StoreError as error:
        if "no gallery is in this database" in str(error):
            return -1
        raise
    assert there == [f"person {number}" for number in range(len(there))]
    return len(there)


def test_a_database_cut_off_beside_its_log(tmp_path: Path) -> None:
    """The log holds some pages, and the end of the file is gone."""
    place, copy = tmp_path / "people.db", tmp_path / "copy.db"
    filled(place, 30).close()
    with opened(place) as gallery:
        gallery.rename("person 3", "somebody")
        copy.write_bytes(place.read_bytes()[: -10 * 4096])
        copy.with_name("copy.db-wal").write_bytes(place.with_name("people.db-wal").read_bytes())
    with pytest.raises(StoreError, match=r"damaged or cut off; restore a backup"):
        opened(copy)


def test_a_page_that_is_damaged_while_it_is_open(place: Path) -> None:
    filled(place, 200, 1).close()
    with opened(place) as gallery:
        whole = place.read_bytes()
        place.write_bytes(whole[:4096] + bytes(len(whole) - 4096))
        gallery._desk.store.engine.dispose()  # and with it what is read already
        with pytest.raises(StoreError, match="damaged or cut off"):
            gallery.people()
        place.write_bytes(whole)
        gallery._desk.store.engine.dispose()
        assert len(gallery.people()) == 200


def test_a_rewrite_leaves_no_old_page(place: Path) -> None:
    with filled(place, 5) as gallery:
        vector = picture(2, 0).tobytes()
        with gallery._desk.store.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA secure_delete=OFF")
            connection.exec_driver_sql("DELETE FROM templates WHERE person = 3")
            connection.exec_driver_sql("PRAGMA secure_delete=ON")
        store = gallery._desk.store
        assert store.erase()
        assert scan(store.dialect.files(), [vector])
        assert store.rewrite()
        assert scan(store.dialect.files(), [vector]) == []


def test_a_log_that_somebody_reads_cannot_be_emptied(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.gallery.store.sqlite.WAIT", 0.05)
    with filled(place, 2) as gallery:
        other = Store.open(str(place))
        with other.read() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM people")
            receipt = gallery.forget("person 1")
            assert receipt.state == "pending"
            assert gallery.purge()[0].state == "pending"
        other.close()
        assert gallery.purge()[0].state == "done"
        assert scan(gallery._desk.store.dialect.files(), [picture(1, 0).tobytes()], [b"person 1"]) == []
