"""The card: strictly read, and its digest moved by all that changes the output and by nothing else."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from graphs import ARCFACE, colour, detect_card, embed_card
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mien.bundle.card import (
    MAX_BYTES,
    AnyCard,
    EmbedCard,
    Golden,
    Measured,
    Provenance,
    Reference,
    decode_card,
    digest_of,
    encode_card,
)
from mien.errors import CardError

SHA = "0" * 64
EMBED, DETECT = embed_card()[0], detect_card(parameters={"score": 0.5, "anchors": [1, 2.5]})[0]


def changed(path: str, value: Any, card: AnyCard = EMBED) -> bytes:
    """The card's JSON with the field at `path` ("input.mean") set to `value`, or removed (...)."""
    whole = json.loads(encode_card(card))
    *way, last = path.split(".")
    part = whole
    for step in way:
        part = part[int(step) if isinstance(part, list) else step]
    if value is ...:
        del part[last]
    else:
        part[int(last) if isinstance(part, list) else last] = value
    return json.dumps(whole).encode()


@pytest.mark.parametrize("card", [EMBED, DETECT], ids=["embed", "detect"])
def test_a_card_comes_back_as_it_was_written(card: AnyCard) -> None:
    again = decode_card(encode_card(card))
    assert again == card
    assert again.digest == card.digest


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        ("mirrro", True, "mirrro"),
        ("input.meen", 1, r"meen.*input"),
        ("files.0.size", 1, r"size.*files"),
        ("dimension", ..., "dimension"),
        ("dimension", "128", r"int.*dimension"),
        ("dimension", 0, "1 to 65536"),
        ("task", "classify", "classify"),
        ("task", ..., "task"),
        ("format", 2, "format 2 given, 1 wanted: a newer mien wrote this"),
        ("name", "../up", "not a plain name"),
        ("files", [], "1 to 16 are wanted"),
        ("files.0.name", "../weights", "not a plain file name"),
        ("files.0.name", "/etc/passwd", "not a plain file name"),
        ("files.0.name", "a/b", "not a plain file name"),
        ("files.0.name", "a\\b", "not a plain file name"),
        ("files.0.name", "..", "not a plain file name"),
        ("files.0.name", "a\n", "not a plain file name"),
        ("files.0.name", "", "not a plain file name"),
        ("files.0.name", "a" * 101, "not a plain file name"),
        ("files.0.name", "card.json", "not a plain file name"),
        ("files.0.name", "calibrations", "not a plain file name"),
        ("files.0.sha256", "0" * 63, "not a SHA-256"),
        ("files.0.sha256", "A" * 64, "not a SHA-256"),
        ("input.size", [0, 112], "sides are 1 to"),
        ("input.size", [112, 1_000_000], "sides are 1 to"),
        ("input.size", None, "an embedder needs a size"),
        ("input.size", [112], r"input\.size"),
        ("input.channels", "rgb", "rgb"),
        ("input.mean", [1, 2], "3 of mean and scale"),
        ("input.scale", [1, 1, 0], "scale of 0"),
        ("input.scale", [1, 1, 1e300], "finite"),
        ("input.batch", 0, "batch is 1 to"),
        ("input.batch", 10**9, "batch is 1 to"),
        ("input.stride", 0, "stride is 1 to"),
        ("input.bits", 12, "12"),
        ("reference.points", [[1, 2]] * 4, "five points"),
        ("reference.points", [[1, 2]] * 5, "two different points"),
        ("reference.weights", [1, 0, 0, 0, 0], "two different points"),
        ("reference.weights", [1, 1, 1, 1, -1], "weights must be"),
        ("metric", "euclidean", "euclidean"),
    ],
)
def test_a_card_that_says_something_else_is_refused_by_name(path: str, value: Any, complaint: str) -> None:
    with pytest.raises(CardError, match=complaint):
        decode_card(changed(path, value))


def test_two_files_of_one_name() -> None:
    twice = json.loads(encode_card(EMBED))["files"] * 2
    with pytest.raises(CardError, match="a name stands twice"):
        decode_card(changed("files", twice))


