"""Every picture compared with every other: streamed by mien, and the matrix product alone."""

from __future__ import annotations

import time

import numpy as np
from clock import Measured, rss_mb

from mien.evaluation.allpairs import impostor_pairs
from mien.evaluation.measure import About, measure
from mien.evaluation.samples import Samples
from mien.evaluation.study import System
from mien.evaluation.trials import all_pairs

EACH = 10  # pictures a person
BLOCK = (1024, 4096)  # of the product alone: at which it was quickest here


def ours(pictures: int, dimension: int) -> Measured:
    """Nanoseconds a pair of strangers, thresholds and counts included; marks: MB before, and at the most."""
    samples = made(pictures, dimension)
    before = rss_mb()
    start = time.perf_counter()
    found = impostor_pairs(samples)
    seconds = time.perf_counter() - start
    return {"value": 1e9 * seconds / found.count, "marks": [before, rss_mb()]}


def alone(pictures: int, dimension: int) -> Measured:
    """Nanoseconds a pair for the product of the vectors, above the diagonal, each block forgotten at once."""
    vectors = made(pictures, dimension).vectors
    rows, columns = BLOCK
    space = np.empty(rows * columns, np.float32)
    start = time.perf_counter()
    for top in range(0, pictures, rows):
        for left in range(top, pictures, columns):
            a, b = vectors[top : top + rows], vectors[left : left + columns]
            np.matmul(a, b.T, out=space[: len(a) * len(b)].reshape(len(a), len(b)))
    return {"value": 1e9 * (time.perf_counter() - start) / (pictures * (pictures - 1) / 2)}


def study(pictures: int, dimension: int) -> Measured:
    """Seconds from vectors to every figure of a study, intervals by 1,000 draws of people included."""
    samples = made(pictures, dimension)
    start = time.perf_counter()
    measure(all_pairs(samples), About("made", "made", System(name="made", bundle="", aligner="")))
    return {"value": time.perf_counter() - start}


def made(pictures: int, dimension: int) -> Samples:
    """People as directions drawn at random, their pictures around them."""
    generator = np.random.default_rng(0)
    people = -(-pictures // EACH)
    centres = generator.standard_normal((people, dimension), np.float32)
    subjects = np.arange(pictures, dtype=np.int32) // EACH
    vectors = generator.standard_normal((pictures, dimension), np.float32)
    vectors += centres[subjects]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = tuple(map(str, range(pictures)))
    return Samples(names, subjects, tuple(map(str, range(people))), vectors, np.ones(pictures, np.bool_))
