"""Renaming, merging, splitting, and giving people their own data."""

from __future__ import annotations

import base64
import datetime
import json
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from galleries import calibration, filled, of_person, picture, reading

from mien.errors import InputError, UnknownPersonError
from mien.gallery.answers import Consent
from mien.gallery.gallery import Gallery
from mien.gallery.protection.keys import MainKey
from mien.images import load


@pytest.fixture(params=["open", "protected"])
def gallery(request: pytest.FixtureRequest, database: str) -> Iterator[Gallery]:
    closed = request.param == "protected"
    key = MainKey.generate() if closed else None
    with filled(database, 3, key=key, encrypt=closed, renewable=closed) as held:
        yield held


def test_rename(gallery: Gallery) -> None:
    before = gallery.person("person 1")
    after = gallery.rename("person 1", "Ann")
    assert (after.id, after.name, after.templates) == (before.id, "Ann", 2)
    assert gallery.identify(of_person(1, 5))[0].person == "Ann"
    with pytest.raises(UnknownPersonError):
        gallery.person("person 1")
    with pytest.raises(InputError, match="another person in the gallery has this name, id or reference"):
        gallery.rename("Ann", "person 2")
    assert gallery.rename("Ann", "Ann").name == "Ann"


def test_merge(gallery: Gallery) -> None:
    gallery.enroll("also 1", of_person(1, 5), allow=["looks-like-another"])
    gallery.mark("also 1", of_person(70))
    gone = gallery.person("also 1").id
    merged = gallery.merge("person 1", "also 1")
    assert (merged.name, merged.templates) == ("person 1", 3)
    assert gallery.identify(of_person(1, 6))[0].person == "person 1"
    assert gallery.info()["marks"] == 1
    with pytest.raises(UnknownPersonError):
        gallery.person(gone)
    with pytest.raises(InputError, match="two are wanted"):
        gallery.merge("person 1", merged.id)


def test_merging_keeps_the_stricter_consent(gallery: Gallery) -> None:
    early, late = datetime.date(2030, 1, 1), datetime.date(2031, 1, 1)
    image = cv2.imencode(".png", np.random.default_rng(0).integers(0, 255, (120, 100, 3), np.uint8))[
        1
    ].tobytes()
    one = reading(picture(60), sha256=load(image).sha256)
    gallery.enroll("Ann", one, consent=Consent("signed", keep_crops=True, until=early), picture=image)
    gallery.enroll("Beth", of_person(61), consent=Consent("spoken", until=late))
    merged = gallery.merge("Beth", "Ann")
    assert merged.consent == Consent("spoken", False, early)
    assert gallery.info()["crops"] == 0


def test_split(gallery: Gallery) -> None:
    gallery.enroll("person 1", of_person(70), allow=["unlike"])
    gallery.enroll("person 1", of_person(70, 1), allow=["unlike"])
    *_, third, fourth = (each["number"] for each in gallery.templates("person 1"))
    new = gallery.split("person 1", [third, fourth], "other")
    assert (new.templates, gallery.person("person 1").templates) == (2, 2)
    assert gallery.identify(of_person(70, 5))[0].person == "other"
    assert gallery.identify(of_person(1, 5))[0].person == "person 1"
    for numbers in ([], [9999], [each["number"] for each in gallery.templates("person 1")]):
        with pytest.raises(InputError, match="name some of them, and not all"):
            gallery.split("person 1", numbers, "third")
    with pytest.raises(InputError, match="another person in the gallery has this name"):
        gallery.split("person 1", [gallery.templates("person 1")[0]["number"]], "other")


def test_export_holds_all_of_a_person_and_nothing_of_others(gallery: Gallery) -> None:
    image = cv2.imencode(".png", np.random.default_rng(0).integers(0, 255, (120, 100, 3), np.uint8))[
        1
    ].tobytes()
    one = reading(picture(60), sha256=load(image).sha256)
    consent = Consent("signed", keep_crops=True, until=datetime.date(2030, 1, 1))
    gallery.enroll("Ann", one, reference="E-17", consent=consent, picture=image)
    document = json.loads(json.dumps(gallery.export("Ann")))
    assert document["person"]["name"] == "Ann"
    assert document["person"]["reference"] == "E-17"
    assert document["person"]["consent"] == {"basis": "signed", "keep_crops": True, "until": "2030-01-01"}
    (template,) = document["templates"]
    assert np.allclose(template["vector"], picture(60), atol=2e-6)  # without the gallery's secret turn
    assert base64.b64decode(document["crops"][0]["jpeg"]).startswith(b"\xff\xd8")
    assert [row["action"] for row in document["log"]] == ["enroll"]
    assert "person 1" not in json.dumps(document)
    assert gallery.person("person 1").id not in json.dumps(document)


def test_two_people_do_not_mix_in_a_log_of_a_party(gallery: Gallery) -> None:
    gallery.identify(reading(picture(0, 5), picture(1, 5)))
    gallery.info()
    gallery.check_log()  # writes what waits
    log = gallery.export("person 0")["log"]
    assert {"identify", "enroll"} == {row["action"] for row in log}
    assert max(row["people"] for row in log) == 2


def test_the_calibration_of_these_tests_is_the_truth() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(1000, 64))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = (vectors @ vectors.T)[np.triu_indices(1000, 1)]
    assert np.mean(scores >= calibration().threshold(1e-2)) == pytest.approx(1e-2, rel=0.2)
