"""MTCNN's three networks from the weights that the package `mtcnn` 1.0.0 carries (MIT), without TensorFlow.

Zhang et al. 2016, "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks"
(https://arxiv.org/abs/1604.02878). The weight files are pickles, and reading a pickle may run code: nothing but
the three files with the SHA-256 below is ever read so.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from mien.bundle.card import DetectCard, Input, Provenance, listed
from mien.errors import DigestError, MissingExtraError
from mien.values import Floats

KNOWN = {
    "pnet": "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
    "rnet": "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
    "onet": "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
}
OPSET, IR_VERSION = 17, 8
SOURCE = "the Python package mtcnn 1.0.0, after https://arxiv.org/abs/1604.02878"
# Against the usual 20 px, 0.709 and (0.6, 0.7, 0.7): half the time, no LFW picture missed, and pairs as good.
PARAMETERS = {
    "min_face": 32.0,
    "factor": 0.6,
    "thresholds": [0.7, 0.7, 0.7],
    "longest": 1600,
    "most": 2000,
}


def detector(
    pnet: bytes, rnet: bytes, onet: bytes, *, source: str = SOURCE, licence: str = "MIT"
) -> tuple[DetectCard, dict[str, bytes]]:
    """The card, without golden numbers, and the three graphs, from the package's three weight files.

    Raises DigestError where a file is not the known one, MissingExtraError without the packages it needs.
    """
    files = networks(pnet, rnet, onet)
    card = DetectCard(
        name="mtcnn",
        files=listed(files),
        input=Input(size=None, channels="RGB", mean=(127.5,) * 3, scale=(1 / 128,) * 3),
        provenance=Provenance(
            source=source,
            licence=licence,
            framework="keras",
            recipe="three cascaded networks with online hard sample mining (Zhang et al. 2016)",
            data="WIDER FACE, CelebA",
        ),
        head="mtcnn",
        parameters=PARAMETERS,
    )
    return card, files


def networks(pnet: bytes, rnet: bytes, onet: bytes) -> dict[str, bytes]:
    """The three graphs by file name. Raises as `detector` does."""
    return {
        "pnet.onnx": _Graph(_weights("pnet", pnet)).proposal(),
        "rnet.onnx": _Graph(_weights("rnet", rnet)).refinement(),
        "onet.onnx": _Graph(_weights("onet", onet)).output(),
    }


def landmark_network(onet: bytes) -> bytes:
    """O-Net's landmarks alone: "input" (batch,3,48,48) → "landmarks" (batch,10). Raises as `detector` does."""
    return _Graph(_weights("onet", onet)).output(landmarks_only=True)


def _weights(net: str, data: bytes) -> list[Floats]:
    if hashlib.sha256(data).hexdigest() != KNOWN[net]:
        raise DigestError(f"{net}: not the weights of mtcnn 1.0.0 (SHA-256 differs), so they are not opened")
    try:
        joblib = import_module("joblib")
    except ImportError as error:
        raise MissingExtraError("joblib", "starter") from error
    return [np.asarray(array, np.float32) for array in joblib.load(io.BytesIO(data))]


