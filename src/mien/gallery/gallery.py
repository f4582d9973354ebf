"""The gallery: people enrolled, found, grouped and forgotten."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, Self

from mien.bundle.calibration import DEFAULT_FMR, Calibration
from mien.bundle.search import DEFAULT_FPIR
from mien.errors import StoreError, UnknownPersonError
from mien.gallery import enrol, forget, identify, log, migrate, register, rekey, reviews
from mien.gallery.answers import Consent, Enrolment, Match, Person, Receipt, Review
from mien.gallery.backup import backup
from mien.gallery.desk import Desk
from mien.gallery.in_database import InDatabase
from mien.gallery.index import open_index
from mien.gallery.log import AuditLog
from mien.gallery.protection.signing import Signer
from mien.gallery.roster import Roster
from mien.gallery.search import Searcher
from mien.gallery.store import audit, faces, settings
from mien.gallery.store.store import Store
from mien.gallery.vault import Key, Origin, Vault, create
from mien.images.picture import Source
from mien.values import Comparison, FaceChoice, Reading

Kind = Literal["auto", "exact", "float16", "int8", "int8-compact", "hnsw", "pgvector"]


class Gallery:
    """Who is known. Open one with `Gallery.open`; safe to use from several threads and processes at once."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @classmethod
    def open(
        cls,
        url: str | os.PathLike[str] = "people.db",
        *,
        key: Key = None,
        create: bool = True,
        encrypt: bool = False,
        renewable: bool = False,
        fresh: bool = False,
        calibration: Calibration | None = None,
        index: Kind = "auto",
        actor: str | None = None,
    ) -> Self:
        """The gallery in a SQLite file or in PostgreSQL (postgresql://…), made where there is none.

        key: a `MainKey` or a passphrase, where it is protected; else what the environment names. encrypt,
        renewable: how a new gallery is protected. fresh: it must be a new one. calibration: what decisions
        stand on; else the one that comes with the bundle, where that is a starter. index: how people are
        searched for (docs/gallery.md). actor: who the audit log says it was; else the system's user.

        Raises StoreError where the database cannot be opened, KeyingError without the right key.
        """
        store = Store.open(os.fspath(url), create=create)
        try:
            vault = _vault(store, key, make=create, fresh=fresh, encrypt=encrypt, renewable=renewable)
            signer = Signer.of_gallery(vault.uid)
            searcher = _searcher(index, store, vault)
            trail = AuditLog(store, vault.uid, signer, actor)
            return cls(Desk(store, vault, key, searcher, trail, signer, calibration))
        except BaseException:
            store.close()
            raise

    def close(self) -> None:
        """Write what waits for the audit log, and let go of the database."""
        try:
            self._desk.log.close()
        finally:
            self._desk.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def enroll(
        self,
        name: str,
        reading: Reading,
        *,
        face: FaceChoice = "only",
        reference: str | None = None,
        consent: Consent | None = None,
        allow: Iterable[str] = (),
        picture: Source | None = None,
    ) -> Enrolment:
        """Take one face of a picture in, as a new person or as one more template of whoever is called so.

        reference: the person's number in your own books. consent: for a new person, or to replace the one on
        record. allow: reasons of the gate to let pass by name (`mien.gallery.enrol.GATE`). picture: the picture
        itself, of which a crop is kept where the consent says so.

        Raises EnrolmentError with every reason against it, OriginError for another model's vectors.
        """
        who = enrol.newcomer(
            name, reading, face=face, reference=reference, consent=consent, allow=allow, picture=picture
        )
        return enrol.enrol(self._desk, who)

    def identify(
        self, reading: Reading, *, fpir: float = DEFAULT_FPIR, top: int = 0, queue: bool = False
    ) -> list[Match]:
        """Who the faces of a picture are: *known*, to *review*, or *unknown*; one match a face, in order.

        fpir: how often somebody who is not in the gallery may be taken for somebody who is. top: so many
        candidates are named with each face. queue: keep what is to be reviewed for `reviews`. A person is one
        face of a picture at most. OriginError for another model's vectors.
        """
        return identify.identify(self._desk, reading, identify.Search(fpir, top, queue))

    def verify(self, who: str, reading: Reading, *, fmr: float = DEFAULT_FMR) -> Comparison:
        """Whether the one face of a reading is this person: 1:1, at a false-match rate."""
        return identify.verify(self._desk, who, reading, fmr)

    def people(self) -> list[Person]:
        """Everybody, oldest first."""
        return register.listed(self._desk)

    def person(self, who: str) -> Person:
        """The person with this id, name or reference. UnknownPersonError."""
        return register.one(self._desk, who)

    def __contains__(self, who: str) -> bool:
        try:
            self.person(who)
        except UnknownPersonError:
            return False
        return True

    def __len__(self) -> int:
        with self._desk.read() as connection:
            return faces.counts(connection)["people"]

    def holds(self, name: str, sha256: str) -> bool:
        """Whether a picture, by the SHA-256 of its bytes, is enrolled as this person already."""
        return register.holds(self._desk, name, sha256)

    def templates(self, who: str) -> list[dict[str, Any]]:
        """What is held of a person, template by template, without the vectors."""
        return register.held(self._desk, who)

    def rename(self, who: str, name: str) -> Person:
        """The same person under another name."""
        return register.rename(self._desk, who, name)

    def merge(self, into: str, other: str) -> Person:
        """Two entries that are one person become one; `into` stays."""
        return register.merge(self._desk, into, other)

    def split(self, who: str, templates: Iterable[int], name: str) -> Person:
        """One entry that is two people: these templates, by number, become a new person's."""
        return register.split(self._desk, who, templates, name)

    def export(self, who: str) -> dict[str, Any]:
        """Everything the gallery holds of a person, as JSON has it."""
        return register.export(self._desk, who)

    def mark(self, who: str, reading: Reading) -> None:
        """The one face of a reading is not this person, however alike; searches hold to it."""
        reviews.mark(self._desk, who, reading)

    def reviews(self) -> list[Review]:
        """Faces that wait for somebody to say whether they are that person."""
        return reviews.waiting(self._desk)

    def confirm(self, number: int) -> None:
        """A face of the queue is that person: one more template."""
        reviews.confirm(self._desk, number)

    def reject(self, number: int) -> None:
        """A face of the queue is not that person: a mark."""
        reviews.reject(self._desk, number)

    def forget(self, who: str) -> Receipt:
        """Remove all of a person from every table and file; a signed receipt of what was done."""
        return forget.forget(self._desk, [who])[0]

    def forget_all(self, whom: Sequence[str]) -> list[Receipt]:
        """`forget` for several people, in one go: all of them, or none where one is unknown."""
        return forget.forget(self._desk, whom) if whom else []

    def purge(self, today: datetime.date | None = None) -> list[Receipt]:
        """Forget everybody whose last day has passed; complete erasures that wait."""
        return forget.purge(self._desk, today or datetime.datetime.now(datetime.UTC).date())

    def receipts(self) -> list[Receipt]:
        """Receipts of everybody who was forgotten."""
        return forget.receipts(self._desk)

    def rotate(self, new: Key = None) -> Iterator[int]:
        """Seal everything with a new data key, under a new main key where one is given; see `rekey.rotate`."""
        return rekey.rotate(self._desk, new)

    def renew(self, key: Key = None) -> int:
        """Issue new templates without photographs; the old ones match nothing any more. key: its first, if
        so.
        """
        return rekey.renew(self._desk, key)

    def migrate(self, embed: migrate.Embed, origin: Origin) -> migrate.Migration:
        """Another model's templates from kept crops; names, ids and marks stay."""
        return migrate.migrate(self._desk, embed, origin)

    def backup(self, path: str | os.PathLike[str]) -> dict[str, int]:
        """All of the gallery in one new file; see `mien.gallery.backup.restore`."""
        self._desk.log.flush()
        return backup(self._desk.store, path)

    def check_log(self, signed_by: Iterable[str] = ()) -> list[str]:
        """What is wrong with the audit log; empty where every chain is whole and signed by this machine's key.

        signed_by: keys of other machines that write to this gallery, as their `info` shows them.
        """
        self._desk.log.flush()
        with self._desk.store.read() as connection:
            trusted = {self._desk.signer.public_text, *signed_by}
            return log.check(self._desk.vault.uid, audit.rows(connection), audit.heads(connection), trusted)

    def log_state(self) -> dict[str, Any]:
        """How many chains and rows the log has, and one digest over all its heads, to be kept elsewhere."""
        self._desk.log.flush()
        with self._desk.store.read() as connection:
            return log.state(audit.heads(connection))

    def rows(self) -> int:
        """How many rows hold something of people."""
        with self._desk.read() as connection:
            return sum(faces.counts(connection).values())

    def log(self, most: int = 50) -> Sequence[dict[str, Any]]:
        """The newest rows of the audit log."""
        self._desk.log.flush()
        with self._desk.store.read() as connection:
            return [log.shown(row) for row in audit.latest(connection, most)]

    def info(self) -> dict[str, Any]:
        """What the gallery is: its model, its protection, how much it holds."""
        desk = self._desk
        with desk.read() as connection:
            held, row = faces.counts(connection), settings.read(connection)
        vault, origin = desk.vault, desk.vault.origin
        return {
            "place": desk.store.where,
            "id": vault.uid,
            "created": row.created if row else "",
            "bundle": origin.bundle if origin else None,
            "aligner": origin.aligner if origin else None,
            "dimension": origin.dimension if origin else None,
            "calibrated": desk.calibration is not None,
            "encrypted": vault.encrypted,
            "renewable": vault.renewable,
            "signed_by": desk.signer.public_text,
            **held,
        }


def _searcher(index: Kind, store: Store, vault: Vault) -> Searcher:
    """In memory, kept as the database has it, or inside the database itself."""
    if index == "pgvector":
        return InDatabase.open(store, vault)
    return Roster(lambda size, people: open_index(index, size, people=people), vault)


def _vault(store: Store, key: Key, *, make: bool, fresh: bool, encrypt: bool, renewable: bool) -> Vault:
    """The gallery's own, made where there is none and `make`. StoreError where it is not as it is wanted."""
    with store.read() as connection:
        vault = Vault.open(connection, key)
    made = False
    if vault is None:
        if not make:
            raise StoreError(f"{store.where}: no gallery is in this database; `mien enroll` makes one")
        with store.write() as connection:
            vault = Vault.open(connection, key)  # another process may have been quicker
            if vault is None:
                vault, made = create(connection, key, encrypt=encrypt, renewable=renewable), True
    other = (encrypt and not vault.encrypted) or (renewable and not vault.renewable)
    if (fresh and not made) or other:
        raise StoreError(
            f"{store.where}: a gallery is there already; `mien gallery rotate` and `renew` protect it"
        )
    return vault
