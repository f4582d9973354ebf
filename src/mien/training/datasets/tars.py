"""Where a tar's files lie within it, from its headers alone (POSIX ustar and pax, GNU's long names).

Not Python's tarfile: that of 3.11 may be led round in circles by a header (CVE-2025-8194), and is slower by
far, which counts where there are millions of files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mien.errors import InputError

BLOCK = 512
PLAIN_FILES = b"07\0"
WITHOUT_DATA = b"123456"  # links, devices, folders: their size is no length
LONG_NAME, PAX = b"L", b"x"
SPARSE = b"S"
NOTES = 1 << 20  # bytes of a long name or of pax notes


class Member(NamedTuple):
    """A file in a tar: its name, and where its bytes begin and how many they are. head: the first of them."""

    name: str
    offset: int
    size: int
    head: bytes


class _Header(NamedTuple):
    kind: bytes
    name: str
    size: int


def members(file: Path) -> Iterator[Member]:
    """The plain files of a tar, in their order. InputError where it is damaged, cut short, or no tar."""
    try:
        with file.open("rb", buffering=0) as stream:
            yield from _members(stream.fileno(), os.fstat(stream.fileno()).st_size)
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror or error})") from error
    except (ValueError, OverflowError) as error:  # what numbers and names raise that are none
        raise InputError(f"{file}: no tar, or a damaged one ({error})") from error


def _members(descriptor: int, end: int) -> Iterator[Member]:
    place, notes = 0, dict[str, str]()
    while place < end:
        data = os.pread(descriptor, 2 * BLOCK, place)  # with the beginning of what follows
        if not data.strip(b"\0"):
            return
        header = _header(data[:BLOCK])
        size = int(notes.get("size", header.size)) if header.kind in PLAIN_FILES else header.size
        start = place + BLOCK
        if not 0 <= size <= end - start:
            raise ValueError(f"the file at {place} is cut short")
        if header.kind in (LONG_NAME, PAX):
            notes |= _notes(header.kind, _read(descriptor, start, size))
        else:
            if header.kind in PLAIN_FILES:
                name = notes.get("path", header.name)
                yield Member(name, start, size, data[BLOCK : BLOCK + min(size, BLOCK)])
            notes = {}
        place = start + size + -size % BLOCK


def _header(block: bytes) -> _Header:
    # The sum is taken with eight spaces where it is itself written.
    if len(block) < BLOCK or _number(block[148:156]) != sum(block) - sum(block[148:156]) + 8 * ord(" "):
        raise ValueError("a header's sum is wrong")
    kind = block[156:157]
    if kind == SPARSE:
        raise ValueError("files with holes are not read")
    name = _text(block[:100])
    if block[257:263] == b"ustar\0" and block[345]:
        name = f"{_text(block[345:500])}/{name}"
    return _Header(kind, name, 0 if kind in WITHOUT_DATA else _number(block[124:136]))


def _number(field: bytes) -> int:
    """Octal digits; or, as GNU writes large ones, a bit and the number itself."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if digits.strip(b"01234567"):
        raise ValueError(f"{field!r} is no number")
    return int(digits or b"0", 8)


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _read(descriptor: int, start: int, size: int) -> bytes:
    if size > NOTES:
        raise ValueError(f"a name or notes of {size} bytes")
    return os.pread(descriptor, size, start)


def _notes(kind: bytes, data: bytes) -> dict[str, str]:
    """What stands before a file about it: its long name, or lines `length key=value`."""
    if kind == LONG_NAME:
        return {"path": _text(data)}
    notes = dict[str, str]()
    while data:
        length = int(data.split(b" ", 1)[0])
        line, data = data[:length], data[length:]
        key, found, value = line.partition(b" ")[2].partition(b"=")
        if length < 5 or len(line) < length or not found or not value.endswith(b"\n"):
            raise ValueError("damaged notes before a file")
        notes[_text(key)] = _text(value[:-1])
    if any(key.startswith("GNU.sparse") for key in notes):
        raise ValueError("files with holes are not read")
    return notes
