"""What stands between a gallery's values and its database: identity, seals, and the secret turn of its
vectors.
"""

from __future__ import annotations

import datetime
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from mien.errors import KeyingError, OriginError, StoreError
from mien.gallery.protection.keys import MainKey, key_of_environment, new_data_key, new_salt
from mien.gallery.protection.renewable import Transform
from mien.gallery.protection.sealing import AesSeal, PlainSeal, Seal
from mien.gallery.store import settings
from mien.gallery.store.store import Connection, Row
from mien.values import UNIT, Embeddings, Floats

Key = MainKey | str | None  # a key, a passphrase, or what the environment names
CHECK = b"check of the transform"
PLAIN = 0  # the number of the data key, or of the transform, that is none
NEEDED = (
    "this gallery is protected: set $MIEN_GALLERY_KEY or $MIEN_GALLERY_KEY_FILE to its key, or give its "
    "passphrase"
)


@dataclass(frozen=True, slots=True)
class Origin:
    """What made a gallery's vectors: the digests of bundle and aligner, and their length."""

    bundle: str
    aligner: str
    dimension: int

    @classmethod
    def of(cls, embeddings: Embeddings) -> Self:
        """That of some vectors."""
        return cls(embeddings.bundle, embeddings.aligner, embeddings.vectors.shape[1])

    @property
    def digests(self) -> tuple[str, str]:
        """Bundle and aligner."""
        return self.bundle, self.aligner


@dataclass(frozen=True, slots=True, eq=False)
class Vault:
    """A gallery's identity and secrets, opened.

    origin: of its vectors; None before the first. seals and turn_secrets by number; data_key and transform: the
    numbers in use.
    """

    uid: str
    origin: Origin | None
    seals: Mapping[int, Seal]
    data_key: int
    turn_secrets: Mapping[int, bytes] = field(repr=False)
    transform: int
    incarnation: str = ""
    turn: Transform | None = None

    @classmethod
    def open(cls, connection: Connection, key: Key = None) -> Self | None:
        """The vault of a database; None where no gallery was made in it yet. KeyingError without its key."""
        row = settings.read(connection)
        if row is None:
            return None
        wrapped = settings.read_secrets(connection)
        opened = _unwrapped(row.uid, wrapped, main_key(key, row.salt)) if wrapped else {}
        origin = Origin(row.bundle, row.aligner, row.dimension) if row.dimension else None
        seals = {number: AesSeal(secret) for (what, number), secret in opened.items() if what == "data"}
        turns = {number: secret for (what, number), secret in opened.items() if what == "transform"}
        vault = cls(
            row.uid, origin, {PLAIN: PlainSeal(), **seals}, row.data_key, turns, row.transform, row.incarnation
        )
        vault = vault._turning()
        kept = wrapped.get(("transform", row.transform))
        if vault.turn is not None and kept is not None and kept.check_vector:
            vault.turn.require(AesSeal(turns[row.transform]).open(bytes(kept.check_vector), CHECK))
        return vault

    def bound(self, connection: Connection, origin: Origin) -> Self:
        """The vault of a gallery whose vectors are, from now on, of this origin."""
        settings.change(connection, bundle=origin.bundle, aligner=origin.aligner, dimension=origin.dimension)
        vault = replace(self, origin=origin)._turning()
        if vault.turn is not None:
            check = AesSeal(self.turn_secrets[self.transform]).close(vault.turn.check(), CHECK)
            settings.write_check(connection, "transform", self.transform, check)
        return vault

    def _turning(self) -> Self:
        """The same with its transform made, where there is one and vectors to turn."""
        if not self.renewable or self.origin is None:
            return replace(self, turn=None)
        return replace(
            self, turn=Transform.from_secret(self.turn_secrets[self.transform], self.origin.dimension)
        )

    @property
    def encrypted(self) -> bool:
        """Whether what is written is sealed."""
        return self.data_key != PLAIN

    @property
    def renewable(self) -> bool:
        """Whether vectors are turned by a secret."""
        return self.transform != PLAIN

    def require(self, embeddings: Embeddings) -> None:
        """OriginError unless these vectors are of the gallery's bundle and aligner."""
        if self.origin is None:
            return
        theirs = Origin.of(embeddings)
        if theirs != self.origin:
            what = "bundle" if theirs.bundle != self.origin.bundle else "aligner"
            raise OriginError(
                f"these vectors do not compare with the gallery's: another {what} made them "
                f"({getattr(theirs, what)[:12]}… here, {getattr(self.origin, what)[:12]}… there). Read the "
                f"picture with the gallery's own detector and bundle, or move the gallery: "
                f"mien gallery migrate --to BUNDLE"
            )

    def close(self, place: str, uid: str, plain: bytes) -> bytes:
        """A value as it is stored. place: table.column; uid: of the person it belongs to."""
        return self.seals[self.data_key].close(plain, self._place(place, uid))

    def value(self, row: Row[Any], place: str, uid: str) -> bytes:
        """The value itself of a row's sealed column; place, uid: as in `close`."""
        sealed = bytes(getattr(row, place.rpartition(".")[2]))
        return self._seal(row.data_key).open(sealed, self._place(place, uid))

    def index(self, text: str) -> bytes:
        """What a name or a reference is looked up by."""
        return self.seals[self.data_key].index(text)

    def indexes(self, text: str) -> list[bytes]:
        """The same under every data key: while keys are changed, some rows are still under the old one."""
        return [seal.index(text) for seal in self.seals.values()]

    def store_vector(self, place: str, uid: str, vector: Floats) -> bytes:
        """A vector (d,) as it is stored: turned and sealed."""
        return self.close(place, uid, self.turned(vector[None])[0].astype("<f4").tobytes())

    def turned(self, vectors: Floats) -> Floats:
        """Vectors (n,d) as the gallery compares them: with its secret turn, which keeps every cosine."""
        return self.turn.apply(vectors) if self.turn else vectors

    def turned_back(self, vectors: Floats) -> Floats:
        """Stored vectors as the model made them."""
        return Transform(self.turn.matrix.T).apply(vectors) if self.turn else vectors

    def vectors(self, place: str, rows: Sequence[Row[Any]]) -> Floats:
        """(n,d) the vectors of rows with uid, vector, data_key and transform. StoreError where one is
        damaged.
        """
        plain = self._plain(place, rows)
        size = 4 * (self.origin.dimension if self.origin else 0)
        if any(len(each) != size for each in plain) or any(row.transform != self.transform for row in rows):
            raise StoreError(f"{place}: vectors of another length or turn than the gallery's; restore a backup")
        flat = np.frombuffer(b"".join(plain), "<f4").astype(np.float32, copy=False)
        vectors = flat.reshape(len(rows), -1)
        with np.errstate(all="ignore"):
            squares = np.einsum("ij,ij->i", vectors, vectors)
        if not np.all(np.abs(squares - 1) < 2 * UNIT):  # not a number fails, too
            raise StoreError(f"{place}: a vector is damaged (its length is not one); restore a backup")
        return vectors

    def _plain(self, place: str, rows: Sequence[Row[Any]]) -> list[bytes]:
        found: list[bytes] = [b""] * len(rows)
        for number in {row.data_key for row in rows}:
            which = [i for i, row in enumerate(rows) if row.data_key == number]
            places = [self._place(place, rows[i].uid) for i in which]
            opened = self._seal(number).open_many([rows[i].vector for i in which], places)
            for i, value in zip(which, opened, strict=True):
                found[i] = value
        return found

    def _seal(self, number: int) -> Seal:
        if number not in self.seals:
            raise StoreError(
                f"a value was sealed with data key {number}, which the gallery does not hold any more"
            )
        return self.seals[number]

    def _place(self, place: str, uid: str) -> bytes:
        return f"{self.uid}/{place}/{uid}".encode()


