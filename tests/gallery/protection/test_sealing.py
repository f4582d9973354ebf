"""Sealed values against the standards' own steps, and against whoever changes, moves or mixes them."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from mien.errors import InputError, KeyingError, StoreError
from mien.gallery.protection.sealing import OVERHEAD, AesSeal, PlainSeal, Seal, subkey

KEY = bytes(range(32))
PLACE = b"g1/templates/7/vector"
SEALS = {"plain": PlainSeal(), "aes": AesSeal(KEY)}
seals = pytest.mark.parametrize("seal", SEALS.values(), ids=SEALS)


def hkdf(key: bytes, info: bytes, length: int = 32) -> bytes:
    """RFC 5869 for one block, with no salt: extract, then expand."""
    extracted = hmac.digest(bytes(32), key, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")[:length]


@seals
@given(st.binary(max_size=300), st.binary(max_size=40))
def test_what_is_closed_opens_at_its_place(seal: Seal, plain: bytes, place: bytes) -> None:
    assert seal.open(seal.close(plain, place), place) == plain


@seals
def test_many_open_as_one_does(seal: Seal) -> None:
    places = [b"row %d" % number for number in range(50)]
    plain = [bytes([number]) * number for number in range(50)]
    sealed = [seal.close(*each) for each in zip(plain, places, strict=True)]
    assert seal.open_many(sealed, places) == plain
    assert seal.open_many([], []) == []
    with pytest.raises(InputError, match="50 values want as many places, not 49"):
        seal.open_many(sealed, places[1:])


def test_a_sealed_value_is_made_of_what_it_says() -> None:
    sealed = AesSeal(KEY).close(b"a vector", PLACE)
    name = hkdf(KEY, b"mien gallery 1: mark", 4)
    assert sealed[:9] == b"\x01" + name + hashlib.sha256(name).digest()[:4]
    cipher = AESGCM(hkdf(KEY, b"mien gallery 1: seal"))
    assert cipher.decrypt(sealed[9:21], sealed[21:], PLACE) == b"a vector"
    assert len(sealed) == len(b"a vector") + OVERHEAD


def test_a_value_is_never_closed_twice_alike() -> None:
    seal = AesSeal(KEY)
    assert len({seal.close(b"the same", PLACE) for _ in range(1000)}) == 1000
    assert len({seal.close(b"the same", PLACE)[9:21] for _ in range(1000)}) == 1000


def test_a_plain_seal_changes_nothing() -> None:
    assert PlainSeal().close(b"a vector", PLACE) == b"a vector"
    assert PlainSeal().index("Zoë") == "Zoë".encode()


def test_every_changed_bit_is_seen_and_its_place_named() -> None:
    seal = AesSeal(KEY)
    sealed = seal.close(b"a vector", PLACE)
    for at in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[at // 8] ^= 1 << at % 8
        with pytest.raises(StoreError, match="g1/templates/7/vector"):
            seal.open(bytes(changed), PLACE)


@pytest.mark.parametrize("length", [0, 1, 9, 21, 36, 44])
def test_a_value_cut_short_is_seen(length: int) -> None:
    seal = AesSeal(KEY)
    with pytest.raises(StoreError, match="changed, cut or moved"):
        seal.open(seal.close(b"a vector", PLACE)[:length], PLACE)


def test_values_cannot_change_places() -> None:
    seal = AesSeal(KEY)
    places = [b"g1/templates/7/vector", b"g1/templates/8/vector"]
    sealed = [seal.close(place, place) for place in places]
    with pytest.raises(StoreError, match="g1/templates/7/vector"):
        seal.open_many(sealed[::-1], places)


def test_another_key_is_told_from_damage() -> None:
    sealed = AesSeal(KEY).close(b"a vector", PLACE)
    with pytest.raises(KeyingError, match=r"g1/templates/7/vector: .* sealed with another key"):
        AesSeal(bytes(32)).open(sealed, PLACE)
    with pytest.raises(StoreError):
        AesSeal(KEY).open(b"no sealed value at all, which a plain gallery has", PLACE)


def test_a_place_that_is_no_text_is_named_all_the_same() -> None:
    with pytest.raises(StoreError, match=r"row/\\xff"):
        AesSeal(KEY).open(b"", b"row/\xff")


def test_the_index_is_hmac_of_the_text() -> None:
    expected = hmac.new(hkdf(KEY, b"mien gallery 1: index"), "Zoë".encode(), hashlib.sha256).digest()
    assert AesSeal(KEY).index("Zoë") == expected
    assert AesSeal(bytes(32)).index("Zoë") != expected


@seals
def test_texts_that_read_alike_are_found_alike(seal: Seal) -> None:
    assert seal.index("Zo\u00eb") == seal.index("Zoe\u0308")
    assert seal.index("Zoe") != seal.index("zoe")
    with pytest.raises(InputError, match="no text"):
        seal.index("\ud800")


def test_subkeys_are_rfc_5869_s_and_differ_by_purpose() -> None:
    assert subkey(KEY, b"wrap") == hkdf(KEY, b"mien gallery 1: wrap")
    assert subkey(KEY, b"wrap") != subkey(KEY, b"seal")
    with pytest.raises(InputError, match="32 bytes, not 5"):
        AesSeal(b"short")


def test_a_seal_shows_no_key() -> None:
    assert repr(AesSeal(KEY)) == "AesSeal(…)"
