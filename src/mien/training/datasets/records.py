"""Record files of MXNet and insightface: NAME.rec with NAME.idx beside it, a line `key offset` a record.

insightface's sets (its face2rec2.py, image_iter.py): record 0 holds no picture but two labels, the keys of the
first identity and behind the last; records 1 up to there are pictures, and each identity's record holds the
keys of its pictures, first and behind the last. A plain list as im2rec.py writes it: every record is a picture.
Of several labels the first is the class, as for insightface. `property` beside train.rec, a line
`classes,height,width`, may be absent. NAME.people.json, a list of names, is mien's own.
"""

from __future__ import annotations

import io
import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError
from mien.files import read_bounded
from mien.training.datasets.dataset import Dataset, Rows
from mien.training.datasets.listing import INDEX, PEOPLE, Listing, kept, named, stamped
from mien.training.datasets.recordio import (
    EXACT,
    FIRST,
    HEADER,
    LENGTH_BITS,
    MAGIC,
    MOST,
    PART,
    payload_of,
    record_of,
    unpack,
)
from mien.training.datasets.slices import Slices
from mien.training.datasets.words import Words

IDX_BYTES = 2 << 30
TRAIN, PROPERTY = "train.rec", "property"
PROPERTY_BYTES = 4096
PLAIN = b"0123456789\t\r\n "
# The first bytes of a record: frame, header, and two labels where there are so many.
HEAD = np.dtype(
    [
        *(("magic", "<u4"), ("word", "<u4"), ("count", "<u4"), ("label", "<f4")),
        *(("id", "<u8"), ("id2", "<u8"), ("first", "<f4"), ("second", "<f4")),
    ]
)
# length: with its frame; content: of the bytes behind the labels; first, second: labels, NaN for none.
FACTS = np.dtype([("kind", "i8"), ("length", "i8"), ("content", "i8"), ("first", "f8"), ("second", "f8")])


@dataclass(frozen=True, slots=True, eq=False)
class RecordPictures:
    """Pictures within records, each a piece of the file."""

    records: Slices

    @property
    def names(self) -> Words:
        """The records' keys."""
        return self.records.names

    def encoded(self, row: int) -> bytes:
        """The picture's bytes, without frame and labels. InputError names file and key where it is damaged."""
        record = self.records.encoded(row)
        try:
            return unpack(payload_of(record)).content
        except InputError as error:
            file = self.records.files.paths[int(self.records.which[row])]
            raise InputError(f"{file}, record {self.names[row]}: {error}") from error

    def taken(self, rows: Rows) -> RecordPictures:
        """These records."""
        return RecordPictures(self.records.taken(rows))


def find_records(place: Path) -> Path | None:
    """The record file at a path: itself, or in a folder train.rec or the only one; None where there is none."""
    if not place.is_dir():
        return place if place.suffix == ".rec" else None
    found = sorted(place.glob("*.rec"))
    return next((file for file in found if len(found) == 1 or file.name == TRAIN), None)


def read_records(place: Path) -> Dataset:
    """The pictures of a record file, in the order of their keys. InputError where anything in it is damaged."""
    file = find_records(place)
    if file is None:
        raise InputError(f"{place}: one file NAME.rec is wanted there; name it itself where there are several")
    index = file.with_suffix(".idx")
    if not index.is_file():
        raise InputError(f"{file}: {index.name} is wanted beside it; MXNet's tools/rec2idx.py makes it")
    listing = kept(file.with_suffix(f".{INDEX}"), (file, index), lambda: _found(file, index))
    if file.name == TRAIN:
        _require_classes(file.parent / PROPERTY, listing)
    people = named(listing.people[:], file.with_suffix(f".{PEOPLE}"))
    name = f"{file.resolve().parent.name}/{file.name}"
    return Dataset(name, people, listing.labels, RecordPictures(listing.slices([file])))


def _found(file: Path, index: Path) -> Listing:
    keys, offsets = read_idx(index)
    records = _records(file, keys, offsets)
    rows = records.pictures()
    classes = records.classes(rows)
    known, labels = np.unique(classes, return_inverse=True)
    return Listing(
        which=np.zeros(len(rows), np.int32),
        offsets=records.offsets[rows],
        lengths=records.facts["length"][rows],
        labels=labels.astype(np.int32),
        people=Words.of(map(str, known.tolist())),
        names=Words.of(map(str, records.keys[rows].tolist())),
    )


def read_idx(file: Path) -> tuple[Rows, Rows]:
    """Keys and offsets, as they come. InputError where a line is anything but two numbers."""
    data = read_bounded(file, IDX_BYTES)
    wanted = f"{file}: lines `key offset`, two whole numbers, are wanted"
    if not data.strip() or data.translate(None, PLAIN):
        raise InputError(wanted)
    try:
        table = np.loadtxt(io.BytesIO(data), np.int64, comments=None, ndmin=2)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{wanted} ({error})") from error
    if table.shape[1] != 2:
        raise InputError(wanted)
    return table[:, 0], table[:, 1]


