"""The gallery end to end, on made people, in a file and in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from galleries import filled, of_person, opened, person, picture, reading

from mien.errors import OriginError, StoreError, UnknownPersonError
from mien.gallery.gallery import Gallery
from mien.gallery.protection.keys import MainKey
from mien.gallery.store.store import Store


@pytest.fixture
def gallery(database: str) -> Iterator[Gallery]:
    with filled(database) as held:
        yield held


def test_people_are_known_and_strangers_are_not(gallery: Gallery) -> None:
    matches = gallery.identify(reading(picture(3, 9), picture(77), picture(1, 9)))
    assert [match.person for match in matches] == ["person 3", None, "person 1"]
    assert [match.verdict for match in matches] == ["known", "unknown", "known"]
    assert all(match.fpir == 1e-2 and match.basis == "bound" for match in matches)
    assert matches[0].score_fpir < 1e-2 < matches[1].score_fpir


def test_an_empty_gallery_knows_nobody(database: str) -> None:
    with opened(database) as held:
        (match,) = held.identify(of_person(0))
        assert (match.verdict, match.person, match.note) == ("unknown", None, "the gallery is empty")
        assert len(held) == 0
        assert held.identify(reading()) == []


def test_it_is_there_when_opened_again(gallery: Gallery, database: str) -> None:
    gallery.close()
    with opened(database) as again:
        assert [each.name for each in again.people()] == [f"person {n}" for n in range(5)]
        assert again.identify(of_person(2, 5))[0].person == "person 2"
        assert "person 4" in again
        assert "nobody" not in again


def test_two_galleries_on_one_database_see_each_other(gallery: Gallery, database: str) -> None:
    with opened(database) as other:
        assert other.identify(of_person(50))[0].verdict == "unknown"
        gallery.enroll("new", of_person(50, 1))
        assert other.identify(of_person(50))[0].person == "new"
        other.rename("new", "newer")
        assert gallery.identify(of_person(50))[0].person == "newer"
        other.forget("newer")
        assert gallery.identify(of_person(50))[0].verdict == "unknown"
        with pytest.raises(UnknownPersonError):
            gallery.person("newer")


def test_another_model_is_refused_with_the_command_that_mends_it(gallery: Gallery) -> None:
    strange = reading(picture(1), bundle="c" * 64)
    for work in (gallery.identify, lambda each: gallery.enroll("person 1", each)):
        with pytest.raises(OriginError, match=r"another bundle .* mien gallery migrate --to BUNDLE"):
            work(strange)
    with pytest.raises(OriginError, match="another aligner"):
        gallery.identify(reading(picture(1), aligner="c" * 64))


def test_candidates_come_with_the_rate_of_their_scores(gallery: Gallery) -> None:
    (match,) = gallery.identify(of_person(2, 7), top=3)
    assert match.candidates[0].person == "person 2"
    assert len(match.candidates) == 3
    assert [each.score for each in match.candidates] == sorted(
        (e.score for e in match.candidates), reverse=True
    )
    assert [each.fpir for each in match.candidates] == sorted(each.fpir for each in match.candidates)


def test_a_person_s_score_is_of_all_templates(gallery: Gallery) -> None:
    (match,) = gallery.identify(reading(person(3)))
    mean = picture(3, 0) + picture(3, 1)
    assert match.score == pytest.approx(float(person(3) @ mean / np.linalg.norm(mean)), abs=1e-5)


def test_one_person_is_one_face_of_a_picture(gallery: Gallery) -> None:
    near, far = picture(0, 5, spread=0.02), picture(0, 6, spread=0.1)
    first, second = gallery.identify(reading(far, near))
    assert (second.person, second.verdict) == ("person 0", "known")
    assert (first.person, first.verdict) == (None, "unknown")
    assert first.note == "the best candidate is another face here"


def test_without_a_calibration_nothing_is_said(database: str) -> None:
    with opened(database, calibration=None) as held:
        done = held.enroll("Ann", of_person(0))
        assert "not held against the other people" in done.note
        (match,) = held.identify(of_person(0, 1), top=1)
        assert (match.verdict, match.person, match.score_fpir) == ("uncalibrated", None, None)
        assert match.candidates[0].person == "Ann"
        assert "mien calibrate" in match.note


def test_verify_is_of_one_person(gallery: Gallery) -> None:
    assert gallery.verify("person 1", of_person(1, 8)).verdict == "same"
    assert gallery.verify("person 1", of_person(2, 8)).verdict == "different"
    with pytest.raises(UnknownPersonError, match="mien people list"):
        gallery.verify("nobody", of_person(1))


def test_info_says_what_it_is(gallery: Gallery) -> None:
    info = gallery.info()
    assert (info["people"], info["templates"], info["dimension"]) == (5, 10, 64)
    assert info["calibrated"]
    assert not info["encrypted"]


def test_a_missing_gallery_is_not_made_by_searching(tmp_path_factory: pytest.TempPathFactory) -> None:
    place = tmp_path_factory.mktemp("empty") / "people.db"
    with pytest.raises(StoreError, match="`mien enroll` makes one"):
        opened(place, create=False)
    assert not place.exists()


def test_an_empty_database_is_no_gallery_yet(database: str) -> None:
    """As a kill between the tables and the gallery's row may leave it."""
    Store.open(database).close()
    with pytest.raises(StoreError, match="`mien enroll` makes one"):
        opened(database, create=False)
    with opened(database) as held:
        assert len(held) == 0


def test_who_wants_protection_gets_it_or_is_told(database: str) -> None:
    key = MainKey.generate()
    opened(database).close()
    for wanted in ({"encrypt": True}, {"renewable": True}, {"fresh": True}):
        with pytest.raises(StoreError, match="a gallery is there already"):
            opened(database, key=key, **wanted)
