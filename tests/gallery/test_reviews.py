"""The queue of reviews, and marks that hold."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from galleries import filled, of_person, picture, reading

from mien.errors import InputError
from mien.gallery.gallery import Gallery
from mien.gallery.protection.keys import MainKey
from mien.values import Reading

POOR = [("blurred",)]


@pytest.fixture(params=["open", "protected"])
def gallery(request: pytest.FixtureRequest, database: str) -> Iterator[Gallery]:
    closed = request.param == "protected"
    key = MainKey.generate() if closed else None
    with filled(database, 3, key=key, encrypt=closed, renewable=closed) as held:
        yield held


def poor(number: int, seed: int) -> Reading:
    """A blurred picture of a person, which is at most to be reviewed."""
    return reading(picture(number, seed), reasons=POOR, source=f"poor-{number}-{seed}.jpg")


def test_what_is_to_be_reviewed_waits_once(gallery: Gallery) -> None:
    for _ in range(2):
        gallery.identify(poor(1, 7), queue=True)
    gallery.identify(of_person(2, 7), queue=True)  # known: nothing to review
    (review,) = gallery.reviews()
    assert (review.person, review.source) == ("person 1", "poor-1-7.jpg")
    assert review.fpir < 1e-2
    assert review.box == (0.0, 10.0, 80.0, 110.0)


def test_nothing_is_queued_unasked(gallery: Gallery) -> None:
    gallery.identify(poor(1, 7))
    assert gallery.reviews() == []


def test_confirmed_it_is_a_template(gallery: Gallery) -> None:
    gallery.identify(poor(1, 7), queue=True)
    gallery.confirm(gallery.reviews()[0].number)
    assert gallery.reviews() == []
    assert gallery.person("person 1").templates == 3
    assert gallery.templates("person 1")[-1]["reasons"] == "blurred"
    assert gallery.identify(of_person(1, 9))[0].person == "person 1"


def test_rejected_it_is_never_them_again(gallery: Gallery) -> None:
    gallery.identify(poor(1, 7), queue=True)
    gallery.reject(gallery.reviews()[0].number)
    assert gallery.reviews() == []
    assert gallery.info()["marks"] == 1
    assert gallery.identify(poor(1, 7))[0].person is None
    # Another picture of the person is still theirs.
    assert gallery.identify(of_person(1, 9))[0].person == "person 1"


def test_a_mark_holds_for_other_pictures_of_a_double(gallery: Gallery) -> None:
    double = picture(1, 50, spread=0.09)
    near = picture(1, 51, spread=0.0)
    again = 0.9 * double + 0.1 * near
    assert gallery.identify(reading(again / (again @ again) ** 0.5))[0].person == "person 1"
    gallery.mark("person 1", reading(double, source="double.jpg"))
    assert gallery.identify(reading(again / (again @ again) ** 0.5))[0].person is None


def test_a_mark_holds_for_its_picture_whatever_the_vector(gallery: Gallery) -> None:
    party = reading(picture(1, 50), picture(2, 50), source="party.jpg")
    gallery.mark("person 1", party[0])
    # The same face of the same file, seen a little differently.
    seen = reading(picture(1, 60), picture(2, 60), sha256=party.sha256)
    assert [match.person for match in gallery.identify(seen)] == [None, "person 2"]


def test_numbers_that_wait_for_nothing(gallery: Gallery) -> None:
    for work in (gallery.confirm, gallery.reject):
        with pytest.raises(InputError, match="`mien review list` shows what does"):
            work(7)
    with pytest.raises(InputError, match="one face is wanted, 2 given"):
        gallery.mark("person 1", reading(picture(1), picture(2)))


def test_the_forgotten_leave_the_queue_and_others_marks(gallery: Gallery) -> None:
    face = reading(picture(1, 70), reasons=POOR, source="x.jpg")
    gallery.enroll("person 1", face, allow=["blurred"])
    gallery.mark("person 2", face)
    gallery.identify(poor(1, 7), queue=True)
    receipt = gallery.forget("person 1")
    assert receipt.document["removed"] == {"people": 1, "templates": 3, "marks": 1, "reviews": 1, "crops": 0}
    assert gallery.reviews() == []
    assert gallery.info()["marks"] == 0


def test_verify_holds_to_marks(gallery: Gallery) -> None:
    double = reading(picture(1, 50), source="double.jpg")
    assert gallery.verify("person 1", double).verdict == "same"
    gallery.mark("person 1", double)
    answer = gallery.verify("person 1", double)
    assert (answer.verdict, answer.note) == ("different", "this face is marked as not them")
    assert gallery.verify("person 1", of_person(1, 51)).verdict == "same"


def test_a_mark_on_what_becomes_their_own_template_is_void(gallery: Gallery) -> None:
    face = reading(picture(1, 50), source="also.jpg")
    gallery.mark("person 1", face)
    gallery.enroll("also 1", face, allow=["looks-like-another"])
    gallery.merge("person 1", "also 1")
    assert gallery.info()["marks"] == 0
    assert gallery.identify(face)[0].person == "person 1"
