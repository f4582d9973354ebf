"""External data is refused wherever in a graph it hides, and no bytes upset the reader."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
from graphs import detect_card, graph_of, linear
from hypothesis import given
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper, numpy_helper

from mien.bundle.bundle import Bundle
from mien.bundle.graph import MAX_DEPTH, require_self_contained
from mien.bundle.runtime import Runtime
from mien.bundle.session import Session
from mien.errors import GraphError


def outside(location: str = "/etc/passwd") -> TensorProto:
    """A tensor whose numbers stand in another file."""
    tensor = TensorProto(
        name="weight", data_type=TensorProto.FLOAT, dims=[2], data_location=TensorProto.EXTERNAL
    )
    tensor.external_data.add(key="location", value=location)
    return tensor


def plain() -> ModelProto:
    nodes = [helper.make_node("Identity", ["input"], ["output"], name="only")]
    graph = graph_of(nodes, ("n", 2), {"output": ("n", 2)}, {"unused": np.ones(3, np.float32)})
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def in_a_branch(model: ModelProto) -> None:
    inner = helper.make_graph([], "then", [], [], [outside()])
    model.graph.node[0].attribute.append(helper.make_attribute("then_branch", inner))


def two_branches_deep(model: ModelProto) -> None:
    constant = helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.ones(2)))
    constant.attribute[0].t.CopyFrom(outside())
    inner = helper.make_graph([constant], "inner", [], [])
    loop = helper.make_node("Loop", [], [], body=helper.make_graph([], "empty", [], []))
    loop.attribute[0].g.CopyFrom(inner)
    model.graph.node[0].attribute.append(
        helper.make_attribute("else_branch", helper.make_graph([loop], "o", [], []))
    )


def in_a_function(model: ModelProto) -> None:
    node = helper.make_node("Constant", [], ["c"])
    node.attribute.add(name="value", type=onnx.AttributeProto.TENSOR).t.CopyFrom(outside())
    model.functions.add(name="f", domain="d").node.append(node)


HIDING: dict[str, Callable[[ModelProto], object]] = {
    "initializer": lambda m: m.graph.initializer.append(outside()),
    "above the folder": lambda m: m.graph.initializer.append(outside("../../../etc/passwd")),
    "beside the graph": lambda m: m.graph.initializer.append(outside("weights.bin")),
    "constant": lambda m: m.graph.node[0].attribute.add(name="value").t.CopyFrom(outside()),
    "list of tensors": lambda m: m.graph.node[0].attribute.add(name="v").tensors.append(outside()),
    "branch": in_a_branch,
    "list of graphs": lambda m: (
        m.graph.node[0].attribute.add(name="v").graphs.append(helper.make_graph([], "g", [], [], [outside()]))
    ),
    "two branches deep": two_branches_deep,
    "function": in_a_function,
    "default of a function": lambda m: (
        m.functions.add(name="f").attribute_proto.add(name="a").t.CopyFrom(outside())
    ),
    "sparse values": lambda m: m.graph.sparse_initializer.add().values.CopyFrom(outside()),
    "sparse indices": lambda m: m.graph.sparse_initializer.add().indices.CopyFrom(outside()),
    "sparse attribute": lambda m: (
        m.graph.node[0].attribute.add(name="v").sparse_tensor.values.CopyFrom(outside())
    ),
    "list of sparse": lambda m: (
        m.graph.node[0].attribute.add(name="v").sparse_tensors.add().values.CopyFrom(outside())
    ),
    "training": lambda m: m.training_info.add().algorithm.initializer.append(outside()),
    "initialisation": lambda m: m.training_info.add().initialization.initializer.append(outside()),
}


@pytest.mark.parametrize("place", HIDING)
def test_external_data_is_refused(place: str) -> None:
    model = plain()
    require_self_contained(model.SerializeToString(), "model.onnx")
    HIDING[place](model)
    with pytest.raises(GraphError, match=r"model\.onnx: weights stand in another file"):
        require_self_contained(model.SerializeToString(), "model.onnx")


def test_either_half_of_the_mark_is_enough() -> None:
    for clear in ("data_location", "external_data"):
        model, tensor = plain(), outside()
        tensor.ClearField(clear)
        model.graph.initializer.append(tensor)
        with pytest.raises(GraphError, match="weights stand in another file"):
            require_self_contained(model.SerializeToString(), "")


def test_a_session_never_reads_beside_its_bundle(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(np.ones(2, np.float32).tobytes())
    model = plain()
    model.graph.initializer.append(outside("../weights.bin"))
    bundle = Bundle.write(tmp_path / "bundle", *detect_card(model.SerializeToString()))
    with pytest.raises(GraphError, match="weights stand in another file"):
        Session(bundle, "model.onnx", Runtime(threads=1))


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def test_tags_that_only_a_wider_reader_tells_apart() -> None:
    """Protobuf keeps 32 bits of a tag: 13 + 2^29 is field 13, external data, again."""
    wide = varint((13 + (1 << 29)) << 3 | 2) + b"\x00"
    with pytest.raises(GraphError, match="not a readable ONNX graph"):
        require_self_contained(field(7, field(5, wide)), "")


@pytest.mark.parametrize(
    "graph",
    [b"\x0a", b"\x0a\x05ab", b"\x08", b"\x08" + b"\xff" * 10, b"\x0b", b"\x0d\x00", b"\xff" * 20],
    ids=["no length", "cut", "no value", "endless", "group", "short fixed", "all ones"],
)
def test_what_is_no_graph_is_refused(graph: bytes) -> None:
    with pytest.raises(GraphError, match="not a readable ONNX graph"):
        require_self_contained(graph, "model.onnx")


def test_nesting_is_bounded() -> None:
    graph = b""
    for _ in range(MAX_DEPTH):
        graph = field(1, field(5, field(6, graph)))  # graph → node → attribute → graph
    with pytest.raises(GraphError, match=f"nested deeper than {MAX_DEPTH}"):
        require_self_contained(field(7, graph), "")


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_reader(graph: bytes) -> None:
    with suppress(GraphError):
        require_self_contained(graph, "")


@given(at=st.integers(0, 600), byte=st.integers(0, 255))
def test_no_damage_crashes_the_reader(at: int, byte: int) -> None:
    damaged = bytearray(linear((2, 3)))
    damaged[at % len(damaged)] = byte
    with suppress(GraphError):
        require_self_contained(bytes(damaged), "")
