"""Embeddings to and from `.npz` files, for other programs and other wings."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError
from mien.files import write_whole
from mien.values import Embeddings, Floats, Reading, frozen_array

FORMAT = 1
FIELDS = ("vectors", "norms", "names", "sha256", "boxes", "landmarks", "scores", "quality", "bundle", "aligner")
MAX_BYTES = 16 << 30
MAX_RATIO = 100  # of what a compressed file may expand to


@dataclass(frozen=True, slots=True, eq=False)
class VectorFile:
    """Faces of many pictures: row i of every array is one face.

    names: the picture each face is from; sha256: of that picture's bytes; boxes (n,4), landmarks (n,5,2),
    scores (n,), quality (n,) as in `Faces` and `Quality`.
    """

    embeddings: Embeddings
    names: tuple[str, ...]
    sha256: tuple[str, ...]
    boxes: Floats
    landmarks: Floats
    scores: Floats
    quality: Floats

    def __post_init__(self) -> None:
        n = len(self.embeddings)
        if not len(self.names) == len(self.sha256) == n:
            raise InputError(f"{n} vectors want {n} names and digests")
        for name, shape in (("boxes", (n, 4)), ("landmarks", (n, 5, 2)), ("scores", (n,)), ("quality", (n,))):
            object.__setattr__(self, name, frozen_array(name, getattr(self, name), *shape))

    @classmethod
    def of(cls, readings: Sequence[Reading]) -> Self:
        """Every face of the readings. InputError where there is none, or where two models made them."""
        if not readings:
            raise InputError("no picture could be read, so there are no vectors to write")
        first = readings[0].embeddings
        for reading in readings:
            first.require_same_origin(reading.embeddings)
        vectors, norms = (
            np.concatenate([getattr(r.embeddings, field) for r in readings]) for field in ("vectors", "norms")
        )
        return cls(
            Embeddings(vectors, norms, first.bundle, first.aligner),
            tuple(r.source for r in readings for _ in range(len(r))),
            tuple(r.sha256 for r in readings for _ in range(len(r))),
            np.concatenate([r.faces.boxes for r in readings]),
            np.concatenate([r.faces.landmarks for r in readings]),
            np.concatenate([r.faces.scores for r in readings]),
            np.concatenate([r.quality.values for r in readings]),
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file, whole or not at all. Read it anywhere with `numpy.load`; nothing in it is pickled."""
        own = {name: getattr(self, name) for name in ("boxes", "landmarks", "scores", "quality")}
        stream = io.BytesIO()
        np.savez(
            stream,
            format=np.array(FORMAT),
            vectors=self.embeddings.vectors,
            norms=self.embeddings.norms,
            bundle=np.array(self.embeddings.bundle),
            aligner=np.array(self.embeddings.aligner),
            names=np.array(self.names, dtype=np.str_),
            sha256=np.array(self.sha256, dtype=np.str_),
            **own,
        )
        write_whole(path, stream.getvalue())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote. InputError where it is something else."""
        try:
            # What is too large for float32 is refused by its value, without a warning.
            with np.errstate(all="ignore"):
                return cls._from_arrays(_arrays(Path(path), ("format", *FIELDS)))
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        except Exception as error:  # zipfile, its decompressors and NumPy raise a dozen kinds
            raise InputError(f"{path}: not a file that `mien embed` wrote ({_why(error)})") from error

    @classmethod
    def _from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Self:
        if int(arrays["format"]) != FORMAT:
            raise InputError(f"format {arrays['format']}, {FORMAT} wanted: a newer mien wrote this file")
        embeddings = Embeddings(
            arrays["vectors"], arrays["norms"], str(arrays["bundle"]), str(arrays["aligner"])
        )
        names, digests = (tuple(str(word) for word in arrays[name]) for name in ("names", "sha256"))
        places = (arrays[name] for name in ("boxes", "landmarks", "scores", "quality"))
        return cls(embeddings, names, digests, *places)


def read_arrays(
    path: str | os.PathLike[str], wanted: Iterable[str], optional: Iterable[str] = ()
) -> dict[str, NDArray[Any]]:
    """Arrays by name from an `.npz` of anyone's; nothing is unpickled, nothing expands beyond measure.

    Of `optional`, those that are there. Shapes and kinds are the caller's to check. InputError where the file
    is something else, or lacks one that is wanted.
    """
    names = tuple(wanted)
    try:
        return _arrays(Path(path), names, optional)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except Exception as error:  # as in VectorFile.load
        raise InputError(f"{path}: not an .npz with the arrays {', '.join(names)} ({_why(error)})") from error


def _arrays(path: Path, wanted: Iterable[str], optional: Iterable[str] = ()) -> dict[str, NDArray[Any]]:
    with path.open("rb") as stream, zipfile.ZipFile(stream) as file:
        expanded = sum(entry.file_size for entry in file.infolist())
        if expanded > min(MAX_BYTES, MAX_RATIO * path.stat().st_size):
            raise InputError(
                f"expands to {expanded} bytes; at most {MAX_BYTES}, and {MAX_RATIO} × the file, are read"
            )
        there = [name for name in optional if f"{name}.npy" in file.namelist()]
        return {name: _array(file, name) for name in (*wanted, *there)}


def _array(file: zipfile.ZipFile, name: str) -> NDArray[Any]:
    with file.open(f"{name}.npy") as member:
        array: NDArray[Any] = np.lib.format.read_array(member, allow_pickle=False)
    return array


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__
