"""Trials: which pairs are compared, of a set and of a list."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from simulated import samples_of, samples_with

from mien.errors import InputError
from mien.evaluation.metrics import verification
from mien.evaluation.protocols.pairs import PairList
from mien.evaluation.samples import Samples
from mien.evaluation.trials import all_pairs, listed_pairs


def test_a_set_compares_every_picture_with_every_other() -> None:
    trial = all_pairs(samples_of([3, 1, 2, 5], failed=[4]), draws=50)
    assert trial.genuine.count == 3 + 0 + 1 + 10  # those that failed with them
    assert trial.draws == 50
    enrolled = np.bincount(trial.samples.subjects[trial.samples.enrolled])
    assert trial.impostor.count == (enrolled.sum() ** 2 - (enrolled**2).sum()) / 2
    assert trial.enrolled.count == (enrolled * (enrolled - 1) / 2).sum()


@pytest.mark.parametrize(
    "samples",
    [samples_of([5]), samples_of([]), samples_of([2, 2], failed=range(4)), samples_of([1, 0])],
    ids=["one-person", "nobody", "nobody-enrolled", "one-of-two-people"],
)
def test_without_two_people_enrolled_there_is_nothing_to_compare(samples: Samples) -> None:
    with pytest.raises(InputError, match="no two people with a usable face"):
        all_pairs(samples)


VECTORS = [(1, 0), (0.8, 0.6), (0, 1), (0.6, 0.8), (1, 0), (0, 1)]


def listed(same: Sequence[bool], *, known: bool = True, failed: Sequence[int] = ()) -> tuple[Samples, PairList]:
    """The pictures 0 with 1, 2 with 3, 0 with 2, 4 with 5; people have two pictures each."""
    samples = samples_with(VECTORS, [0, 0, 1, 1, 2, 2], 3, known=known, failed=failed)
    people = tuple(samples.people[i] for i in samples.subjects) if known else None
    first, second = (np.array(each, np.int32) for each in ([0, 2, 0, 4], [1, 3, 2, 5]))
    return samples, PairList(samples.names, people, first, second, np.array(same), np.zeros(4, np.int32))


def test_a_list_compares_its_pairs() -> None:
    trial = listed_pairs(*listed([True, True, False, False]), draws=20)
    assert trial.genuine.scores.tolist() == pytest.approx([0.8, 0.8])
    assert trial.impostor.scores.tolist() == pytest.approx([0, 0])
    assert (trial.genuine.count, trial.impostor.count, trial.draws) == (2, 2, 20)
    assert sorted(trial.genuine.first.tolist()) == [0, 1]


def test_the_list_says_what_is_genuine() -> None:
    trial = listed_pairs(*listed([True, False, False, True], known=False))
    assert sorted(trial.genuine.scores.tolist()) == pytest.approx([0, 0.8])
    assert sorted(trial.impostor.scores.tolist()) == pytest.approx([0, 0.8])


def test_failed_impostors_are_left_out_and_failed_genuine_pairs_stay() -> None:
    trial = listed_pairs(*listed([True, True, False, False], failed=[1, 4]))
    assert (trial.genuine.count, trial.enrolled.count, trial.impostor.count) == (2, 1, 1)


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_a_list_may_have_pairs_of_one_kind_only(same: bool, known: bool) -> None:
    """Then nothing is stated that wants the other kind, and it is said why."""
    trial = listed_pairs(*listed([same] * 4, known=known), draws=20)
    assert (trial.genuine.count, trial.impostor.count) == ((4, 0) if same else (0, 4))
    found = verification(trial, "pair", (0.5,))
    assert found.eer.value is None
    assert found.auc.value is None
    assert found.points[0].tar.why


@pytest.mark.parametrize("known", [True, False])
def test_a_list_of_which_nothing_was_enrolled_is_refused(known: bool) -> None:
    with pytest.raises(InputError, match="not one of the pictures shows a usable face"):
        listed_pairs(*listed([True, True, False, False], known=known, failed=range(6)))
