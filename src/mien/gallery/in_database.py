"""Who can be found, asked of the database: PostgreSQL's extension pgvector holds the fused vectors.

Answers are those of the index in memory: the database names candidates, and their cosines are taken here, in
the same arithmetic. Every search is answered as its own view of the database has it. Whoever changed since
their vector was last made is compared from their templates; those vectors are made anew by the next change,
or, where many wait, by the next search.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from mien.errors import GalleryError, StoreError
from mien.fusion import mean_vectors
from mien.gallery.index import Found
from mien.gallery.index.found import best
from mien.gallery.roster import Numbers
from mien.gallery.store import faces, pgvector, settings
from mien.gallery.store.schema import marks, templates
from mien.gallery.store.store import Connection, Store
from mien.gallery.vault import Vault
from mien.values import Floats

FEW = 64  # people who wait, up to whom a search compares them itself
# Numbers in all means together from which a graph of neighbours is quicker than looking at everybody, which
# misses nobody: 78,000 people of 128 numbers each, 20,000 of 512 (benchmarks/gallery_pgvector.py).
INDEXED = 10_000_000
ENCRYPTED = (
    "index 'pgvector': the database would hold vectors that are not encrypted, and this gallery is; search in "
    "memory with index='auto'. What protects vectors in the database is a renewable gallery without encryption"
)
TOO_LONG = f"index 'pgvector' takes vectors of up to {pgvector.LONGEST:,} numbers; use index='auto'"


@dataclass(slots=True)
class InDatabase:
    """The people of a gallery, searched inside PostgreSQL. Safe for many searches at once."""

    store: Store
    vault: Vault
    _counted: tuple[tuple[int, tuple[str, str]], int] = ((-1, ("", "")), 0)
    _catching_up: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def open(cls, store: Store, vault: Vault) -> Self:
        """Make ready what searches need; the first time, that takes a while.

        StoreError where the database is not PostgreSQL with pgvector, GalleryError where the gallery is
        encrypted, or its vectors are too long.
        """
        if store.dialect.name != "postgresql":
            raise StoreError(
                f"{store.where}: index 'pgvector' is for galleries in PostgreSQL; use index='auto'"
            )
        _require_fit(vault)
        with store.write() as connection:
            pgvector.prepare(connection)
            _take_in(connection, vault)
        return cls(store, vault)

    def refresh(self, connection: Connection, vault: Vault) -> None:
        """Take in what changed; where this is no transaction of a writer, only if much did."""
        self.vault = vault
        # A rotation that encrypts the gallery goes on to its end; it is searching that is refused from then on.
        if vault.origin is None or _unfit(vault):
            return
        waiting = len(pgvector.waiting(connection))
        if waiting and pgvector.only_writer(connection):
            _take_in(connection, vault)
        elif waiting > FEW:
            self._catch_up(vault)

    @contextmanager
    def steady(self) -> Iterator[Vault]:
        """Every search sees the state of its own transaction; nothing has to be held."""
        yield self.vault

    def size(self, connection: Connection) -> int:
        """How many people can be found."""
        state = faces.newest_change(connection), _digests(self.vault)
        counted, size = self._counted
        if counted != state:
            size = pgvector.size(connection, state[1])
            self._counted = state, size
        return size

    def search(self, connection: Connection, probes: Floats, most: int) -> Found:
        """The people most like each probe (q,d), which is turned as the gallery's vectors are: at most
        `most`.
        """
        _require_fit(self.vault)
        most = min(most, self.size(connection))
        if not len(probes) or not most:
            return Found(np.empty((len(probes), most), np.int64), np.empty((len(probes), most), np.float32))
        parts = [pgvector.nearest(connection, probes, most)]
        for people, means in _means(connection, self.vault, pgvector.waiting(connection)):
            every = np.indices((len(probes), len(people))).reshape(2, -1)
            parts.append((every[0], people[every[1]], means[every[1]]))
        owners, keys, vectors = (np.concatenate(each) for each in zip(*parts, strict=True))
        # Summed as the index in memory sums (`Flat`), so that scores are the same to the last bit.
        cosines = np.clip(np.einsum("ij,ij->i", vectors, probes[owners]), -1, 1)
        return best(owners, keys, cosines, len(probes), most)

    def templates_of(self, connection: Connection, numbers: Numbers) -> Numbers:
        """How many templates each of these people has."""
        held = pgvector.template_counts(connection, _digests(self.vault), numbers.tolist())
        return np.array([held.get(int(number), 0) for number in numbers], np.int64)

    def marks_of(self, connection: Connection, numbers: Sequence[int]) -> dict[int, Floats]:
        """Vectors of faces that are not the person, by person, of those of these people who have any."""
        found: dict[int, Floats] = {}
        for rows in faces.vectors(connection, marks, _digests(self.vault), numbers):
            vectors = self.vault.vectors("marks.vector", rows) if rows else ()
            for row, vector in zip(rows, vectors, strict=True):
                found[row.person] = np.vstack([*found.get(row.person, ()), vector])
        return found

    def places_of(self, connection: Connection, numbers: Sequence[int]) -> dict[int, list[tuple[str, str]]]:
        """Pictures (SHA-256) and boxes of faces that are not the person, whatever model saw them."""
        found: dict[int, list[tuple[str, str]]] = {}
        for row in faces.marked_places(connection, numbers):
            found.setdefault(row.person, []).append((row.picture, row.box))
        return found

    def _catch_up(self, vault: Vault) -> None:
        """Make the vectors of who waits in a transaction of its own, unless somebody else writes just now."""
        if not self._catching_up.acquire(blocking=False):
            return
        try:
            # What holds it up is left for the next time: this search is right without it.
            with suppress(StoreError), self.store.write(ordered=False) as connection:
                if pgvector.become_writer(connection):
                    _take_in(connection, vault)
        finally:
            self._catching_up.release()


def _unfit(vault: Vault) -> str:
    """Why this gallery is not searched in the database, if so."""
    if vault.encrypted:
        return ENCRYPTED
    return TOO_LONG if vault.origin and vault.origin.dimension > pgvector.LONGEST else ""


def _require_fit(vault: Vault) -> None:
    if why := _unfit(vault):
        raise GalleryError(why)


def _digests(vault: Vault) -> tuple[str, str]:
    return vault.origin.digests if vault.origin else ("", "")


def _take_in(connection: Connection, vault: Vault) -> None:
    """Make the vector of everybody who waits, as the only writer; and the index where it pays."""
    if vault.origin is None or not _is_of(connection, vault):
        return
    waiting = pgvector.waiting(connection)
    left = set(waiting)
    for people, means in _means(connection, vault, waiting):
        pgvector.put(connection, people.tolist(), means)
        left.difference_update(people.tolist())
    pgvector.drop(connection, sorted(left))
    if not pgvector.is_indexed(connection):
        numbers = pgvector.size(connection, vault.origin.digests) * vault.origin.dimension
        if numbers >= INDEXED:
            pgvector.build_index(connection, vault.origin.dimension)


def _is_of(connection: Connection, vault: Vault) -> bool:
    """Whether the vault is the database's of this moment, and nothing is encrypted."""
    row = settings.read(connection)
    mine = (vault.uid, *_digests(vault), vault.transform, 0)
    return row is not None and mine == (row.uid, row.bundle, row.aligner, row.transform, row.data_key)


def _means(connection: Connection, vault: Vault, numbers: Sequence[int]) -> Iterator[tuple[Numbers, Floats]]:
    """Those of these people who have templates, and the means (n,d) of theirs: many people at a time."""
    for rows in faces.vectors(connection, templates, _digests(vault), numbers):
        if rows:
            owners = np.array([row.person for row in rows], np.int64)
            people, starts = np.unique(owners, return_index=True)
            yield people, mean_vectors(vault.vectors("templates.vector", rows), starts)
