"""How good groups of faces are, beside DBSCAN told the answer: python benchmarks/cluster.py VECTORS.npz

VECTORS.npz is what `mien embed --face central` wrote of a folder with a folder a person. The thresholds are
measured on half of the people, and the other half is grouped; then on all, and all are grouped.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN

from mien.bundle.calibration import Calibration
from mien.evaluation.calibrate import calibrate
from mien.evaluation.clustering import bcubed_difference, measure_clustering
from mien.evaluation.samples import Samples
from mien.evaluation.study import Figure
from mien.evaluation.trials import all_pairs
from mien.gallery.clustering.cluster import cluster, grouping_fmr
from mien.values import rate_text
from mien.vectors import VectorFile

Labels = NDArray[np.int64]
LEAST = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 28)
GOOD = 0.5  # of quality: below stands a reason


def main(path: Path) -> None:
    file = VectorFile.load(path)
    subjects = np.unique([Path(name).parent.name for name in file.names], return_inverse=True)[1]
    half = np.random.default_rng(5).permutation(subjects.max() + 1)[: (subjects.max() + 1) // 2]
    every, chosen = np.ones(len(subjects), np.bool_), np.isin(subjects, half)
    for words, measured, grouped in (("the same people", every, every), ("other people", chosen, ~chosen)):
        compare(f"thresholds of {words}", file, subjects, measured, grouped)


def compare(
    words: str,
    file: VectorFile,
    subjects: Labels,
    measured: NDArray[np.bool_],
    grouped: NDArray[np.bool_],
) -> None:
    calibration = calibration_of(file, subjects, measured)
    faces, whose, good = file.embeddings[grouped], subjects[grouped], file.quality[grouped] >= GOOD
    began = time.perf_counter()
    ours = cluster(faces, calibration, good=good)
    seconds = time.perf_counter() - began
    theirs, setting = best_dbscan(faces.vectors, whose)
    rate = rate_text(grouping_fmr(int(good.sum()), calibration))
    print(f"\n{words}: {len(whose)} faces, FMR {rate}, {seconds:.2f} s")
    for name, labels in (("mien", ours), (f"DBSCAN, {setting}", theirs)):
        found = measure_clustering(labels, whose)
        print(f"  {name:40} B-cubed F {text(found.bcubed.f)}, pairwise F {text(found.pairwise.f)}")
    print(f"  {'difference in B-cubed F':40}           {text(bcubed_difference(ours, theirs, whose))}")


def calibration_of(file: VectorFile, subjects: Labels, keep: NDArray[np.bool_]) -> Calibration:
    people, numbers = np.unique(subjects[keep], return_inverse=True)
    samples = Samples(
        names=tuple(name for name, kept in zip(file.names, keep, strict=True) if kept),
        subjects=numbers.astype(np.int32),
        people=tuple(map(str, people)),
        vectors=file.embeddings.vectors[keep],
        enrolled=np.ones(int(keep.sum()), np.bool_),
    )
    return calibrate(all_pairs(samples), file.embeddings.bundle, file.embeddings.aligner, "these people")


def best_dbscan(vectors: NDArray[np.float32], subjects: Labels) -> tuple[Labels, str]:
    """The setting with the highest B-cubed F, told whose the faces are; says where it is the end of a range."""
    distances = np.clip(1 - vectors.astype(np.float64) @ vectors.T.astype(np.float64), 0, 2)
    np.fill_diagonal(distances, 0)
    strangers = distances[subjects[:, None] != subjects[None, :]]
    grid = np.linspace(max(0.6 * strangers.min(), 1e-4), np.quantile(strangers, 3e-3), 120)
    best, setting, labels = -1.0, (0.0, 0), np.empty(0, np.int64)
    for least in LEAST:
        for eps in grid:
            tried = DBSCAN(eps=eps, min_samples=least, metric="precomputed").fit_predict(distances)
            f = measure_clustering(tried, subjects, draws=2).bcubed.f.value or 0.0
            if f > best:
                best, setting, labels = f, (float(eps), least), tried
    ends = setting[0] in (grid[0], grid[-1]) or setting[1] == LEAST[-1]
    return labels, f"eps {setting[0]:.4f} min {setting[1]}" + (" (END OF THE SWEEP)" if ends else "")


def text(figure: Figure) -> str:
    if figure.value is None or figure.low is None or figure.high is None:
        return figure.why
    return f"{figure.value:.4f} [{figure.low:.4f}, {figure.high:.4f}]"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
