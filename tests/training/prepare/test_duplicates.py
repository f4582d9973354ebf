from __future__ import annotations

import msgspec
import numpy as np
import pytest
from made_evidence import calibration, direction, evidence, near, person

from mien.training.prepare import duplicates
from mien.training.prepare.duplicates import find_copies
from mien.training.prepare.evidence import Evidence


def names(of: Evidence, rows: tuple[int, ...]) -> list[str]:
    return [of.looked[row].picture for row in rows]


def test_a_copy_within_a_person_is_found_and_the_largest_stays() -> None:
    ann = person(1, 4)
    known = evidence(
        {"Ann": [*ann, near(ann[0], 7, 0.1)], "Bob": person(2, 3)}, {"Ann/0.jpg": 5, "Ann/4.jpg": 5}
    )
    (found,) = find_copies(known, calibration())
    assert names(known, found.rows) == ["Ann/0.jpg", "Ann/4.jpg"]
    assert names(known, found.dropped) == ["Ann/0.jpg"]  # made_evidence gives later pictures more pixels
    assert not found.same_bytes
    assert not found.mirrored
    assert found.alike > 0.99


def test_a_copy_with_somebody_else_stays_with_the_person_it_fits() -> None:
    ann, bob = person(1, 4), person(2, 6)
    known = evidence({"Ann": ann, "Bob": [*bob, ann[0]]}, {"Ann/0.jpg": 5, "Bob/6.jpg": 5})
    (found,) = find_copies(known, calibration())
    assert names(known, found.dropped) == ["Bob/6.jpg"]


def test_a_person_with_that_photograph_alone_has_it_when_it_fits_nobody_else() -> None:
    one = direction(9)
    known = evidence({"Ann": [*person(1, 4), one], "Cleo": [one]}, {"Ann/4.jpg": 5, "Cleo/0.jpg": 5})
    (found,) = find_copies(known, calibration())
    assert names(known, found.dropped) == ["Ann/4.jpg"]


def test_whose_it_is_may_not_be_told() -> None:
    one = direction(9)
    known = evidence({"Ann": [one], "Cleo": [one]}, {"Ann/0.jpg": 5, "Cleo/0.jpg": 5})
    for table in (calibration(), None):
        (found,) = find_copies(known, table)
        assert found.kept is None
        assert names(known, found.dropped) == ["Ann/0.jpg", "Cleo/0.jpg"]


def test_alike_faces_in_other_photographs_are_no_copies() -> None:
    one = direction(3)
    assert find_copies(evidence({"Ann": [one, one, one]}), calibration()) == []


def test_one_photograph_of_other_faces_is_no_copy() -> None:
    known = evidence({"Ann": person(1, 1), "Bob": person(2, 1)}, {"Ann/0.jpg": 5, "Bob/0.jpg": 5})
    assert find_copies(known, calibration()) == []


def test_the_same_bytes_are_one_and_chains_are_joined() -> None:
    ann = person(1, 4)
    known = evidence({"Ann": [ann[0], ann[0], ann[0], ann[3]]}, {"Ann/1.jpg": 5, "Ann/2.jpg": 5})
    first, second, *rest = known.looked
    same = Evidence.of([first, msgspec.structs.replace(second, sha256=first.sha256), *rest])
    (found,) = find_copies(same, calibration())
    assert names(same, found.rows) == ["Ann/0.jpg", "Ann/1.jpg", "Ann/2.jpg"]
    assert not found.same_bytes


def test_blocks_see_every_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    one = direction(3)
    people = {f"P{i}": [*person(10 + i, 2), near(one, i, 0.1)] for i in range(12)}
    shown = {f"P{i}/2.jpg": 5 for i in range(12)}
    known = evidence(people, shown)
    monkeypatch.setattr(duplicates, "BLOCK", 100)
    monkeypatch.setattr(duplicates, "TOGETHER", 3)
    (found,) = find_copies(known, calibration())
    assert names(known, found.rows) == sorted(shown, key=lambda name: int(name[1:].split("/")[0]))
    assert np.isfinite(found.alike)
