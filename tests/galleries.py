"""Readings and calibrations for tests of the gallery: made vectors, so that no model has to run.

People are random directions; their pictures lie around them. Strangers' cosines are normal with a standard
deviation of 1/√DIMENSION, and the calibration says just that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from statistics import NormalDist

import numpy as np

from mien.bundle.calibration import Calibration, Threshold
from mien.gallery.gallery import Gallery
from mien.values import Embeddings, Faces, Floats, Quality, Reading

DIMENSION = 64
BUNDLE, ALIGNER = "b" * 64, "a" * 64
RATES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
SPREAD = 0.06  # of a picture's numbers around its person's: cosines of one person are about 0.8


def person(number: int, dimension: int = DIMENSION) -> Floats:
    """The direction of a person, (d,) of length one; the same for the same number."""
    return unit(np.random.default_rng(10_000 + number).normal(size=dimension))


def picture(number: int, seed: int = 0, dimension: int = DIMENSION, spread: float = SPREAD) -> Floats:
    """The vector of one picture of a person."""
    rng = np.random.default_rng((number, seed))
    return unit(person(number, dimension) + rng.normal(0, spread, dimension))


def unit(vector: Floats) -> Floats:
    """The vector brought to length one, float32."""
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def reading(
    *vectors: Floats,
    source: str = "",
    reasons: Sequence[tuple[str, ...]] | None = None,
    bundle: str = BUNDLE,
    aligner: str = ALIGNER,
    sha256: str = "",
) -> Reading:
    """What a recogniser would make of a picture with these faces, side by side."""
    n = len(vectors)
    stacked = np.stack(vectors) if n else np.empty((0, DIMENSION), np.float32)
    digest = sha256 or hashlib.sha256(stacked.tobytes() + source.encode()).hexdigest()
    boxes = np.array([[100 * i, 10, 100 * i + 80, 110] for i in range(n)], np.float32).reshape(n, 4)
    spots = np.array([[20, 40], [60, 40], [40, 60], [25, 85], [55, 85]], np.float32)
    landmarks = np.array([spots + np.array([100 * i, 10]) for i in range(n)], np.float32).reshape(n, 5, 2)
    said = tuple(reasons) if reasons is not None else ((),) * n
    values = np.array([0.3 if each else 0.9 for each in said], np.float32)
    faces = Faces(boxes, landmarks, np.full(n, 0.99, np.float32))
    embeddings = Embeddings(stacked, np.ones(n, np.float32), bundle, aligner)
    return Reading(
        source or "made.jpg", digest, (100 * max(n, 1), 120), faces, embeddings, Quality(values, said, {})
    )


def of_person(number: int, seed: int = 0) -> Reading:
    """A picture of one person."""
    return reading(picture(number, seed), source=f"person-{number}-{seed}.jpg")


def calibration(bundle: str = BUNDLE, aligner: str = ALIGNER, dimension: int = DIMENSION) -> Calibration:
    """The truth about made people: at which cosine strangers meet a rate."""
    levels = [NormalDist(0, dimension**-0.5).inv_cdf(1 - rate) for rate in RATES]
    rows = tuple(
        Threshold(
            fmr=rate, similarity=level, low=level - 0.01, high=level + 0.01, fmr_low=rate / 2, fmr_high=rate * 2
        )
        for rate, level in zip(RATES, levels, strict=True)
    )
    counts = {"people": 1000, "genuine_pairs": 10_000, "impostor_pairs": 10_000_000}
    about = {"data": "made", "date": "2026-01-01", "method": "the normal distribution"}
    return Calibration(
        bundle=bundle, aligner=aligner, thresholds=rows, tar=(1.0,) * len(rows), **counts, **about
    )


def opened(url: str | Path, **settings: object) -> Gallery:
    """A gallery of made people, calibrated."""
    return Gallery.open(str(url), **{"calibration": calibration(), **settings})


def filled(url: str | Path, people: int = 5, pictures: int = 2, **settings: object) -> Gallery:
    """A gallery with people called "person 0", "person 1", … of so many pictures each."""
    gallery = opened(url, **settings)
    for number in range(people):
        for seed in range(pictures):
            gallery.enroll(f"person {number}", of_person(number, seed))
    return gallery
