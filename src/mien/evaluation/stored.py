"""Vectors in a file → `Samples`, in place of pictures: what `mien embed` wrote, or any other system."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError
from mien.evaluation.enrol import Entry, numbered, printable
from mien.evaluation.samples import Samples
from mien.evaluation.study import Missed
from mien.values import FaceChoice, Floats
from mien.vectors import read_arrays

Parts = tuple[str, ...]  # of a path, from its root to the picture

UNITARY = 1e-6  # so near to one a length is one up to rounding, and the vector is taken as it is


def from_file(path: Path, entries: Sequence[Entry] | None = None, *, face: FaceChoice) -> Samples:
    """The entries' vectors from an `.npz` with `vectors` (n,d) and `names` (n,), in the entries' order.

    Vectors are brought to length one. An entry belongs to the name that its own ends in, or that ends in its
    own, compared folder by folder; one without such a name is not enrolled. face: which of several vectors of a
    picture ("largest" wants `boxes` (n,4)). Without entries, every picture in the file is taken, and shows the
    person its folder is named after. InputError where the file is something else, a vector has no direction, no
    entry or two entries fit a name, or a face cannot be chosen.
    """
    stored = Stored.read(path)
    wanted = stored.entries() if entries is None else entries
    found = _matched(stored, wanted)
    rows = {number: stored.choose(each, face) for number, each in found.items()}
    subjects, people, known = numbered(wanted)
    vectors = np.zeros((len(wanted), stored.vectors.shape[1]), np.float32)
    vectors[list(rows)] = stored.vectors[list(rows.values())]
    return Samples(
        names=tuple(entry.name for entry in wanted),
        subjects=subjects,
        people=people,
        vectors=vectors,
        enrolled=np.isin(np.arange(len(wanted)), list(rows)),
        bundle=stored.bundle,
        aligner=stored.aligner,
        missed=tuple(
            Missed(picture=entry.name, why=f"not in {printable(path.name)}")
            for number, entry in enumerate(wanted)
            if number not in rows
        ),
        several=sum(len(each) > 1 for each in found.values()),
        known=known,
    )


def people_of_names(names: Sequence[str]) -> tuple[str, ...]:
    """The person in each picture: its folder's name. InputError where one has none, or all have the same."""
    parts = [_parts(name) for name in names]
    for name, each in zip(names, parts, strict=True):
        if len(each) < 2:
            raise InputError(
                f"{name!r}: whose picture is it? Names like 'Ann/1.jpg' are wanted, a folder a person"
            )
    people = tuple(each[-2] for each in parts)
    if len(set(people)) < 2:
        raise InputError(f"two people at least are wanted, a folder each; there are {sorted(set(people))}")
    return people


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """A file's faces, one a row. vectors (n,d) float32, of length one; boxes as they stand in the file, if any.

    bundle, aligner: digests, empty where the file names none.
    """

    path: Path
    names: tuple[str, ...]
    vectors: Floats
    boxes: NDArray[Any] | None
    bundle: str
    aligner: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """InputError where the file is something else, or where a vector has no direction."""
        arrays = read_arrays(path, ("vectors", "names"), ("boxes", "bundle", "aligner"))
        names = _names(path, arrays["names"])
        vectors = _unit_vectors(path, arrays["vectors"], names)
        bundle, aligner = (_word(arrays.get(name)) for name in ("bundle", "aligner"))
        return cls(path, names, vectors, arrays.get("boxes"), bundle, aligner)

    def entries(self) -> list[Entry]:
        """The pictures in the file, each once, with the person its folder is named after."""
        names = [self.names[rows[0]] for rows in _by_path(self.names).values()]
        try:
            people = people_of_names(names)
        except InputError as error:
            raise InputError(f"{self.path}: {error}") from error
        return [Entry(name, person, Path(name)) for name, person in zip(names, people, strict=True)]

    def choose(self, rows: Sequence[int], face: FaceChoice) -> int:
        """The row of the face that is wanted among those of one picture. InputError where it cannot be told."""
        if len(rows) == 1:
            return rows[0]
        if face != "largest" or self.boxes is None:
            raise InputError(
                f"{self.path}: {len(rows)} faces of {self.names[rows[0]]!r}, and no telling which is {face!r}; "
                f"write the file with `mien embed --face {face}`"
            )
        if self.boxes.shape != (len(self.names), 4) or self.boxes.dtype.kind not in "fiu":
            raise InputError(f"{self.path}: boxes: numbers of shape {(len(self.names), 4)} are wanted")
        spans = self.boxes[rows, 2:].astype(np.float64) - self.boxes[rows, :2]
        return rows[int(spans.prod(axis=1).argmax())]


