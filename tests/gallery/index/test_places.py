"""The table of keys against a dict."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mien.gallery.index.places import Places

ANY = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(0, 300))
STEPS = st.lists(st.tuples(st.booleans(), st.sets(ANY, max_size=200)), max_size=10)


@given(STEPS, st.sets(ANY, max_size=50))
def test_it_answers_as_a_dict_does(steps: list[tuple[bool, set[int]]], asked: set[int]) -> None:
    places, kept, row = Places(), dict[int, int](), 0
    for setting, numbers in steps:
        if setting:
            kept |= {number: row + i for i, number in enumerate(numbers)}
            places.set(np.array([*numbers], np.int64), np.arange(row, row + len(numbers)))
            row += len(numbers)
        else:
            there = np.array([number for number in numbers if number in kept], np.int64)
            places.drop(there)
            for number in there.tolist():
                del kept[number]
    every = [*asked, *kept]
    found = places.find(np.array(every, np.int64))
    assert found.tolist() == [kept.get(number, -1) for number in every]


def test_it_grows_with_what_is_kept_not_with_what_came_and_went() -> None:
    places = Places()
    for turn in range(300):
        keys = np.arange(1000 * turn, 1000 * turn + 100)
        places.set(keys, np.arange(100))
        places.drop(keys)
    assert places.nbytes < 20_000
    places.set(np.arange(100_000), np.arange(100_000))
    assert places.nbytes < 100_000 * 12 * 4 * 1.4