def create(connection: Connection, key: Key, *, encrypt: bool, renewable: bool) -> Vault:
    """Make a gallery in an empty database. KeyingError where protection is asked for and no key is given."""
    salt = new_salt() if isinstance(key, str) else None
    row = {"uid": secrets.token_hex(16), "incarnation": secrets.token_hex(16), "created": now(), "salt": salt}
    settings.write_first(connection, row)
    vault = Vault.open(connection)
    if vault is None:
        raise StoreError("the gallery could not be made")
    for purpose, wanted in (("data", encrypt), ("transform", renewable)):
        if wanted:
            vault = add_secret(connection, vault, purpose, main_key(key, salt))
    return vault


def add_secret(connection: Connection, vault: Vault, purpose: str, key: MainKey) -> Vault:
    """A new data key or transform, which becomes the one in use. What is stored is not changed here."""
    column = {"data": "data_key", "transform": "transform"}[purpose]
    known = [number for what, number in settings.read_secrets(connection) if what == purpose]
    number, secret = max(known, default=PLAIN) + 1, new_data_key()
    settings.write_secret(connection, purpose, number, key.wrap(secret, _context(vault.uid, purpose, number)))
    settings.change(connection, **{column: number})
    if purpose == "data":
        return replace(vault, seals={**vault.seals, number: AesSeal(secret)}, data_key=number)
    vault = replace(vault, turn_secrets={**vault.turn_secrets, number: secret}, transform=number)
    return vault.bound(connection, vault.origin) if vault.origin else vault


def rewrap_all(connection: Connection, uid: str, old: MainKey, new: MainKey) -> None:
    """The same secrets under another main key."""
    for (purpose, number), row in settings.read_secrets(connection).items():
        context = _context(uid, purpose, number)
        settings.rewrap(connection, purpose, number, new.wrap(old.unwrap(row.wrapped, context), context))


def main_key(key: Key, salt: bytes | None) -> MainKey:
    """The main key that was given, or that the environment names. KeyingError where there is none."""
    if isinstance(key, str):
        if salt is None:
            raise KeyingError(
                "this gallery's key is no passphrase: set $MIEN_GALLERY_KEY or $MIEN_GALLERY_KEY_FILE"
            )
        return MainKey.from_passphrase(key, salt)
    found = key or key_of_environment()
    if found is None:
        raise KeyingError(NEEDED)
    return found


def now() -> str:
    """This moment in UTC, to the microsecond, as ISO 8601 has it."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")


def _unwrapped(
    uid: str, wrapped: Mapping[tuple[str, int], Row[Any]], key: MainKey
) -> dict[tuple[str, int], bytes]:
    return {
        (what, number): key.unwrap(row.wrapped, _context(uid, what, number))
        for (what, number), row in wrapped.items()
    }


def _context(uid: str, purpose: str, number: int) -> bytes:
    return f"{uid}/{purpose}/{number}".encode()
