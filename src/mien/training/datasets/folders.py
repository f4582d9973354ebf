"""A folder a person: pictures anywhere below `ROOT/PERSON/` show that person. The plainest form of data."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.errors import InputError
from mien.evaluation.enrol import printable
from mien.files import read_bounded
from mien.images import find_pictures
from mien.images.files import SUFFIXES
from mien.images.picture import MAX_BYTES
from mien.training.datasets.dataset import Dataset, Rows
from mien.training.datasets.words import Words


@dataclass(frozen=True, slots=True, eq=False)
class Files:
    """Pictures in files of their own, named by their paths below `root`, with forward slashes."""

    root: str
    names: Words

    def encoded(self, row: int) -> bytes:
        """The file's bytes. InputError where it cannot be read or is larger than any picture."""
        return read_bounded(os.path.join(self.root, self.names[row]), MAX_BYTES)  # noqa: PTH118

    def taken(self, rows: Rows) -> Files:
        """These files."""
        return Files(self.root, self.names.taken(rows))


def read_folders(root: Path) -> Dataset:
    """A folder a person, people and pictures sorted by name; hidden ones are left out.

    InputError where the folder is missing or cannot be read, holds no people, holds pictures that belong to
    nobody, or where a person has no picture.
    """
    people = person_folders(root)
    found = [_pictures_of(root, person) for person in people]
    labels = np.repeat(np.arange(len(people), dtype=np.int32), [len(pictures) for pictures in found])
    names = Words.of(picture for pictures in found for picture in pictures)
    return Dataset(root.resolve().name, tuple(map(printable, people)), labels, Files(str(root), names))


def read_pictures(root: Path) -> Dataset:
    """Pictures of whomever, in the folder and below it, as one person's: for what wants no names.

    InputError where the folder is missing or holds no picture.
    """
    names = Words.of(_relative(root, ""))
    return Dataset(root.resolve().name, ("anybody",), np.zeros(len(names), np.int32), Files(str(root), names))


def person_folders(root: Path) -> list[str]:
    """The names of the people's folders, sorted. InputError where there are none, or pictures beside them."""
    try:
        entries = [entry for entry in os.scandir(root) if not entry.name.startswith(".")]
    except OSError as error:
        raise InputError(f"{root}: the folder cannot be read ({error.strerror or error})") from error
    stray = next((each.name for each in entries if each.is_file() and is_picture(each.name)), None)
    if stray is not None:
        raise InputError(f"{root}: {stray} belongs to nobody; put every picture into its person's folder")
    people = sorted(entry.name for entry in entries if entry.is_dir())
    if not people:
        raise InputError(f"{root}: no folders there; one a person is wanted, with the person's pictures in it")
    return people


def is_picture(name: str) -> bool:
    """Whether a file's name ends as a picture's does."""
    return os.path.splitext(name)[1].lower() in SUFFIXES  # noqa: PTH122


def _pictures_of(root: Path, person: str) -> list[str]:
    try:
        return list(_relative(root, person))
    except InputError as error:
        raise InputError(
            f"{error}; put pictures of {printable(person)!r} there, or remove the folder"
        ) from error


def _relative(root: Path, person: str) -> Iterator[str]:
    start = len(str(root / "x")) - 1  # of "." nothing stands in front
    return (str(path)[start:].replace(os.sep, "/") for path in find_pictures([root / person]))
