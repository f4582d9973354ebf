"""Every comparison as a line of CSV, for other tools."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mien.errors import InputError
from mien.evaluation.comparisons import pair_scores
from mien.evaluation.protocols.pairs import PairList
from mien.evaluation.samples import Numbers, Samples
from mien.files import open_whole

HEADINGS = ("first", "second", "same", "fold", "similarity")
MOST = 100_000_000
Block = tuple[Numbers, Numbers, Numbers | None]  # pictures, pictures, folds


def write_scores(path: Path, samples: Samples, pairs: PairList | None) -> None:
    """Write picture, picture, 1 for one person or 0, fold, similarity; empty where a picture was not
    enrolled.

    Every pair of the list, or without one every pair of pictures. InputError where that is more than can be
    wanted.
    """
    count = len(pairs) if pairs is not None else len(samples) * (len(samples) - 1) // 2
    if count > MOST:
        raise InputError(
            f"--scores: {count:,} comparisons make a file nobody can use; at most {MOST:,} are written"
        )
    with open_whole(path) as stream, io.TextIOWrapper(stream, "utf-8", newline="") as text:
        table = csv.writer(text, lineterminator="\n")
        table.writerow(HEADINGS)
        for left, right, fold in _blocks(samples, pairs):
            table.writerows(_rows(samples, pairs, left, right, fold))


def _blocks(samples: Samples, pairs: PairList | None) -> Iterator[Block]:
    if pairs is not None:
        yield pairs.first, pairs.second, pairs.fold
        return
    numbers = np.arange(len(samples), dtype=np.int32)
    for row in numbers[:-1]:
        yield np.full(len(samples) - row - 1, row, np.int32), numbers[row + 1 :], None


def _rows(
    samples: Samples, pairs: PairList | None, left: Numbers, right: Numbers, fold: Numbers | None
) -> Iterator[tuple[str | int, ...]]:
    scores = pair_scores(samples, left, right)
    same = pairs.same if pairs is not None else samples.subjects[left] == samples.subjects[right]
    folds = [""] * len(left) if fold is None else fold.tolist()
    values = [f"{score:.6f}" if np.isfinite(score) else "" for score in scores.tolist()]
    names = samples.names
    columns = (left.tolist(), right.tolist(), same.tolist(), folds, values)
    return ((names[a], names[b], int(s), f, v) for a, b, s, f, v in zip(*columns, strict=True))
