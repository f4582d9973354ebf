"""YuNet: one answer a cell, boxes as centre and logarithm of their sides.

Wu, Peng, Yu: YuNet, A Tiny Millisecond-level Face Detector (2023); box code as in YOLOX (Ge et al.,
arXiv:2107.08430). A score is the geometric mean of two outputs: a face, and an object centred here.
"""

from __future__ import annotations

import numpy as np

from mien.bundle.bundle import Bundle
from mien.bundle.runtime import Runtime
from mien.recognition.detectors.grids import GridHead
from mien.values import Floats

LARGEST = 20  # of a side's logarithm: e^20 cells are on no picture, and e^89 is no float32


class Yunet(GridHead):
    """The head `yunet`; its parameters are those of `grids.Parameters`."""

    def __init__(self, bundle: Bundle, runtime: Runtime) -> None:
        super().__init__(bundle, runtime, box_of_centres)


def box_of_centres(numbers: Floats, cells: Floats) -> Floats:
    """Centre (x, y from the cell) and log of (width, height), (k,4) → boxes (k,4), all in cells."""
    centres = cells + numbers[:, :2]
    halves = np.exp(np.minimum(numbers[:, 2:], LARGEST)) / 2
    return np.concatenate([centres - halves, centres + halves], axis=1)
