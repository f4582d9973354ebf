"""The demo on a folder: every face in it, and who looks like whom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.bundle.calibration import DEFAULT_FMR, Calibration
from mien.demo.parts import together
from mien.images import encode_jpeg
from mien.progress import progress
from mien.recognition.compare import compare, similarities
from mien.recognition.recognizer import Recognizer
from mien.values import Comparison, Embeddings, Failure, Floats, Pixels, Reading

THUMB = 112  # pixels
NEAREST = 3
ROWS = 512  # of similarities held at a time


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
    for found in progress(recognizer.find_many(files), len(files), "your pictures"):
        if isinstance(found, Failure):
            failures.append(found)
            continue
        reading = recognizer.embed([found])[0]
        name = _within(folder, found.source)
        empty += [] if len(found) else [name]
        for i, crop in enumerate(found.images):
            faces.append(Face(name, i + 1, len(found), _thumb(crop), reading[i]))
    calibration = recognizer.calibration
    groups = grouped(faces, calibration) if calibration else []
    return Album(len(files), faces, empty, failures, groups, nearest(faces, calibration))


def _within(folder: Path, source: str) -> str:
    path = Path(source)
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else source


def _thumb(crop: Pixels) -> bytes:
    return encode_jpeg(cv2.resize(crop, (THUMB, THUMB), interpolation=cv2.INTER_AREA).astype(np.uint8), 80)


def grouped(faces: Sequence[Face], calibration: Calibration) -> list[list[int]]:
    """Faces joined wherever two good ones are "same" at the default FMR: A like B and B like C is one group."""
    left = np.array([not face.reasons for face in faces], bool)
    if not left.any():
        return []
    vectors, groups = together([face.reading for face in faces]), []
    while left.any():
        group = _spread(vectors, left, calibration.threshold(DEFAULT_FMR))
        groups += [group] if len(group) > 1 else []
    return sorted(groups, key=len, reverse=True)


def _spread(vectors: Embeddings, left: NDArray[np.bool_], level: float) -> list[int]:
    """The group of the first face that is left; its members are left no longer."""
    group, done = [int(left.argmax())], 0
    left[group] = False
    while done < len(group):
        some = group[done : done + ROWS]
        done += len(some)
        like = (similarities(vectors[some], vectors) >= level).any(axis=0) & left
        left[like] = False
        group += np.flatnonzero(like).tolist()
    return sorted(group)


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
