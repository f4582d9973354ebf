"""What every part of a gallery works with: its database, its vault, its searcher, its log, its calibration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from mien.bundle.calibration import Calibration
from mien.bundle.catalog import find_calibration
from mien.bundle.search import OperatingPoint, operating_point
from mien.errors import StoreError, UnknownPersonError
from mien.gallery.answers import Consent, Person
from mien.gallery.log import AuditLog, Change
from mien.gallery.protection.signing import Signer
from mien.gallery.search import Searcher
from mien.gallery.store import people, settings
from mien.gallery.store.store import Connection, Row, Store
from mien.gallery.vault import Key, Vault

POINTS = 64  # operating points kept


@dataclass(slots=True)
class Desk:
    """An opened gallery. given: the calibration its user handed over, which counts where it fits."""

    store: Store
    vault: Vault
    key: Key = field(repr=False)
    searcher: Searcher
    log: AuditLog
    signer: Signer
    given: Calibration | None = None
    _searched: bool = False
    _found: Calibration | None = None
    _points: dict[tuple[int, float], OperatingPoint] = field(default_factory=dict)
    _points_of: Calibration | None = None

    @contextmanager
    def read(self, *, searching: bool = False) -> Iterator[Connection]:
        """One view of the database, with everything in memory brought up to it. searching: people are looked
        for.
        """
        with self.store.read() as connection:
            self._refresh(connection, searching=searching)
            yield connection

    @contextmanager
    def change(self, *, searching: bool = False) -> Iterator[Change]:
        """A transaction as the only writer, with everything in memory brought up to where it starts."""
        with self.log.change() as change:
            self._refresh(change.connection, searching=searching)
            yield change

    def _refresh(self, connection: Connection, *, searching: bool) -> None:
        """Take in what other processes did to keys, vectors and people.

        Nobody's vector is read before somebody is looked for; from then on all are kept as the database has
        them.
        """
        row = settings.read(connection)
        if row is None or row.uid != self.vault.uid:
            raise StoreError(f"{self.store.where}: another gallery stands here now; open it again")
        origin = self.vault.origin
        numbers = (self.vault.data_key, self.vault.transform, self.vault.incarnation)
        mine = (*numbers, *(origin.digests if origin else ("", "")))
        if mine != (row.data_key, row.transform, row.incarnation, row.bundle, row.aligner):
            self.vault = Vault.open(connection, self.key) or self.vault
        self._searched |= searching
        if self._searched:
            self.searcher.refresh(connection, self.vault)

    @property
    def calibration(self) -> Calibration | None:
        """Of the gallery's bundle over its aligner: the one given, else one that comes with a known bundle."""
        origin = self.vault.origin
        for known in (self.given, self._found):
            if origin and known and (known.bundle, known.aligner) == origin.digests:
                return known
        self._found = find_calibration(*origin.digests) if origin else None
        return self._found

    def point(self, people: int, fpir: float) -> OperatingPoint | None:
        """The operating point of a gallery of so many people; None when uncalibrated, or without anybody."""
        calibration = self.calibration
        if calibration is None or not people:
            return None
        if self._points_of is not calibration or len(self._points) >= POINTS:
            self._points, self._points_of = {}, calibration
        kept, asked = self._points, (people, fpir)
        found = kept.get(asked)
        if found is None:  # it takes a millisecond to work out
            found = kept[asked] = operating_point(calibration, people, fpir)
        return found

    def find(self, connection: Connection, who: str) -> Row[Any] | None:
        """The row of the person with this id, name or outside reference."""
        found = people.find(connection, "uid", [who])
        return found or self.find_name(connection, who) or self.find_reference(connection, who)

    def find_name(self, connection: Connection, name: str) -> Row[Any] | None:
        """The row of the person who is called so."""
        return people.find(connection, "name_index", self.vault.indexes(name))

    def find_reference(self, connection: Connection, reference: str) -> Row[Any] | None:
        """The row of the person with this outside reference."""
        return people.find(connection, "reference_index", self.vault.indexes(reference))

    def require(self, connection: Connection, who: str) -> Row[Any]:
        """`find`, or UnknownPersonError."""
        found = self.find(connection, who)
        if found is None:
            raise UnknownPersonError(
                f"{who!r}: nobody in this gallery has this name, id or reference; `mien people list` shows "
                f"who is there"
            )
        return found

    def person(self, row: Row[Any]) -> Person:
        """A person as the outside sees them."""
        reference = None if row.reference is None else self.vault.value(row, "people.reference", row.uid)
        return Person(
            id=row.uid,
            name=self.name(row),
            reference=reference.decode() if reference is not None else None,
            consent=Consent(row.consent, bool(row.keep_crops), row.until),
            created=row.created,
            templates=row.templates,
        )

    def name(self, row: Row[Any]) -> str:
        """A person's name."""
        return self.vault.value(row, "people.name", row.uid).decode()
