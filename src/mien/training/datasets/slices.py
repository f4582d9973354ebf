"""Pictures that are pieces of large files: read at any place, by any worker, without unpacking anything."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError
from mien.training.datasets.dataset import Labels, Rows
from mien.training.datasets.words import Words

MOST_OPEN = 64  # descriptors are few (often 1024 a process), and sets of shards may be many


class OpenFiles:
    """Files read at any place. Opened when first read, in each process anew; safe from several threads."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = tuple(paths)
        self._open: dict[int, int] = {}

    def __reduce__(self) -> tuple[type[OpenFiles], tuple[tuple[str, ...]]]:
        """Descriptors stay behind: they mean nothing in another process."""
        return OpenFiles, (self.paths,)

    def __del__(self) -> None:
        for descriptor in getattr(self, "_open", {}).values():
            with suppress(OSError):
                os.close(descriptor)

    def read(self, which: int, offset: int, length: int) -> bytes:
        """So many bytes of a file from a place on. InputError where it lacks them or cannot be read."""
        try:
            data = self._read(which, offset, length)
        except (OSError, OverflowError, ValueError) as error:
            raise InputError(f"{self.paths[which]}: cannot be read ({error})") from error
        if len(data) != length:
            raise InputError(
                f"{self.paths[which]}: ends within the {length} bytes at {offset}: it was cut short or changed"
            )
        return data

    def _read(self, which: int, offset: int, length: int) -> bytes:
        known = self._open.get(which)
        if known is not None:
            return os.pread(known, length, offset)
        descriptor = os.open(self.paths[which], os.O_RDONLY)
        try:
            data = os.pread(descriptor, length, offset)
        except BaseException:
            os.close(descriptor)
            raise
        # None is ever closed while another thread may read it: those beyond the bound are opened each time.
        few = len(self._open) < MOST_OPEN
        if not few or self._open.setdefault(which, descriptor) != descriptor:
            os.close(descriptor)
        return data


@dataclass(frozen=True, slots=True, eq=False)
class Slices:
    """Piece i is lengths[i] bytes at offsets[i] of file number which[i]."""

    files: OpenFiles
    which: Labels
    offsets: Rows
    lengths: Rows
    names: Words

    def encoded(self, row: int) -> bytes:
        """The piece's bytes. InputError where the file no longer has them."""
        return self.files.read(int(self.which[row]), int(self.offsets[row]), int(self.lengths[row]))

    def taken(self, rows: Rows) -> Slices:
        """These pieces, of the same files."""
        columns = (self.which[rows], self.offsets[rows], self.lengths[rows])
        return Slices(self.files, *columns, self.names.taken(rows))


def require_inside(which: Labels, offsets: Rows, lengths: Rows, sizes: NDArray[np.int64]) -> None:
    """InputError unless every piece lies within its file."""
    if len({len(which), len(offsets), len(lengths)}) != 1:
        raise InputError("pieces: as many files, places and lengths are wanted")
    if not ((which >= 0) & (which < len(sizes))).all():
        raise InputError(f"pieces: of {len(sizes)} files are wanted")
    room = sizes[which]
    # Subtracted, since a sum of two hostile numbers may wrap round.
    if not ((offsets >= 0) & (offsets <= room) & (lengths >= 0) & (lengths <= room - offsets)).all():
        raise InputError("pieces: one lies outside its file")
