"""dlib's serialised networks (`serialize(net)`), read by a bounded parser: nothing is executed or unpickled.

An integer is one byte (sign in its top bit, byte count in the low four) and that many little-endian bytes; a
real number is two of them, mantissa × 2^exponent; a text is its length and its bytes; a tensor is version 2,
four dimensions and raw little-endian float32. A network is its loss layer, one version number a layer from
the last to the first, the input layer, and then each layer in execution order: a tag, what that kind of
layer holds, three flags and the tensors of training, empty here (dlib 19–20: dnn/core.h, dnn/layers.h).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mien.errors import GraphError
from mien.values import Floats

MAX_BYTES = 256 << 20
MAX_LAYERS = 400
MAX_TEXT = 64
MAX_CHANNELS = 1024
MAX_KERNEL = 31


@dataclass(frozen=True, slots=True)
class Conv:
    """A convolution: weights (out, in, rows, columns), bias (out,), one stride and padding for both axes."""

    weights: Floats
    bias: Floats
    stride: int
    padding: int
    relu: bool = False


@dataclass(frozen=True, slots=True)
class Scale:
    """A gain and an offset a channel, each (channels,)."""

    gain: Floats
    offset: Floats


@dataclass(frozen=True, slots=True)
class Pool:
    """The maximum or the average over windows, unpadded; kernel 0: over everything."""

    kind: str
    kernel: int
    stride: int


@dataclass(frozen=True, slots=True)
class Add:
    """The sum of this and an earlier result, the smaller one padded with zeros at its end."""


@dataclass(frozen=True, slots=True)
class Relu:
    """Negative numbers become zero."""


@dataclass(frozen=True, slots=True)
class Dense:
    """A matrix (inputs, outputs) without bias."""

    weights: Floats


Layer = Conv | Scale | Pool | Add | Relu | Dense


@dataclass(frozen=True, slots=True)
class Network:
    """The input layer's name, the channel means it subtracts, and the layers in execution order."""

    input: str
    mean: tuple[float, float, float]
    layers: tuple[Layer, ...]


class Stream:
    """A cursor over the bytes. Every read checks what is left before it takes, else GraphError."""

    def __init__(self, data: bytes) -> None:
        if len(data) > MAX_BYTES:
            raise GraphError(f"dlib stream: {len(data)} bytes, at most {MAX_BYTES} are read")
        self._data = memoryview(data)
        self._at = 0

    @property
    def left(self) -> int:
        """How many bytes have not been read."""
        return len(self._data) - self._at

    def fail(self, complaint: str) -> GraphError:
        """The error for what stands here."""
        return GraphError(f"dlib stream, byte {self._at}: {complaint}; the file is damaged or another model")

    def take(self, count: int) -> memoryview:
        """The next `count` bytes."""
        if count > self.left:
            raise self.fail(f"{count} bytes wanted, {self.left} left")
        self._at += count
        return self._data[self._at - count : self._at]

    def integer(self, low: int = 0, high: int = (1 << 63) - 1) -> int:
        """The next integer, held against its bounds (both allowed)."""
        head = self.take(1)[0]
        if head & 0x70 or not 1 <= head & 0x0F <= 8:
            raise self.fail(f"no integer begins with byte {head:#04x}")
        size = int.from_bytes(self.take(head & 0x0F), "little")
        value = -size if head & 0x80 else size
        if not low <= value <= high:
            raise self.fail(f"{value} where {low} to {high} is wanted")
        return value

    def real(self) -> float:
        """The next floating-point number, finite."""
        mantissa = self.integer(-(1 << 63))
        return math.ldexp(mantissa, self.integer(-2000, 900))

    def text(self) -> str:
        """The next text, of plain letters."""
        written = bytes(self.take(self.integer(1, MAX_TEXT)))
        if not written.isascii():
            raise self.fail("a name in plain letters is wanted")
        return written.decode("ascii")

    def expect(self, wanted: str) -> None:
        """Read a text that must be `wanted`."""
        found = self.text()
        if found != wanted:
            raise self.fail(f"{found!r} where {wanted!r} is wanted")

    def tensor(self) -> Floats:
        """The next tensor, flat: finite float32."""
        self.integer(2, 2)
        count = math.prod(self.integer(0, MAX_BYTES) for _ in range(4))
        # `take` compares before anything is allocated: a lie about the size costs nothing.
        numbers = np.frombuffer(self.take(4 * count), "<f4").astype(np.float32)
        if not np.isfinite(numbers).all():
            raise self.fail("a weight that is not a finite number")
        return numbers

    def shape(self) -> tuple[int, ...]:
        """The next view into a tensor: its four dimensions."""
        self.integer(1, 1)
        return tuple(self.integer(0, MAX_BYTES) for _ in range(4))


def read_network(stream: Stream) -> Network:
    """Everything after the loss layer, up to the stream's end. GraphError where it is not what dlib writes."""
    while stream.integer(1, 3) != 3:  # 1: a tag or skip, 2: a layer, 3: the layer on the input
        if stream.left < 4:
            raise stream.fail("no input layer")
    name = stream.text()
    mean = (stream.real(), stream.real(), stream.real())
    if name == "input_rgb_image_sized":
        stream.integer(1, MAX_CHANNELS), stream.integer(1, MAX_CHANNELS)
    layers: list[Layer] = []
    while stream.left:
        if len(layers) == MAX_LAYERS:
            raise stream.fail(f"more than {MAX_LAYERS} layers")
        layers.append(_layer(stream, first=not layers))
    return Network(name, mean, tuple(layers))


