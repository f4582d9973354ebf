from __future__ import annotations

import numpy as np
import pytest
from made_evidence import calibration, direction, evidence, near, person

from mien.training.prepare.evidence import Evidence
from mien.training.prepare.one_person import OnePerson, find_one_person


def found(of: Evidence) -> list[OnePerson]:
    return find_one_person(of, of.rows_by_person(np.ones(len(of), np.bool_)), calibration())


def test_two_folders_of_one_person_are_found_the_larger_first() -> None:
    everybody = {f"P{i:02}": person(i, 3) for i in range(10, 20)}
    twice = [near(direction(1), i, 0.3) for i in range(7)]
    of = evidence({"Ann": twice[:3], "Anna": twice[3:], **everybody})
    (pair,) = found(of)
    assert (of.people[pair.first], of.people[pair.second]) == ("Anna", "Ann")
    # 66 pairs of people at a tenth of a false one: between 1e-2 (0.4) and 1e-3 (0.5), in logarithms.
    assert pair.rate == pytest.approx(0.1 / 66)
    assert pair.level == pytest.approx(0.4 + 0.1 * (-2 - np.log10(0.1 / 66)))
    assert pair.similarity > 0.85


def test_strangers_are_not_one() -> None:
    assert found(evidence({f"P{i:02}": person(i, 3) for i in range(20)})) == []


def test_one_picture_that_is_shared_does_not_make_two_people_one() -> None:
    ann, bob = person(1, 5), person(2, 5)
    assert found(evidence({"Ann": [*ann, bob[0]], "Bob": bob})) == []


def test_one_person_or_none_is_no_pair() -> None:
    assert found(evidence({"Ann": person(1, 3)})) == []
    assert found(evidence({})) == []
