"""New keys and new templates: what was readable stays so, and what was stolen is worth nothing."""

from __future__ import annotations

import datetime
from pathlib import Path

import cv2
import numpy as np
import pytest
from galleries import filled, of_person, opened, picture, reading
from sqlalchemy import text

from mien.errors import InputError, KeyingError
from mien.gallery.answers import Consent
from mien.gallery.gallery import Gallery
from mien.gallery.protection.keys import MainKey
from mien.gallery.protection.scan import scan
from mien.images import load

NAME = "Wilhelmina Threepwood-Ashgrove"


def stocked(place: str, **settings: object) -> Gallery:
    """Some people, one with everything there is."""
    held = filled(place, 3, **settings)
    image = cv2.imencode(".png", np.random.default_rng(0).integers(0, 255, (120, 100, 3), np.uint8))[
        1
    ].tobytes()
    one = reading(picture(60), sha256=load(image).sha256)
    consent = Consent("signed", keep_crops=True, until=datetime.date(2030, 1, 1))
    held.enroll(NAME, one, reference="book 4711", consent=consent, picture=image)
    held.mark(NAME, of_person(80))
    held.identify(reading(picture(1, 7), reasons=[("dark",)], source="party of Wilhelmina.jpg"), queue=True)
    return held


def verdicts(held: Gallery) -> list[tuple[object, ...]]:
    """What the gallery says of many faces."""
    faces = [
        *(of_person(n, 9) for n in (0, 1, 2, 60, 61)),
        of_person(80),
        reading(picture(0, 3), picture(2, 3)),
    ]
    found = [match for face in faces for match in held.identify(face, top=2)]
    return [(m.person, m.verdict, [c.person for c in m.candidates]) for m in found]


def raw(held: Gallery, query: str) -> list[bytes]:
    with held._desk.store.read() as connection:
        return [bytes(row[0]) for row in connection.execute(text(query))]


def test_an_encrypted_gallery_s_files_hold_no_vector_and_no_name(tmp_path: Path) -> None:
    place = tmp_path / "people.db"
    with stocked(place, key=MainKey.generate(), encrypt=True) as held:
        vectors = [
            picture(60).astype("<f4").tobytes(),
            *(picture(n, s).tobytes() for n in range(3) for s in (0, 1)),
        ]
        words = [NAME.encode(), b"book 4711", b"person 1", b"party of Wilhelmina"]
        assert scan(held._desk.store.dialect.files(), vectors, words) == []
        images = raw(held, "SELECT image FROM crops")
        assert not any(image.startswith(b"\xff\xd8") for image in images)


@pytest.mark.parametrize("after", ["same key", "new key", "passphrase"])
def test_rotation_keeps_everything(database: str, after: str) -> None:
    new = {"same key": None, "new key": MainKey.generate(), "passphrase": "correct horse battery"}[after]
    key = MainKey.generate()
    with stocked(database, key=key, encrypt=True, renewable=True) as held:
        before, sealed = verdicts(held), raw(held, "SELECT vector FROM templates ORDER BY id")
        assert sum(held.rotate(new)) == held.rows()
        assert verdicts(held) == before
        assert not set(raw(held, "SELECT vector FROM templates")) & set(sealed)
        assert raw(held, "SELECT wrapped FROM secrets WHERE purpose = 'data'")[1:] == []
        queue = held.reviews()
    with opened(database, key=new or key) as again:
        assert verdicts(again) == before
        assert again.person("book 4711").name == NAME
        assert again.reviews() == queue
        assert again.check_log() == []
    if new is not None:
        with pytest.raises(KeyingError):
            opened(database, key=key)


def test_an_open_gallery_becomes_an_encrypted_one(tmp_path: Path) -> None:
    place = tmp_path / "people.db"
    with stocked(place) as held:
        before = verdicts(held)
        with pytest.raises(KeyingError, match="MIEN_GALLERY_KEY"):
            list(held.rotate())
        list(held.rotate(key := MainKey.generate()))
        assert held.info()["encrypted"]
        assert verdicts(held) == before
        secrets = [picture(60).astype("<f4").tobytes(), picture(1, 0).tobytes()]
        assert scan(held._desk.store.dialect.files(), secrets, [NAME.encode()]) == []
    with opened(place, key=key) as again:
        assert verdicts(again) == before