@dataclass(frozen=True, slots=True, eq=False)
class _Records:
    """All records of a file by key, with what their heads say: facts (n,) of `FACTS`."""

    file: Path
    keys: Rows
    offsets: Rows
    facts: NDArray[np.void]

    def pictures(self) -> Rows:
        """The rows that are pictures. InputError where they are not as many as insightface's record 0 says."""
        content, first = self.facts["content"], self.facts["first"][0]
        headed = self.keys[0] == 0 and not content[0] and not np.isnan(self.facts["second"][0])
        rows = np.flatnonzero(content)
        if not headed and len(rows) < len(self.keys):
            raise InputError(f"{self.file}, record {self.keys[content.argmin()]}: it holds no picture")
        if headed and np.float32(len(rows) + 1) != first:  # as exact as it was written
            raise InputError(
                f"{self.file}: {len(rows)} pictures, and record 0 says {first - 1:.0f}; the .idx or the .rec "
                f"is not whole"
            )
        return rows

    def classes(self, rows: Rows) -> Rows:
        """The pictures' classes. InputError where a label is no whole number from 0 on."""
        labels = self.facts["first"][rows]
        good = (labels >= 0) & (labels <= EXACT) & (labels == np.floor(labels))
        if not good.all():
            row = int(good.argmin())
            raise InputError(
                f"{self.file}, record {self.keys[rows[row]]}: the label {labels[row]} is no class; whole "
                f"numbers from 0 to {EXACT} are"
            )
        classes: Rows = labels.astype(np.int64)
        return classes


def _records(file: Path, keys: Rows, offsets: Rows) -> _Records:
    """Every record by its head, read in the file's order. InputError where one is damaged or overlaps."""
    (size,), _ = stamped([file])
    order = np.argsort(offsets, kind="stable")
    keys, places = keys[order], offsets[order]
    # Up to the next one: so nothing is read twice, whatever an .idx says.
    rooms = np.diff(places, append=size)
    if len(np.unique(keys)) < len(keys) or places[0] < 0 or rooms.min() < PART.size + HEADER.size:
        raise InputError(f"{file}: its .idx names a key twice, or places where no records of it are")
    facts = _facts(file, keys, places, rooms)
    by_key = np.argsort(keys)
    return _Records(file, keys[by_key], places[by_key], facts[by_key])


def _facts(file: Path, keys: Rows, places: Rows, rooms: Rows) -> NDArray[np.void]:
    try:
        with file.open("rb", buffering=0) as stream:
            heads = _heads(stream.fileno(), places)
            facts = _of_one_part(heads)
            cut = facts["length"] > rooms
            bad = (heads["magic"] != MAGIC) | (facts["kind"] > FIRST) | cut
            several = np.flatnonzero(~bad & (facts["kind"] == FIRST))
            for row in several.tolist():
                facts[row] = _of_parts(stream.fileno(), int(places[row]), int(rooms[row]))
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror or error})") from error
    bad |= facts["content"] < 0
    if bad.any():
        raise InputError(
            f"{file}, record {keys[bad.argmax()]}: damaged, cut short or not where its .idx says, as are "
            f"{bad.sum()} of its {len(keys)} records"
        )
    return facts


def _heads(descriptor: int, places: Rows) -> NDArray[np.void]:
    width = HEAD.itemsize
    # A read each, in the file's order: pictures of 10 KB make a whole pass a hundred times as much.
    parts = [os.pread(descriptor, width, place).ljust(width, b"\0") for place in places.tolist()]
    return np.frombuffer(b"".join(parts), HEAD)


def _of_one_part(heads: NDArray[np.void]) -> NDArray[np.void]:
    count = heads["count"].astype(np.int64)
    length = (heads["word"] & MOST).astype(np.int64)
    facts = np.empty(len(heads), FACTS)
    facts["kind"] = heads["word"] >> LENGTH_BITS
    facts["length"] = PART.size + length
    facts["content"] = length - HEADER.size - 4 * count
    with np.errstate(invalid="ignore"):  # labels that are no numbers are refused by their value
        facts["first"] = np.where(count > 0, heads["first"], heads["label"])
        facts["second"] = np.where(count > 1, heads["second"], np.nan)
    return facts


def _of_parts(descriptor: int, place: int, room: int) -> tuple[int, int, int, float, float]:
    """The facts of a record of several parts; of one that is damaged, no content at all."""
    try:
        payload, length = record_of(os.pread(descriptor, min(room, 2 * MOST), place))
        labels, content = unpack(payload)
    except InputError:
        return FIRST, 0, -1, math.nan, math.nan
    first, second = (*labels, math.nan)[:2]
    return FIRST, length, len(content), first, second


def _require_classes(file: Path, listing: Listing) -> None:
    """InputError where insightface's `property` says fewer classes than there are."""
    if not file.is_file():
        return
    first = read_bounded(file, PROPERTY_BYTES).split(b",")[0].strip()
    if not first.isdigit() or len(first) > 9:
        raise InputError(f"{file}: `classes,height,width` is wanted; correct the file, or remove it")
    highest = int(listing.people[-1])
    if highest >= int(first):
        raise InputError(f"{file}: it says {int(first)} classes, and there are labels up to {highest}")
