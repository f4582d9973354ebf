"""SCRFD: two anchors a cell, boxes as distances to their four sides.

Guo et al., Sample and Computation Redistribution for Efficient Face Detection (arXiv:2105.04714); its boxes
are FCOS's (Tian et al., arXiv:1904.01355, section 3.1). A score is one output, after the sigmoid.
"""

from __future__ import annotations

import numpy as np

from mien.bundle.bundle import Bundle
from mien.bundle.runtime import Runtime
from mien.recognition.detectors.grids import GridHead
from mien.values import Floats


class Scrfd(GridHead):
    """The head `scrfd`; its parameters are those of `grids.Parameters`."""

    def __init__(self, bundle: Bundle, runtime: Runtime) -> None:
        super().__init__(bundle, runtime, box_of_distances)


def box_of_distances(numbers: Floats, cells: Floats) -> Floats:
    """Distances (k,4) from the cell's corner to left, top, right, bottom → boxes (k,4), all in cells."""
    return np.concatenate([cells - numbers[:, :2], cells + numbers[:, 2:]], axis=1)
