"""Who can be found: every person's fused vector in an index in memory, kept as the database has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mien.fusion import mean_vectors
from mien.gallery.index import Found, Index
from mien.gallery.index.turns import Turns
from mien.gallery.store import faces, people
from mien.gallery.store.schema import marks, templates
from mien.gallery.store.store import Connection
from mien.gallery.vault import Vault
from mien.values import Floats

Numbers = NDArray[np.int64]
Build = Callable[[int, int], Index]  # an empty index for vectors of a dimension, of so many people
Some = tuple[Numbers, Floats, NDArray[np.intp]]  # people, their templates, and where each person's begin
MOST_SINGLY = 0.5  # of the people; when more changed, everything is read anew
PUT = 20_000  # templates that are fused at a time


@dataclass(slots=True)
class Held:
    """What is in memory of the people of a gallery, up to the change `seen`."""

    vault: Vault
    index: Index
    seen: int = 0
    counts: dict[int, int] = field(default_factory=dict)
    marks: dict[int, Floats] = field(default_factory=dict)
    places: dict[int, list[tuple[str, str]]] = field(default_factory=dict)

    @property
    def digests(self) -> tuple[str, str]:
        """Bundle and aligner of the vectors."""
        return self.vault.origin.digests if self.vault.origin else ("", "")

    def take_in(self, connection: Connection, numbers: list[int] | None) -> None:
        """Read these people, or all; who has no template any more goes."""
        left = set(numbers or ())
        for owners, vectors, starts in _people(self._templates(connection, numbers)):
            self.index.put(owners, mean_vectors(vectors, starts))
            counts = np.diff(starts, append=len(vectors))
            self.counts.update(zip(owners.tolist(), counts.tolist(), strict=True))
            left.difference_update(owners.tolist())
        if left:
            self.index.remove(np.array(sorted(left), np.int64))
        for number in left:
            self.counts.pop(number, None)
        self._take_in_marks(connection, numbers)

    def _templates(self, connection: Connection, numbers: list[int] | None) -> Iterator[tuple[Numbers, Floats]]:
        for some in faces.vectors(connection, templates, self.digests, numbers):
            if some:
                owners = np.array([row.person for row in some], np.int64)
                yield owners, self.vault.vectors("templates.vector", some)

    def _take_in_marks(self, connection: Connection, numbers: list[int] | None) -> None:
        for number in numbers or ():
            self.marks.pop(number, None)
            self.places.pop(number, None)
        for row in faces.marked_places(connection, numbers):
            self.places.setdefault(row.person, []).append((row.picture, row.box))
        for some in faces.vectors(connection, marks, self.digests, numbers):
            vectors = self.vault.vectors("marks.vector", some) if some else ()
            for row, vector in zip(some, vectors, strict=True):
                before = self.marks.get(row.person)
                self.marks[row.person] = vector[None] if before is None else np.vstack([before, vector])


@dataclass(slots=True)
class Roster:
    """The people of a gallery as far as searches need them: many search at once, or one takes in changes."""

    build: Build
    vault: Vault
    held: Held | None = None
    _turns: Turns = field(default_factory=Turns)

    def refresh(self, connection: Connection, vault: Vault) -> None:
        """Take in what changed since the last time, as this view of the database has it."""
        newest = faces.newest_change(connection)
        if vault.origin is None or self._is_of(vault, newest):
            return
        with self._turns.writing():
            if not self._is_of(vault, newest):
                self._read(connection, vault, newest)

    @contextmanager
    def steady(self) -> Iterator[Vault]:
        """Nothing in memory changes meanwhile. Gives the vault of what is there. Not to be nested."""
        with self._turns.reading():
            yield self.held.vault if self.held else self.vault

    def size(self, connection: Connection) -> int:
        """How many people can be found."""
        return len(self.held.counts) if self.held else 0

    def search(self, connection: Connection, probes: Floats, most: int) -> Found:
        """The people most like each probe (q,d), turned as the gallery's vectors are: at most `most`."""
        held = self.held
        if held is None or not held.counts:
            return Found(np.empty((len(probes), 0), np.int64), np.empty((len(probes), 0), np.float32))
        return held.index.search(probes, min(most, len(held.counts)))

    def templates_of(self, connection: Connection, numbers: Numbers) -> Numbers:
        """How many templates each of these people has."""
        counts = self.held.counts if self.held else {}
        return np.array([counts.get(int(number), 0) for number in numbers], np.int64)

    def marks_of(self, connection: Connection, numbers: Iterable[int]) -> dict[int, Floats]:
        """Vectors of faces that are not the person, by person, of those of these people who have any."""
        known = self.held.marks if self.held else {}
        return {number: known[number] for number in numbers if number in known}

    def places_of(self, connection: Connection, numbers: Iterable[int]) -> dict[int, list[tuple[str, str]]]:
        """Pictures (SHA-256) and boxes of faces that are not the person, whatever model saw them."""
        known = self.held.places if self.held else {}
        return {number: known[number] for number in numbers if number in known}

    def _is_of(self, vault: Vault, newest: int) -> bool:
        """Whether memory is as new as a view with this vault and newest change, or newer."""
        held = self.held
        return held is not None and held.seen >= newest and _same(held.vault, vault)

    def _read(self, connection: Connection, vault: Vault, newest: int) -> None:
        held = self.held
        changed: list[int] | None = None
        if held is not None and _same(held.vault, vault) and held.seen <= newest:
            changed = faces.changed_since(connection, held.seen)
        if held is None or changed is None or len(changed) > MOST_SINGLY * len(held.counts):
            dimension = vault.origin.dimension if vault.origin else 0
            held, changed = Held(vault, self.build(dimension, people.count(connection))), None
        held.vault = vault  # which may hold another data key
        held.take_in(connection, changed)
        held.seen = newest
        self.held = held  # only what was read to its end


def _same(a: Vault, b: Vault) -> bool:
    """Whether vectors of one compare with those of the other."""
    return (a.origin, a.transform, a.incarnation) == (b.origin, b.transform, b.incarnation)


def _people(parts: Iterable[tuple[Numbers, Floats]]) -> Iterator[Some]:
    """People with all their templates: parts come by rising person, and one may go on in the next."""
    held: list[tuple[Numbers, Floats]] = []
    for part in parts:
        held.append(part)
        if sum(len(owners) for owners, _ in held) >= PUT:
            owners, vectors = _joined(held)
            last = int(np.searchsorted(owners, owners[-1]))
            if last:
                yield _each(owners[:last], vectors[:last])
            held = [(owners[last:], vectors[last:])]
    if held:
        yield _each(*_joined(held))


def _joined(parts: list[tuple[Numbers, Floats]]) -> tuple[Numbers, Floats]:
    return np.concatenate([owners for owners, _ in parts]), np.concatenate([vectors for _, vectors in parts])


def _each(owners: Numbers, vectors: Floats) -> Some:
    persons, starts = np.unique(owners, return_index=True)
    return persons, vectors, starts
