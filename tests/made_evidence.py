"""Faces as numbers, to find faults in: people are directions, pictures lie near them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mien.bundle.calibration import Calibration, Threshold
from mien.training.prepare.evidence import Evidence
from mien.training.prepare.journal import Looked
from mien.training.prepare.prints import SIDE, fingerprint
from mien.values import Floats, Pixels

DIMENSION = 64
RATES = {1e-1: 0.2, 1e-2: 0.4, 1e-3: 0.5, 1e-4: 0.6, 1e-5: 0.7}


def calibration() -> Calibration:
    """Strangers reach 0.4 once in a hundred comparisons, 0.7 once in a hundred thousand."""
    rows = tuple(
        Threshold(fmr=fmr, similarity=level, low=level, high=level, fmr_low=fmr, fmr_high=fmr)
        for fmr, level in RATES.items()
    )
    return Calibration(
        bundle="b" * 64,
        aligner="a" * 64,
        thresholds=rows,
        tar=(1.0,) * len(rows),
        people=1000,
        genuine_pairs=1000,
        impostor_pairs=1_000_000,
        data="numbers",
        date="2026-01-01",
        method="by hand",
    )


def direction(seed: int) -> Floats:
    vector = np.random.default_rng(seed).normal(size=DIMENSION).astype(np.float32)
    found: Floats = vector / np.float32(np.linalg.norm(vector))
    return found


def near(vector: Floats, seed: int, spread: float = 0.5) -> Floats:
    """A picture of this person: its cosine with the person's direction is about 1/√(1 + spread²)."""
    found: Floats = vector + np.float32(spread) * direction(seed + 1_000_000)
    return found / np.float32(np.linalg.norm(found))


def noise(seed: int) -> Pixels:
    """A photograph that resembles no other."""
    return np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)


def evidence(
    pictures: Mapping[str, Sequence[Floats]], photographs: Mapping[str, int] | None = None
) -> Evidence:
    """People's vectors by name; picture i of Ann is Ann/i.jpg. photographs: which noise pictures show."""
    shown = photographs or {}
    looked = []
    for person, vectors in pictures.items():
        for i, vector in enumerate(vectors):
            name = f"{person}/{i}.jpg"
            pixels = noise(shown.get(name, 10_000 + len(looked)))
            looked.append(
                Looked(
                    picture=name,
                    person=person,
                    stamp="",
                    sha256=f"{len(looked):064}",
                    size=(100 + i, 100),
                    faces=1,
                    quality=0.9,
                    crop=f"{len(looked)}.jpg",
                    vector=np.asarray(vector, np.float32).tobytes(),
                    print_=fingerprint(pixels),
                )
            )
    return Evidence.of(looked)


def person(seed: int, count: int) -> list[Floats]:
    return [near(direction(seed), 1000 * seed + i) for i in range(count)]
