"""Groups of 3,380 pictures of 1,256 people, beside DBSCAN at its best. Skipped where they are absent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from sklearn.cluster import DBSCAN

from mien.bundle.calibration import Calibration
from mien.evaluation.calibrate import calibrate
from mien.evaluation.clustering import bcubed_difference, measure_clustering
from mien.evaluation.samples import Samples
from mien.evaluation.trials import all_pairs
from mien.gallery.clustering.cluster import NONE, cluster
from mien.gallery.clustering.found import FoundFaces
from mien.gallery.clustering.groups import NOBODY, Groups
from mien.recognition.recognizer import Recognizer
from mien.values import Embeddings, Reading

pytestmark = pytest.mark.long


@dataclass(frozen=True, eq=False)
class Measured:
    """The data set: a face a picture, whether it is good, whose it is, and the starter's calibration."""

    embeddings: Embeddings
    good: np.ndarray
    subjects: np.ndarray
    calibration: Calibration

    def part(self, keep: np.ndarray) -> Measured:
        return Measured(self.embeddings[keep], self.good[keep], self.subjects[keep], self.calibration)


@pytest.fixture(scope="module")
def lfw(shared_data: Path) -> Measured:
    files = sorted((shared_data / "faces" / "lfw-dev").glob("*/*.jpg"))
    recognizer = Recognizer.load()
    readings = []
    for reading in recognizer.read_many(files):
        assert isinstance(reading, Reading), reading
        readings.append(reading.choose("central"))
    assert len(readings) == 3380
    assert recognizer.calibration is not None
    first = readings[0].embeddings
    vectors = np.concatenate([reading.embeddings.vectors for reading in readings])
    return Measured(
        Embeddings(vectors, np.ones(len(vectors)), first.bundle, first.aligner),
        np.array([not reading.quality.reasons[0] for reading in readings]),
        np.unique([file.parent.name for file in files], return_inverse=True)[1],
        recognizer.calibration,
    )


def best_dbscan(data: Measured) -> np.ndarray:
    """The groups of the eps and min_samples with the highest B-cubed F, told whose the faces are.

    A sweep that ends too early would flatter us: the best must lie within both ranges, not at an end.
    """
    vectors = data.embeddings.vectors.astype(np.float64)
    distances = np.clip(1 - vectors @ vectors.T, 0, 2)
    np.fill_diagonal(distances, 0)
    strangers = distances[data.subjects[:, None] != data.subjects[None, :]]
    grid = np.linspace(max(0.6 * strangers.min(), 1e-4), np.quantile(strangers, 3e-3), 120)
    tried = {}
    for least in (1, 2, 3, 4):
        for eps in grid:
            labels = DBSCAN(eps=eps, min_samples=least, metric="precomputed").fit_predict(distances)
            tried[float(eps), least] = bcubed(labels, data.subjects), labels
    (eps, least), (_, labels) = max(tried.items(), key=lambda item: item[1][0])
    assert grid[0] < eps < grid[-1], "widen the sweep of eps"
    assert least < 4, "widen the sweep of min_samples"
    fine = np.linspace(eps - (grid[1] - grid[0]), eps + (grid[1] - grid[0]), 41)
    near = [DBSCAN(eps=e, min_samples=least, metric="precomputed").fit_predict(distances) for e in fine]
    best: np.ndarray = max([labels, *near], key=lambda each: bcubed(each, data.subjects))
    return best


def bcubed(labels: np.ndarray, subjects: np.ndarray) -> float:
    value = measure_clustering(labels, subjects, draws=2).bcubed.f.value
    assert value is not None
    return value


def test_groups_are_better_than_those_of_dbscan_at_its_best(lfw: Measured) -> None:
    ours = cluster(lfw.embeddings, lfw.calibration, good=lfw.good)
    theirs = best_dbscan(lfw)
    f = measure_clustering(ours, lfw.subjects).bcubed.f
    assert f.low is not None
    assert f.low > bcubed(theirs, lfw.subjects) > 0.93
    difference = bcubed_difference(ours, theirs, lfw.subjects)
    assert difference.low is not None
    assert difference.low > 0


def test_thresholds_of_other_people_do_as_well(lfw: Measured) -> None:
    # The starter's own calibration comes from these pictures; here it comes from people who are not grouped.
    chosen = np.isin(lfw.subjects, np.random.default_rng(5).permutation(1256)[:628])
    calibration, rest = measured_on(lfw.part(chosen)), lfw.part(~chosen)
    ours = cluster(rest.embeddings, calibration, good=rest.good)
    difference = bcubed_difference(ours, best_dbscan(rest), rest.subjects)
    assert difference.low is not None
    assert difference.low > 0


def measured_on(data: Measured) -> Calibration:
    vectors = data.embeddings
    people, subjects = np.unique(data.subjects, return_inverse=True)
    samples = Samples(
        names=tuple(f"{i}.jpg" for i in range(len(vectors))),
        subjects=subjects,
        people=tuple(map(str, people)),
        vectors=vectors.vectors,
        enrolled=np.ones(len(vectors), np.bool_),
    )
    return calibrate(all_pairs(samples), vectors.bundle, vectors.aligner, "half the people")


@pytest.mark.parametrize("parts", [2, 10])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_pictures_added_later_give_the_same_groups(lfw: Measured, parts: int, seed: int) -> None:
    once = cluster(lfw.embeddings, lfw.calibration, good=lfw.good)
    order = np.random.default_rng(seed).permutation(len(once))
    bundle, aligner = lfw.embeddings.bundle, lfw.embeddings.aligner
    grown = Groups.none(bundle, aligner, lfw.embeddings.vectors.shape[1])
    for rows in np.array_split(order, parts):
        grown = grown.add([found(lfw, rows)], lfw.calibration)
    labels = np.empty_like(once)
    labels[order] = np.where(grown.numbers == NOBODY, NONE, grown.numbers)
    assert bcubed(labels, lfw.subjects) == pytest.approx(bcubed(once, lfw.subjects), abs=0.01)
    alone = np.where(once == NONE, once.max() + 1 + np.arange(len(once)), once)
    assert bcubed(labels, alone) > 0.99  # the very same groups, not only as good ones


def found(data: Measured, rows: np.ndarray) -> FoundFaces:
    words = tuple(map(str, rows))
    return FoundFaces(
        data.embeddings[rows], data.good[rows], words, words, np.zeros(len(rows), np.int64), (b"",) * len(rows)
    )
