"""kill -9 at random moments: nothing acknowledged is lost, nothing forgotten comes back."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from databases import new_database
from galleries import filled, of_person, opened
from killing import killed_after, moment, require_gone, require_held, require_whole, worker

from mien.gallery.protection.keys import MainKey
from mien.gallery.protection.scan import scan

pytestmark = pytest.mark.long


@pytest.mark.parametrize(("kind", "kills"), [("sqlite", 100), ("postgresql", 20)])
def test_killed_while_enrolling(kind: str, kills: int, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = place(kind, tmp_path, request)
    random, acknowledged = Random(1), set()
    filled(url, 1, 1).close()
    for round_ in range(kills):
        said = killed_after(worker("enrol", url, 1000 * (round_ + 1)), moment(random, 0.15))
        acknowledged |= {(int(number), int(seed)) for _, number, seed in said}
        with opened(url) as gallery:
            if round_ % 10 == 9:
                require_whole(gallery)
                require_held(gallery, acknowledged)
            number = max((n for n, _ in acknowledged), default=0)
            assert gallery.identify(of_person(number, 9))[0].person == f"person {number}"
    assert len(acknowledged) > kills
    print(f"{kills} kills, {len(acknowledged)} pictures acknowledged and there")


@pytest.mark.parametrize(("kind", "kills"), [("sqlite", 100), ("postgresql", 20)])
def test_killed_while_forgetting(kind: str, kills: int, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = place(kind, tmp_path, request)
    random, gone, first = Random(2), set(), 0
    everybody = 0
    completed = 0
    for round_ in range(kills):
        if everybody - first < 60:
            with opened(url) as gallery:
                for number in range(everybody, everybody + 200):
                    for seed in (0, 1):
                        gallery.enroll(
                            f"person {number}", of_person(number, seed), allow=["looks-like-another", "unlike"]
                        )
            everybody += 200
        said = killed_after(worker("forget", url, first), moment(random, 0.12))
        gone |= {int(number) for _, number in said}
        with opened(url) as gallery:
            left = {int(each.name.split()[1]) for each in gallery.people()}
            assert not left & gone
            # One more may have gone before it could be said.
            gone |= set(range(everybody)) - left
            first = min(left, default=everybody)
            completed += len(gallery.purge())
            if round_ % 10 == 9:
                require_whole(gallery)
                require_gone(gallery, gone)
                assert gallery.check_log() == []
                assert len(gallery.receipts()) == len(gone)
    print(f"{kills} kills, {len(gone)} people forgotten, {completed} erasures completed afterwards")
    assert len(gone) > kills / 2


def test_a_rotation_of_ten_thousand_people_survives_kills(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, key = str(tmp_path / "people.db"), MainKey.generate()
    monkeypatch.setenv("MIEN_GALLERY_KEY", key.to_text())
    with filled(url, 0) as gallery:
        grow(gallery, 10_000)
        before = scan([url], [of_person(7).embeddings.vectors[0].tobytes()], [b"person 4711"])
        assert before
    random, sealed = Random(3), 0
    for _ in range(12):
        said = killed_after(worker("rotate", url, 0), moment(random, 1.0))
        sealed += sum(int(rows) for _, rows in said)
        with opened(url) as gallery:
            assert gallery.person("person 4711").templates == 1
            assert gallery.identify(of_person(77, 9), top=1)[0].candidates
            if any(word == "done" for word, _ in said):
                break
    with opened(url) as gallery:
        list(gallery.rotate())
        require_whole(gallery)
        assert len(gallery) == 10_000
        assert {each.name for each in gallery.people()} == {f"person {n}" for n in range(10_000)}
        files = gallery._desk.store.dialect.files()
        vectors = [of_person(n).embeddings.vectors[0].tobytes() for n in range(0, 10_000, 97)]
        assert scan(files, vectors, [b"person 4711", b"person 9999"]) == []
        assert gallery.check_log() == []
    print(f"{sealed} rows sealed before kills")


def grow(gallery: object, people: int) -> None:
    """Many people in few transactions, as `enroll` would write them."""
    from mien.gallery.enrol import _written, newcomer

    desk = gallery._desk
    for start in range(0, people, 1000):
        with desk.change() as change:
            for number in range(start, start + 1000):
                who = newcomer(
                    f"person {number}",
                    of_person(number),
                    face="only",
                    reference=None,
                    consent=None,
                    allow=(),
                    picture=None,
                )
                _written(desk, change, who, None, ())


def place(kind: str, folder: Path, request: pytest.FixtureRequest) -> str:
    if kind == "sqlite":
        return str(folder / "people.db")
    return new_database(request.getfixturevalue("postgres"))
