"""Every kind of index against a list of vectors kept by hand."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.bundle.runtime import Runtime
from mien.errors import InputError
from mien.gallery.index import INDEXES, Index, choose, flat, open_index, rows
from mien.values import Floats

FLAT = [kind for kind in INDEXES if kind != "hnsw"]
TOLERANCE = {"exact": 1e-6, "int8": 1e-6, "float16": 1e-3, "int8-compact": 0.02}
ONE = Runtime(threads=1)


@pytest.fixture(params=FLAT)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def units(count: int, dimension: int, seed: int = 0) -> Floats:
    vectors = np.random.default_rng(seed).standard_normal((count, dimension), np.float32)
    unit: Floats = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def filled(kind: str, vectors: Floats, keys: Any = None) -> Index:
    index = open_index(kind, vectors.shape[1], runtime=ONE)
    index.put(np.arange(len(vectors)) if keys is None else keys, vectors)
    return index


def by_hand(keys: Any, vectors: Floats, probes: Floats, k: int) -> tuple[Any, Any]:
    """Everybody's cosine in float64, sorted by it and then by key."""
    scores = probes.astype(np.float64) @ vectors.T.astype(np.float64)
    order = np.lexsort((np.broadcast_to(keys, scores.shape), -scores))[:, :k]
    return np.asarray(keys)[order], np.take_along_axis(scores, order, 1)


@pytest.fixture(autouse=True)
def _short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few hundred people fill several."""
    monkeypatch.setattr(rows, "SEGMENT", 128)
    monkeypatch.setattr(flat, "BLOCK", 50)


@pytest.mark.parametrize("kind", ["exact", "int8"])
@pytest.mark.parametrize(("people", "k"), [(1, 1), (100, 1), (129, 10), (700, 10), (700, 700)])
def test_exact_kinds_find_what_a_sort_of_all_cosines_finds(kind: str, people: int, k: int) -> None:
    vectors, probes = units(people, 48), units(17, 48, seed=1)
    keys = np.random.default_rng(2).permutation(10 * people)[:people].astype(np.int64) - 3 * people
    keys[keys == -1] = 10 * people
    found = filled(kind, vectors, keys).search(probes, k)
    wanted, scores = by_hand(keys, vectors, probes, k)
    np.testing.assert_array_equal(found.keys, wanted)
    np.testing.assert_allclose(found.scores, scores, atol=1e-6)
    assert found.scores.dtype == np.float32


def test_rounded_kinds_come_close(kind: str) -> None:
    vectors, probes = units(500, 64), units(20, 64, seed=1)
    index = filled(kind, vectors)
    found = index.search(probes, 5)
    np.testing.assert_allclose(
        found.scores, by_hand(np.arange(500), vectors, probes, 5)[1], atol=TOLERANCE[kind]
    )
    every = index.search(probes, 500)
    assert (np.diff(every.scores, axis=1) <= 0).all()
    np.testing.assert_array_equal(np.sort(every.keys), np.broadcast_to(np.arange(500), (20, 500)))


@pytest.mark.parametrize("kind", ["float16", "int8-compact"])
def test_rounded_kinds_are_exact_over_what_they_hold(kind: str) -> None:
    """The k best of few are the first k of all: no product's rounding loses anybody."""
    index = filled(kind, units(600, 64))
    few, every = (index.search(units(20, 64, seed=1), k) for k in (3, 600))
    np.testing.assert_array_equal(few.keys, every.keys[:, :3])
    np.testing.assert_array_equal(few.scores, every.scores[:, :3])


def test_equal_people_stand_by_number(kind: str) -> None:
    vectors = np.repeat(units(3, 32), 100, axis=0)
    keys = np.random.default_rng(0).permutation(300)
    found = filled(kind, vectors, keys).search(vectors[:1], 7)
    np.testing.assert_array_equal(found.keys, [np.sort(keys[:100])[:7]])
    assert len(set(found.scores[0].tolist())) == 1


def test_fewer_people_than_wanted(kind: str) -> None:
    index = open_index(kind, 16, runtime=ONE)
    probes = units(2, 16, seed=3)
    empty = index.search(probes, 3)
    assert (empty.keys == -1).all()
    assert (empty.scores == -np.inf).all()
    index.put(np.array([7, 5]), units(2, 16))
    found = index.search(probes, 3)
    assert (np.sort(found.keys[:, :2]) == [5, 7]).all()
    assert (found.keys[:, 2] == -1).all()
    assert (found.scores[:, 2] == -np.inf).all()
    assert index.search(probes[:0], 3).keys.shape == (0, 3)


def test_putting_a_key_again_replaces_and_the_last_of_equals_counts(kind: str) -> None:
    vectors = units(4, 32)
    index = filled(kind, vectors[[0, 1, 2]], np.array([4, 9, 4]))
    assert len(index) == 2
    assert index.search(vectors[2:3], 1).keys[0, 0] == 4
    index.put(np.array([4]), vectors[3:])
    assert len(index) == 2
    np.testing.assert_allclose(index.search(vectors[3:], 1).scores, 1, atol=TOLERANCE[kind])
    assert index.search(vectors[2:3], 1).scores[0, 0] < 0.9


