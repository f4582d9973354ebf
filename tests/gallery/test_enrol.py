"""The gate, reason by reason, and what is written when a face passes it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from galleries import filled, of_person, opened, picture, reading

from mien.errors import EnrolmentError, InputError
from mien.gallery.answers import Consent
from mien.gallery.enrol import GATE, NOT_ALLOWED
from mien.gallery.gallery import Gallery
from mien.images import load
from mien.recognition.quality import JUDGED


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    with filled(tmp_path / "people.db") as held:
        yield held


def refused(gallery: Gallery, *arguments: object, **settings: object) -> tuple[str, ...]:
    """The reasons of a refusal; nothing may have been written."""
    before = gallery.info()
    with pytest.raises(EnrolmentError) as caught:
        gallery.enroll(*arguments, **settings)
    assert gallery.info() == before
    assert all(reason in str(caught.value) for reason in caught.value.reasons)
    return caught.value.reasons


def test_every_reason_of_quality_has_a_word_at_the_gate() -> None:
    assert {reason.replace(" ", "-") for reason in JUDGED} < set(GATE)


def test_no_face_and_several_faces(gallery: Gallery) -> None:
    assert refused(gallery, "Ann", reading()) == ("no-face",)
    several = reading(picture(60), picture(61))
    assert refused(gallery, "Ann", several) == ("several-faces",)
    assert gallery.enroll("Ann", several, face="largest").new


@pytest.mark.parametrize("reason", ["small", "blurred", "turned", "low score"])
def test_low_quality_is_refused_and_can_be_let_pass_by_name(gallery: Gallery, reason: str) -> None:
    poor = reading(picture(60), reasons=[(reason,)])
    code = reason.replace(" ", "-")
    assert refused(gallery, "Ann", poor) == (code,)
    done = gallery.enroll("Ann", poor, allow=[code])
    assert done.allowed == (code,)
    assert gallery.templates("Ann")[0]["reasons"] == code


def test_every_reason_is_named_at_once(gallery: Gallery) -> None:
    poor = reading(picture(2, 9), reasons=[("blurred", "dark")])
    assert refused(gallery, "Ann", poor) == ("blurred", "dark", "looks-like-another")
    assert refused(gallery, "Ann", poor, allow=["dark", "blurred"]) == ("looks-like-another",)


def test_a_face_like_another_person_s(gallery: Gallery) -> None:
    with pytest.raises(
        EnrolmentError, match=r"looks like another enrolled person, person 2 \(p_\w+\), at FMR 1e-5"
    ):
        gallery.enroll("Ann", of_person(2, 9))
    assert gallery.enroll("Ann", of_person(2, 9), allow="looks-like-another").new


def test_a_face_unlike_the_person_s_others(gallery: Gallery) -> None:
    assert refused(gallery, "person 1", of_person(70)) == ("unlike",)
    assert gallery.enroll("person 1", of_person(70), allow=["unlike"]).person.templates == 3


def test_the_same_face_of_the_same_picture(gallery: Gallery) -> None:
    assert refused(gallery, "person 1", of_person(1, 0)) == ("duplicate",)
    same_picture = reading(picture(60), picture(61), source="party.jpg")
    assert gallery.enroll("Ann", same_picture[0]).new
    # The other face of that picture is another matter.
    assert gallery.enroll("Beth", same_picture[1]).new
    assert refused(gallery, "Carol", same_picture[0], allow=["looks-like-another"]) == ("duplicate",)


def test_unknown_reasons_cannot_be_allowed(gallery: Gallery) -> None:
    for word in ("everything", *NOT_ALLOWED):
        with pytest.raises(InputError, match=f"allow='{word}' is unknown; known: small, blurred"):
            gallery.enroll("Ann", of_person(60), allow=[word])


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 201, "\x1b[31m"])
def test_names_that_are_none(gallery: Gallery, name: str) -> None:
    with pytest.raises(InputError, match="1 to 200 printable letters"):
        gallery.enroll(name, of_person(60))


def test_names_are_one_however_they_are_typed(gallery: Gallery) -> None:
    gallery.enroll("Ren\u00e9", of_person(60))
    done = gallery.enroll(" Rene\u0301 ", of_person(60, 1))
    assert (done.new, done.person.templates) == (False, 2)


def test_consent_reference_and_retention_are_kept(gallery: Gallery) -> None:
    until = datetime.date(2030, 1, 2)
    gallery.enroll("Ann", of_person(60), reference="E-17", consent=Consent("signed", until=until))
    person = gallery.person("E-17")
    assert (person.name, person.consent) == ("Ann", Consent("signed", False, until))
    gallery.enroll("Ann", of_person(60, 1))
    assert gallery.person("Ann").consent.basis == "signed"
    gallery.enroll("Ann", of_person(60, 2), consent=Consent("signed anew"))
    assert gallery.person("Ann").consent == Consent("signed anew")
    with pytest.raises(InputError, match="another person in the gallery has this name, id or reference"):
        gallery.enroll("Beth", of_person(61), reference="E-17")


def test_a_crop_is_kept_only_where_the_consent_says_so(gallery: Gallery, tmp_path: Path) -> None:
    file = tmp_path / "ann.png"
    cv2.imwrite(str(file), np.random.default_rng(0).integers(0, 255, (120, 100, 3), np.uint8))
    one = reading(picture(60), source="ann.png", sha256=load(file).sha256)
    with pytest.raises(InputError, match="the picture itself is wanted too"):
        gallery.enroll("Ann", one, consent=Consent("signed", keep_crops=True))
    with pytest.raises(InputError, match="not the picture that was read"):
        gallery.enroll("Ann", of_person(60), consent=Consent("signed", keep_crops=True), picture=file)
    gallery.enroll("Ann", one, picture=file)
    assert gallery.info()["crops"] == 0
    gallery.forget("Ann")
    gallery.enroll("Ann", one, consent=Consent("signed", keep_crops=True), picture=file)
    assert gallery.info()["crops"] == 1
    again = gallery.enroll("Ann", of_person(60, 4))
    assert again.note == "no crop was kept, since the picture was not given"


def test_nothing_is_written_when_the_writing_fails(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    before = gallery.info()

    def fail(*_: object) -> None:
        raise RuntimeError("the power went")

    monkeypatch.setattr("mien.gallery.store.faces.note_change", fail)
    with pytest.raises(RuntimeError):
        gallery.enroll("Ann", of_person(60))
    monkeypatch.undo()
    assert gallery.info() == before
    assert gallery.enroll("Ann", of_person(60)).new
    assert gallery.check_log() == []


def test_an_uncalibrated_gallery_says_what_it_did_not_check(tmp_path: Path) -> None:
    with opened(tmp_path / "other.db", calibration=None) as held:
        held.enroll("Ann", of_person(1))
        done = held.enroll("Beth", of_person(1, 2))
        assert "not held against the other people" in done.note


def test_names_and_references_do_not_lead_to_somebody_else(gallery: Gallery) -> None:
    gallery.enroll("Ann", of_person(60), reference="4711")
    who = gallery.person("Ann").id
    for name in ("4711", who):
        with pytest.raises(InputError, match="another person in the gallery has this name, id or reference"):
            gallery.enroll(name, of_person(61))
    for reference in ("person 1", "4711"):
        with pytest.raises(InputError, match="another person in the gallery has this"):
            gallery.enroll("Beth", of_person(61), reference=reference)
    gallery.enroll("person 1", of_person(1, 7), reference="17")
    assert gallery.person("17").name == "person 1"
    with pytest.raises(InputError, match="another person is wanted for '18'"):
        gallery.enroll("person 1", of_person(1, 8), reference="18")


def test_a_picture_where_a_reading_is_wanted(gallery: Gallery) -> None:
    for work in (
        gallery.identify,
        lambda it: gallery.enroll("Ann", it),
        lambda it: gallery.verify("person 1", it),
    ):
        with pytest.raises(InputError, match=r"str given, a reading wanted: recognizer.read\(picture\)"):
            work("ann.jpg")


def test_a_last_day_that_is_none() -> None:
    with pytest.raises(InputError, match=r"a datetime\.date is wanted"):
        Consent("signed", until="2030-01-01")


def test_withdrawing_the_consent_to_crops_removes_them(gallery: Gallery) -> None:
    image = cv2.imencode(".png", np.random.default_rng(0).integers(0, 255, (120, 100, 3), np.uint8))[
        1
    ].tobytes()
    one = reading(picture(60), sha256=load(image).sha256)
    gallery.enroll("Ann", one, consent=Consent("signed", keep_crops=True), picture=image)
    gallery.enroll("Ann", of_person(60, 2), consent=Consent("no pictures any more"))
    assert gallery.info()["crops"] == 0