class _Graph:
    """One network being written, in the order in which its weights stand in the file.

    Keras keeps convolutions as (height, width, in, out) and pads at the end ("SAME"); ONNX wants
    (out, in, height, width). Dense layers follow a flattening in (width, height, channel) order.
    """

    def __init__(self, weights: Sequence[Floats]) -> None:
        try:
            self._onnx: Any = import_module("onnx")
        except ImportError as error:
            raise MissingExtraError("onnx", "starter") from error
        self._weights: Iterator[Floats] = iter(weights)
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._last = "input"

    def proposal(self) -> bytes:
        self._conv()
        self._prelu()
        self._pool(2)
        for _ in range(2):
            self._conv()
            self._prelu()
        trunk = self._last
        self._conv(trunk, "box")
        self._face(trunk, dense=False)
        grid: list[str | int] = ["rows", "columns"]
        return self._model(["height", "width"], {"score": [1, *grid], "box": [4, *grid]})

    def refinement(self) -> bytes:
        self._body(last_pool=False, dense=(3, 3, 64))
        trunk = self._last
        self._dense(trunk, "box")
        self._face(trunk, dense=True)
        return self._model([24, 24], {"score": [1], "box": [4]})

    def output(self, *, landmarks_only: bool = False) -> bytes:
        self._body(last_pool=True, dense=(3, 3, 128))
        trunk = self._last
        outputs: dict[str, list[str | int]] = {"score": [1], "box": [4], "landmarks": [10]}
        self._dense(trunk, "box")
        self._dense(trunk, "landmarks")
        self._face(trunk, dense=True)
        if landmarks_only:
            outputs = {"landmarks": [10]}
        return self._model([48, 48], outputs)

    def _body(self, *, last_pool: bool, dense: tuple[int, int, int]) -> None:
        self._conv()
        self._prelu()
        self._pool(3)
        self._conv()
        self._prelu()
        self._pool(3, same=False)
        self._conv()
        self._prelu()
        if last_pool:
            self._pool(2)
            self._conv()
            self._prelu()
        self._add("Flatten", [self._last])
        self._dense(self._last, inputs=dense)
        self._prelu(axes=1)

    def _conv(self, source: str = "", name: str = "") -> None:
        kernel, bias = next(self._weights), next(self._weights)
        inputs = [self._constant(kernel.transpose(3, 2, 0, 1)), self._constant(bias)]
        self._add("Conv", [source or self._last, *inputs], name)

    def _prelu(self, axes: int = 3) -> None:
        # ONNX Runtime's PRelu is scalar code: a·x + (1 − a)·max(x, 0) halves the time of all three networks.
        slope = next(self._weights).reshape(-1, *(1,) * (axes - 1))
        value = self._last
        self._add("Relu", [value])
        self._add("Mul", [self._last, self._constant(1 - slope)])
        positive = self._last
        self._add("Mul", [value, self._constant(slope)])
        self._add("Add", [self._last, positive])

    def _pool(self, size: int, *, same: bool = True) -> None:
        padding = "SAME_UPPER" if same else "VALID"
        self._add("MaxPool", [self._last], auto_pad=padding, kernel_shape=[size, size], strides=[2, 2])

    def _dense(self, source: str, name: str = "", inputs: tuple[int, int, int] | None = None) -> None:
        matrix, bias = next(self._weights), next(self._weights)
        if inputs:  # (width, height, channel) rows → (channel, height, width) rows
            matrix = matrix.reshape(*inputs, -1).transpose(2, 1, 0, 3).reshape(matrix.shape)
        self._add("Gemm", [source, self._constant(matrix), self._constant(bias)], name)

    def _face(self, source: str, *, dense: bool) -> None:
        """The probability of a face: softmax of two numbers is the sigmoid of their difference."""
        kernel, bias = (array[..., 1:] - array[..., :1] for array in (next(self._weights), next(self._weights)))
        kernel = kernel if dense else kernel.transpose(3, 2, 0, 1)
        inputs = [source, self._constant(kernel), self._constant(bias)]
        self._add("Gemm" if dense else "Conv", inputs)
        self._add("Sigmoid", [self._last], "score")

    def _constant(self, array: Floats) -> str:
        name = f"w{len(self._constants)}"
        self._constants.append(self._onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def _add(self, kind: str, inputs: Sequence[str], name: str = "", **attributes: Any) -> None:
        self._last = name or f"t{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(kind, inputs, [self._last], **attributes))

    def _model(self, sides: list[str | int], outputs: dict[str, list[str | int]]) -> bytes:
        helper, kind = self._onnx.helper, self._onnx.TensorProto.FLOAT
        graph = helper.make_graph(
            self._nodes,
            "mtcnn",
            [helper.make_tensor_value_info("input", kind, ["batch", 3, *sides])],
            [helper.make_tensor_value_info(name, kind, ["batch", *shape]) for name, shape in outputs.items()],
            self._constants,
        )
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION, producer_name="mien")
        return bytes(model.SerializeToString(deterministic=True))
