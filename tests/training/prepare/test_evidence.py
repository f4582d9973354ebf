from __future__ import annotations

import msgspec
import numpy as np
import pytest
from made_evidence import DIMENSION, calibration, direction, evidence, person

from mien.training.prepare.evidence import Evidence, centre, measured_here, single


def test_pictures_without_a_face_are_no_evidence() -> None:
    of = evidence({"Ann": person(1, 2), "Bob": person(2, 1)})
    nothing = msgspec.structs.replace(
        of.looked[0], picture="Cleo/0.jpg", person="Cleo", crop="", vector=b"", print_=b""
    )
    again = Evidence.of([*of.looked, nothing])
    assert again.people == ("Ann", "Bob")
    assert again.vectors.shape == (3, DIMENSION)
    assert again.owners.tolist() == [0, 0, 1]
    assert len(Evidence.of([])) == 0


def test_rows_by_person_keeps_to_the_mask() -> None:
    of = evidence({"Bob": person(2, 2), "Ann": person(1, 3)})
    rows = of.rows_by_person(np.array([True, False, True, True, False]))
    assert {of.people[key]: each.tolist() for key, each in rows.items()} == {"Bob": [0], "Ann": [2, 3]}


def test_the_centre_is_the_unit_mean() -> None:
    vectors = np.array([[1, 0], [0, 1]], np.float32)
    assert centre(vectors) == pytest.approx(np.array([2**-0.5, 2**-0.5]))


def test_without_fused_thresholds_scores_stay() -> None:
    scores = np.array([[0.3, 1.2]], np.float32)
    assert single(calibration(), scores, [1, 5])[0].tolist() == pytest.approx([0.3, 1.0])


def test_strangers_of_the_set_make_its_thresholds() -> None:
    people = {f"P{i:03}": person(i, 3) for i in range(120)}
    of = evidence(people)
    made = measured_here(of, np.ones(len(of), np.bool_), "b" * 64, "a" * 64)
    assert made is not None
    # Cosines of unrelated directions: about normal with a deviation of 1/√64, of which 1 in 100 is above 2.33.
    assert made.threshold(1e-2) == pytest.approx(2.33 / 8, abs=0.02)
    assert made.data == "the set itself"


def test_too_few_strangers_make_none() -> None:
    for people in ({"Ann": person(1, 5)}, {"Ann": [direction(1)], "Bob": [direction(2)]}, {}):
        of = evidence(people)
        assert measured_here(of, np.ones(len(of), np.bool_), "b" * 64, "a" * 64) is None