def test_people_whose_vectors_cancelled_out_are_similar_to_nobody(kind: str) -> None:
    index = filled(kind, np.zeros((3, 16), np.float32))
    found = index.search(units(1, 16), 2)
    np.testing.assert_array_equal(found.keys, [[0, 1]])
    np.testing.assert_allclose(found.scores, 0, atol=1e-6)


changes = st.lists(st.tuples(st.booleans(), st.lists(st.integers(-50, 250), max_size=120)), max_size=8)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(["exact", "int8"]), changes)
def test_any_course_of_putting_and_removing_ends_as_a_dict_does(
    kind: str, course: list[tuple[bool, list[int]]]
) -> None:
    index, kept = open_index(kind, 24, runtime=ONE), dict[int, Floats]()
    for step, (putting, numbers) in enumerate(course):
        keys = np.array([number for number in numbers if number != -1], np.int64)
        if putting:
            vectors = units(len(keys), 24, seed=step)
            index.put(keys, vectors)
            kept |= dict(zip(keys.tolist(), vectors, strict=True))
        else:
            index.remove(keys)
            kept = {key: vector for key, vector in kept.items() if key not in keys}
    assert len(index) == len(kept)
    probes, k = units(3, 24, seed=99), 20
    found = index.search(probes, k)
    if kept:
        keys, scores = by_hand(np.array([*kept]), np.stack([*kept.values()]), probes, k)
        np.testing.assert_allclose(found.scores[:, : scores.shape[1]], scores, atol=1e-6)
        np.testing.assert_array_equal(found.keys[:, : keys.shape[1]], keys)
    assert (found.keys[:, len(kept) :] == -1).all()


def test_removed_vectors_are_nowhere_in_the_index(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[Any] = []
    real = rows.Rows._segment

    def kept(self: rows.Rows, count: int) -> Any:
        held.append(real(self, count))
        return held[-1]

    monkeypatch.setattr(rows.Rows, "_segment", kept)
    vectors = units(300, 32)
    index = filled(kind, vectors[:40])  # the first segment doubles on the way
    index.put(np.arange(40, 300), vectors[40:])
    index.remove(np.arange(300))
    assert len(index) == 0
    assert all(not array.any() for segment in held for array in segment.values())


def test_memory_follows_the_form() -> None:
    sizes = {kind: filled(kind, units(512, 256)).nbytes / (512 * 256) for kind in FLAT}
    assert sizes["exact"] == pytest.approx(4, rel=0.1)
    assert sizes["float16"] == pytest.approx(2, rel=0.15)
    assert sizes["int8"] == pytest.approx(5, rel=0.1)
    assert sizes["int8-compact"] == pytest.approx(1, rel=0.25)


def test_memory_is_given_back() -> None:
    index = filled("exact", units(1000, 64))
    before = index.nbytes
    index.remove(np.arange(900))
    assert index.nbytes < before / 3


def test_searchers_and_a_writer_at_once() -> None:
    """Half of the people never change, and are found whatever happens to the others."""
    index = filled("int8", units(600, 32))
    stable = np.arange(0, 600, 2)
    probes, stop, wrong = units(600, 32)[stable], threading.Event(), list[Any]()

    def look() -> None:
        while not stop.is_set():
            found = index.search(probes, 1)
            if (found.keys[:, 0] != stable).any():
                wrong.append(found.keys)

    searchers = [threading.Thread(target=look) for _ in range(3)]
    for searcher in searchers:
        searcher.start()
    for turn in range(20):
        index.remove(np.arange(1, 600, 2))
        index.put(np.arange(1, 600, 2), units(300, 32, seed=turn + 1))
    stop.set()
    for searcher in searchers:
        searcher.join()
    assert not wrong


BAD: dict[str, tuple[Any, Any, str]] = {
    "shape": ([1], np.ones((1, 3)), r"shape \(1, 3\) given, \(1, 4\) wanted"),
    "count": ([1, 2], np.eye(4)[:1], r"shape \(1, 4\) given, \(2, 4\) wanted"),
    "length": ([1], np.ones((1, 4)), "length of one"),
    "nan": ([1], np.full((1, 4), np.nan), "finite"),
    "key": ([-1], np.eye(4)[:1], "-1 stands for nobody"),
    "float key": ([1.5], np.eye(4)[:1], "whole numbers"),
    "flat keys": ([[1]], np.eye(4)[:1], r"\(n,\) whole numbers"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_put(case: str) -> None:
    keys, vectors, words = BAD[case]
    index = open_index("exact", 4)
    with pytest.raises(InputError, match=words):
        index.put(np.array(keys), vectors)
    assert len(index) == 0


@pytest.mark.parametrize("k", [0, -1, 1.5, True])
def test_no_k(k: Any) -> None:
    with pytest.raises(InputError, match="a whole number from 1 on"):
        open_index("exact", 4).search(units(1, 4), k)


def test_unknown_kinds_name_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"'annoy' is unknown; known: auto, exact, int8, .*hnsw"):
        open_index("annoy", 4)
    with pytest.raises(InputError, match="dimension=0"):
        open_index("exact", 0)


def test_what_is_chosen_is_exact() -> None:
    for people in (0, 1, 10_000, 10_000_000):
        assert open_index("auto", 32, people=people).exact
        assert open_index("auto", 32, people=people).name == choose(people, 32)
