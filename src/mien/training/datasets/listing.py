"""What large files hold, found once and kept beside them, so that the next opening takes a moment.

The list is an `.npz` that names the files' sizes and times; where one differs, it is made anew. It may be
removed at any time, and where it cannot be written everything works without it.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError
from mien.files import read_bounded, write_whole
from mien.training.datasets.dataset import Labels, Rows
from mien.training.datasets.slices import OpenFiles, Slices, require_inside
from mien.training.datasets.words import Words
from mien.vectors import read_arrays

VERSION = 1  # goes up with any change to what a list holds, or to how it is found
INDEX = "mien-index.npz"
PEOPLE = "people.json"
PEOPLE_BYTES = 256 << 20
COLUMNS = ("which", "offsets", "lengths", "labels")
PACKED = ("people_text", "people_ends", "names_text", "names_ends")
KINDS = dict(zip((*COLUMNS, *PACKED), ("i4", "i8", "i8", "i4", "u1", "i8", "u1", "i8"), strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class Listing:
    """Pictures as pieces of files (see `Slices`): labels (n,) int32 are numbers in `people`."""

    which: Labels
    offsets: Rows
    lengths: Rows
    labels: Labels
    people: Words
    names: Words

    def slices(self, files: Sequence[Path]) -> Slices:
        """The pieces, to be read from these files."""
        opened = OpenFiles([str(file) for file in files])
        return Slices(opened, self.which, self.offsets, self.lengths, self.names)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it by name, as the file has it."""
        packed = (self.people.text, self.people.ends, self.names.text, self.names.ends)
        columns = {name: getattr(self, name) for name in COLUMNS}
        return {**columns, **dict(zip(PACKED, packed, strict=True))}

    @classmethod
    def of_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Self:
        """What `arrays` gave. InputError where an array has another kind or shape."""
        for name, kind in KINDS.items():
            if arrays[name].dtype != np.dtype(kind) or arrays[name].ndim != 1:
                raise InputError(f"{name}: a row of {kind} is wanted")
        people, names = (Words(arrays[f"{of}_text"], arrays[f"{of}_ends"]) for of in ("people", "names"))
        which, offsets, lengths, labels = (arrays[name] for name in COLUMNS)
        return cls(which, offsets, lengths, labels, people, names)


def kept(index: Path, files: Sequence[Path], find: Callable[[], Listing]) -> Listing:
    """The list at `index` where it is still that of the files; else what `find` finds, which is kept there.

    files: all that the list depends on, those that pieces are of first. InputError where one is missing.
    """
    sizes, stamp = stamped(files)
    with suppress(InputError):
        return _read(index, sizes, stamp)
    listing = find()
    require_inside(listing.which, listing.offsets, listing.lengths, sizes)
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, stamp=np.array(stamp), **listing.arrays())
    with suppress(InputError):  # a folder that may not be written to
        write_whole(index, stream.getvalue())
    return listing


def _read(index: Path, sizes: NDArray[np.int64], stamp: str) -> Listing:
    arrays = read_arrays(index, ("stamp", *KINDS))
    if str(arrays["stamp"]) != stamp:
        raise InputError(f"{index}: of other files")
    listing = Listing.of_arrays(arrays)
    require_inside(listing.which, listing.offsets, listing.lengths, sizes)
    return listing


def stamped(files: Sequence[Path]) -> tuple[NDArray[np.int64], str]:
    """The files' sizes, and a digest over names, sizes and times. InputError where one is no plain file."""
    found = [_status(file) for file in files]
    facts = [
        (os.fsencode(file.name), each.st_size, each.st_mtime_ns)
        for file, each in zip(files, found, strict=True)
    ]
    digest = hashlib.sha256(msgspec.json.encode((VERSION, facts)))
    return np.array([each.st_size for each in found], np.int64), digest.hexdigest()


def _status(file: Path) -> os.stat_result:
    try:
        status = file.stat()
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{file}: not a plain file")
    return status


def write_people(file: Path, people: Sequence[str]) -> None:
    """The names of the classes 0, 1, … beside data that hold numbers only."""
    write_whole(file, msgspec.json.format(msgspec.json.encode(people), indent=1) + b"\n")


def named(classes: Sequence[str], file: Path) -> tuple[str, ...]:
    """The people's names: where the file is there, those it gives to the classes' numbers; else the classes.

    InputError where the file is no list of names, or is shorter than a class needs.
    """
    if not file.is_file():
        return tuple(classes)
    try:
        names = msgspec.json.decode(read_bounded(file, PEOPLE_BYTES), type=tuple[str, ...])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{file}: a list of names is wanted ({error})") from error
    stranger = next((each for each in classes if not each.isdecimal() or int(each) >= len(names)), None)
    if stranger is not None:
        raise InputError(f"{file}: {len(names)} names, and none for the class {stranger!r}; remove the file")
    return tuple(names[int(each)] for each in classes)
