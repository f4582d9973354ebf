"""dlib's layers as ONNX graphs.

The residual network avoids nodes that leave ONNX Runtime's blocked layout: channels of zeros come from a
1×1 identity, rows and columns of zeros from a 1×1 convolution of ones, channel by channel, with padding.
Both are exact; Pad in their place costs two reorderings each (43 nodes after optimisation, not 89).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from mien.bundle.importers.dlib_stream import Add, Conv, Dense, Layer, Pool, Relu
from mien.errors import GraphError, MissingExtraError
from mien.values import Floats

OPSET, IR_VERSION = 17, 8
CHIP = 150
POOLS = {"maximum": "MaxPool", "average": "AveragePool"}
L = TypeVar("L", bound=Layer)


def residual_graph(steps: Sequence[Layer]) -> bytes:
    """The embedder: "input" (batch, 3, 150, 150) → "embedding" (batch, n), not normalised.

    Raises GraphError where the layers are not stem, residual blocks and head.
    """
    return _Residual(steps).graph()


def scanning_graph(steps: Sequence[Layer]) -> bytes:
    """The detector: "input" (batch, 3, height, width) → "scores" (batch, 1, rows, columns).

    Raises GraphError where the layers are not convolutions that end in one channel.
    """
    writer, value, channels, positive = _Writer(), "input", 3, False
    for step in steps:
        if not isinstance(step, Conv) or step.weights.shape[1] != channels:
            raise _unlike("a detector is convolutions only, each as wide as the one before")
        value, channels, positive = writer.conv(value, step), step.weights.shape[0], step.relu
    if channels != 1 or positive:
        raise _unlike(f"{channels} channels at the end where one score is wanted")
    return writer.model("scores", ("height", "width"), [1, "rows", "columns"])


def normalised_first(graph: bytes, gain: float, offset: Sequence[float]) -> bytes:
    """The same graph behind x · gain + offset, an offset a channel; its input keeps its name and shape."""
    onnx = open_onnx()
    try:
        model = onnx.load_model_from_string(graph)
        name = model.graph.input[0].name
        given = {node_input for node in model.graph.node for node_input in node.input}
    except Exception as error:  # protobuf's own errors, and an empty graph
        raise GraphError(f"landmarks: not a readable ONNX graph ({error})") from error
    if name not in given:
        raise GraphError("landmarks: no node reads the graph's input")
    for node in model.graph.node:
        node.input[:] = ["mien_shifted" if read == name else read for read in node.input]
    weights = {
        "mien_gain": np.array([gain], np.float32),
        "mien_offset": np.array(offset, np.float32)[:, None, None],
    }
    for key, array in weights.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, key))
    for at, (kind, read, weight, result) in enumerate(
        [("Mul", name, "mien_gain", "mien_scaled"), ("Add", "mien_scaled", "mien_offset", "mien_shifted")]
    ):
        model.graph.node.insert(at, onnx.helper.make_node(kind, [read, weight], [result], name=result))
    return bytes(model.SerializeToString(deterministic=True))


def open_onnx() -> Any:
    """The package `onnx`, or MissingExtraError."""
    try:
        import onnx
    except ImportError as error:
        raise MissingExtraError("onnx", "starter") from error
    return onnx


class _Writer:
    """Collects nodes and weights; a value is the name of what a node returns."""

    def __init__(self) -> None:
        self.onnx = open_onnx()
        self._nodes: list[Any] = []
        self._weights: list[Any] = []

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        output = f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(self.onnx.helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def weight(self, array: Floats) -> str:
        name = f"weight_{len(self._weights)}"
        contiguous = np.ascontiguousarray(array, np.float32)
        self._weights.append(self.onnx.numpy_helper.from_array(contiguous, name))
        return name

    def conv(self, value: str, layer: Conv) -> str:
        side, pad = layer.weights.shape[2], layer.padding
        result = self.node(
            "Conv",
            value,
            self.weight(layer.weights),
            self.weight(layer.bias),
            kernel_shape=[side, side],
            strides=[layer.stride] * 2,
            pads=[pad] * 4,
        )
        return self.node("Relu", result) if layer.relu else result

    def pool(self, value: str, layer: Pool) -> str:
        return self.node(POOLS[layer.kind], value, kernel_shape=[layer.kernel] * 2, strides=[layer.stride] * 2)

    def widened(self, value: str, have: int, want: int) -> str:
        """`value` with channels of zeros behind its own."""
        identity = np.eye(want, have, dtype=np.float32)[:, :, None, None]
        return self.node("Conv", value, self.weight(identity), kernel_shape=[1, 1])

    def enlarged(self, value: str, channels: int, by: int) -> str:
        """`value` with rows and columns of zeros behind its own."""
        ones = np.ones((channels, 1, 1, 1), np.float32)
        return self.node(
            "Conv", value, self.weight(ones), group=channels, kernel_shape=[1, 1], pads=[0, 0, by, by]
        )

    def model(self, output: str, sides: tuple[Any, Any], shape: list[Any]) -> bytes:
        """The graph's bytes, the same on every machine: result `output` of `shape`, input of `sides`."""
        helper, kind = self.onnx.helper, self.onnx.TensorProto.FLOAT
        self._nodes[-1].output[0] = output
        graph = helper.make_graph(
            self._nodes,
            "mien",
            [helper.make_tensor_value_info("input", kind, ["batch", 3, *sides])],
            [helper.make_tensor_value_info(output, kind, ["batch", *shape])],
            self._weights,
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="mien",
        )
        return bytes(model.SerializeToString(deterministic=True))


