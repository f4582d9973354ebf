"""Signatures against RFC 8032, and documents that were changed on the way."""

from __future__ import annotations

import base64
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.errors import InputError, KeyingError
from mien.gallery.protection.signing import (
    Signer,
    canonical,
    check_document,
    key_file,
    sign_document,
    verify,
)

# RFC 8032, section 7.1, tests 1 and 3: secret, public key, message, signature.
RFC = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        "4a7c15e9716ed28dc027beceea1ec40a",
    ),
]
SIGNER = Signer(bytes(range(32)))
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(("secret", "public", "message", "signature"), RFC)
def test_the_standard_s_own_vectors(secret: str, public: str, message: str, signature: str) -> None:
    signer = Signer(bytes.fromhex(secret))
    assert base64.b64decode(signer.public_text) == bytes.fromhex(public)
    assert signer.sign(bytes.fromhex(message)) == bytes.fromhex(signature)
    assert verify(signer.public_text, bytes.fromhex(message), bytes.fromhex(signature))


def test_what_no_key_signed_is_refused() -> None:
    signature = SIGNER.sign(b"yes")
    assert verify(SIGNER.public_text, b"yes", signature)
    assert not verify(SIGNER.public_text, b"no", signature)
    assert not verify(Signer.generate().public_text, b"yes", signature)
    assert not verify(SIGNER.public_text, b"yes", signature[:-1])
    assert not verify("no key", b"yes", signature)
    assert not verify("\ud800", b"yes", signature)


def test_canonical_bytes() -> None:
    assert canonical({"b": [1, 2.5, None], "a": {"z": True, "y": "Zoë"}}) == (
        '{"a":{"y":"Zoë","z":true},"b":[1,2.5,null]}'.encode()
    )
    assert canonical({2: "b", 10: "a"}) == canonical({"10": "a", "2": "b"})


@given(st.dictionaries(st.text(), json_values, max_size=5))
def test_a_document_outlives_a_file(value: dict[str, Any]) -> None:
    signed = sign_document(value, SIGNER)
    for indent in (None, 2):
        assert check_document(json.loads(json.dumps(signed, indent=indent)), SIGNER.public_text)


def test_dates_and_tuples_are_what_they_are_read_back_as() -> None:
    signed = sign_document({"when": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "rows": (1, 2)}, SIGNER)
    read = json.loads(canonical(signed))
    assert check_document(read, SIGNER.public_text)


@pytest.mark.parametrize("value", [object(), {"a": {1, object()}}, "\ud800"])
def test_what_is_no_json_cannot_be_signed(value: Any) -> None:
    with pytest.raises(InputError, match="cannot be signed"):
        canonical({"value": value})


def test_a_huge_number_is_signed_to_its_last_digit() -> None:
    signed = sign_document({"count": 2**80}, SIGNER)
    assert check_document(json.loads(json.dumps(signed)))
    assert not check_document({**signed, "count": 2**80 + 1})


def test_changes_are_seen() -> None:
    signed = sign_document({"erased": 3, "who": "a"}, SIGNER)
    assert signed["signed_by"] == SIGNER.public_text
    assert check_document(signed)
    assert check_document(dict(reversed(list(signed.items()))))
    for changed in (
        {**signed, "erased": 4},
        {**signed, "more": 1},
        {key: value for key, value in signed.items() if key != "who"},
        {**signed, "signed_by": Signer.generate().public_text},
        {**signed, "signature": "AAAA"},
        {**signed, "signature": 5},
        {**signed, "signed_by": None},
        {"erased": 3},
    ):
        assert not check_document(changed)


def test_who_signs_anew_is_known_by_the_key() -> None:
    forged = sign_document({**sign_document({"erased": 3}, SIGNER), "erased": 4}, Signer.generate())
    assert check_document(forged)
    assert not check_document(forged, SIGNER.public_text)


def test_a_gallery_s_key_is_made_once(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "keys"
    signer = Signer.of_gallery("g1", folder)
    assert Signer.of_gallery("g1", folder).public_text == signer.public_text
    assert Signer.of_gallery("g2", folder).public_text != signer.public_text
    assert sorted(file.name for file in folder.iterdir()) == ["g1.key", "g2.key"]
    if os.name == "posix":
        assert (folder / "g1.key").stat().st_mode & 0o777 == 0o600
        assert folder.stat().st_mode & 0o777 == 0o700


def test_where_keys_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_KEYS", str(tmp_path))
    assert key_file("g1") == tmp_path / "g1.key"
    assert key_file("g1", tmp_path / "other") == tmp_path / "other" / "g1.key"
    monkeypatch.delenv("MIEN_KEYS")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert key_file("g1").parent.name == "keys"
    for bad in ("", "../g1", "a/b", ".g1", "g" * 101, "g1\n"):
        with pytest.raises(InputError, match="gallery's id"):
            key_file(bad)


def test_a_bad_key_file_is_named(tmp_path: Path) -> None:
    Signer.of_gallery("g1", tmp_path)
    (tmp_path / "g1.key").write_text("nothing")
    with pytest.raises(KeyingError, match=r"g1\.key: holds no signing key"):
        Signer.of_gallery("g1", tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(KeyingError, match="no folder"):
        Signer.of_gallery("g1", tmp_path / "file")


def test_a_signer_shows_its_public_half_only() -> None:
    assert repr(SIGNER) == f"Signer({SIGNER.public_text!r})"
    assert Signer(SIGNER.private_bytes()).public_text == SIGNER.public_text
    with pytest.raises(KeyingError, match="32 bytes, not 31"):
        Signer(bytes(31))
