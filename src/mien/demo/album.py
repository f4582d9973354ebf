"""The demo on a folder: every face in it, and who looks like whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mien.bundle.calibration import DEFAULT_FMR, Calibration
from mien.demo.parts import together
from mien.errors import MienError
from mien.images import encode_jpeg
from mien.progress import progress
from mien.recognition.compare import compare, similarities
from mien.recognition.recognizer import Recognizer
from mien.values import Comparison, Crops, Failure, Floats, Pixels, Reading

THUMB = 112  # pixels
NEAREST = 3
ROWS = 512  # of similarities held at a time
TOGETHER = 8  # faces that meet in one run of the embedder
TIE = 1e-9  # so little is no difference: rounding must not lead a chain of neighbours round in a circle


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face: its picture's name in the folder, which of that picture's faces, a small JPEG, its reading."""

    picture: str
    number: int
    count: int
    thumb: bytes
    reading: Reading

    @property
    def name(self) -> str:
        """The picture, and which face where there are several."""
        return f"{self.picture} ({self.number} of {self.count})" if self.count > 1 else self.picture

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is of low quality; empty where it is good."""
        return self.reading.quality.reasons[0]


@dataclass(frozen=True, slots=True, eq=False)
class Album:
    """What a folder holds. groups: the numbers of faces of one person, larger groups first, two faces at least.

    nearest: for each face the numbers of those most like it, with the answer. empty: pictures without a face.
    """

    pictures: int
    faces: Sequence[Face]
    empty: Sequence[str]
    failures: Sequence[Failure]
    groups: Sequence[Sequence[int]]
    nearest: Sequence[Sequence[tuple[int, Comparison]]]

    def summary(self) -> list[tuple[str, str, str]]:
        """The lines of the terminal's table."""
        return [
            (str(n), str(len(group)), ", ".join(self.faces[i].name for i in group[:3]))
            for n, group in enumerate(self.groups, 1)
        ]

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "pictures": self.pictures,
            "faces": len(self.faces),
            "low_quality": sum(bool(face.reasons) for face in self.faces),
            "groups": [[self.faces[i].name for i in group] for group in self.groups],
            "without_face": list(self.empty),
            "failures": {failure.source: str(failure.error) for failure in self.failures},
        }


def read_album(recognizer: Recognizer, folder: Path, files: Sequence[Path]) -> Album:
    """Every face of the files. Holds a small picture and a vector of each face, and no picture itself."""
    faces: list[Face] = []
    empty, failures = [], []
    found_in = progress(recognizer.find_many(files), len(files), "your pictures")
    for found in _read(recognizer, found_in):
        if isinstance(found, Failure):
            failures.append(found)
            continue
        crops, reading = found
        name = _within(folder, crops.source)
        empty += [] if len(crops) else [name]
        for i, crop in enumerate(crops.images):
            faces.append(Face(name, i + 1, len(crops), _thumb(crop), reading[i]))
    calibration = recognizer.calibration
    groups = grouped(faces, calibration) if calibration else []
    return Album(len(files), faces, empty, failures, groups, nearest(faces, calibration))


def _read(
    recognizer: Recognizer, found: Iterable[Crops | Failure]
) -> Iterator[tuple[Crops, Reading] | Failure]:
    for batch in _batches(found):
        crops = [each for each in batch if isinstance(each, Crops)]
        readings = iter(_embedded(recognizer, crops))
        for each in batch:
            if isinstance(each, Failure):
                yield each
                continue
            reading = next(readings)
            yield reading if isinstance(reading, Failure) else (each, reading)


def _batches(found: Iterable[Crops | Failure]) -> Iterator[list[Crops | Failure]]:
    batch: list[Crops | Failure] = []
    for each in found:
        batch.append(each)
        faces = sum(len(one) for one in batch if isinstance(one, Crops))
        if faces >= TOGETHER or len(batch) >= TOGETHER:
            yield batch
            batch = []
    if batch:
        yield batch


