"""The demo's study: one portrait spoilt in many ways, and a crowd of strangers in poor pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.bundle.calibration import DEFAULT_FMR, Calibration
from mien.demo.parts import together
from mien.demo.stress import STRESSES, Stress
from mien.errors import FaceCountError, MissingExtraError
from mien.progress import progress
from mien.recognition.compare import compare, similarities
from mien.recognition.recognizer import Recognizer
from mien.values import Comparison, Failure, Floats, Pixels, Reading, rate_text

FACES = 100  # of lfw_subset's 200 pictures the first hundred are faces
ENLARGED = 8  # times: 25 pixels → 200, large enough for any detector
BORDER = 48  # pixels of margin around an enlarged face
RATES = (1e-2, 1e-3, 1e-4)


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The best face of one picture: the picture, the face's crop, and its reading."""

    picture: Pixels
    crop: Pixels
    reading: Reading


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One strength of one stress; found and answer are None where no face was found."""

    strength: float
    picture: Pixels
    found: Found | None
    answer: Comparison | None

    @property
    def outcome(self) -> str:
        """The verdict, or that no face was found."""
        return self.answer.verdict if self.answer else "no face found"


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Every strength of one stress."""

    stress: Stress
    trials: Sequence[Trial]

    def summary(self) -> tuple[str, str, str]:
        """What was done, the strength up to which the first outcome holds, and what comes then."""
        first = self.trials[0].outcome
        held = list(takewhile(lambda trial: trial.outcome == first, self.trials))
        rest = self.trials[len(held) :]
        word = "found" if first == "uncalibrated" else first
        then = f"{rest[0].outcome} at {self.stress.words(rest[0].strength)}" if rest else "–"
        return self.stress.name, f"{word} up to {self.stress.words(held[-1].strength)}", then


@dataclass(frozen=True, slots=True, eq=False)
class Crowd:
    """Strangers: the faces found among `shown` pictures, all their pairs, and how many of these pass.

    similarity: of every pair. good: whether each face passes the quality gate. passing, gated: by FMR, how
    many pairs score above its threshold, among all pairs and among pairs of good faces; empty where
    nothing is calibrated.
    """

    shown: int
    faces: Sequence[Found]
    similarity: Floats
    good: Sequence[bool]
    passing: Mapping[float, int]
    gated: Mapping[float, int]

    @property
    def most_alike(self) -> list[tuple[int, int]]:
        """The pairs of faces, the most similar first."""
        rows, columns = np.triu_indices(len(self.faces), 1)
        return [(int(rows[i]), int(columns[i])) for i in np.argsort(-self.similarity)]

    def summary(self) -> str:
        """A sentence for the terminal."""
        words = f"{len(self.faces)} strangers in poor pictures, {len(self.similarity):,} pairs"
        if DEFAULT_FMR not in self.passing:
            return f"{words}; uncalibrated, so none is judged"
        allowed = DEFAULT_FMR * len(self.similarity)
        return (
            f"{words}: at FMR {rate_text(DEFAULT_FMR)} {allowed:.0f} may pass, {self.passing[DEFAULT_FMR]} do "
            f"without the quality gate, {self.gated[DEFAULT_FMR]} with it"
        )


def portrait_pixels() -> Pixels:
    """Eileen Collins, photographed by NASA, public domain: 512×512. MissingExtraError without scikit-image."""
    return np.ascontiguousarray(_skimage().astronaut())


def stranger_pixels() -> list[Pixels]:
    """A hundred faces of LFW, 25 pixels wide, enlarged and framed. MissingExtraError as above."""
    grey = np.rint(_skimage().lfw_subset()[:FACES] * 255).astype(np.uint8)
    side = ENLARGED * grey.shape[1]
    large = (cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC) for face in grey)
    framed = (np.pad(face, BORDER, mode="edge") for face in large)
    return [np.repeat(face[..., None], 3, axis=2) for face in framed]


def _skimage() -> Any:
    try:
        from skimage import data
    except ImportError as error:
        raise MissingExtraError("scikit-image", "demo") from error
    return data