class _Residual:
    """Writes stem, blocks and head; keeps the current value's name, channels and side."""

    def __init__(self, steps: Sequence[Layer]) -> None:
        self._steps = list(steps)
        self._writer = _Writer()
        self._value, self._channels, self._side = "input", 3, CHIP

    def graph(self) -> bytes:
        self._conv(self._next(Conv))
        self._pool(self._next(Pool))
        while self._steps and isinstance(self._steps[0], Conv):
            self._block()
        if self._next(Pool).kernel != 0:
            raise _unlike("the last pool is not over everything")
        weights = self._next(Dense).weights
        if self._steps or weights.shape[0] != self._channels:
            raise _unlike("layers after the last, or a matrix of another width")
        pooled = self._writer.node("GlobalAveragePool", self._value)
        flat = self._writer.node("Flatten", pooled)
        self._writer.node("Gemm", flat, self._writer.weight(weights))
        return self._writer.model("embedding", (CHIP, CHIP), [weights.shape[1]])

    def _block(self) -> None:
        start = self._value, self._channels, self._side
        self._conv(self._next(Conv))
        self._conv(self._next(Conv))
        branch = self._value, self._channels, self._side
        self._value, self._channels, self._side = start
        if self._steps and isinstance(self._steps[0], Pool):
            self._pool(self._next(Pool))
        self._next(Add), self._next(Relu)
        self._add(*branch)

    def _add(self, value: str, channels: int, side: int) -> None:
        # add_prev_ pads the smaller one; in this network the shortcut has fewer channels, the branch a
        # smaller map.
        if channels < self._channels or side > self._side:
            raise _unlike("a shortcut wider, or smaller, than its branch")
        if channels > self._channels:
            self._value = self._writer.widened(self._value, self._channels, channels)
        if side < self._side:
            value = self._writer.enlarged(value, channels, self._side - side)
        self._value = self._writer.node("Relu", self._writer.node("Add", value, self._value))
        self._channels = channels

    def _conv(self, layer: Conv) -> None:
        outputs, inputs, side, _ = layer.weights.shape
        if inputs != self._channels:
            raise _unlike(f"a convolution of {inputs} channels where {self._channels} arrive")
        if (self._side, side, layer.padding) == (1, 3, 1):  # only the centre meets anything but padding
            layer = Conv(layer.weights[:, :, 1:2, 1:2], layer.bias, layer.stride, 0, layer.relu)
            side = 1
        self._value = self._writer.conv(self._value, layer)
        self._shrink(side - 2 * layer.padding, layer.stride)
        self._channels = outputs

    def _pool(self, layer: Pool) -> None:
        self._value = self._writer.pool(self._value, layer)
        self._shrink(layer.kernel, layer.stride)

    def _shrink(self, window: int, stride: int) -> None:
        if not 0 < window <= self._side:
            raise _unlike(f"a window of {window} on a map of {self._side}")
        self._side = (self._side - window) // stride + 1

    def _next(self, kind: type[L]) -> L:
        step = self._steps.pop(0) if self._steps else None
        if not isinstance(step, kind):
            raise _unlike(f"{type(step).__name__} where {kind.__name__} is wanted")
        return step


def _unlike(complaint: str) -> GraphError:
    return GraphError(f"dlib network: {complaint}; the file is damaged or another model")
