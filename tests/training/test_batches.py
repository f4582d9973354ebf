"""Each picture once an epoch, people who meet, and the same global batches for any number of processes."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.errors import InputError
from mien.training.batches import Batches, Chosen, Rows

COUNTS = (5, 1, 3, 2, 7, 4, 2, 1, 6)
LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(9, dtype=np.int32), COUNTS))  # 31 pictures


def first(batches: Batches, count: int, start: int = 0) -> list[Chosen]:
    return list(islice(batches.since(start), count))


def same(one: Chosen, other: Chosen) -> bool:
    arrays = ((one.rows, other.rows), (one.numbers, other.numbers))
    return one.epoch == other.epoch and all(np.array_equal(a, b) for a, b in arrays)


def test_each_picture_is_seen_once_an_epoch_and_in_another_order_in_the_next() -> None:
    batches = Batches(LABELS, 4)
    assert batches.steps == 7
    epochs = [np.concatenate([each.rows for each in first(batches, 7, 7 * epoch)]) for epoch in range(20)]
    for rows in epochs:
        assert len(set(rows.tolist())) == 28
    assert not np.array_equal(epochs[0], epochs[1])
    assert set(np.concatenate(epochs).tolist()) == set(range(31))  # who waits is not always the same
    whole = Batches(LABELS, 31)
    assert sorted(first(whole, 1)[0].rows.tolist()) == list(range(31))


def test_a_picture_is_its_own_number_where_it_stands_once() -> None:
    for each in first(Batches(LABELS, 4), 14):
        assert np.array_equal(each.rows, each.numbers)
    assert [each.epoch for each in first(Batches(LABELS, 4), 15)] == [0] * 7 + [1] * 7 + [2]


def test_the_seed_decides_the_order() -> None:
    one, same_seed, other = (first(Batches(LABELS, 4, seed=seed), 3) for seed in (1, 1, 2))
    assert all(map(same, one, same_seed))
    assert not any(map(same, one, other))


@given(
    size=st.sampled_from([2, 4, 6, 8]),
    pairs=st.booleans(),
    start=st.integers(0, 40),
    count=st.integers(1, 12),
    seed=st.integers(0, 2**32),
)
def test_since_a_step_is_the_same_as_skipping_to_it(
    size: int, pairs: bool, start: int, count: int, seed: int
) -> None:
    batches = Batches(LABELS, size, 2 if pairs else 0, seed)
    assert all(map(same, first(batches, count, start), first(batches, start + count)[start:]))


@given(accumulate=st.sampled_from([1, 2, 4]), ranks=st.sampled_from([1, 2, 4]), pairs=st.booleans())
def test_parts_make_up_the_batch_whatever_their_number(accumulate: int, ranks: int, pairs: bool) -> None:
    batches = Batches(LABELS, 16, 2 if pairs else 0)
    for chosen in first(batches, 3):
        parts = [
            [chosen.part(turn * ranks + rank, accumulate * ranks) for rank in range(ranks)]
            for turn in range(accumulate)
        ]
        joined = [each for turn in parts for each in turn]
        assert np.array_equal(np.concatenate([each.rows for each in joined]), chosen.rows)
        assert np.array_equal(np.concatenate([each.numbers for each in joined]), chosen.numbers)
        assert {each.epoch for each in joined} == {chosen.epoch}
        assert {len(each.rows) for each in joined} == {16 // accumulate // ranks}


def together(rows: Rows, per_person: int) -> list[Rows]:
    return list(rows.reshape(-1, per_person))


@pytest.mark.parametrize("per_person", [2, 3])
def test_people_stand_together_with_so_many_pictures_each(per_person: int) -> None:
    batches = Batches(LABELS, 6 * per_person, per_person)
    seen: set[int] = set()
    for chosen in first(batches, 60):
        groups = together(chosen.rows, per_person)
        people = [set(LABELS[group].tolist()) for group in groups]
        assert all(len(each) == 1 for each in people)
        who = [each.pop() for each in people]
        assert len(set(who)) == 6  # nobody twice
        for person, group in zip(who, groups, strict=True):
            have = COUNTS[person]
            assert have > 1  # there are enough with two
            assert len(set(group.tolist())) == min(have, per_person)
        seen.update(chosen.rows.tolist())
    alone = {int(np.flatnonzero(person == LABELS)[0]) for person in (1, 7)}
    assert seen == set(range(31)) - alone


def test_repeated_pictures_have_numbers_of_their_own() -> None:
    batches = Batches(LABELS, 20, 4)
    assert batches.steps == 1
    chosen = first(batches, 1)[0]
    assert len(set(chosen.rows.tolist())) < 20  # somebody has three pictures only
    assert chosen.numbers.tolist() == list(range(20))
    labels = np.repeat(np.arange(4, dtype=np.int32), 4)
    one, two = first(Batches(labels, 8, 2), 2)
    assert set(one.numbers.tolist()) & set(two.numbers.tolist()) == set()


def test_people_with_one_picture_fill_up_where_there_are_no_others() -> None:
    labels = np.array([0, 0, 1, 2, 3], np.int32)
    chosen = first(Batches(labels, 4, 2), 30)
    assert {int(label) for each in chosen for label in labels[each.rows]} == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("labels", "size", "per_person", "words"),
    [
        ([0, 0, 1], 4, 0, "a batch of 4 faces is larger than the data, 3 pictures: lower batch.size"),
        ([0, 0, 0, 1, 1, 1], 6, 2, "3 people × 2 pictures wants more than the data's 2 people"),
        ([0, 1, 2, 3], 4, 2, "nobody has two pictures"),
    ],
)
def test_data_that_cannot_fill_a_batch_are_refused(
    labels: list[int], size: int, per_person: int, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        Batches(np.array(labels, np.int32), size, per_person)
