"""Small ONNX graphs that answer like SCRFD and YuNet: coloured squares in the picture are their faces.

A level of stride s sees the mean of each s×s cell. The finest level fires on the graph's first channel, the
next on the second, the coarsest on the third: a square of pure colour is a face of a known level and place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STRIDES = (8, 16, 32)
# Landmarks in cells from the cell that fires: eyes, nose, mouth corners of a face about four cells wide.
POINTS = (-0.75, -0.5, 0.75, -0.5, 0.0, 0.25, -0.5, 1.0, 0.5, 1.0)


@dataclass(frozen=True)
class GridGraph:
    """What the graph shall look like. scores: outputs of one number a place. gain, middle: of the sigmoid."""

    scores: int = 1
    anchors: int = 2
    batched: bool = True
    landmarks: bool = True
    shape: Sequence[int | str] = ("n", 3, "h", "w")
    box: tuple[float, ...] = (1.5, 2.0, 1.5, 2.5)
    gain: float = 20.0
    middle: float = 0.0

    def write(self) -> bytes:
        nodes: list[onnx.NodeProto] = []
        weights: list[onnx.TensorProto] = []
        outputs: list[onnx.ValueInfoProto] = []
        for level, stride in enumerate(STRIDES):
            mean = f"mean_{stride}"
            sides = {"kernel_shape": [stride, stride], "strides": [stride, stride]}
            nodes.append(helper.make_node("AveragePool", ["picture"], [mean], **sides))
            for kind, columns, weight, bias in self._tables(level):
                name = f"{kind}_{stride}"
                parts = {"w": weight, "b": bias, "shape": self._rows(columns)}
                weights += [numpy_helper.from_array(array, f"{name}_{part}") for part, array in parts.items()]
                nodes += self._nodes(mean, name, sigmoid=columns == 1)
                outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
        picture = helper.make_tensor_value_info("picture", TensorProto.FLOAT, list(self.shape))
        graph = helper.make_graph(nodes, "grids", [picture], outputs, weights)
        opset = [helper.make_opsetid("", 13)]
        return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()

    def _tables(self, level: int) -> list[tuple[str, int, np.ndarray, np.ndarray]]:
        fires = np.zeros((self.anchors, 3, 1, 1), np.float32)
        fires[0, level] = self.gain  # only the first of a cell's anchors ever fires
        unsure = np.full(self.anchors, -self.gain * self.middle - 30, np.float32)
        unsure[0] += 30
        tables = [(f"score{number}", 1, fires, unsure) for number in range(self.scores)]
        tables.append(("box", 4, *self._constant(self.box)))
        if self.landmarks:
            tables.append(("points", 10, *self._constant(POINTS)))
        return tables

    def _constant(self, numbers: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
        bias = np.tile(np.array(numbers, np.float32), self.anchors)
        return np.zeros((len(bias), 3, 1, 1), np.float32), bias

    def _rows(self, columns: int) -> np.ndarray:
        return np.array([0, -1, columns] if self.batched else [-1, columns], np.int64)

    def _nodes(self, mean: str, name: str, *, sigmoid: bool) -> list[onnx.NodeProto]:
        order = [0, 2, 3, 1] if self.batched else [2, 3, 0, 1]
        end = f"{name}_raw" if sigmoid else name
        nodes = [
            helper.make_node("Conv", [mean, f"{name}_w", f"{name}_b"], [f"{name}_map"]),
            helper.make_node("Transpose", [f"{name}_map"], [f"{name}_turned"], perm=order),
            helper.make_node("Reshape", [f"{name}_turned", f"{name}_shape"], [end]),
        ]
        return [*nodes, helper.make_node("Sigmoid", [end], [name])] if sigmoid else nodes


def squares(size: tuple[int, int], planted: Sequence[tuple[int, int, int]]) -> np.ndarray:
    """A black (h,w,3) uint8 picture with a square of the colour `channel` in cell (x, y) of its level."""
    picture = np.zeros((*size, 3), np.uint8)
    for channel, x, y in planted:
        s = STRIDES[channel]
        picture[y * s : (y + 1) * s, x * s : (x + 1) * s, channel] = 255
    return picture


def without_landmarks(model: bytes) -> bytes:
    """A public detector's file with its outputs of ten numbers a place cut off."""
    graph = onnx.load_from_string(model)
    kept = [output for output in graph.graph.output if output.type.tensor_type.shape.dim[-1].dim_value != 10]
    assert len(kept) < len(graph.graph.output)
    del graph.graph.output[:]
    graph.graph.output.extend(kept)
    return graph.SerializeToString()


def landmark_graph(answer: Sequence[float] = (0.25,) * 5 + (0.75,) * 5, side: int = 48) -> bytes:
    """Five x, five y in shares of the square, whatever it shows: at a quarter and at three quarters of it."""
    weights = {"answer": np.array(answer, np.float32), "zeros": np.zeros((3, 10), np.float32)}
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("Gemm", ["means", "zeros", "answer"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "landmarks",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, side, side])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 10])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opset = [helper.make_opsetid("", 13)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
