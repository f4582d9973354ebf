"""From vectors to groups at a calibration's rate: the rule of the rate, poor faces, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.bundle.calibration import Calibration, Threshold
from mien.errors import CalibrationError, InputError
from mien.gallery.clustering.cluster import NONE, by_size, cluster, grouping_fmr
from mien.values import Embeddings

BUNDLE, ALIGNER = "a" * 64, "b" * 64
RATES = ((1e-1, 0.5), (1e-2, 0.6), (1e-3, 0.8), (1e-4, 0.9))


def calibration(bundle: str = BUNDLE) -> Calibration:
    rows = tuple(Threshold(fmr=fmr, similarity=s, low=s, high=s, fmr_low=fmr, fmr_high=fmr) for fmr, s in RATES)
    return Calibration(
        bundle=bundle,
        aligner=ALIGNER,
        thresholds=rows,
        tar=(1, 1, 1, 1),
        people=9,
        genuine_pairs=9,
        impostor_pairs=100_000,
        data="made up",
        date="2026-01-01",
        method="by hand",
    )


def at(*degrees: float) -> Embeddings:
    """Vectors in those directions: similarity is the cosine of the angle between two."""
    angles = np.radians(degrees)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return Embeddings(vectors, np.ones(len(degrees)), BUNDLE, ALIGNER)


def test_like_faces_are_a_group_and_the_largest_is_0() -> None:
    labels = cluster(at(180, 0, 181, 5, 10, 270), calibration())
    assert labels.tolist() == [1, 0, 1, 0, 0, 2]


def test_the_more_faces_the_stricter() -> None:
    found = [grouping_fmr(count, calibration()) for count in (0, 1, 10, 40, 1000, 10**6)]
    assert found == pytest.approx([1e-3, 1e-3, 1e-3, 5e-4, 1e-4, 1e-4])  # 1e-4 is the table's end


def test_the_rate_can_be_chosen() -> None:
    pair = at(0, 30)  # 0.87: same at 1e-3 (0.8), not at 1e-4 (0.9)
    assert cluster(pair, calibration()).tolist() == [0, 0]
    assert cluster(pair, calibration(), fmr=1e-4).tolist() == [0, 1]
    with pytest.raises(CalibrationError, match="outside what this calibration measured"):
        cluster(pair, calibration(), fmr=1e-7)


def test_a_poor_face_does_not_glue_strangers_together() -> None:
    faces = at(0, 30, 60)  # the one between is like both; they are not like each other (0.5)
    middle_is_poor = [True, False, True]
    labels = cluster(faces, calibration(), good=middle_is_poor)
    assert labels[0] != labels[2]
    assert labels[1] in {labels[0], labels[2]}


def test_poor_faces_join_the_group_most_like_them_and_no_poor_one() -> None:
    faces = at(0, 2, 90, 92, 6, 180, 181)
    labels = cluster(faces, calibration(), good=[True, True, True, True, False, False, False])
    assert labels.tolist() == [0, 0, 1, 1, 0, NONE, NONE]
    assert cluster(faces, calibration(), good=False).tolist() == [NONE] * 7


def test_what_is_known_holds_for_poor_faces_too() -> None:
    labels = cluster(at(0, 90, 91), calibration(), good=[True, False, False], known=[4, 4, -1])
    assert labels[0] == labels[1]


def test_no_face_is_no_group() -> None:
    none = Embeddings(np.empty((0, 2), np.float32), np.empty(0), BUNDLE, ALIGNER)
    assert cluster(none, calibration()).tolist() == []


def test_another_models_thresholds_are_refused() -> None:
    with pytest.raises(CalibrationError, match="another bundle"):
        cluster(at(0, 1), calibration("c" * 64))


@pytest.mark.parametrize("column", [{"good": [True]}, {"known": [[1, 2, 3]]}])
def test_a_value_for_each_face_is_wanted(column: dict[str, list[bool]]) -> None:
    with pytest.raises(InputError, match="one value a face is wanted"):
        cluster(at(0, 1, 2), calibration(), **column)  # type: ignore[arg-type]


@given(st.lists(st.integers(-1, 5), max_size=30))
def test_by_size_keeps_groups_and_orders_them(labels: list[int]) -> None:
    found = by_size(np.array(labels, np.int64))
    sizes = [int((found == label).sum()) for label in range(int(found.max(initial=NONE)) + 1)]
    assert sizes == sorted(sizes, reverse=True)
    assert [label == NONE for label in found.tolist()] == [label == NONE for label in labels]
    assert len(set(zip(labels, found.tolist(), strict=True))) == len(set(labels))


def test_the_order_of_the_faces_does_not_matter() -> None:
    rng = np.random.default_rng(2)
    vectors = np.repeat(rng.normal(size=(30, 8)), 4, axis=0) + rng.normal(0, 0.3, (120, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    order = rng.permutation(120)
    good = rng.random(120) > 0.1
    once = cluster(Embeddings(vectors, np.ones(120), BUNDLE, ALIGNER), calibration(), good=good)
    again = cluster(Embeddings(vectors[order], np.ones(120), BUNDLE, ALIGNER), calibration(), good=good[order])
    assert 10 < len(set(once.tolist())) < 100
    assert len(set(zip(once[order].tolist(), again.tolist(), strict=True))) == len(set(once.tolist()))
