"""Detectors: one file per kind of output head, chosen by the card's `head`."""

from __future__ import annotations

from collections.abc import Callable

from mien.bundle.bundle import Bundle
from mien.bundle.runtime import Runtime
from mien.recognition.detectors.head import Head
from mien.recognition.detectors.mmod import Mmod
from mien.recognition.detectors.mtcnn import Mtcnn
from mien.recognition.detectors.scrfd import Scrfd
from mien.recognition.detectors.yunet import Yunet

__all__ = ["HEADS", "VERSIONS", "Head"]

HEADS: dict[str, Callable[[Bundle, Runtime], Head]] = {
    "mmod": Mmod,
    "mtcnn": Mtcnn,
    "scrfd": Scrfd,
    "yunet": Yunet,
}
# A head's version goes up with any change that moves its boxes or landmarks: what was measured over the old
# one no longer holds, and the aligner's digest says so.
VERSIONS = {"mmod": 1, "mtcnn": 1, "scrfd": 1, "yunet": 1}
