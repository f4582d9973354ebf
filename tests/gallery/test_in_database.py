"""The search inside the database: every answer is the one of the search in memory, whoever wrote."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from databases import driven, new_database
from galleries import calibration, filled, of_person, opened, person, picture, reading
from sqlalchemy import create_engine, make_url, text

from mien.errors import GalleryError, StoreError
from mien.gallery import in_database
from mien.gallery.answers import Consent
from mien.gallery.gallery import Gallery
from mien.gallery.protection.keys import MainKey
from mien.gallery.store import pgvector
from mien.gallery.vault import Origin
from mien.images import load
from mien.values import Embeddings, Floats, Reading

NEW, SIZE = "c" * 64, 96
Pair = tuple[Gallery, Gallery]


@pytest.fixture(params=["graph", "everybody"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With the graph of neighbours however few people there are, or without."""
    if request.param == "graph":
        monkeypatch.setattr(in_database, "INDEXED", 1)
    return str(request.param)


@pytest.fixture
def place(postgres: str) -> str:
    return new_database(postgres)


@pytest.fixture
def both(place: str, way: str) -> Iterator[Pair]:
    """One gallery of six people, searched in memory and in the database."""
    with filled(place, 6) as memory, opened(place, index="pgvector") as database:
        yield memory, database


def same(both: Pair, *readings: Reading) -> None:
    """Both say the same of these faces and of others."""
    others = (of_person(n, 9) for n in (0, 1, 2, 5, 77, 78))
    for each in (*readings, *others, reading(picture(3, 9), picture(77, 9), picture(1, 9))):
        expected, found = (held.identify(each, top=4) for held in both)
        assert found == expected


def waiting(gallery: Gallery) -> int:
    with gallery._desk.store.read() as connection:
        return len(pgvector.waiting(connection))


def test_two_hundred_people_to_the_last_bit(place: str, way: str) -> None:
    with opened(place, calibration=None) as filling:
        for number in range(200):
            for seed in range(1 + number % 3):
                filling.enroll(f"person {number}", of_person(number, seed))
    with opened(place, index="exact") as memory, opened(place, index="pgvector") as database:
        memory.mark("person 7", reading(picture(3, 1), source="not 7"))
        memory.mark("person 9", reading(picture(9, 31), source="not 9"))
        seen = {"known": 0, "unknown": 0, "review": 0}
        faces = [
            *(of_person(number, 8) for number in range(0, 220, 3)),
            *(reading(picture(n, 4), picture(n, 5, spread=0.1), picture(n + 1, 6)) for n in range(0, 40, 8)),
            *(reading(picture(n, 7, spread=0.2), reasons=[("dark",)]) for n in range(20)),
            reading(picture(9, 31), source="not 9"),
        ]
        for each in faces:
            expected, found = memory.identify(each, top=5), database.identify(each, top=5)
            assert found == expected
            for match in found:
                seen[match.verdict] += 1
        assert min(seen.values()) > 0
        wide = [held.identify(of_person(3, 4), top=250) for held in (memory, database)]
        assert wide[0] == wide[1]
        assert len(wide[1][0].candidates) == 199  # everybody but person 7, who is marked not to be this face


def test_it_sees_what_the_other_enrols_and_forgets(both: Pair) -> None:
    memory, database = both
    for here in both:
        name = "new" if here is memory else "newer"
        face = of_person(77 if here is memory else 78)
        here.enroll(name, face)
        same(both)
        assert database.identify(face)[0].person == name
    memory.enroll("person 2", of_person(2, 40))
    same(both)
    memory.forget("new")
    database.forget("newer")
    same(both)
    assert database.identify(of_person(77, 2))[0].verdict == "unknown"
    assert len(database) == 6


def test_it_sees_merges_splits_and_marks(both: Pair) -> None:
    memory, database = both
    memory.merge("person 1", "person 2")
    same(both)
    number = database.templates("person 1")[0]["number"]
    database.split("person 1", [number], "half")
    same(both)
    for here in both:
        here.mark("person 3", of_person(3, 9 if here is memory else 8))
        same(both, of_person(3, 8))
    assert database.identify(of_person(3, 9))[0].person is None


def test_its_gate_is_the_same(both: Pair) -> None:
    for held in both:
        with pytest.raises(GalleryError, match="looks like another enrolled person, person 4"):
            held.enroll("not 4", of_person(4, 50))


def test_an_empty_gallery_knows_nobody(place: str) -> None:
    with opened(place, index="pgvector") as held:
        assert held.identify(of_person(0))[0].note == "the gallery is empty"
        assert held.identify(reading()) == []
        held.enroll("first", of_person(0))
        assert held.identify(of_person(0, 1), top=1)[0].person == "first"
        held.forget("first")
        assert held.identify(of_person(0, 1))[0].note == "the gallery is empty"


