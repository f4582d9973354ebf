"""What was read of each picture, kept line by line, so that a run killed at any moment goes on where it was.

The vectors in it are biometric templates: the file is its owner's alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import msgspec

from mien.errors import InputError

FORMAT = 1
PRIVATE = 0o600


class Looked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What one picture gave.

    picture, person, stamp: as listed. sha256: of its bytes. size: (width, height). why: it has no face to use;
    then the rest is empty. faces: how many there were. reasons: to doubt the face, worst first. crop: the file
    in the store. vector: float32 numbers of the chosen face. print_: of the whole picture (`prints`).
    """

    picture: str
    person: str
    stamp: str
    sha256: str = ""
    size: tuple[int, int] = (0, 0)
    why: str = ""
    faces: int = 0
    reasons: tuple[str, ...] = ()
    quality: float = 0.0
    crop: str = ""
    vector: bytes = b""
    print_: bytes = b""


class Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first line. reading: what decides the rest (`PrepareSettings.reading`)."""

    format: int
    reading: str


class Journal:
    """The file at `path`, made where there is none. A context; one writer at a time.

    InputError where it cannot be written, or was written for another contract, bundle or choice of face.
    """

    def __init__(self, path: Path, reading: str) -> None:
        self._path = path
        self._head = Head(format=FORMAT, reading=reading)
        self.looked: dict[str, Looked] = {}
        try:
            self._file = self._open()
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error
        if not self._file.tell():
            self._write(self._head)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, looked: Looked) -> None:
        """Keep a picture's line. InputError where the disk is full."""
        self.looked[looked.picture] = looked
        self._write(looked)

    def _write(self, line: Looked | Head) -> None:
        try:
            self._file.write(msgspec.json.encode(line) + b"\n")
            self._file.flush()
        except OSError as error:
            raise InputError(f"{self._path}: cannot be written ({error.strerror or error})") from error

    def _open(self) -> BinaryIO:
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, PRIVATE)
        file = os.fdopen(handle, "r+b")
        try:
            end = self._read(file)
            # A line that was cut off goes, or the next one would be written onto it.
            file.truncate(end)
            file.seek(end)
        except BaseException:
            file.close()
            raise
        return file

    def _read(self, file: BinaryIO) -> int:
        """Take in the whole lines; where they end."""
        head = file.readline()
        if not head.endswith(b"\n"):
            return 0
        self._require_same(head)
        end = len(head)
        for line in iter(file.readline, b""):
            if not line.endswith(b"\n"):
                break
            end += len(line)
            self.looked.update((each.picture, each) for each in _decoded(line))
        return end

    def _require_same(self, line: bytes) -> None:
        try:
            head = msgspec.json.decode(line, type=Head)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise InputError(f"{self._path}: no journal of a preparation; name another place") from None
        if head != self._head:
            raise InputError(
                f"{self._path.parent.parent}: was prepared with other crops, detector, bundle or choice of "
                f"face; name another place, or remove that folder"
            )


def _decoded(line: bytes) -> Iterator[Looked]:
    """The line's picture; nothing where the disk has spoilt it, so that the picture is read again."""
    try:
        yield msgspec.json.decode(line, type=Looked)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return
