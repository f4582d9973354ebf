from __future__ import annotations

import numpy as np
import pytest
from made_evidence import calibration, direction, evidence, near, person

from mien.training.prepare import mislabels
from mien.training.prepare.evidence import Evidence
from mien.training.prepare.mislabels import Agreed, find_strangers


def found(of: Evidence) -> Agreed:
    return find_strangers(of, np.ones(len(of), np.bool_), calibration())


def test_people_whose_pictures_agree_have_no_stranger() -> None:
    of = evidence({"Ann": person(1, 5), "Bob": person(2, 2), "Cleo": person(3, 1)})
    agreed = found(of)
    assert agreed.strangers == ()
    assert {key: len(rows) for key, rows in agreed.cores.items()} == {0: 5, 1: 2, 2: 1}


def test_a_moved_picture_is_found_with_whose_it_is() -> None:
    bob = person(2, 6)
    of = evidence({"Ann": [*person(1, 4), bob[5]], "Bob": bob[:5]})
    (stranger,) = found(of).strangers
    assert of.looked[stranger.row].picture == "Ann/4.jpg"
    assert (of.people[stranger.best], stranger.known, stranger.torn) == ("Bob", True, False)
    assert stranger.others == 4
    assert stranger.own < 0.4 < stranger.best_similarity


def test_somebody_who_is_nobody_here_is_found_and_given_to_nobody() -> None:
    of = evidence({"Ann": [*person(1, 4), direction(99)], "Bob": person(2, 5)})
    (stranger,) = found(of).strangers
    assert of.looked[stranger.row].picture == "Ann/4.jpg"
    assert not stranger.known


def test_several_strangers_do_not_hide_each_other() -> None:
    bob = person(2, 8)
    of = evidence({"Ann": person(1, 5) + bob[:3], "Bob": bob[3:]})
    assert {of.looked[each.row].picture for each in found(of).strangers} == {f"Ann/{i}.jpg" for i in (5, 6, 7)}


def test_of_two_pictures_that_differ_neither_is_known_to_be_wrong() -> None:
    of = evidence({"Ann": [direction(1), direction(98)], "Bob": person(2, 5)})
    strangers = found(of).strangers
    assert [(each.torn, each.known) for each in strangers] == [(True, False), (True, False)]
    assert found(of).cores[0].size == 0


def test_of_two_that_differ_the_one_that_is_somebody_else_is_wrong() -> None:
    bob = person(2, 6)
    of = evidence({"Ann": [direction(1), bob[5]], "Bob": bob[:5]})
    (stranger,) = found(of).strangers
    assert of.looked[stranger.row].picture == "Ann/1.jpg"
    assert (of.people[stranger.best], stranger.torn) == ("Bob", False)


def test_the_odd_one_of_three_is_found() -> None:
    ann = person(1, 2)
    of = evidence({"Ann": [ann[0], direction(97), ann[1]], "Bob": person(2, 5)})
    assert [of.looked[each.row].picture for each in found(of).strangers] == ["Ann/1.jpg"]


def test_two_people_in_one_folder_are_told_apart_unless_they_are_equally_many() -> None:
    of = evidence({"Ann": person(1, 20) + person(2, 12), "Cleo": person(3, 5)})
    assert [each.row for each in found(of).strangers] == list(range(20, 32))
    assert not any(each.torn or each.known for each in found(of).strangers)
    of = evidence({"Ann": person(1, 4) + person(2, 4), "Cleo": person(3, 5)})
    assert [(each.row, each.torn) for each in found(of).strangers] == [(row, True) for row in range(8)]


def test_a_sample_finds_the_core_of_a_large_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mislabels, "SAMPLED", 12)
    of = evidence({"Ann": person(1, 60) + person(2, 6), "Bob": person(4, 5)})
    assert [each.row for each in found(of).strangers] == list(range(60, 66))


def test_rows_left_out_are_not_looked_at() -> None:
    wrong = direction(99)
    of = evidence({"Ann": [*person(1, 4), wrong, near(wrong, 5, 0.05)], "Bob": person(2, 5)})
    keep = np.ones(len(of), np.bool_)
    keep[5] = False
    assert [each.row for each in find_strangers(of, keep, calibration()).strangers] == [4]


def test_nobody_is_no_error() -> None:
    of = evidence({})
    assert find_strangers(of, np.ones(0, np.bool_), calibration()).strangers == ()
