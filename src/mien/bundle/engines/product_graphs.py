"""Graphs of one matrix product, written byte by byte: they need no `onnx` package and no file.

A graph is a protobuf message (ModelProto of onnx.proto3, IR version 8, operator set 13). Only two kinds of
field occur: whole numbers as varints, and everything else as bytes behind their length.
"""

from __future__ import annotations

from mien.errors import InputError

FLOAT, UINT8, INT8, FLOAT16 = 1, 2, 3, 10  # TensorProto.DataType
IR_VERSION, OPERATOR_SET = 8, 13
MIDDLE = 128  # the uint8 that stands for zero
Input = tuple[str, int, str, str | int]  # name, type, and its two lengths by name or number


def product_graph(kind: str) -> bytes:
    """The serialised graph of a product in `PRODUCTS`: of "rows" (n,d) and "probes" (d,q), (n,q) float32.

    int8: rows uint8 around 128, probes int8, and "scales" (n,1) float32, by which each row's products are
    multiplied. float16: rows float16, probes float32. Raises InputError where the kind is unknown.
    """
    if kind not in PRODUCTS:
        raise InputError(f"product {kind!r} is unknown; known: {', '.join(PRODUCTS)}")
    return PRODUCTS[kind]()


def _int8() -> bytes:
    nodes = [
        _node("MatMulInteger", ["rows", "probes", "middle"], "whole"),
        _node("Cast", ["whole"], "products", to=FLOAT),
        _node("Mul", ["products", "scales"], "scores"),
    ]
    # TensorProto: data_type 2, int32_data 5 (packed), name 8.
    middle = _number(2, UINT8) + _bytes(5, _varint(MIDDLE)) + _bytes(8, b"middle")
    inputs: list[Input] = [
        ("rows", UINT8, "n", "d"),
        ("probes", INT8, "d", "q"),
        ("scales", FLOAT, "n", 1),
    ]
    return _model(nodes, inputs, [middle])


def _float16() -> bytes:
    nodes = [
        _node("Cast", ["rows"], "wide", to=FLOAT),
        _node("MatMul", ["wide", "probes"], "scores"),
    ]
    return _model(nodes, [("rows", FLOAT16, "n", "d"), ("probes", FLOAT, "d", "q")], [])


PRODUCTS = {"int8": _int8, "float16": _float16}


def _model(nodes: list[bytes], inputs: list[Input], constants: list[bytes]) -> bytes:
    graph = b"".join(
        [
            *(_bytes(1, node) for node in nodes),
            _bytes(2, b"product"),
            *(_bytes(5, constant) for constant in constants),
            *(_bytes(11, _value(*each)) for each in inputs),
            _bytes(12, _value("scores", FLOAT, "n", "q")),
        ]
    )
    return _number(1, IR_VERSION) + _bytes(7, graph) + _bytes(8, _number(2, OPERATOR_SET))


def _node(operator: str, inputs: list[str], output: str, **whole: int) -> bytes:
    """A NodeProto; `whole`: its attributes, all of them whole numbers (AttributeProto type 2)."""
    attributes = (_bytes(1, name.encode()) + _number(3, to) + _number(20, 2) for name, to in whole.items())
    names = b"".join(_bytes(1, name.encode()) for name in inputs) + _bytes(2, output.encode())
    return names + _bytes(4, operator.encode()) + b"".join(_bytes(5, each) for each in attributes)


def _value(name: str, kind: int, *shape: str | int) -> bytes:
    """A ValueInfoProto: a tensor of two named or fixed lengths."""
    lengths = (_number(1, each) if isinstance(each, int) else _bytes(2, each.encode()) for each in shape)
    tensor = _number(1, kind) + _bytes(2, b"".join(_bytes(1, length) for length in lengths))
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, tensor))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the top bit says that more follow."""
    *more, last = [value >> shift & 127 for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([*(each | 128 for each in more), last])
