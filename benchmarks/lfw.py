"""Accuracy on labelled faces, and the starter calibration (until the evaluation wing does both).

    python benchmarks/lfw.py FOLDER PAIRS.txt [--bundle …] [--detector …] [--calibrate OUT.json]

FOLDER holds a folder a person, PAIRS.txt is in LFW's own format. Printed: accuracy over the folds of the
pairs (threshold from the other folds), and TAR at FMR 1e-2 … 1e-6 over *all* pairs of the folder, averaged per
person. With --calibrate, the thresholds and their bootstrap intervals over people are written.
"""

from __future__ import annotations

import argparse
import datetime
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.bundle.calibration import Calibration, Threshold, encode_calibration
from mien.recognition.recognizer import Recognizer
from mien.values import Failure

RATES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
RESAMPLES = 200
Array = NDArray[np.float64]
Numbers = NDArray[np.intp]


@dataclass(frozen=True)
class Study:
    """Every picture of a folder: its vector and its person."""

    index: dict[tuple[str, str], int]
    people: Numbers
    vectors: NDArray[np.float32]
    missed: int
    several: int


def embed_folder(recognizer: Recognizer, folder: Path) -> Study:
    files = sorted(folder.glob("*/*.jpg"))
    vectors: list[NDArray[np.float32]] = []
    rows: dict[tuple[str, str], int] = {}
    names: dict[str, int] = {}
    people, several = [], 0
    for file, reading in zip(files, recognizer.read_many(files), strict=True):
        if isinstance(reading, Failure) or not len(reading):
            print("no face:", file.name, file=sys.stderr)
            continue
        several += len(reading) > 1
        rows[(file.parent.name, file.stem.rsplit("_", 1)[1].lstrip("0"))] = len(vectors)
        people.append(names.setdefault(file.parent.name, len(names)))
        vectors.append(reading.choose("central").embeddings.vectors[0])
    return Study(rows, np.array(people), np.array(vectors), len(files) - len(vectors), several)


def pair_folds(pairs: Path, study: Study) -> list[tuple[Array, NDArray[np.bool_]]]:
    lines = pairs.read_text().split("\n")
    folds, size = (int(word) for word in lines[0].split())
    result = []
    for fold in range(folds):
        scores, same = [], []
        for line in lines[1 + fold * 2 * size : 1 + (fold + 1) * 2 * size]:
            words = line.split()
            a, b = (words[0], words[1]), (words[-2], words[-1]) if len(words) == 4 else (words[0], words[2])
            i, j = (study.index.get((person, number.lstrip("0"))) for person, number in (a, b))
            found = i is not None and j is not None
            scores.append(float(study.vectors[i] @ study.vectors[j]) if found else -1.0)
            same.append(len(words) == 3)
        result.append((np.array(scores), np.array(same)))
    return result


def fold_accuracies(folds: list[tuple[Array, NDArray[np.bool_]]]) -> list[float]:
    """The accuracy of each fold at the threshold that is best on the others."""
    answers = []
    for held, (scores, same) in enumerate(folds):
        rest = [fold for number, fold in enumerate(folds) if number != held]
        s, y = (np.concatenate(part) for part in zip(*rest, strict=True))
        order = np.argsort(s)
        # Accept what lies above candidate k: the genuine above it are right, the impostors below it are right.
        right = np.concatenate([[y.sum()], y.sum() + np.cumsum(np.where(y[order], -1, 1))])
        best = int(right.argmax())
        edges = np.concatenate([[-1.0], s[order], [1.0]])
        threshold = (edges[best] + edges[best + 1]) / 2
        answers.append(float(((scores >= threshold) == same).mean()))
    return answers


