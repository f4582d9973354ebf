from __future__ import annotations

import msgspec
import numpy as np
import pytest
from made_evidence import calibration, evidence, near, person

from mien.training.prepare.evidence import Evidence
from mien.training.prepare.findings import HERE, UNCALIBRATED, Suggestion, find, suggestions


@pytest.fixture(scope="module")
def faulty() -> Evidence:
    """Ann has a copy of her first picture, one of Bob's, and a poor one; Bob has a copy of Ann's second one."""
    ann, bob = person(1, 6), person(2, 8)
    pictures = {"Ann": [*ann, near(ann[0], 7, 0.1), bob[7]], "Bob": [*bob[:7], ann[1]], "Cleo": person(3, 3)}
    same = {"Ann/0.jpg": 5, "Ann/6.jpg": 5, "Ann/1.jpg": 6, "Bob/7.jpg": 6}
    known = evidence(pictures, same)
    poor = [
        msgspec.structs.replace(each, reasons=("dark",)) if each.picture in {"Ann/2.jpg", "Ann/7.jpg"} else each
        for each in known.looked
    ]
    return Evidence.of(poor)


def suggested(of: Evidence) -> dict[str, Suggestion]:
    poor = [each for each in of.looked if each.reasons]
    found = suggestions(find(of, calibration(), "b" * 64, "a" * 64), poor)
    return {each.picture or each.person: each for each in found}


def test_every_fault_is_found_once_and_nothing_else(faulty: Evidence) -> None:
    found = suggested(faulty)
    assert {name: (each.finding, each.do, each.to) for name, each in found.items()} == {
        "Ann/0.jpg": ("copy", "drop", ""),
        "Bob/7.jpg": ("copy", "drop", ""),
        "Ann/7.jpg": ("mislabelled", "move", "Bob"),
        "Ann/2.jpg": ("poor", "drop", ""),
    }
    assert found["Bob/7.jpg"].beside == ("Ann/1.jpg",)
    assert "to Bob" in found["Ann/7.jpg"].why
    assert found["Ann/7.jpg"].beside[2].startswith("Bob/")
    assert found["Ann/2.jpg"].why == "dark"


def test_two_folders_of_one_person_are_one_line() -> None:
    everybody = {f"P{i:02}": person(i, 3) for i in range(10, 20)}
    twice = person(1, 9)
    found = suggested(evidence({"Ann": twice[:3], "Anna": twice[3:], **everybody}))
    assert list(found) == ["Ann"]
    assert (found["Ann"].picture, found["Ann"].do, found["Ann"].to) == ("", "move", "Anna")


def test_without_a_calibration_the_set_is_its_own(faulty: Evidence) -> None:
    people = {f"P{i:03}": person(i, 3) for i in range(10, 90)}
    bob = person(2, 6)
    of = evidence({**people, "Ann": [*person(1, 5), bob[5]], "Bob": bob[:5]})
    found = find(of, None, "b" * 64, "a" * 64)
    assert found.note == HERE
    assert [of.looked[each.row].picture for each in found.strangers] == ["Ann/5.jpg"]


def test_too_few_people_are_looked_at_for_copies_alone() -> None:
    ann = person(1, 3)
    of = evidence({"Ann": [*ann, ann[0]]}, {"Ann/0.jpg": 5, "Ann/3.jpg": 5})
    found = find(of, None, "b" * 64, "a" * 64)
    assert (found.note, found.calibration, len(found.copies)) == (UNCALIBRATED, None, 1)
    assert np.array_equal(of.owners, [0, 0, 0, 0])
