"""What must hold of a serialised ONNX graph before an engine sees it, read from its wire format.

A graph may name *external data*: files, anywhere on the disk, from which an engine would read weights. A
bundle is whole in itself, so that is refused. Only the messages that lead to a tensor are walked
(https://protobuf.dev/programming-guides/encoding, field numbers from onnx.proto).
"""

from __future__ import annotations

from collections.abc import Iterator

from mien.errors import GraphError

MAX_DEPTH = 32
MAX_TAG = (1 << 32) - 1  # engines drop the bits above, and would see another field than is seen here
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
FIXED_SIZES = {FIXED64: 8, FIXED32: 4}

# message → {field number: the message it holds}
INSIDE = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
EXTERNAL_DATA, DATA_LOCATION = 13, 14  # fields of a tensor


def require_self_contained(graph: bytes, where: str) -> None:
    """GraphError unless `graph` is a well-formed model that keeps all its weights inside itself."""
    try:
        _walk(memoryview(graph), "model", 0)
    except (IndexError, ValueError) as error:
        raise GraphError(f"{where}: not a readable ONNX graph ({error})") from error
    except PermissionError as error:
        raise GraphError(f"{where}: {error}") from error


def _walk(message: memoryview, kind: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    inside = INSIDE[kind]
    for number, wire, value in _fields(message):
        if kind == "tensor" and (number == EXTERNAL_DATA or (number == DATA_LOCATION and value)):
            raise PermissionError("weights stand in another file (external data); write the model as one file")
        if wire == LENGTH and number in inside and isinstance(value, memoryview):
            _walk(value, inside[number], depth + 1)


def _fields(message: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        if tag > MAX_TAG:
            raise ValueError("a field number beyond 32 bits")
        number, wire = tag >> 3, tag & 7
        if wire == VARINT:
            value, at = _varint(message, at)
            yield number, wire, value
            continue
        if wire == LENGTH:
            size, at = _varint(message, at)
        elif wire in FIXED_SIZES:
            size = FIXED_SIZES[wire]
        else:
            raise ValueError(f"wire type {wire}")
        if size > len(message) - at:
            raise ValueError("cut off")
        yield number, wire, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
    raise ValueError("a number longer than ten bytes")
