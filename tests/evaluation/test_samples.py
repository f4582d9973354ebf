"""Samples: checked at birth, cut to a subset, never changed."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from simulated import samples_of

from mien.errors import InputError
from mien.evaluation.samples import Samples
from mien.evaluation.study import Missed

VECTORS = np.array([[1, 0], [0.6, 0.8], [0, 0], [0, -1]], np.float32)


def made(**changes: Any) -> Samples:
    given = {
        "names": ("a1", "a2", "b1", "c1"),
        "subjects": [0, 0, 1, 2],
        "people": ("a", "b", "c"),
        "vectors": VECTORS,
        "enrolled": [True, True, False, True],
        "bundle": "bundle",
        "aligner": "aligner",
        "groups": {"age": ("old", "old", "young", "old")},
        "missed": (Missed(picture="b1", why="no face"),),
        "several": 1,
    }
    return Samples(**{**given, **changes})


def test_they_count_their_pictures() -> None:
    assert len(made()) == 4


def test_types_are_those_that_are_promised() -> None:
    samples = made()
    assert (samples.vectors.dtype, samples.subjects.dtype) == (np.float32, np.int32)
    assert samples.enrolled.dtype == np.bool_


def test_names_out_of_numpy_become_text() -> None:
    samples = made(names=np.array(["a1", "a2", "b1", "c1"]), people=np.array(["a", "b", "c"]))
    assert {type(name) for name in (*samples.names, *samples.people)} == {str}


@pytest.mark.parametrize("field", ["vectors", "subjects", "enrolled"])
def test_arrays_are_frozen_and_the_giver_s_own_are_left_alone(field: str) -> None:
    given = np.array(getattr(made(), field))
    samples = made(**{field: given})
    assert not getattr(samples, field).flags.writeable
    assert given.flags.writeable
    assert not np.shares_memory(given, getattr(samples, field))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"vectors": VECTORS[:3]}, r"vectors: shape \(3, 2\) given"),
        ({"vectors": VECTORS[0]}, "vectors: shape"),
        ({"vectors": VECTORS * np.nan}, "finite"),
        ({"vectors": VECTORS * 1.01}, "of length one"),
        ({"vectors": VECTORS * 0}, "of length one"),
        ({"subjects": [0, 0, 1]}, "4 pictures want 4 people and marks"),
        ({"enrolled": [True] * 5}, "4 pictures want 4 people and marks"),
        ({"enrolled": [True] * 4}, "of length one"),
        ({"subjects": [0, 0, 1, 3]}, "numbers of 3 people"),
        ({"subjects": [0, 0, -1, 2]}, "numbers of 3 people"),
        ({"people": ()}, "numbers of 0 people"),
        ({"groups": {"age": ("old",)}}, "4 labels a column"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        made(**changes)


def test_lengths_may_be_off_by_what_float16_costs() -> None:
    assert len(made(vectors=VECTORS * np.float32(1.0009))) == 4


def test_there_may_be_none_at_all() -> None:
    none = made(names=(), subjects=[], people=(), vectors=np.empty((0, 2)), enrolled=[], groups={"age": ()})
    assert len(none) == 0


@pytest.mark.parametrize(
    "keep",
    [
        np.array([True, False, False, True]),
        np.array([0, 3]),
    ],
    ids=["mask", "numbers"],
)
def test_a_subset_has_the_chosen_rows_and_the_old_numbers_of_people(keep: np.ndarray) -> None:
    subset = made().subset(keep)
    assert subset.names == ("a1", "c1")
    assert subset.subjects.tolist() == [0, 2]
    assert subset.people == ("a", "b", "c")
    assert np.array_equal(subset.vectors, VECTORS[[0, 3]])
    assert subset.enrolled.tolist() == [True, True]
    assert subset.groups == {"age": ("old", "old")}
    assert (subset.bundle, subset.aligner, subset.several, subset.known) == ("bundle", "aligner", 1, True)


def test_a_subset_comes_in_the_order_that_was_asked_for() -> None:
    samples = samples_of([3, 2], exact=False)
    subset = samples.subset(np.array([4, 0, 2]))
    assert subset.names == tuple(samples.names[i] for i in (4, 0, 2))
    assert np.array_equal(subset.vectors, samples.vectors[[4, 0, 2]])


def test_a_subset_may_be_empty_and_everything() -> None:
    samples = made()
    assert len(samples.subset(np.zeros(4, np.bool_))) == 0
    whole = samples.subset(np.ones(4, np.bool_))
    kept = {field.name for field in fields(Samples)} - {"missed", "vectors", "subjects", "enrolled"}
    assert all(getattr(whole, name) == getattr(samples, name) for name in kept)


def test_unknown_people_stay_unknown() -> None:
    assert not replace(made(), known=False).subset(np.array([0])).known