def _layer(stream: Stream, first: bool) -> Layer:
    tag = stream.text()
    if tag not in LAYERS:
        raise stream.fail(f"layer {tag!r} is unknown; known: {', '.join(LAYERS)}")
    layer = LAYERS[tag](stream)
    if any(flag not in b"01" for flag in stream.take(3)):
        raise stream.fail("three flags, each 0 or 1, are wanted")
    for _ in range(3):
        stream.tensor()
    if first:
        stream.integer(1, 1)
    return layer


def _conv(stream: Stream) -> Conv:
    params = stream.tensor()
    filters = stream.integer(1, MAX_CHANNELS)
    rows, columns = (stream.integer(1, MAX_KERNEL) for _ in range(2))
    stride, other_stride = (stream.integer(1, MAX_KERNEL) for _ in range(2))
    padding, other_padding = (stream.integer(0, MAX_KERNEL) for _ in range(2))
    shape, bias = stream.shape(), stream.shape()
    for _ in range(4):  # learning rates and weight decays
        stream.real()
    if (rows, stride, padding) != (columns, other_stride, other_padding):
        raise stream.fail("only square convolutions are read")
    whole = shape[0] == filters and shape[2:] == (rows, columns) and bias == (1, filters, 1, 1)
    if not whole or not shape[1] or math.prod(shape) + filters != len(params):
        raise stream.fail(f"{len(params)} weights do not fill filters {shape} and biases {bias}")
    return Conv(params[:-filters].reshape(shape), params[-filters:], stride, padding)


def _scale(stream: Stream) -> Scale:
    gain, offset = _halves(stream)
    stream.integer(0, 0)  # mode: by channel
    return Scale(gain, offset)


def _batch_norm(stream: Stream) -> Scale:
    gain, offset = _halves(stream)
    stream.tensor(), stream.tensor()  # the last batch's means and deviations
    means, variances = stream.tensor(), stream.tensor()
    stream.integer(), stream.integer()  # updates, window
    for _ in range(4):  # learning rates and weight decays
        stream.real()
    with np.errstate(over="ignore", invalid="ignore"):  # `folded` refuses what overflows
        spread = variances + np.float32(stream.real())
        # An endless spread would pass for a factor of zero.
        if not len(means) == len(spread) == len(gain) or not ((spread > 0) & np.isfinite(spread)).all():
            raise stream.fail("running statistics that do not fit the layer")
        factor = gain / np.sqrt(spread)
        return Scale(factor, offset - factor * means)


def _halves(stream: Stream) -> tuple[Floats, Floats]:
    params = stream.tensor()
    gain, offset = stream.shape(), stream.shape()
    if gain != offset or 2 * math.prod(gain) != len(params) or not len(params):
        raise stream.fail(f"{len(params)} weights do not fill gains {gain} and offsets {offset}")
    middle = len(params) // 2
    return params[:middle], params[middle:]


def _pool(kind: str) -> Callable[[Stream], Pool]:
    def read(stream: Stream) -> Pool:
        kernels = [stream.integer(0, MAX_KERNEL) for _ in range(2)]
        strides = [stream.integer(1, MAX_KERNEL) for _ in range(2)]
        if kernels[0] != kernels[1] or strides[0] != strides[1]:
            raise stream.fail("only square pools are read")
        stream.integer(0, 0), stream.integer(0, 0)  # padding
        return Pool(kind, kernels[0], strides[0])

    return read


def _dense(stream: Stream) -> Dense:
    outputs, inputs = (stream.integer(1, 1 << 20) for _ in range(2))
    params, shape, bias = stream.tensor(), stream.shape(), stream.shape()
    stream.integer(1, 1)  # mode: no bias
    for _ in range(4):  # learning rates and weight decays
        stream.real()
    if shape != (inputs, outputs, 1, 1) or all(bias) or len(params) != inputs * outputs:
        raise stream.fail(f"{len(params)} weights do not fill a matrix {shape}")
    return Dense(params.reshape(inputs, outputs))


LAYERS: dict[str, Callable[[Stream], Layer]] = {
    "add_prev_": lambda stream: Add(),
    "affine_": _scale,
    "avg_pool_2": _pool("average"),
    "bn_con2": _batch_norm,
    "con_4": _conv,
    "fc_2": _dense,
    "max_pool_2": _pool("maximum"),
    "relu_": lambda stream: Relu(),
}


def folded(layers: tuple[Layer, ...]) -> list[Layer]:
    """The same network with each gain, offset and ReLU taken into the convolution before it.

    By single float32 products and sums, whose results are the same on every machine.
    """
    steps: list[Layer] = []
    for layer in layers:
        last = steps[-1] if steps else None
        if isinstance(layer, Scale):
            if not isinstance(last, Conv) or last.relu or len(last.bias) != len(layer.gain):
                raise GraphError("dlib stream: a gain that follows no convolution of its width")
            steps[-1] = _scaled(last, layer)
        elif isinstance(layer, Relu) and isinstance(last, Conv):
            steps[-1] = replace(last, relu=True)
        else:
            steps.append(layer)
    return steps


def _scaled(conv: Conv, scale: Scale) -> Conv:
    with np.errstate(over="ignore", invalid="ignore"):
        weights = conv.weights * scale.gain[:, None, None, None]
        bias = conv.bias * scale.gain + scale.offset
    if not (np.isfinite(weights).all() and np.isfinite(bias).all()):
        raise GraphError("dlib stream: weights beyond any number; the file is damaged")
    return replace(conv, weights=weights, bias=bias)
