from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.errors import InputError
from mien.training.datasets.recordio import (
    FIRST,
    LAST,
    LENGTH_BITS,
    MIDDLE,
    MOST,
    WORD,
    framed,
    pack,
    payload_of,
    record_of,
    unpack,
)

# Runs of the magic word, aligned and aslant, among other bytes.
PAYLOADS = st.lists(st.sampled_from([WORD, b"\0", b"ab", WORD[:2], b"face"]), max_size=12).map(b"".join)


def test_a_plain_record_by_hand() -> None:
    assert framed(b"abcde") == WORD + struct.pack("<I", 5) + b"abcde\0\0\0"
    assert framed(b"") == WORD + struct.pack("<I", 0)


def test_a_record_with_the_magic_word_by_hand() -> None:
    def part(kind: int, data: bytes) -> bytes:
        return WORD + struct.pack("<I", kind << LENGTH_BITS | len(data)) + data

    assert framed(b"abcd" + WORD + b"xy") == part(FIRST, b"abcd") + part(LAST, b"xy") + b"\0\0"
    assert framed(WORD + WORD) == part(FIRST, b"") + part(MIDDLE, b"") + part(LAST, b"")
    assert framed(b"a" + WORD) == WORD + struct.pack("<I", 5) + b"a" + WORD + b"\0\0\0"  # aslant: no cut


@given(PAYLOADS, st.binary(max_size=20))
def test_what_is_framed_is_read_whatever_follows(payload: bytes, rest: bytes) -> None:
    record = framed(payload)
    assert len(record) % 4 == 0
    found, length = record_of(record + rest)
    assert found == payload
    assert len(record) - 4 < length <= len(record)
    # At multiples of four the word stands where parts begin and nowhere else.
    places = [at for at in range(0, len(record), 4) if record.startswith(WORD, at)]
    aligned = sum(payload.startswith(WORD, at) for at in range(0, len(payload), 4))
    assert len(places) == 1 + aligned


@given(PAYLOADS, st.data())
def test_damaged_records_are_refused_or_read_and_nothing_else(payload: bytes, data: st.DataObject) -> None:
    record = bytearray(framed(payload))
    for place in data.draw(st.lists(st.integers(0, len(record) - 1), max_size=3)):
        record[place] = data.draw(st.integers(0, 255))
    cut = bytes(record[: data.draw(st.integers(0, len(record)))])
    with suppress(InputError):
        assert len(payload_of(cut)) <= len(cut)


@given(st.binary(max_size=80))
def test_any_bytes_are_refused_or_unpacked(payload: bytes) -> None:
    try:
        labels, content = unpack(payload)
    except InputError:
        return
    assert labels
    assert payload.endswith(content)


def test_labels_are_one_or_several() -> None:
    assert unpack(pack(3.0, 7, b"x")) == ((3.0,), b"x")
    assert unpack(pack((3.0, 0.5), 7, b"x")) == ((3.0, 0.5), b"x")
    # As mxnet.recordio.pack writes it: flag, label, id, id2.
    assert pack(3.0, 7, b"x") == struct.pack("<IfQQ", 0, 3, 7, 0) + b"x"
    assert pack((3.0, 0.5), 7) == struct.pack("<IfQQff", 2, 0, 7, 0, 3, 0.5)


@pytest.mark.parametrize(
    ("record", "complaint"),
    [
        (b"", "cut short"),
        (b"\0" * 8, "no record begins"),
        (WORD + struct.pack("<I", 9) + b"12345678", "cut short"),
        (WORD + struct.pack("<I", 4 << LENGTH_BITS), "no record begins"),
        (WORD + struct.pack("<I", LAST << LENGTH_BITS), "out of order"),
        (WORD + struct.pack("<I", FIRST << LENGTH_BITS), "cut short"),
        (WORD + struct.pack("<I", FIRST << LENGTH_BITS) + framed(b""), "out of order"),
    ],
)
def test_what_is_no_record_says_so(record: bytes, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        payload_of(record)


def test_headers_that_promise_more_than_there_is_are_refused() -> None:
    with pytest.raises(InputError, match="23 bytes are no labelled picture"):
        unpack(bytes(23))
    with pytest.raises(InputError, match="cannot hold its 4294967295 labels"):
        unpack(struct.pack("<IfQQ", (1 << 32) - 1, 0, 0, 0) + bytes(40))


def test_a_payload_longer_than_any_record_is_refused() -> None:
    class Endless(bytes):
        def __len__(self) -> int:
            return MOST + 1

    with pytest.raises(InputError, match="at most 536870911"):
        framed(Endless())
