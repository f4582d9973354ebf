"""The folder that a study leaves: its figures, its vectors, and the pairs it compared."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from mien.errors import InputError
from mien.evaluation.protocols.pairs import PairList
from mien.evaluation.samples import Samples
from mien.evaluation.study import Missed, Study
from mien.files import read_bounded, write_whole
from mien.vectors import read_arrays

STUDY, SAMPLES = "study.json", "samples.npz"
MAX_BYTES = 1 << 30
COLUMNS = ("vectors", "names", "subjects", "people", "enrolled", "known", "columns", "labels", "several")
PAIRS = ("first", "second", "same", "fold")


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """A study with what it was measured on. pairs: the list compared, over the samples; None for all pairs."""

    study: Study
    samples: Samples
    pairs: PairList | None = None

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write study.json and samples.npz, each whole or not at all. InputError where that cannot be."""
        target = Path(folder)
        try:
            target.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise InputError(f"{target}: cannot be made a folder ({error.strerror})") from error
        arrays = _sample_arrays(self.samples)
        if self.pairs is not None:
            arrays |= {key: getattr(self.pairs, key) for key in PAIRS}
        stream = io.BytesIO()
        np.savez(stream, **arrays)  # type: ignore[arg-type]
        # These are biometric templates: nobody else's business.
        write_whole(target / SAMPLES, stream.getvalue(), mode=0o600)
        write_whole(target / STUDY, encode_study(self.study), mode=0o600)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Kept:
        """Read what `save` wrote. InputError where it is something else."""
        target = Path(folder)
        if not (target / STUDY).is_file():
            raise InputError(f"{target}: no {STUDY} there; `mien evaluate … --out {target}` leaves one")
        arrays = read_arrays(target / SAMPLES, COLUMNS, PAIRS)
        try:
            study = msgspec.json.decode(read_bounded(target / STUDY, MAX_BYTES), type=Study)
            samples = _samples(arrays, study)
            return cls(study, samples, _pairs(arrays, samples))
        except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"{target}: not a study that this mien wrote ({error})") from error


def encode_study(study: Study) -> bytes:
    """The study as JSON, indented for people."""
    return msgspec.json.format(msgspec.json.encode(study), indent=1) + b"\n"


def _sample_arrays(samples: Samples) -> dict[str, np.ndarray]:
    labels = [samples.groups[key] for key in samples.groups]
    return {
        "vectors": samples.vectors,
        "names": np.array(samples.names, np.str_),
        "subjects": samples.subjects,
        "people": np.array(samples.people, np.str_),
        "enrolled": samples.enrolled,
        "known": np.array(samples.known),
        "several": np.array(samples.several),
        "columns": np.array(list(samples.groups), np.str_),
        "labels": np.array(labels, np.str_).reshape(len(labels), len(samples)),
    }


def _samples(arrays: dict[str, np.ndarray], study: Study) -> Samples:
    return Samples(
        names=tuple(arrays["names"].tolist()),
        subjects=arrays["subjects"],
        people=tuple(np.atleast_1d(arrays["people"]).tolist()),
        vectors=arrays["vectors"],
        enrolled=arrays["enrolled"],
        bundle=study.system.bundle,
        aligner=study.system.aligner,
        groups={
            str(column): tuple(labels.tolist())
            for column, labels in zip(arrays["columns"], arrays["labels"], strict=True)
        },
        missed=tuple(Missed(picture=each.picture, why=each.why) for each in study.missed),
        several=int(arrays["several"]),
        known=bool(arrays["known"]),
    )


def _pairs(arrays: dict[str, np.ndarray], samples: Samples) -> PairList | None:
    if not set(PAIRS) & set(arrays):
        return None
    people = tuple(samples.people[subject] for subject in samples.subjects) if samples.known else None
    return PairList(samples.names, people, *(arrays[key] for key in PAIRS))