@dataclass(frozen=True)
class Pairs:
    """All pairs of a study: scores from high to low, the two people of each, genuine or not."""

    scores: Array
    first: Numbers
    second: Numbers
    counts: Numbers

    @classmethod
    def of(cls, study: Study, *, genuine: bool, at_least: float = -2.0) -> Pairs:
        parts = []
        for i in range(len(study.people) - 1):
            scores = study.vectors[i + 1 :] @ study.vectors[i]
            keep = ((study.people[i + 1 :] == study.people[i]) == genuine) & (scores >= at_least)
            others = study.people[i + 1 :][keep]
            parts.append(np.stack([scores[keep], np.full(len(others), study.people[i]), others]))
        table = np.concatenate(parts, axis=1)
        table = table[:, np.argsort(-table[0], kind="stable")]
        return cls(table[0], table[1].astype(int), table[2].astype(int), np.bincount(study.people))

    def impostor_shares(self, weights: Array) -> Array:
        """Each impostor pair's part in the FMR averaged over people (each with its weight)."""
        total = float((weights * self.counts).sum())
        others = total - weights * self.counts  # weighted pictures of everybody else
        of_each = 1 / np.maximum(self.counts * others * weights.sum(), 1e-12)
        crossed = weights[self.first] * weights[self.second]
        shares: Array = 0.5 * crossed * (of_each[self.first] + of_each[self.second])
        return shares

    def tar(self, threshold: float) -> float:
        """The share of genuine pairs accepted, averaged per person."""
        all_of = np.bincount(self.first, minlength=len(self.counts))
        accepted = np.bincount(self.first[self.scores >= threshold], minlength=len(self.counts))
        return float((accepted[all_of > 0] / all_of[all_of > 0]).mean())


def thresholds_at(pairs: Pairs, rates: tuple[float, ...], weights: Array) -> list[float]:
    """For each rate, the lowest score at which the FMR averaged over people is still within it."""
    above = np.cumsum(pairs.impostor_shares(weights))
    last = np.searchsorted(above, np.array(rates) * (1 + 1e-9), side="right") - 1
    return [float(pairs.scores[min(max(int(at), 0), len(pairs.scores) - 1)]) for at in last]


def intervals(pairs: Pairs, rates: tuple[float, ...], people: int) -> list[tuple[float, float]]:
    generator = np.random.default_rng(0)
    drawn = []
    for _ in range(RESAMPLES):
        weights = generator.multinomial(people, np.full(people, 1 / people)).astype(float)
        drawn.append(thresholds_at(pairs, rates, weights))
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    return [(float(a), float(b)) for a, b in zip(low, high, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--bundle", default="dlib-resnet")
    parser.add_argument("--detector", default="mtcnn")
    parser.add_argument("--calibrate", type=Path, metavar="FOLDER", help="write ALIGNER-DIGEST.json there")
    parser.add_argument("--data", default="3,380 pictures of LFW (deep-funneled), one folder a person")
    args = parser.parse_args()
    recognizer = Recognizer.load(args.bundle, args.detector)
    study = embed_folder(recognizer, args.folder)
    print(
        f"{len(study.people)} pictures of {study.people.max() + 1} people, {study.missed} without a face, "
        f"{study.several} with several (the central one taken)"
    )
    accuracies = fold_accuracies(pair_folds(args.pairs, study))
    print(f"pairs: accuracy {100 * np.mean(accuracies):.2f} % ± {100 * np.std(accuracies):.2f}")
    people = len(np.bincount(study.people))
    genuine = Pairs.of(study, genuine=True)
    impostor = Pairs.of(study, genuine=False)
    even = np.ones(people)
    thresholds = thresholds_at(impostor, RATES, even)
    for rate, threshold in zip(RATES, thresholds, strict=True):
        pooled = impostor.scores[max(int(rate * len(impostor.scores)) - 1, 0)]
        print(
            f"FMR {rate:.0e}: threshold {threshold:.4f}  TAR {100 * genuine.tar(threshold):.1f} % per person, "
            f"{100 * float((genuine.scores >= pooled).mean()):.1f} % over pairs"
        )
    if args.calibrate:
        # The resampled thresholds lie in the upper tail; the rates count from all pairs all the same.
        tail = Pairs.of(study, genuine=False, at_least=thresholds[0] - 0.05)
        rows = zip(RATES, thresholds, intervals(tail, RATES, people), strict=True)
        calibration = Calibration(
            bundle=recognizer.bundle.digest,
            aligner=recognizer.aligner.digest,
            thresholds=tuple(
                Threshold(
                    fmr=rate, similarity=round(t, 5), low=round(min(low, t), 5), high=round(max(high, t), 5)
                )
                for rate, t, (low, high) in rows
            ),
            tar=tuple(round(genuine.tar(t), 5) for t in thresholds),
            people=people,
            genuine_pairs=len(genuine.scores),
            impostor_pairs=len(impostor.scores),
            data=args.data,
            date=datetime.date.today().isoformat(),
            method=f"benchmarks/lfw.py: all pairs, averaged per person; {RESAMPLES} bootstraps over people",
        )
        args.calibrate.mkdir(parents=True, exist_ok=True)
        path = args.calibrate / f"{calibration.aligner}.json"
        path.write_bytes(encode_calibration(calibration))
        print("wrote", path)


if __name__ == "__main__":
    main()
