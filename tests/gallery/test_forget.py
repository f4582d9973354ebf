"""Forgetting: nothing of a person is left, and the receipt says so."""

from __future__ import annotations

import datetime
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from galleries import filled, of_person, opened, picture, reading
from sqlalchemy import create_engine, text

from mien.errors import UnknownPersonError
from mien.gallery.answers import Consent
from mien.gallery.gallery import Gallery
from mien.gallery.protection.keys import MainKey
from mien.gallery.protection.scan import Search, scan
from mien.gallery.protection.signing import check_document
from mien.images import load

NAME = "Wilhelmina Threepwood-Ashgrove"


@pytest.fixture(params=["open", "encrypted", "renewable"])
def gallery(request: pytest.FixtureRequest, database: str) -> Iterator[Gallery]:
    how = request.param
    key = None if how == "open" else MainKey.generate()
    settings = {"encrypt": how == "encrypted", "renewable": how == "renewable"}
    with filled(database, 3, key=key, **settings) as held:
        image = cv2.imencode(".png", np.random.default_rng(0).integers(0, 255, (120, 100, 3), np.uint8))[
            1
        ].tobytes()
        one = reading(picture(60), sha256=load(image).sha256)
        consent = Consent("signed", keep_crops=True, until=datetime.date(2030, 1, 1))
        held.enroll(NAME, one, reference="book 4711", consent=consent, picture=image)
        held.enroll(NAME, of_person(60, 1))
        yield held


def stored(gallery: Gallery, query: str) -> list[bytes]:
    """Bytes as the database holds them."""
    with gallery._desk.store.read() as connection:
        return [bytes(value) for row in connection.execute(text(query)) for value in row if value is not None]


def test_the_receipt_says_what_was_removed_and_looked_for(gallery: Gallery) -> None:
    who = gallery.person(NAME).id
    receipt = gallery.forget(NAME)
    document = receipt.document
    assert (receipt.person, receipt.state) == (who, "done")
    assert document["removed"] == {"people": 1, "templates": 2, "crops": 1, "marks": 0, "reviews": 0}
    assert document["check"]["searched"]
    assert document["check"]["values"] >= 4
    assert document["check"]["found"] == 0
    assert "backups" in " ".join(document["out_of_reach"])
    assert NAME not in json.dumps(document)
    assert check_document(json.loads(json.dumps(document)), gallery.info()["signed_by"])
    assert not check_document({**document, "state": "pending"})


def test_nobody_finds_them_any_more(gallery: Gallery) -> None:
    who = gallery.person(NAME).id
    assert gallery.identify(of_person(60, 5))[0].person == NAME
    gallery.forget(who)
    assert gallery.identify(of_person(60, 5), top=10)[0].verdict == "unknown"
    for name in (NAME, who, "book 4711"):
        with pytest.raises(UnknownPersonError):
            gallery.person(name)
    assert [each.name for each in gallery.people()] == ["person 0", "person 1", "person 2"]
    assert gallery.check_log() == []


def test_no_byte_of_them_is_in_any_file(gallery: Gallery, request: pytest.FixtureRequest) -> None:
    """An independent search: all values as they stood in the database, in every file it has."""
    vectors = stored(
        gallery, "SELECT t.vector FROM templates t JOIN people p ON p.id = t.person WHERE p.keep_crops"
    )
    columns = "name, name_index, reference, reference_index"
    names = stored(gallery, f"SELECT {columns} FROM people WHERE keep_crops")
    (crop,) = stored(gallery, "SELECT image FROM crops")
    pieces = [crop[start : start + 64] for start in range(1000, len(crop) - 64, 64)]
    secrets = [*vectors, *pieces, *(name for name in names if len(name) >= 16), NAME.encode()]
    words = [NAME.encode(), b"book 4711"]
    assert len(vectors) == 2
    assert _hits(gallery, secrets, words, request)  # the search does find them while they are there
    gallery.forget(NAME)
    assert not _hits(gallery, secrets, words, request)


def _hits(
    gallery: Gallery, secrets: list[bytes], words: list[bytes], request: pytest.FixtureRequest
) -> list[object]:
    store = gallery._desk.store
    if files := store.dialect.files():
        return [*scan(files, secrets, words)]
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CHECKPOINT"))
        base = Path(connection.execute(text("SHOW data_directory")).scalar_one()) / "base"
        number = connection.execute(
            text("SELECT oid FROM pg_database WHERE datname = current_database()")
        ).scalar_one()
    # The server's own files of this database, statistics and all, whoever made them.
    search = Search.of(secrets, words)
    return [hit for file in sorted((base / str(number)).iterdir()) for hit in search.file(file)]


