"""Keys: the main key, which never stands in the database, and the data keys that it wraps and that do.

The main key comes from $MIEN_GALLERY_KEY, from the file that $MIEN_GALLERY_KEY_FILE names, or from a passphrase
that the caller asks for. Changing it means wrapping a few data keys anew; the sealed data stay as they are.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from mien.errors import InputError, KeyingError
from mien.gallery.protection.private import read_private, write_private
from mien.gallery.protection.sealing import KEY, AesSeal, subkey

TEXT_VARIABLE = "MIEN_GALLERY_KEY"
FILE_VARIABLE = "MIEN_GALLERY_KEY_FILE"
SALT = 16
SHORTEST_PASSPHRASE = 8  # characters, as NIST SP 800-63B has it
SCRYPT = {"n": 2**17, "r": 8, "p": 1}  # 128 MiB and some tenths of a second a guess (RFC 7914)
WRONG = (
    "this key does not open this gallery: set $MIEN_GALLERY_KEY or $MIEN_GALLERY_KEY_FILE to the one it was "
    "made with, or type that passphrase; without it nobody can read the gallery"
)


@dataclass(frozen=True, slots=True)
class MainKey:
    """A gallery's main key, 32 bytes. It wraps data keys, and does nothing else."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != KEY:
            raise KeyingError(f"a gallery's key has {KEY} bytes, not {len(self.secret)}")

    @classmethod
    def generate(cls) -> Self:
        """A key that nobody had before."""
        return cls(secrets.token_bytes(KEY))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """From base64, 44 characters. KeyingError where it is something else, without repeating it."""
        try:
            secret = base64.b64decode(text.strip().encode(), validate=True)
        except (binascii.Error, UnicodeEncodeError):
            secret = b""
        if len(secret) != KEY:
            raise KeyingError(f"this is no key: {KEY} bytes in base64 are wanted, which is 44 characters")
        return cls(secret)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """From a file of mode 0600 with the key's text.

        KeyingError where it is absent, or may be read by its group or by others, or holds something else.
        """
        text = read_private(path)
        try:
            return cls.from_text(text)
        except KeyingError as error:
            raise KeyingError(f"{path}: {error}") from None

    @classmethod
    def from_passphrase(cls, text: str, salt: bytes) -> Self:
        """From a passphrase, by scrypt (RFC 7914). `salt`, at least 16 bytes from `new_salt`, is stored openly.

        The same letters typed on another system give the same key (Unicode NFC).
        """
        if len(text) < SHORTEST_PASSPHRASE:
            raise KeyingError(f"a passphrase has at least {SHORTEST_PASSPHRASE} characters")
        if len(salt) < SALT:
            raise InputError(f"salt: at least {SALT} bytes are wanted, not {len(salt)}")
        try:
            letters = unicodedata.normalize("NFC", text).encode()
        except UnicodeEncodeError:  # whose message would show the passphrase
            raise KeyingError("this passphrase holds what is no character") from None
        return cls(Scrypt(salt, KEY, **SCRYPT).derive(letters))

    def to_text(self) -> str:
        """The key in base64, 44 characters: for a vault, an envelope or `from_text`."""
        return base64.b64encode(self.secret).decode()

    def wrap(self, secret: bytes, context: bytes) -> bytes:
        """A data key of 32 bytes as it may be stored. `context`, such as b"gallery/data key", binds it."""
        if len(secret) != KEY:
            raise InputError(f"a data key has {KEY} bytes, not {len(secret)}")
        return self._seal().close(secret, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The data key. KeyingError where another main key wrapped it; StoreError where it was changed."""
        try:
            return self._seal().open(wrapped, context)
        except KeyingError:
            raise KeyingError(WRONG) from None

    def _seal(self) -> AesSeal:
        return AesSeal(subkey(self.secret, b"wrap"))


def new_data_key() -> bytes:
    """32 random bytes, to be wrapped."""
    return secrets.token_bytes(KEY)


def new_salt() -> bytes:
    """16 random bytes to go with a passphrase."""
    return secrets.token_bytes(SALT)


def new_key_file(path: str | os.PathLike[str]) -> MainKey:
    """Make a key and a file with it that only its owner may read. KeyingError where something stands there."""
    key = MainKey.generate()
    if not write_private(path, key.to_text().encode() + b"\n"):
        raise KeyingError(f"{path}: stands there already and may be a gallery's key; name another file")
    return key


def key_of_environment(environment: Mapping[str, str] | None = None) -> MainKey | None:
    """The main key that the environment names, or None. KeyingError where it names two, or no good one."""
    settings = os.environ if environment is None else environment
    named = [name for name in SOURCES if settings.get(name)]
    if len(named) > 1:
        raise KeyingError(f"{' and '.join(named)} are both set; unset the one that is not meant")
    for name in named:
        try:
            return SOURCES[name](settings[name])
        except KeyingError as error:
            raise KeyingError(f"${name}: {error}") from None
    return None


SOURCES = {TEXT_VARIABLE: MainKey.from_text, FILE_VARIABLE: MainKey.from_file}
