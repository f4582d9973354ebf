"""A data set → a folder a person, with the pictures as they are."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path

from mien.errors import InputError
from mien.files import write_whole
from mien.training.datasets.contract import write_contract
from mien.training.datasets.dataset import Dataset
from mien.training.datasets.folders import is_picture
from mien.training.datasets.shard_writer import ending_of
from mien.training.datasets.whole import folder_whole

LONGEST = 100  # letters of a name: a file's may have 255 bytes


def write_folder(folder: str | os.PathLike[str], dataset: Dataset) -> None:
    """Write PERSON/PICTURE into a new folder and, with a contract, `prepared.json`.

    A picture keeps the name of its file where it had one; else it is numbered. InputError where a picture
    cannot be read or is none, two people's folders would have one name, or the folder is taken or cannot be
    written; then nothing is left.
    """
    people = [folder_name(person) for person in dataset.people]
    if len(set(people)) < len(people):
        raise InputError(f"{dataset.name}: two people's folders would have one name; rename one")
    taken: set[str] = set()
    with folder_whole(Path(folder)) as scratch:
        for person in people:
            (scratch / person).mkdir()
        for row in range(len(dataset)):
            data = dataset.encoded(row)
            stem = f"{people[int(dataset.labels[row])]}/{_stem(dataset.names[row], row)}"
            path = _free(stem, ending_of(dataset, row, data), row, taken)
            taken.add(path.lower())  # some disks take a and A for one
            write_whole(scratch / path, data)
        if dataset.contract is not None:
            write_contract(scratch, dataset.contract)


def folder_name(person: str) -> str:
    """The name of a person's folder: what no folder can be called is written as `_`."""
    plain = "".join("_" if letter in "/\\:\0" else letter for letter in person)[:LONGEST]
    return f"_{plain[1:]}" if plain.startswith(".") else plain or "_"


def _stem(name: str, row: int) -> str:
    stem, _ = posixpath.splitext(posixpath.basename(name))
    return folder_name(stem) if is_picture(name) else f"{row:06d}"


def _free(stem: str, ending: str, row: int, taken: set[str]) -> str:
    path = f"{stem}{ending}"
    return f"{stem}-{row}{ending}" if path.lower() in taken else path