def golden(**changes: Any) -> dict[str, Any]:
    return {"file": "model.onnx", "size": [8, 8], "output": 0, "values": [1.0], **changes}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"file": "other.onnx"}, "no such file in this card: other.onnx"),
        ({"size": [1, 5000]}, "sides are 1 to 1024"),
        ({"values": []}, "1 to 64 finite"),
        ({"values": [1.0] * 65}, "1 to 64 finite"),
        ({"output": -1}, "out of range"),
        ({"tolerance": 0.5}, "out of range"),
        ({"tolerance": 0}, "out of range"),
    ],
)
def test_golden_numbers_are_bounded(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(CardError, match=complaint):
        decode_card(changed("golden", [golden(**changes)]))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"task": "embed"}',
        b'{"task": "detect", "parameters": ' + b"[" * 100_000,
        b" " * (MAX_BYTES + 1),
        encode_card(EMBED).replace(b"0.0078125", b"NaN"),
        encode_card(EMBED).replace(b"0.0078125", b"1e999"),
        encode_card(EMBED)[:-20],
    ],
    ids=range(11),
)
def test_what_is_no_card_is_refused(text: bytes) -> None:
    with pytest.raises(CardError):
        decode_card(text)


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reader(text: bytes) -> None:
    with pytest.raises(CardError):
        decode_card(text)


SILENT = {
    "name": "another",
    "golden": (Golden(file="model.onnx", size=(8, 8), output=0, values=(1.0,)),),
    "provenance": Provenance(source="elsewhere", licence="MIT", parity={"lfw": 0.5}),
    "measured": (Measured(protocol="lfw", data="lfw", date="2025-01-01", figures={"accuracy": 0.99}),),
}
LOUD = {
    "files": (replace(EMBED.files[0], sha256=SHA),),
    "reference": Reference(points=ARCFACE, weights=(1, 1, 0.5, 0.5, 0.5)),
    "dimension": 5,
    "mirror": True,
}
LOUD_INPUT = {
    "size": (12, 11),
    "channels": "BGR",
    "mean": (0.0, 1.0, 2.0),
    "scale": (1.0, 1.0, 0.5),
    "stride": 2,
    "bits": 16,
    "layout": "NHWC",
    "batch": 3,
}


@pytest.mark.parametrize("field", SILENT)
def test_the_digest_does_not_hear(field: str) -> None:
    assert replace(EMBED, **{field: SILENT[field]}).digest == EMBED.digest


@pytest.mark.parametrize("field", LOUD)
def test_the_digest_hears(field: str) -> None:
    assert replace(EMBED, **{field: LOUD[field]}).digest != EMBED.digest


@pytest.mark.parametrize("field", LOUD_INPUT)
def test_the_digest_hears_of_the_input(field: str) -> None:
    assert replace(EMBED, input=replace(EMBED.input, **{field: LOUD_INPUT[field]})).digest != EMBED.digest


def test_the_digest_hears_of_the_head_its_parameters_and_the_task() -> None:
    others = [replace(DETECT, head="yunet"), replace(DETECT, parameters={"score": 0.6, "anchors": [1, 2.5]})]
    assert len({DETECT.digest, EMBED.digest, *(other.digest for other in others)}) == 4


def test_every_field_is_either_silent_or_loud() -> None:
    """A field added to the card must be put on one side here."""
    fixed = {"format", "metric", "input"}  # one value each so far; the input has its own test
    assert {*SILENT, *LOUD, *fixed} == set(EmbedCard.__struct_fields__)
    assert set(LOUD_INPUT) == set(type(colour()).__struct_fields__)


def test_digests_stay_what_they_are() -> None:
    """Galleries and calibrations are bound to digests: a change here orphans them all."""
    card = replace(EMBED, files=(replace(EMBED.files[0], sha256=SHA),))
    assert card.digest == "99fdab2725d89807022f54719a227f580e3a430417d625c27c20f91197aedd76"
    assert digest_of({"b": 0.1, "a": [1, 2.0, None]}) == digest_of({"a": [1, 2.0, None], "b": 0.1})


def test_cards_are_frozen() -> None:
    with pytest.raises((AttributeError, TypeError)):
        EMBED.dimension = 7  # type: ignore[misc, union-attr]
    with pytest.raises(ValueError, match="a scale of 0"):
        msgspec.convert({**msgspec.to_builtins(colour()), "scale": [0, 1, 1]}, type(colour()))
