"""Signatures: a document that says who wrote it, and that nobody changed it since (Ed25519, RFC 8032).

A gallery has a signing key on each machine, in a file that only its owner may read and never in the database:
who writes to the database cannot sign for it. A signature proves which key signed; whose key that is the reader
has to know, by keeping its public half.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import msgspec
import platformdirs
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from mien.errors import InputError, KeyingError
from mien.gallery.protection.private import read_private, write_private

FOLDER_VARIABLE = "MIEN_KEYS"
SIGNATURE, SIGNER = "signature", "signed_by"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


class Signer:
    """A private key. `public_text` is its other half, in base64, by which anyone verifies."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) != 32:
            raise KeyingError(f"a signing key has 32 bytes, not {len(secret)}")
        self._private = Ed25519PrivateKey.from_private_bytes(secret)

    def __repr__(self) -> str:
        return f"Signer({self.public_text!r})"

    @classmethod
    def generate(cls) -> Self:
        """A key that nobody had before."""
        return cls(Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def of_gallery(cls, gallery: str, folder: str | os.PathLike[str] | None = None) -> Self:
        """This machine's signing key for a gallery, made where there is none.

        It stands in `folder`, else in $MIEN_KEYS, else in the user's data folder. KeyingError where the file
        may be read by others or holds no key.
        """
        file = key_file(gallery, folder)
        if not file.exists():
            _make(file, cls.generate())
        secret = _bytes(read_private(file))
        if len(secret) != 32:
            raise KeyingError(f"{file}: holds no signing key; move it away, and a new one will be made")
        return cls(secret)

    @property
    def public_text(self) -> str:
        """The public key in base64, 44 characters."""
        return _text(self._private.public_key().public_bytes_raw())

    def private_bytes(self) -> bytes:
        """The 32 bytes it was made from."""
        return self._private.private_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """The signature, 64 bytes. The same message gives the same."""
        return self._private.sign(message)


def verify(public_text: str, message: bytes, signature: bytes) -> bool:
    """Whether the key signed these very bytes. False, too, where there is no such key or signature."""
    public = _bytes(public_text)
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def canonical(value: Any) -> bytes:
    """The one way to write a JSON value as bytes: keys sorted, no spaces, UTF-8.

    A value read back from a file is written as it was before: dates and tuples are by then text and lists.
    InputError where it is no JSON.
    """
    try:
        return msgspec.json.encode(msgspec.to_builtins(value, str_keys=True), order="deterministic")
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InputError(f"this cannot be signed, since it is no JSON ({error})") from error


def sign_document(value: Mapping[str, Any], signer: Signer) -> dict[str, Any]:
    """The document with its signature and the signer's public key, which is signed as well."""
    bare = {key: each for key, each in value.items() if key != SIGNATURE} | {SIGNER: signer.public_text}
    return bare | {SIGNATURE: _text(signer.sign(canonical(bare)))}


def check_document(document: Mapping[str, Any], public_text: str | None = None) -> bool:
    """Whether nothing in a signed document was changed since, and, where one is given, whether this key signed.

    Without `public_text` whoever changed it may have signed it anew with a key of his own.
    """
    signed_by, signature = document.get(SIGNER), document.get(SIGNATURE)
    if not (isinstance(signed_by, str) and isinstance(signature, str)):
        return False
    if public_text is not None and public_text != signed_by:
        return False
    bare = {key: each for key, each in document.items() if key != SIGNATURE}
    return verify(signed_by, canonical(bare), _bytes(signature))


def key_file(gallery: str, folder: str | os.PathLike[str] | None = None) -> Path:
    """Where this machine keeps a gallery's signing key. InputError where its id cannot name a file."""
    if not NAME.fullmatch(gallery):
        raise InputError(f"{gallery!r}: a gallery's id is 1 to 100 letters, digits, - and _")
    given = folder or os.environ.get(FOLDER_VARIABLE)
    return (Path(given) if given else Path(platformdirs.user_data_dir("mien")) / "keys") / f"{gallery}.key"


def _make(file: Path, signer: Signer) -> None:
    """Where another program was quicker, its key stands, and nothing is done."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise KeyingError(
            f"{file.parent}: no folder for the signing key ({error.strerror}); set ${FOLDER_VARIABLE} to one"
        ) from error
    write_private(file, _text(signer.private_bytes()).encode() + b"\n")


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text.encode(), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return b""
