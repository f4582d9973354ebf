"""The pictures that are prepared: whose each is, and where its bytes are."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mien.errors import InputError
from mien.evaluation.enrol import printable
from mien.images import find_pictures
from mien.training.datasets import FORMS, open_dataset
from mien.training.datasets.contract import CropContract, read_contract
from mien.training.datasets.dataset import Dataset
from mien.training.datasets.folders import is_picture
from mien.values import Failure

OUTSIDE = re.compile(r"[/\\\x00-\x1f]")
NAMED = 5  # empty folders that are called by name


@dataclass(frozen=True, slots=True)
class Listed:
    """A picture: its name (PERSON/…, UTF-8), its person, and a file or a row of a data set.

    stamp: changes with the picture, so that one that was read before is known again without reading it.
    """

    name: str
    person: str
    stamp: str
    file: Path | None = None
    row: tuple[Dataset, int] | None = None

    def source(self) -> Path | bytes:
        """What is read; where a row cannot be had, no bytes, which are no picture."""
        if self.row is None:
            return self.file or b""
        try:
            return self.row[0].encoded(self.row[1])
        except InputError:
            return b""

    def why(self, failure: Failure) -> str:
        """Why it could not be used, without its path, which stands beside it."""
        words = printable(str(failure.error)).removeprefix(f"{printable(failure.source)}: ")
        return words.removeprefix(f"{printable(str(self.file))}: ")


@dataclass(frozen=True, slots=True)
class Listing:
    """All pictures, sorted by name; the crops that they are said to be, if any; what was odd in the folders."""

    pictures: tuple[Listed, ...]
    contract: CropContract | None = None
    warnings: tuple[str, ...] = ()


def listing(place: str | os.PathLike[str] | Dataset) -> Listing:
    """The pictures of a data set, or of a folder of folders, one a person; hidden ones are left out.

    Empty folders, and pictures in no person's folder, are warned of. InputError where there is nobody at all.
    """
    if isinstance(place, Dataset):
        return Listing(tuple(_of_dataset(place)), place.contract)
    root = Path(place)
    if not root.exists():
        raise InputError(f"{root}: there is no such file or folder")
    others = (form.lies_at for name, form in FORMS.items() if name != "folders")
    if root.is_dir() and not any(lies_at(root) for lies_at in others if lies_at):
        entries = sorted(
            (each for each in os.scandir(root) if not each.name.startswith(".")), key=lambda e: e.name
        )
        folders = [each.name for each in entries if each.is_dir()]
        stray = [each.name for each in entries if each.is_file() and is_picture(each.name)]
        if folders or stray:
            return _of_folders(root, folders, stray)
    return listing(open_dataset(root))


def _of_folders(root: Path, folders: Sequence[str], stray: Sequence[str]) -> Listing:
    if not folders:
        raise InputError(
            f"{root}: the pictures lie directly in it; one folder a person is wanted, {root}/Ann/1.jpg say"
        )
    found = {person: _pictures(root / person) for person in folders}
    empty = [printable(person) for person, pictures in found.items() if not pictures]
    pictures = [_file(root, person, path) for person, paths in found.items() for path in paths]
    if not pictures:
        raise InputError(f"{root}: its {len(folders)} folders hold no picture")
    listed = tuple(sorted(pictures, key=lambda each: each.name))
    return Listing(listed, read_contract(root), tuple(_warnings(empty, stray)))


def _pictures(folder: Path) -> list[Path]:
    try:
        return find_pictures([folder])
    except InputError as error:
        if "no picture there" in str(error):
            return []
        raise


def _file(root: Path, person: str, path: Path) -> Listed:
    try:
        status = path.stat()
        stamp = f"{status.st_size} {status.st_mtime_ns}"
    except OSError:  # reading it will say why
        stamp = ""
    return Listed(printable(path.relative_to(root).as_posix()), printable(person), stamp, path)


def _warnings(empty: Sequence[str], stray: Sequence[str]) -> Iterator[str]:
    if empty:
        names = ", ".join(empty[:NAMED]) + (" …" if len(empty) > NAMED else "")
        yield f"{len(empty)} people's folders hold no picture: {names}"
    if stray:
        yield f"{len(stray)} pictures lie in no person's folder and are left out: {printable(stray[0])} …"


def _of_dataset(dataset: Dataset) -> Iterator[Listed]:
    digest = dataset.digest[:16]
    for row, name in enumerate(dataset.names):
        person = dataset.people[int(dataset.labels[row])]
        folder = _plain(person)
        inside = f"{folder}/{_plain(name.removeprefix(f'{person}/'))}"
        yield Listed(inside, folder, f"{digest} {row}", row=(dataset, row))


def _plain(text: str) -> str:
    """A name out of somebody's file as the name of one folder or file; different texts stay different."""
    name = printable(text)
    plain = OUTSIDE.sub("_", name).lstrip(".")
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
