"""Tar shards in webdataset's layout: `KEY.jpg` and `KEY.cls` (a class's number), or `KEY.json` with a person.

They are read at any place: where each picture lies is found once and kept in `mien-index.npz` beside them. A
key is a name up to the first dot of its last part, as webdataset has it. `people.json`, a list of the classes'
names, is mien's own, and may be absent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from mien.errors import InputError
from mien.evaluation.enrol import printable
from mien.images.files import SUFFIXES
from mien.training.datasets.dataset import Dataset
from mien.training.datasets.listing import INDEX, PEOPLE, Listing, kept, named
from mien.training.datasets.slices import OpenFiles
from mien.training.datasets.tars import Member, members
from mien.training.datasets.words import Words

NOTE_BYTES = 1 << 16
DIGITS = 9
CLASS, NOTE = "cls", "json"
PICTURES = frozenset(suffix[1:] for suffix in SUFFIXES)


class _Note(msgspec.Struct, frozen=True):
    """What is read of a picture's JSON; others may stand there for other readers."""

    person: str | None = None


class _Picture(NamedTuple):
    which: int
    member: Member
    person: str | int


def find_shards(place: Path) -> list[Path]:
    """The shards at a path: a tar itself, or those in a folder, sorted."""
    if place.is_dir():
        return sorted(place.glob("*.tar"))
    return [place] if place.suffix == ".tar" else []


def lie_at(place: Path) -> bool:
    """Whether there are shards, and no folders that can be seen beside them: a tar may lie among people."""
    if not find_shards(place):
        return False
    return place.is_file() or not any(
        each.is_dir() and not each.name.startswith(".") for each in place.iterdir()
    )


def read_shards(place: Path) -> Dataset:
    """The pictures of all shards, in their order there. InputError where one is damaged, or says no person."""
    files = find_shards(place)
    if not files:
        raise InputError(f"{place}: shards NAME.tar are wanted there; packed ones (.tar.gz) are to be unpacked")
    folder = place if place.is_dir() else place.parent
    index = folder / (INDEX if place.is_dir() else f"{place.stem}.{INDEX}")
    listing = kept(index, files, lambda: _found(files))
    people = named(listing.people[:], folder / PEOPLE)
    return Dataset(place.resolve().stem, people, listing.labels, listing.slices(files))


def _found(files: Sequence[Path]) -> Listing:
    pictures = [picture for which, file in enumerate(files) for picture in _pictures(which, file)]
    kinds = {type(picture.person) for picture in pictures}
    if len(kinds) != 1:
        raise InputError(
            f"{files[0].parent}: {'no pictures' if not kinds else 'classes and persons, mixed'}; KEY.jpg with "
            f"KEY.cls each, or with KEY.json each, is wanted in the shards"
        )
    people = sorted({picture.person for picture in pictures})
    number = {person: i for i, person in enumerate(people)}
    return Listing(
        which=np.array([picture.which for picture in pictures], np.int32),
        offsets=np.array([picture.member.offset for picture in pictures], np.int64),
        lengths=np.array([picture.member.size for picture in pictures], np.int64),
        labels=np.array([number[picture.person] for picture in pictures], np.int32),
        people=Words.of(printable(str(person)) for person in people),
        names=Words.of(printable(picture.member.name) for picture in pictures),
    )


def _pictures(which: int, file: Path) -> Iterator[_Picture]:
    """A shard's pictures. InputError where one's person is not told, or two have one key."""
    opened = OpenFiles([str(file)])
    pictures: dict[str, Member] = {}
    persons: dict[str, str | int] = {}
    for member in members(file):
        key, ending = split_name(member.name)
        if ending in PICTURES and pictures.setdefault(key, member) is not member:
            raise InputError(f"{file}: two pictures have the key {key!r}; one is wanted")
        if ending in NOTED:
            person = NOTED[ending](_content(file, opened, member), f"{file}, {member.name}")
            if person is not None and (ending == NOTE or key not in persons):  # a name says more than a class
                persons[key] = person
    for key, member in pictures.items():
        if key not in persons:
            raise InputError(f"{file}: {member.name}: whose picture is it? {key}.cls or {key}.json is wanted")
        yield _Picture(which, member, persons[key])


def split_name(name: str) -> tuple[str, str]:
    """A member's key and its ending: a/b.left.JPG is a/b and left.jpg. Hidden files have no ending."""
    folder, slash, last = name.rpartition("/")
    stem, _, ending = last.partition(".")
    return f"{folder}{slash}{stem}", ending.lower() if stem else ""


def _content(file: Path, opened: OpenFiles, member: Member) -> bytes:
    if member.size <= len(member.head):
        return member.head
    if member.size > NOTE_BYTES:
        raise InputError(f"{file}: {member.name} of {member.size} bytes; at most {NOTE_BYTES} are read")
    return opened.read(0, member.offset, member.size)


def _class(data: bytes, where: str) -> int:
    digits = data.strip()
    if not digits.isdigit() or len(digits) > DIGITS:
        raise InputError(f"{where}: {digits[:40]!r} is no class; a whole number is wanted")
    return int(digits)


def _person(data: bytes, where: str) -> str | None:
    try:
        return msgspec.json.decode(data, type=_Note).person
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f'{where}: {{"person": NAME}} is wanted ({error})') from error


NOTED = {CLASS: _class, NOTE: _person}