def find_best(recognizer: Recognizer, pictures: Sequence[Pixels], what: str) -> Iterator[Found | None]:
    """The best-scored face of each picture; None where there is none."""
    found = progress(recognizer.find_many(pictures), len(pictures), what)
    for picture, crops in zip(pictures, found, strict=True):
        if isinstance(crops, Failure):
            raise crops.error
        yield Found(picture, crops.images[0], recognizer.embed([crops])[0][0]) if len(crops) else None


def read_portrait(recognizer: Recognizer) -> Found:
    """The portrait as it is. FaceCountError where this detector misses it."""
    (found,) = find_best(recognizer, [portrait_pixels()], "the portrait")
    if found is None:
        raise FaceCountError("the demo's portrait: no face found by this detector; try another", 0)
    return found


def try_stresses(recognizer: Recognizer, portrait: Found) -> list[Series]:
    """The portrait spoilt in every way and strength, each compared with the portrait as it is."""
    box = portrait.reading.faces.boxes[0]
    plan = [(stress, strength) for stress in STRESSES for strength in stress.strengths]
    pictures = [stress.apply(portrait.picture, box, strength) for stress, strength in plan]
    trials: dict[str, list[Trial]] = {stress.name: [] for stress in STRESSES}
    for (stress, strength), picture, found in zip(
        plan, pictures, find_best(recognizer, pictures, "the portrait, spoilt"), strict=True
    ):
        answer = compare(portrait.reading, found.reading, recognizer.calibration) if found else None
        trials[stress.name].append(Trial(strength, picture, found, answer))
    return [Series(stress, trials[stress.name]) for stress in STRESSES]


def read_strangers(recognizer: Recognizer) -> Crowd:
    """The strangers, and all their pairs."""
    pictures = stranger_pixels()
    faces = [found for found in find_best(recognizer, pictures, "strangers") if found]
    good = np.array([not found.reading.quality.reasons[0] for found in faces], bool)
    vectors = together([found.reading for found in faces])
    rows, columns = np.triu_indices(len(faces), 1)
    similarity = similarities(vectors, vectors)[rows, columns]
    passing, gated = _passing(similarity, good[rows] & good[columns], recognizer.calibration)
    return Crowd(len(pictures), faces, similarity, [bool(each) for each in good], passing, gated)


def _passing(
    similarity: Floats, good: NDArray[np.bool_], calibration: Calibration | None
) -> tuple[dict[float, int], dict[float, int]]:
    if calibration is None:
        return {}, {}
    above = {rate: similarity >= level for rate, level in levels(calibration).items()}
    return (
        {rate: int(mask.sum()) for rate, mask in above.items()},
        {rate: int((mask & good).sum()) for rate, mask in above.items()},
    )


def levels(calibration: Calibration) -> dict[float, float]:
    """The thresholds that the demo speaks of, by FMR, as far as the calibration reaches."""
    largest, smallest = calibration.thresholds[0].fmr, calibration.thresholds[-1].fmr
    return {rate: calibration.threshold(rate) for rate in RATES if smallest <= rate <= largest}


def as_json(series: Sequence[Series], crowd: Crowd) -> dict[str, Any]:
    """The study for machines."""
    return {
        "fmr": DEFAULT_FMR,
        "stresses": {each.stress.name: [_trial_json(trial) for trial in each.trials] for each in series},
        "strangers": {
            "pictures": crowd.shown,
            "faces": len(crowd.faces),
            "pairs": len(crowd.similarity),
            "good_faces": sum(crowd.good),
            "passing": {f"{rate:g}": count for rate, count in crowd.passing.items()},
            "passing_with_gate": {f"{rate:g}": count for rate, count in crowd.gated.items()},
        },
    }


def _trial_json(trial: Trial) -> dict[str, Any]:
    found, answer = trial.found, trial.answer
    return {
        "strength": trial.strength,
        "outcome": trial.outcome,
        "similarity": round(answer.similarity, 4) if answer else None,
        "score_fmr": answer.score_fmr if answer else None,
        "reasons": found.reading.quality.reasons[0] if found else (),
    }
