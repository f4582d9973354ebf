"""Who can be found: every person's fused vector in an index in memory, kept as the database has it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mien.fusion import mean_vectors
from mien.gallery.index import Found, Index
from mien.gallery.store import faces, people
from mien.gallery.store.schema import marks, templates
from mien.gallery.store.store import Connection
from mien.gallery.vault import Vault
from mien.values import Floats

Numbers = NDArray[np.int64]
MOST_SINGLY = 0.5  # of the people; when more changed, everything is read anew
PUT = 50_000  # people that enter the index at a time


@dataclass(slots=True)
class Roster:
    """The people of a gallery as far as searches need them. Safe for many searches at once.

    build makes an empty index for vectors of a dimension, of so many people.
    """

    build: Callable[[int, int], Index]
    vault: Vault
    index: Index | None = None
    seen: int = 0
    counts: dict[int, int] = field(default_factory=dict)
    marks: dict[int, Floats] = field(default_factory=dict)
    places: dict[int, list[tuple[str, str]]] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def refresh(self, connection: Connection, vault: Vault) -> None:
        """Take in what changed since the last time, as this view of the database has it."""
        with self._lock:
            newest = faces.newest_change(connection)
            moved = (vault.origin, vault.transform) != (self.vault.origin, self.vault.transform)
            self.vault = vault
            if vault.origin is None or (newest == self.seen and self.index is not None and not moved):
                return
            everything = moved or self.index is None
            changed = [] if everything else faces.changed_since(connection, self.seen)
            everything |= len(changed) > MOST_SINGLY * len(self.counts)
            self._read(connection, None if everything else changed)
            self.seen = newest

    def size(self, connection: Connection) -> int:
        """How many people can be found."""
        return len(self.counts)

    def search(self, connection: Connection, probes: Floats, most: int) -> Found:
        """The people most like each probe (q,d), which is turned as the gallery's vectors are: at most
        `most`.
        """
        if self.index is None or not self.counts:
            return Found(np.empty((len(probes), 0), np.int64), np.empty((len(probes), 0), np.float32))
        return self.index.search(probes, min(most, len(self.counts)))

    def templates_of(self, connection: Connection, numbers: Numbers) -> Numbers:
        """How many templates each of these people has."""
        return np.array([self.counts.get(int(number), 0) for number in numbers], np.int64)

    def marks_of(self, connection: Connection, numbers: Iterable[int]) -> dict[int, Floats]:
        """Vectors of faces that are not the person, by person, of those of these people who have any."""
        return {number: self.marks[number] for number in numbers if number in self.marks}

    def _read(self, connection: Connection, numbers: list[int] | None) -> None:
        origin = self.vault.origin
        if origin is None:
            return
        if numbers is None or self.index is None:
            self.index, numbers = self.build(origin.dimension, people.count(connection)), None
            self.counts, self.marks, self.places = {}, {}, {}
        left = set(numbers or ())
        for owners, vectors, starts in self._persons(connection, numbers):
            self.index.put(owners, mean_vectors(vectors, starts))
            ends = np.append(starts[1:], len(vectors))
            self.counts.update(zip(owners.tolist(), (ends - starts).tolist(), strict=True))
            left.difference_update(owners.tolist())
        self._drop(left)
        self._read_marks(connection, numbers)

    def places_of(self, connection: Connection, numbers: Iterable[int]) -> dict[int, list[tuple[str, str]]]:
        """Pictures (SHA-256) and boxes of faces that are not the person, whatever model saw them."""
        return {number: self.places[number] for number in numbers if number in self.places}

    def _persons(
        self, connection: Connection, numbers: list[int] | None
    ) -> Iterable[tuple[Numbers, Floats, NDArray[np.intp]]]:
        """People, their templates' vectors, and where each person's begin: many people at a time."""
        held: list[tuple[Numbers, Floats]] = []
        size = 0
        for some in faces.vectors(connection, templates, self._digests(), numbers):
            if not some:
                continue
            held.append(
                (np.array([row.person for row in some], np.int64), self.vault.vectors("templates.vector", some))
            )
            size += len(some)
            if size >= PUT:
                held, whole = _cut(held)
                size = sum(len(owners) for owners, _ in held)
                yield from whole
        owners, vectors = _joined(held)
        if len(owners):
            yield _persons(owners, vectors)

    def _read_marks(self, connection: Connection, numbers: list[int] | None) -> None:
        for number in numbers or ():
            self.marks.pop(number, None)
            self.places.pop(number, None)
        for row in faces.marked_places(connection, numbers):
            self.places.setdefault(row.person, []).append((row.picture, row.box))
        for some in faces.vectors(connection, marks, self._digests(), numbers):
            vectors = self.vault.vectors("marks.vector", some) if some else ()
            for row, vector in zip(some, vectors, strict=True):
                before = self.marks.get(row.person)
                self.marks[row.person] = vector[None] if before is None else np.vstack([before, vector])

    def _drop(self, numbers: set[int]) -> None:
        if numbers and self.index is not None:
            self.index.remove(np.array(sorted(numbers), np.int64))
        for number in numbers:
            self.counts.pop(number, None)
            self.marks.pop(number, None)
            self.places.pop(number, None)

    def _digests(self) -> tuple[str, str]:
        return self.vault.origin.digests if self.vault.origin else ("", "")


def _persons(owners: Numbers, vectors: Floats) -> tuple[Numbers, Floats, NDArray[np.intp]]:
    persons, starts = np.unique(owners, return_index=True)
    return persons, vectors, starts


def _joined(parts: list[tuple[Numbers, Floats]]) -> tuple[Numbers, Floats]:
    if not parts:
        return np.empty(0, np.int64), np.empty((0, 0), np.float32)
    return np.concatenate([owners for owners, _ in parts]), np.concatenate([vectors for _, vectors in parts])


def _cut(
    parts: list[tuple[Numbers, Floats]],
) -> tuple[list[tuple[Numbers, Floats]], list[tuple[Numbers, Floats, NDArray[np.intp]]]]:
    """The parts with the last person held back, who may go on in the next rows, and everybody before."""
    owners, vectors = _joined(parts)
    last = int(np.searchsorted(owners, owners[-1]))
    before = [_persons(owners[:last], vectors[:last])] if last else []
    return [(owners[last:], vectors[last:])], before
