"""Small ONNX graphs for tests, made here with the `onnx` package, and bundles around them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.checker import check_model

from mien.bundle.card import DetectCard, EmbedCard, File, Input, Provenance, Reference

ARCFACE = ((38.29, 51.70), (73.53, 51.50), (56.03, 71.74), (41.55, 92.37), (70.73, 92.20))
Shape = Sequence[int | str]
Made = tuple[Any, dict[str, bytes]]


def graph_of(
    nodes: Sequence[NodeProto], taken: Shape, returned: Mapping[str, Shape], weights: Mapping[str, np.ndarray]
) -> GraphProto:
    """A graph from "input" to the outputs named in `returned`."""
    return helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, list(taken))],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))
            for name, shape in returned.items()
        ],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()],
    )


def serialised(graph: GraphProto) -> bytes:
    """The graph as a model's bytes, in an opset that every supported engine reads."""
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    check_model(model)
    return bytes(model.SerializeToString())


def identity(shape: Shape = ("n", 3, "h", "w")) -> bytes:
    """Returns what it is fed."""
    nodes = [helper.make_node("Identity", ["input"], ["output"])]
    return serialised(graph_of(nodes, shape, {"output": shape}, {}))


def means(shape: Shape = ("n", 3, "h", "w")) -> bytes:
    """The mean of each channel: (n, channels)."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["input"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["output"]),
    ]
    return serialised(graph_of(nodes, shape, {"output": (shape[0], shape[1])}, {}))


def linear(
    size: tuple[int, int] = (12, 10), dimension: int = 4, *, batch: int | str = "n", seed: int = 0
) -> bytes:
    """A random projection of an RGB picture of `size` (height, width) onto `dimension` numbers."""
    return serialised(graph_of(*linear_parts(size, dimension, batch, seed)))


def linear_parts(
    size: tuple[int, int], dimension: int, batch: int | str, seed: int
) -> tuple[Any, Any, Any, Any]:
    """What `linear` is made of, for tests that change a piece of it."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(3 * size[0] * size[1], dimension)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["input"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weight", "bias"], ["output"]),
    ]
    parts = {"weight": weights, "bias": rng.normal(size=dimension).astype(np.float32)}
    return nodes, (batch, 3, *size), {"output": (batch, dimension)}, parts


def files_of(graph: bytes, name: str = "model.onnx") -> tuple[File, ...]:
    """The card's entry for one graph."""
    return (File(name=name, sha256=hashlib.sha256(graph).hexdigest()),)


def colour(size: tuple[int, int] | None = None, **changes: Any) -> Input:
    """An input of RGB bytes as they are, or with `changes`."""
    return Input(**{"size": size, "channels": "RGB", "mean": (0.0,) * 3, "scale": (1.0,) * 3, **changes})


def embed_card(graph: bytes | None = None, size: tuple[int, int] = (12, 10), **changes: Any) -> Made:
    """An embedder's card and files: `linear` by default. Hand both to `Bundle.write`."""
    graph = linear(size) if graph is None else graph
    fields = {
        "name": "tiny-embedder",
        "files": files_of(graph),
        "input": colour(size, mean=(127.5,) * 3, scale=(1 / 128,) * 3),
        "provenance": Provenance(source="made by a test", licence="none"),
        "reference": Reference(points=tuple((x * size[1] / 112, y * size[0] / 112) for x, y in ARCFACE)),
        "dimension": 4,
    }
    return EmbedCard(**{**fields, **changes}), {"model.onnx": graph}


def detect_card(graph: bytes | None = None, *, head: str = "scrfd", **changes: Any) -> Made:
    """A detector's card and files: `means` by default, so no head finds a face with it."""
    graph = means() if graph is None else graph
    fields = {
        "name": "tiny-detector",
        "files": files_of(graph),
        "input": colour(),
        "provenance": Provenance(source="made by a test", licence="none"),
        "head": head,
    }
    return DetectCard(**{**fields, **changes}), {"model.onnx": graph}