def test_an_interrupted_rotation_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.gallery.rekey.BATCH", 2)
    place, key, new = tmp_path / "people.db", MainKey.generate(), MainKey.generate()
    with stocked(place, key=key, encrypt=True) as held:
        before, rows = verdicts(held), held.rows()
        steps = held.rotate(new)
        done = sum(next(steps) for _ in range(3))
        steps.close()
        assert verdicts(held) == before  # under two keys at once
        held.enroll("late", of_person(90))
        assert held.person(NAME).name == NAME
    with opened(place, key=new) as again:
        assert sum(again.rotate()) == rows - done
        numbers = raw(again, "SELECT wrapped FROM secrets")
        assert len(numbers) == 1
        assert again.identify(of_person(90, 2))[0].person == "late"
        again.forget("late")
        assert verdicts(again) == before


def test_another_process_follows_a_rotation(database: str) -> None:
    key = MainKey.generate()
    with stocked(database, key=key, encrypt=True) as held, opened(database, key=key) as other:
        before = verdicts(other)
        list(held.rotate())
        assert verdicts(other) == before


def test_renewal_changes_every_template_and_no_verdict(database: str) -> None:
    key = MainKey.generate()
    with stocked(database, key=key, renewable=True) as held, opened(database, key=key) as other:
        before, vectors = verdicts(held), raw(held, "SELECT vector FROM templates ORDER BY id")
        assert held.renew() == 9  # templates, a mark, a review
        assert verdicts(held) == before
        assert verdicts(other) == before  # which reads everything anew
        after = raw(held, "SELECT vector FROM templates ORDER BY id")
        same = [np.frombuffer(a, "<f4") @ np.frombuffer(b, "<f4") for a, b in zip(vectors, after, strict=True)]
        assert np.abs(same).max() < 0.6  # unlike themselves: cosines of random directions in 64 dimensions
        assert np.mean(np.abs(same)) < 0.25
        held.enroll(NAME, of_person(60, 5))
        assert held.identify(of_person(60, 6))[0].person == NAME


def test_a_gallery_without_a_secret_turn_gets_one(tmp_path: Path) -> None:
    with stocked(tmp_path / "people.db") as held:
        before = verdicts(held)
        with pytest.raises(KeyingError):
            held.renew()
        held.renew(MainKey.generate())
        assert held.info()["renewable"]
        with pytest.raises(InputError, match="has a key already"):
            held.renew(MainKey.generate())
        assert verdicts(held) == before


def test_scores_are_the_same_to_the_sixth_digit(tmp_path: Path) -> None:
    key = MainKey.generate()
    with (
        filled(tmp_path / "a.db") as one,
        filled(tmp_path / "b.db", key=key, renewable=True, encrypt=True) as two,
    ):
        for n in range(5):
            scores = [held.identify(of_person(n, 9))[0].score for held in (one, two)]
            assert scores[0] == pytest.approx(scores[1], abs=2e-6)


def test_a_stolen_table_matches_nothing_in_another(tmp_path: Path) -> None:
    """The same people in two galleries: by their stored vectors, nobody is known to the other."""
    keys = [MainKey.generate(), MainKey.generate()]
    tables = []
    for number, key in enumerate(keys):
        with filled(tmp_path / f"{number}.db", 50, 1, key=key, renewable=True) as held:
            tables.append(
                [np.frombuffer(each, "<f4") for each in raw(held, "SELECT vector FROM templates ORDER BY id")]
            )
    mated = [float(a @ b) for a, b in zip(*tables, strict=True)]
    other = [float(a @ b) for i, a in enumerate(tables[0]) for j, b in enumerate(tables[1]) if i != j]
    assert abs(np.mean(mated)) < 0.1
    assert np.std(mated) == pytest.approx(np.std(other), rel=0.5)


def test_the_wrong_key(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(database, 1, key=(key := MainKey.generate()), encrypt=True).close()
    with pytest.raises(KeyingError, match="this key does not open this gallery"):
        opened(database, key=MainKey.generate())
    with pytest.raises(KeyingError, match="this gallery is protected"):
        opened(database)
    monkeypatch.setenv("MIEN_GALLERY_KEY", key.to_text())
    with opened(database) as held:
        assert len(held) == 1


def test_a_passphrase(database: str) -> None:
    filled(database, 1, key="correct horse battery", encrypt=True).close()
    with pytest.raises(KeyingError, match="does not open"):
        opened(database, key="wrong horse battery")
    with opened(database, key="correct horse battery") as held:
        assert held.people()[0].name == "person 0"
