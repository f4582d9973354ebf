"""MXNet's RecordIO: how a record lies in a file, and how a label lies before a picture in it.

A record is one or more parts: the word `MAGIC`, a word with the part's kind in its three upper bits and its
length below, the bytes, and zeros up to a multiple of four. Where a payload itself holds the magic word at a
multiple of four, it is cut there and the word left out, so that a reader that lost its place finds the next
record (dmlc-core, recordio.h). A picture's payload begins with a header (mxnet.recordio.IRHeader): the number
of labels (0: the one in the header), a label, two numbers of its own; then so many labels, then the picture.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mien.errors import InputError

MAGIC = 0xCED7230A
WORD = struct.pack("<I", MAGIC)
PART = struct.Struct("<II")
HEADER = struct.Struct("<IfQQ")
WHOLE, FIRST, MIDDLE, LAST = range(4)
LENGTH_BITS = 29
MOST = (1 << LENGTH_BITS) - 1
EXACT = 1 << 24  # up to here float32, which labels are, tells whole numbers apart


class Labelled(NamedTuple):
    """A picture's record: its labels, one at least, and the bytes behind them."""

    labels: tuple[float, ...]
    content: bytes


def framed(payload: bytes) -> bytes:
    """The record of a payload. InputError where that is longer than a record can be."""
    if len(payload) > MOST:
        raise InputError(f"a record of {len(payload)} bytes; at most {MOST} can be written")
    cuts = list(_magic_places(payload))
    starts = [0, *(cut + len(WORD) for cut in cuts)]
    parts = [payload[start:end] for start, end in zip(starts, [*cuts, len(payload)], strict=True)]
    kinds = [WHOLE] if not cuts else [FIRST, *[MIDDLE] * (len(parts) - 2), LAST]
    return b"".join(
        PART.pack(MAGIC, kind << LENGTH_BITS | len(part)) + part + bytes(-len(part) % 4)
        for kind, part in zip(kinds, parts, strict=True)
    )


def _magic_places(payload: bytes) -> Iterator[int]:
    at = payload.find(WORD)
    while at >= 0:
        if at % 4 == 0:
            yield at
        at = payload.find(WORD, at + 1)


def payload_of(record: bytes) -> bytes:
    """The payload of the one record that these bytes begin with. InputError where they are none."""
    return record_of(record)[0]


def record_of(data: bytes) -> tuple[bytes, int]:
    """The payload of the record that these bytes begin with, and how many of them it takes, without padding."""
    parts: list[bytes] = []
    kind, end = FIRST, 0
    while kind in (FIRST, MIDDLE):
        kind, start, end = part_at(data, end + -end % 4)
        if (kind in (MIDDLE, LAST)) != bool(parts):
            raise InputError("its parts are out of order")
        parts.append(data[start:end])
    return WORD.join(parts), end


def part_at(data: bytes, place: int) -> tuple[int, int, int]:
    """The kind, start and end of the part at a place. InputError where there is none, or a cut one."""
    if len(data) < place + PART.size:
        raise InputError("it is cut short")
    magic, word = PART.unpack_from(data, place)
    kind, length = word >> LENGTH_BITS, word & MOST
    start = place + PART.size
    if magic != MAGIC or kind > LAST:
        raise InputError("no record begins where one is wanted")
    if length > len(data) - start:
        raise InputError("it is cut short")
    return kind, start, start + length


def pack(label: float | Sequence[float], number: int, content: bytes = b"") -> bytes:
    """A payload: one label, or several; the record's own number; the picture's bytes."""
    if isinstance(label, Sequence):
        return HEADER.pack(len(label), 0.0, number, 0) + struct.pack(f"<{len(label)}f", *label) + content
    return HEADER.pack(0, label, number, 0) + content


def unpack(payload: bytes) -> Labelled:
    """Labels and picture of a payload. InputError where it is too short for what it says of itself."""
    if len(payload) < HEADER.size:
        raise InputError(f"{len(payload)} bytes are no labelled picture")
    count, label, _, _ = HEADER.unpack_from(payload)
    start = HEADER.size + 4 * count
    if len(payload) < start:
        raise InputError(f"{len(payload)} bytes cannot hold its {count} labels")
    labels = struct.unpack_from(f"<{count}f", payload, HEADER.size) if count else (label,)
    return Labelled(labels, payload[start:])