def test_new_templates_are_searched_after_a_renewal(place: str, way: str) -> None:
    key = MainKey.generate()
    with filled(place, 6, key=key) as memory, opened(place, key=key, index="pgvector") as database:
        for here in (memory, database):
            assert here.renew() == 12
            same((memory, database))
        assert database.identify(of_person(2, 9))[0].person == "person 2"


def test_another_model_s_vectors_are_searched_after_a_migration(place: str, way: str) -> None:
    kept = Consent("signed", keep_crops=True)
    with opened(place) as memory, opened(place, index="pgvector") as database:
        for number in range(3):
            image = shot(number)
            seen = reading(picture(number), sha256=load(image).sha256)
            database.enroll(f"person {number}", seen, consent=kept, picture=image)
        database.enroll("without a crop", of_person(9))
        for held in (memory, database):
            held._desk.given = calibration(NEW, NEW, SIZE)
        memory.migrate(embed, Origin(NEW, NEW, SIZE))
        for number in (0, 1, 2, 9):
            face = reading(picture(200 + number, 1, SIZE), bundle=NEW, aligner=NEW)
            expected, found = memory.identify(face, top=4), database.identify(face, top=4)
            assert found == expected
            assert found[0].person == (f"person {number}" if number < 3 else None)


def shot(number: int) -> bytes:
    """A picture whose brightness tells who is on it."""
    return cv2.imencode(".png", np.full((120, 100, 3), 20 * number + 20, np.uint8))[1].tobytes()


def embed(cutouts: Sequence[object]) -> Embeddings:
    numbers = [round((float(cutout.pixels.mean()) - 20) / 20) for cutout in cutouts]  # type: ignore[attr-defined]
    vectors = np.stack([picture(200 + n, 0, SIZE) for n in numbers])
    return Embeddings(vectors, np.ones(len(vectors), np.float32), NEW, NEW)


