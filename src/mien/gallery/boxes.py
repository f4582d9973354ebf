"""Boxes of faces as the database has them, x1 y1 x2 y2, and whether two of one picture are the same face."""

from __future__ import annotations

import numpy as np

from mien.values import Floats

SAME = 0.5  # intersection over union from which two boxes of one picture are one face
TINY = 1e-9


def box_text(box: Floats) -> str:
    """A box (4,) as it is stored."""
    return " ".join(f"{value:.1f}" for value in box)


def box_of(text: str) -> tuple[float, float, float, float]:
    """A stored box."""
    x1, y1, x2, y2 = map(float, text.split())
    return x1, y1, x2, y2


def same_place(a: str, b: str) -> bool:
    """Whether two stored boxes of one picture hold one face."""
    first, second = np.array(box_of(a)), np.array(box_of(b))
    low, high = np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])
    shared = np.prod(np.maximum(high - low, 0))
    areas = np.prod(first[2:] - first[:2]) + np.prod(second[2:] - second[:2])
    return bool(shared / max(areas - shared, TINY) >= SAME)