def _names(path: Path, array: NDArray[Any]) -> tuple[str, ...]:
    if array.ndim != 1 or array.dtype.kind not in "US" or not len(array):
        raise InputError(f"{path}: names: a list of words is wanted, not {array.dtype} of shape {array.shape}")
    if array.dtype.kind == "S":
        return tuple(printable(name.decode("utf-8", "surrogateescape")) for name in array.tolist())
    return tuple(map(printable, array.tolist()))


def _unit_vectors(path: Path, array: NDArray[Any], names: Sequence[str]) -> Floats:
    if array.ndim != 2 or array.dtype.kind not in "fiu" or len(array) != len(names):
        raise InputError(
            f"{path}: vectors: {len(names)} rows of numbers are wanted, one a name, "
            f"not {array.dtype} of shape {array.shape}"
        )
    with np.errstate(all="ignore"):  # what is too large is refused by its length
        lengths = np.sqrt(np.einsum("ij,ij->i", array, array, dtype=np.float64, casting="same_kind"))
    bad = np.flatnonzero(~np.isfinite(lengths) | (lengths == 0))
    if len(bad):
        row = int(bad[0])
        raise InputError(
            f"{path}: vectors: row {row} ({names[row]!r}) is of length {lengths[row]}: no direction; "
            f"{len(bad)} of {len(names)} rows are such"
        )
    lengths[np.abs(lengths - 1) <= UNITARY] = 1
    unit = np.empty(array.shape, np.float32)
    np.divide(array, lengths[:, None], out=unit, casting="same_kind")
    return unit


def _word(array: NDArray[Any] | None) -> str:
    return str(array) if array is not None and array.ndim == 0 and array.dtype.kind == "U" else ""


# ── Names to names ──


def _matched(stored: Stored, entries: Sequence[Entry]) -> dict[int, list[int]]:
    """Number of an entry → rows of its picture in the file."""
    paths = _Paths(stored)
    found: dict[int, list[int]] = {}
    taken: dict[Parts, Entry] = {}
    for number, entry in enumerate(entries):
        path = paths.find(entry.name)
        if path is None:
            continue
        other = taken.setdefault(path, entry).name
        if _parts(other) != _parts(entry.name):
            raise InputError(
                f"{stored.path}: {'/'.join(path)!r} may be {other!r} or {entry.name!r}; "
                f"name the folders as well"
            )
        found[number] = paths.rows[path]
    if entries and not found:
        raise InputError(
            f"{stored.path}: none of its {len(paths.rows)} pictures is wanted, and none of the {len(entries)} "
            f"wanted is there; it has {stored.names[0]!r}, say, and wanted is {entries[0].name!r}"
        )
    return found


class _Paths:
    """The pictures of a file by path, to be found by a longer or a shorter one."""

    def __init__(self, stored: Stored) -> None:
        self._file = stored.path
        self.rows = _by_path(stored.names)
        self._by_ending: dict[int, dict[Parts, list[Parts]]] = {}

    def find(self, name: str) -> Parts | None:
        """The path that `name` ends in or that ends in `name`, the one with most folders in common."""
        parts = _parts(name)
        if parts in self.rows:
            return parts
        longer = self._ending(len(parts)).get(parts, [])
        if len(longer) > 1:
            first, second = ("/".join(path) for path in longer[:2])
            raise InputError(f"{self._file}: {name!r} may be {first!r} or {second!r}; name the folders as well")
        shorter = (parts[start:] for start in range(1, len(parts)))
        return longer[0] if longer else next((path for path in shorter if path in self.rows), None)

    def _ending(self, length: int) -> dict[Parts, list[Parts]]:
        """The last `length` parts → the paths that end in them and are longer."""
        if length not in self._by_ending:
            paths: dict[Parts, list[Parts]] = {}
            for path in self.rows:
                if len(path) > length:
                    paths.setdefault(path[-length:], []).append(path)
            self._by_ending[length] = paths
        return self._by_ending[length]


def _parts(name: str) -> Parts:
    # Systems differ in how they write an é and what stands between folders.
    text = unicodedata.normalize("NFC", printable(name)).replace("\\", "/")
    return tuple(part for part in text.split("/") if part not in ("", "."))


def _by_path(names: Sequence[str]) -> dict[Parts, list[int]]:
    rows: dict[Parts, list[int]] = {}
    for row, name in enumerate(names):
        rows.setdefault(_parts(name), []).append(row)
    return rows
