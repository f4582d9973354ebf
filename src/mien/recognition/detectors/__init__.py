"""Detectors: one file per kind of output head, chosen by the card's `head`."""

from __future__ import annotations

from collections.abc import Callable

from mien.bundle.bundle import Bundle
from mien.bundle.runtime import Runtime
from mien.recognition.detectors.head import Head, decode_parameters
from mien.recognition.detectors.mmod import Mmod
from mien.recognition.detectors.mtcnn import Mtcnn
from mien.recognition.detectors.scrfd import Scrfd
from mien.recognition.detectors.yunet import Yunet

__all__ = ["HEADS", "Head", "decode_parameters"]

HEADS: dict[str, Callable[[Bundle, Runtime], Head]] = {
    "mmod": Mmod,
    "mtcnn": Mtcnn,
    "scrfd": Scrfd,
    "yunet": Yunet,
}
