"""Suppression against an oracle that compares every two boxes with fractions, so without rounding."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.recognition.boxes import BLOCK, Overlap, areas, suppress

OVERS: tuple[Overlap, ...] = ("union", "smaller", "enclosing")
Box = tuple[int, int, int, int]
corner = st.integers(0, 12)
boxes_of = st.tuples(corner, corner, corner, corner)
# No overlap of two such boxes comes nearer to one of these limits than float32 can tell, but for 0 itself.
limits = st.sampled_from([0.0, 0.31, 0.52, 0.73])


def area(box: Box) -> int:
    return max(box[2] - box[0], 0) * max(box[3] - box[1], 0)


def overlap(a: Box, b: Box, over: Overlap) -> Fraction:
    shared = area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))
    enclosing = area((min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])))
    whole = {
        "union": area(a) + area(b) - shared,
        "smaller": min(area(a), area(b)),
        "enclosing": enclosing,
    }[over]
    return Fraction(shared, whole) if whole else Fraction(0)


def oracle(boxes: list[Box], scores: list[float], limit: float, over: Overlap, groups: list[int]) -> list[int]:
    kept: list[int] = []
    for one in sorted(range(len(boxes)), key=lambda number: (-scores[number], number)):
        rivals = [other for other in kept if groups[other] == groups[one]]
        if all(overlap(boxes[one], boxes[other], over) <= Fraction(limit) for other in rivals):
            kept.append(one)
    return kept


def run(boxes: list[Box], scores: list[float], limit: float, over: Overlap, groups: list[int]) -> list[int]:
    arrays = np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32)
    return suppress(*arrays, limit, over, np.array(groups, np.intp)).tolist()


@given(st.lists(st.tuples(boxes_of, st.integers(0, 4), st.integers(0, 2)), max_size=40), limits)
@pytest.mark.parametrize("over", OVERS)
def test_what_stays_is_what_the_oracle_keeps(
    over: Overlap, rows: list[tuple[Box, int, int]], limit: float
) -> None:
    boxes, scores, groups = [r[0] for r in rows], [r[1] / 4 for r in rows], [r[2] for r in rows]
    assert run(boxes, scores, limit, over, groups) == oracle(boxes, scores, limit, over, groups)


@pytest.mark.parametrize("over", OVERS)
@pytest.mark.parametrize("count", [BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK])
def test_blocks_leave_no_seam(over: Overlap, count: int) -> None:
    rng = np.random.default_rng(count)
    low = rng.integers(0, 60, (count, 2))
    boxes = [
        tuple(row) for row in np.concatenate([low, low + rng.integers(1, 25, (count, 2))], axis=1).tolist()
    ]
    scores = (rng.integers(0, 50, count) / 64).tolist()
    groups = rng.integers(0, 2, count).tolist()
    wanted = oracle(boxes, scores, 0.31, over, groups)
    assert run(boxes, scores, 0.31, over, groups) == wanted
    assert len(wanted) < count  # something was there to be suppressed


def test_groups_leave_each_other_alone() -> None:
    boxes, scores = np.array([[0, 0, 9, 9]] * 4, np.float32), np.array([0.2, 0.9, 0.5, 0.7], np.float32)
    assert suppress(boxes, scores, 0.5).tolist() == [1]
    assert suppress(boxes, scores, 0.5, groups=np.array([0, 0, 1, 1])).tolist() == [1, 3]


def test_equal_scores_keep_the_first() -> None:
    boxes = np.array([[0, 0, 9, 9], [0, 0, 9, 9], [40, 0, 49, 9]], np.float32)
    assert suppress(boxes, np.full(3, 0.5, np.float32), 0.5).tolist() == [0, 2]


@pytest.mark.parametrize("over", OVERS)
def test_no_boxes(over: Overlap) -> None:
    kept = suppress(np.empty((0, 4), np.float32), np.empty(0, np.float32), 0.5, over)
    assert kept.shape == (0,)
    assert kept.dtype == np.intp


def test_boxes_turned_inside_out_have_no_area() -> None:
    boxes = np.array([[5, 5, 1, 9], [0, 0, 3, 4], [5, 5, 1, 1]], np.float32)
    assert areas(boxes).tolist() == [0, 12, 0]