def test_several_at_once_or_none(gallery: Gallery) -> None:
    with pytest.raises(UnknownPersonError):
        gallery.forget_all(["person 0", "nobody"])
    assert len(gallery) == 4
    receipts = gallery.forget_all(["person 0", "person 2", "person 0"])
    assert len(receipts) == 2
    assert [each.name for each in gallery.people()] == ["person 1", NAME]
    assert [each.person for each in gallery.receipts()] == [each.person for each in receipts]


def test_purge_forgets_those_past_their_day(gallery: Gallery) -> None:
    assert gallery.purge(datetime.date(2030, 1, 1)) == []
    (receipt,) = gallery.purge(datetime.date(2030, 1, 2))
    assert receipt.state == "done"
    assert NAME not in gallery
    assert gallery.purge(datetime.date(2040, 1, 1)) == []


def test_a_name_within_another_s_is_told_apart(tmp_path: Path) -> None:
    with opened(tmp_path / "people.db") as held:
        held.enroll("Annabel", of_person(1))
        held.enroll("Annabel Lee", of_person(2))
        check = held.forget("Annabel").document["check"]
    assert (check["found"], check["within_other_words"] > 0) == (0, True)


def test_an_interrupted_erasure_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with filled(tmp_path / "people.db") as held:
        monkeypatch.setattr("mien.gallery.forget._completed", lambda *_, **__: [])
        held.forget_all(["person 1"])
        monkeypatch.undo()
    with opened(tmp_path / "people.db") as held:
        assert held.identify(of_person(1, 5))[0].verdict == "unknown"
        assert held.receipts() == []
        (receipt,) = held.purge()
        assert receipt.state == "done"
        assert "written anew instead" in receipt.document["check"]["why"]
        assert held.purge() == []


def test_a_log_that_cannot_be_emptied_is_pending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with filled(tmp_path / "people.db") as held:
        monkeypatch.setattr("mien.gallery.store.sqlite.Sqlite.erase", lambda *_, **__: False)
        receipt = held.forget("person 1")
        assert receipt.state == "pending"
        assert "mien gallery purge" in receipt.document["to_do"]
        monkeypatch.undo()
        (receipt,) = held.purge()
        assert receipt.state == "done"


def test_what_is_found_after_all_leads_to_a_rewrite(tmp_path: Path) -> None:
    """A stale copy in a free page, as another program without secure_delete would leave it."""
    place = tmp_path / "people.db"
    with filled(place) as held:
        (vector, *_) = stored(held, "SELECT vector FROM templates WHERE person = 2")
        with held._desk.store.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA secure_delete=OFF")
            connection.exec_driver_sql("CREATE TABLE other (value BLOB)")
            connection.exec_driver_sql("INSERT INTO other VALUES (?)", (vector * 20,))
            connection.exec_driver_sql("DROP TABLE other")
            connection.exec_driver_sql("PRAGMA secure_delete=ON")
        assert scan(held._desk.store.dialect.files(), [vector])
        document = held.forget("person 1").document
        assert (document["state"], document["check"]["rewritten"], document["check"]["found"]) == (
            "done",
            True,
            0,
        )
        assert not scan(held._desk.store.dialect.files(), [vector])


def test_strings_finds_no_name(tmp_path: Path) -> None:
    """What somebody with the file and a common tool would try."""
    place = tmp_path / "people.db"
    with filled(place) as held:
        held.enroll(NAME, of_person(60))
        held.forget(NAME)
    found = subprocess.run(["grep", "-c", "-a", NAME, str(place)], capture_output=True, text=True, check=False)
    assert found.stdout.strip() == "0"


@pytest.mark.parametrize("name", ["mark", "enroll", "templates", "people"])
def test_names_that_are_words_of_the_gallery_s_own(database: str, name: str) -> None:
    with filled(database, 2, 1, actor="the door") as held:
        held.enroll(name, of_person(60))
        held.mark("person 1", of_person(61))
        check = held.forget(name).document["check"]
        assert (check["found"], check.get("rewritten")) == (0, None)


def test_an_old_view_of_postgres_keeps_the_receipt_pending(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dump that began before: its rows are not let go of, so nothing may say that they are gone."""
    from databases import driven, new_database

    monkeypatch.setattr("mien.gallery.store.postgres.TRIES", 2)
    place = new_database(postgres)
    with filled(place, 3) as held:
        engine = create_engine(driven(place), isolation_level="REPEATABLE READ")
        with engine.connect() as dump:
            assert dump.execute(text("SELECT count(*) FROM templates")).scalar_one() == 6
            assert held.forget("person 1").state == "pending"
            assert [each.state for each in held.purge()] == ["pending"]
        engine.dispose()
        assert [each.state for each in held.purge()] == ["done"]
