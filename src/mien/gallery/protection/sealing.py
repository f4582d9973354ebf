"""Sealing: what stands in the database is readable with the data key alone, and only where it was put.

AES-256-GCM (NIST SP 800-38D): a sealed value opens as it was closed or not at all. Its *place*, such as
b"gallery/table/row/column", is associated data: it is not stored, and a value copied elsewhere no longer opens.
What is not held: that a row is there at all, and that it is the newest one written at its place.

A sealed value is version (1 byte), key mark (8), nonce (12), ciphertext, tag (16): 37 bytes more than the plain
one. With random 96-bit nonces one key may close 2³² values (SP 800-38D, section 8.3); a gallery changes its
data key long before, by closing everything anew with another.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import unicodedata
from collections.abc import Sequence
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mien.errors import InputError, KeyingError, StoreError

VERSION = b"\x01"
KEY = 32
HEAD, NONCE, TAG = 9, 12, 16  # bytes; the head is the version and the key's mark
OVERHEAD = HEAD + NONCE + TAG
MOST = 2**32  # values that one key may close


class Seal(Protocol):
    """How values stand in the database. `place` says where, and must be the same when one is opened."""

    def close(self, plain: bytes, place: bytes) -> bytes:
        """The value as it is stored."""

    def open(self, sealed: bytes, place: bytes) -> bytes:
        """The value itself. StoreError, naming the place, where it is damaged, forged or of another place."""

    def open_many(self, sealed: Sequence[bytes], places: Sequence[bytes]) -> list[bytes]:
        """`open` for many values, as quick as can be."""

    def index(self, text: str) -> bytes:
        """What a text is found by: equal for texts that read alike (Unicode NFC), whatever `close` makes."""


class PlainSeal:
    """No seal: everything stands as it is."""

    def close(self, plain: bytes, place: bytes) -> bytes:
        """The bytes themselves."""
        return plain

    def open(self, sealed: bytes, place: bytes) -> bytes:
        """The bytes themselves."""
        return sealed

    def open_many(self, sealed: Sequence[bytes], places: Sequence[bytes]) -> list[bytes]:
        """The bytes themselves."""
        _require_places(sealed, places)
        return list(sealed)

    def index(self, text: str) -> bytes:
        """The text in UTF-8."""
        return normalised(text)


class AesSeal:
    """AES-256-GCM under a data key of 32 bytes.

    The key itself is never used: subkeys for sealing and for the index come from it by HKDF-SHA-256 (RFC 5869).
    `index` is HMAC-SHA-256: who has no key learns from it which texts are equal, and nothing else of them.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(subkey(key, b"seal"))
        self._index = subkey(key, b"index")
        self._head = VERSION + _mark(key)

    def __repr__(self) -> str:
        return "AesSeal(…)"

    def close(self, plain: bytes, place: bytes) -> bytes:
        """The value encrypted, under a nonce of its own."""
        nonce = os.urandom(NONCE)
        return self._head + nonce + self._cipher.encrypt(nonce, plain, place)

    def open(self, sealed: bytes, place: bytes) -> bytes:
        """The value. StoreError naming the place, or KeyingError where another key closed it."""
        return self.open_many([sealed], [place])[0]

    def open_many(self, sealed: Sequence[bytes], places: Sequence[bytes]) -> list[bytes]:
        """The values: 100,000 of 512 float32 in about a quarter of a second."""
        _require_places(sealed, places)
        head, decrypt = self._head, self._cipher.decrypt
        opened: list[bytes] = []
        keep = opened.append
        for value, place in zip(sealed, places, strict=True):
            if value[:HEAD] != head or len(value) < OVERHEAD:
                raise _foreign(value, place)
            try:
                keep(decrypt(value[HEAD : HEAD + NONCE], value[HEAD + NONCE :], place))
            except InvalidTag:
                raise _damaged(place) from None
        return opened

    def index(self, text: str) -> bytes:
        """HMAC-SHA-256 of the text, 32 bytes."""
        return hmac.digest(self._index, normalised(text), "sha256")


def subkey(key: bytes, purpose: bytes, length: int = KEY) -> bytes:
    """A key for one purpose only, from one of 32 bytes (HKDF-SHA-256, RFC 5869)."""
    if len(key) != KEY:
        raise InputError(f"a key has {KEY} bytes, not {len(key)}")
    return HKDF(SHA256(), length, salt=None, info=b"mien gallery 1: " + purpose).derive(key)


def normalised(text: str) -> bytes:
    """Text in UTF-8 by which equal texts are equal bytes (Unicode NFC). InputError where it is no text."""
    try:
        return unicodedata.normalize("NFC", text).encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{text!r}: no text that UTF-8 can hold") from error


def _mark(key: bytes) -> bytes:
    """Which key it was, told from a damaged one: 4 bytes derived from it and 4 that check those."""
    name = subkey(key, b"mark", 4)
    return name + hashlib.sha256(name).digest()[:4]


def _foreign(value: bytes, place: bytes) -> StoreError | KeyingError:
    """Why a value with another head is not opened."""
    mark = value[1:HEAD]
    if value[:1] != VERSION or len(value) < OVERHEAD or hashlib.sha256(mark[:4]).digest()[:4] != mark[4:]:
        return _damaged(place)
    return KeyingError(f"{_shown(place)}: this value was sealed with another key; open it with that one")


def _damaged(place: bytes) -> StoreError:
    return StoreError(
        f"{_shown(place)}: the sealed value there was changed, cut or moved from another place; "
        f"restore the database from a copy"
    )


def _shown(place: bytes) -> str:
    return place.decode("utf-8", "backslashreplace")


def _require_places(sealed: Sequence[bytes], places: Sequence[bytes]) -> None:
    if len(sealed) != len(places):
        raise InputError(f"{len(sealed)} values want as many places, not {len(places)}")