def _embedded(recognizer: Recognizer, crops: Sequence[Crops]) -> Sequence[Reading | Failure]:
    try:
        return recognizer.embed(crops)
    except MienError as error:
        if len(crops) == 1:
            return [Failure(crops[0].source, error)]
        # One picture's faces spoil the run that others share: each by itself shows whose they are.
        return [reading for each in crops for reading in _embedded(recognizer, [each])]


def _within(folder: Path, source: str) -> str:
    path = Path(source)
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else source


def _thumb(crop: Pixels) -> bytes:
    return encode_jpeg(cv2.resize(crop, (THUMB, THUMB), interpolation=cv2.INTER_AREA).astype(np.uint8), 80)


def grouping_fmr(faces: Sequence[Face], calibration: Calibration) -> float:
    """The false-match rate at which these faces are grouped: the default one, shared out over all their pairs.

    So a whole folder of strangers is as unlikely to give one false pair as two strangers are by themselves:
    the Bonferroni correction, as far as the calibration's table goes.
    """
    good = sum(not face.reasons for face in faces)
    return max(calibration.thresholds[-1].fmr, DEFAULT_FMR / max(1, good * (good - 1) // 2))


def grouped(faces: Sequence[Face], calibration: Calibration) -> list[list[int]]:
    """Good faces that are alike on average, at `grouping_fmr`; larger groups first, two faces at least."""
    good = [i for i, face in enumerate(faces) if not face.reasons]
    if not good:
        return []
    level = calibration.threshold(grouping_fmr(faces, calibration))
    groups = _joined(together([faces[i].reading for i in good]).vectors, level)
    several = (sorted(good[i] for i in group) for group in groups if len(group) > 1)
    return sorted(several, key=lambda group: (-len(group), group))


def _joined(vectors: Floats, level: float) -> list[list[int]]:
    """Average linkage down to `level`, by chains of nearest neighbours (Benzécri 1982, Juan 1982).

    A group is held by the mean of its vectors: the product of two means is the average similarity across.
    """
    means, groups = vectors.astype(np.float64), [[i] for i in range(len(vectors))]
    left = np.ones(len(vectors), bool)
    chain: list[int] = []
    while left.any():
        chain = chain or [int(left.argmax())]
        last, previous = chain[-1], chain[-2:-1]
        alike = np.where(left, means @ means[last], -np.inf)
        alike[last] = -np.inf
        alike[previous] += TIE
        next_one = int(alike.argmax())
        if alike[next_one] < level:
            left[chain.pop()] = False  # what joins others later on is no nearer to it
        elif next_one in previous:
            sizes = len(groups[next_one]), len(groups[last])
            means[next_one] = np.average(means[[next_one, last]], axis=0, weights=sizes)
            groups[next_one], groups[last], left[last] = groups[next_one] + groups[last], [], False
            del chain[-2:]
        else:
            chain.append(next_one)
    return groups


def nearest(faces: Sequence[Face], calibration: Calibration | None) -> list[list[tuple[int, Comparison]]]:
    """For each face the few most like it, the most alike first."""
    answers: list[list[tuple[int, Comparison]]] = []
    for start, block in _blocks(faces):
        for i, row in enumerate(block, start):
            row[i] = -2  # itself
            others = np.argsort(-row, kind="stable")[: min(NEAREST, len(faces) - 1)]
            mine = faces[i].reading
            answers.append([(int(j), compare(mine, faces[j].reading, calibration)) for j in others])
    return answers


def _blocks(faces: Sequence[Face]) -> Iterator[tuple[int, Floats]]:
    """The similarities of every face with every other, some rows at a time, and the first row's number."""
    if not faces:
        return
    vectors = together([face.reading for face in faces])
    for start in range(0, len(faces), ROWS):
        yield start, similarities(vectors[start : start + ROWS], vectors)
