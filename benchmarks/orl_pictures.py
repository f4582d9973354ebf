"""The pictures of orl.py: cut out, made coarse, and dealt out a few a person."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mien.bundle.card import Reference
from mien.bundle.importers.onnx import ARCFACE
from mien.recognition.recognizer import Recognizer
from mien.training.datasets import open_dataset
from mien.training.datasets.contract import CropContract
from mien.training.datasets.dataset import Dataset, decode
from mien.training.datasets.folder_writer import write_folder
from mien.training.prepare.prepare import prepare
from mien.training.prepare.settings import PrepareSettings

# Those of Xiaoccer/MobileFaceNet_Pytorch: 112 × 112 without 8 columns at either side.
KNOWING_CROPS = CropContract(reference=Reference(points=tuple((x - 8, y) for x, y in ARCFACE)), size=(112, 96))
SHOTS = 5  # pictures a person for fine-tuning
COARSE = 20  # rows of a picture that is made coarse


def cut(folder: Path, out: Path, contract: CropContract) -> None:
    """What `mien prepare --keep-poor` does: the faces found and aligned; nobody is left out."""
    recognizer = Recognizer.load(threads=1)
    prepare(folder, out, PrepareSettings(crops=contract, keep_poor=True), recognizer=recognizer)


def make_coarse(sharp: Path, out: Path) -> None:
    """The same crops, shrunk to so many rows and enlarged again."""
    dataset = open_dataset(sharp)
    write_folder(out, replace(dataset, source=Coarse(dataset)))


@dataclass(frozen=True)
class Coarse:
    """Pictures of a data set, made coarse."""

    sharp: Dataset

    @property
    def names(self) -> Any:
        return self.sharp.names

    def encoded(self, row: int) -> bytes:
        pixels = decode(self.sharp, row)
        height, width = pixels.shape[:2]
        small = cv2.resize(pixels, (round(width * COARSE / height), COARSE), interpolation=cv2.INTER_AREA)
        large = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
        return cv2.imencode(".png", large[:, :, ::-1])[1].tobytes()

    def taken(self, rows: Any) -> Coarse:
        return Coarse(self.sharp.subset(rows))


def shots(dataset: Dataset, seed: int) -> tuple[Dataset, Dataset]:
    """So many pictures of each person, drawn by the seed, and the others."""
    order = np.random.default_rng([seed, SHOTS]).permutation(len(dataset))
    order = order[np.argsort(dataset.labels[order], kind="stable")]
    starts = np.concatenate([[0], np.cumsum(dataset.counts)[:-1]])
    first = np.arange(len(order)) - starts[dataset.labels[order]] < SHOTS
    return dataset.subset(order[first]), dataset.subset(order[~first])