def test_a_search_makes_up_for_many_changes(both: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    memory, database = both
    monkeypatch.setattr(in_database, "FEW", 3)
    for number in range(10, 15):
        memory.enroll(f"person {number}", of_person(number))
    with memory._desk.store.write():  # somebody writes: this search compares them itself
        assert database.identify(of_person(12, 9))[0].person == "person 12"
        assert waiting(database) == 5
    same(both, of_person(12, 9))
    assert waiting(database) == 0
    same(both, of_person(12, 9))


def test_a_search_in_an_old_view_is_of_that_view(both: Pair) -> None:
    memory, database = both
    probe = picture(50)[None]
    searcher = database._desk.searcher
    with database._desk.read() as connection:
        before = searcher.search(connection, probe, 3)
        memory.enroll("new", of_person(50))
        assert database.identify(of_person(50))[0].person == "new"
        after = searcher.search(connection, probe, 3)
        np.testing.assert_array_equal(after.keys, before.keys)
        np.testing.assert_array_equal(after.scores, before.scores)


def test_many_search_while_others_write(both: Pair) -> None:
    memory, database = both
    wrong: list[object] = []

    def look() -> None:
        try:
            wrong.extend(
                m for _ in range(15) if (m := database.identify(of_person(1, 9))[0]).person != "person 1"
            )
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(30, 40):
        (memory, database)[number % 2].enroll(f"person {number}", of_person(number))
    memory.forget("person 30")
    for thread in threads:
        thread.join()
    assert wrong == []
    same(both)


def test_a_writer_who_waited_sees_what_was_written(place: str) -> None:
    """Of two writers at once, the second's view begins when the first is done."""
    with filled(place, 2) as held:
        store, seen = held._desk.store, []
        lock = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"

        def second() -> None:
            with store.write() as connection:
                seen.append(connection.execute(text("SELECT count(*) FROM people")).scalar())

        with store.write() as connection:
            thread = threading.Thread(target=second)
            thread.start()
            while not connection.execute(text(lock)).scalar():
                pass
            connection.execute(text("DELETE FROM people WHERE id = 1"))
        thread.join()
        assert seen == [1]


def test_nothing_of_the_forgotten_is_left_in_the_files(both: Pair) -> None:
    """A person of one picture: the mean is the template. Two kinds of process forget; both leave nothing."""
    _, database = both
    for number, held in zip((60, 61), both, strict=True):
        held.enroll("Ann", of_person(number))
        database.enroll("Ben", of_person(number + 10))  # Ann's mean is made by now
        secrets = [picture(number).tobytes(), mean_of(database, "Ann").tobytes()]
        assert all(secret in files(database) for secret in secrets)
        receipt = held.forget("Ann")
        held.forget("Ben")
        assert (receipt.state, receipt.document["check"]["found"]) == ("done", 0)
        assert not any(secret in files(database) for secret in secrets)
        assert picture(1, 1).tobytes() in files(database)  # whoever stays is there


def mean_of(gallery: Gallery, name: str) -> Floats:
    query = "SELECT vector_send(mean) FROM fused JOIN people ON id = person WHERE uid = :uid"
    with gallery._desk.store.read() as connection:
        sent = connection.execute(text(query), {"uid": gallery.person(name).id}).scalar()
    return np.frombuffer(bytes(sent)[pgvector.HEAD :], ">f4").astype("<f4")


def files(gallery: Gallery) -> bytes:
    """Every byte of this database's files on the server's disk."""
    where = "SELECT current_setting('data_directory'), oid FROM pg_database WHERE datname = current_database()"
    with gallery._desk.store.engine.connect() as connection:
        folder, number = connection.execute(text(where)).one()
        connection.rollback()
        connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("CHECKPOINT")
    return b"".join(file.read_bytes() for file in (Path(folder) / "base" / str(number)).iterdir())


def test_a_file_is_no_place_for_it(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"index 'pgvector' is for galleries in PostgreSQL; use index='auto'"):
        opened(tmp_path / "people.db", index="pgvector")


def test_it_is_refused_where_vectors_are_encrypted(place: str) -> None:
    key = MainKey.generate()
    filled(place, 2, 1, key=key, encrypt=True).close()
    with pytest.raises(GalleryError, match=r"not encrypted, and this gallery is.*index='auto'.*renewable"):
        opened(place, key=key, index="pgvector")


def test_a_gallery_that_is_encrypted_later_leaves_no_open_vector(both: Pair) -> None:
    _, database = both
    secret = mean_of(database, "person 1").tobytes()
    assert secret in files(database)
    list(database.rotate(MainKey.generate()))
    with pytest.raises(GalleryError, match="index='auto'"):
        database.identify(of_person(1))
    assert secret not in files(database)
    assert database.forget("person 2").state == "done"


def test_vectors_too_long_for_it_are_refused(both: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pgvector, "LONGEST", 32)
    with pytest.raises(GalleryError, match="index='auto'"):
        both[1].identify(of_person(1))


@contextmanager
def somebody(place: str, rights: str) -> Iterator[str]:
    """The URL of a role that is no administrator, for as long as it is wanted."""
    engine = create_engine(driven(place), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE ROLE clerk LOGIN; {rights}")
        try:
            yield make_url(place).set(username="clerk").render_as_string(hide_password=False)
        finally:
            connection.exec_driver_sql("REASSIGN OWNED BY clerk TO CURRENT_USER; DROP OWNED BY clerk")
            connection.exec_driver_sql("DROP ROLE clerk")
    engine.dispose()


def test_who_may_not_install_it_is_told_who_may(place: str) -> None:
    with somebody(place, "GRANT ALL ON SCHEMA public TO clerk") as url:
        with pytest.raises(StoreError, match="administrator run CREATE EXTENSION vector in this database"):
            opened(url, index="pgvector")
        engine = create_engine(driven(place))
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE EXTENSION vector")
        engine.dispose()
        with opened(url, index="pgvector") as held:
            held.enroll("Ann", of_person(1))
            assert held.identify(of_person(1, 1))[0].person == "Ann"


def test_who_has_no_rights_on_the_means_may_enrol(both: Pair, place: str) -> None:
    rights = (
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO clerk; "
        "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO clerk; "
        "REVOKE ALL ON fused FROM clerk"
    )
    with somebody(place, rights) as url, opened(url) as held:
        held.enroll("person 1", of_person(1, 30))
        held.enroll("new", of_person(77))
        same(both)


def test_a_mean_of_nothing_is_like_nobody(place: str, way: str) -> None:
    """Templates that cancel out: cosines are 0, as in memory, not NaN."""
    with opened(place, calibration=None) as memory, opened(place, index="pgvector") as database:
        memory.enroll("both ways", reading(person(5)))
        memory.enroll("both ways", reading(-person(5)))
        memory.enroll("other", of_person(6))
        for each in (of_person(5), of_person(6, 1)):
            expected, found = memory.identify(each, top=2), database.identify(each, top=2)
            assert {c.person: c.score for c in found[0].candidates} == {
                c.person: c.score for c in expected[0].candidates
            }
