from __future__ import annotations

import contextlib
import hashlib
import struct
import tracemalloc
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

from mien.bundle.bundle import Bundle
from mien.bundle.golden import measure
from mien.bundle.importers import dlib
from mien.bundle.importers.dlib_graph import normalised_first, residual_graph, scanning_graph
from mien.bundle.importers.dlib_stream import Stream, folded, read_network
from mien.bundle.runtime import Runtime
from mien.bundle.session import Session
from mien.errors import GraphError
from mien.values import Floats, Pixels

RESNET, MMOD = "dlib_face_recognition_resnet_model_v1.dat", "mmod_human_face_detector.dat"


def weights_path(name: str) -> Path:
    spec = find_spec("face_recognition_models")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("needs the package face_recognition_models (extra starter)")
    return Path(spec.submodule_search_locations[0]) / "models" / name


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    card, files = dlib.embedder(weights_path(RESNET).read_bytes())
    return Bundle.write(tmp_path_factory.mktemp("dlib") / "resnet", card, files)


# --- a writer of the format, and the network's arithmetic by hand -------------------------------------------


def integer(value: int) -> bytes:
    size = max(1, (abs(value).bit_length() + 7) // 8)
    return bytes([size | (0x80 if value < 0 else 0)]) + abs(value).to_bytes(size, "little")


def integers(*values: int) -> bytes:
    return b"".join(integer(value) for value in values)


def real(value: float) -> bytes:
    numerator, denominator = value.as_integer_ratio()
    return integers(numerator, 1 - denominator.bit_length())


def text(value: str) -> bytes:
    return integer(len(value)) + value.encode()


def tensor(array: Sequence[float] | Floats) -> bytes:
    numbers = np.ravel(np.asarray(array, "<f4"))
    return integers(2, len(numbers), 1, 1, 1) + numbers.tobytes()


def tail(first: bool = False) -> bytes:
    empty = integers(2, 0, 0, 0, 0) * 3
    return b"110" + empty + (integer(1) if first else b"")


def conv(weights: Floats, bias: Floats, stride: int, padding: int, *, first: bool = False) -> bytes:
    out, inputs, side, _ = weights.shape
    return (
        text("con_4")
        + tensor(np.concatenate([weights.ravel(), bias]))
        + integers(out, side, side, stride, stride, padding, padding)
        + integers(1, out, inputs, side, side, 1, 1, out, 1, 1)
        + real(1.0) * 4
        + tail(first)
    )


def affine(gain: Floats, offset: Floats) -> bytes:
    view = integers(1, 1, len(gain), 1, 1)
    return text("affine_") + tensor(np.concatenate([gain, offset])) + view * 2 + integer(0) + tail()


def plain(name: str, *numbers: int) -> bytes:
    return text(name) + integers(*numbers) + tail()


def dense(matrix: Floats) -> bytes:
    inputs, outputs = matrix.shape
    views = integers(1, inputs, outputs, 1, 1, 1, 0, 0, 0, 0)
    return (
        text("fc_2") + integers(outputs, inputs) + tensor(matrix) + views + integer(1) + real(1.0) * 4 + tail()
    )


def header(input_name: str) -> bytes:
    sized = integers(150, 150) if input_name == "input_rgb_image_sized" else b""
    return integers(2, 1, 2, 3) + text(input_name) + b"".join(real(mean) for mean in dlib.MEAN) + sized


class Weights:
    """A tiny network of the embedder's form: its stream, and its output by NumPy."""

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        shapes = [(4, 3, 3), (4, 4, 3), (4, 4, 3), (6, 4, 3), (6, 6, 3)]
        self.convs = [
            (
                rng.normal(0, 0.3, (out, inputs, side, side)).astype(np.float32),
                *rng.normal(0, 0.3, (3, out)).astype(np.float32),
            )
            for out, inputs, side in shapes
        ]
        self.matrix = rng.normal(0, 1, (6, 5)).astype(np.float32)

    def stream(self) -> bytes:
        def convolve(number: int, stride: int, padding: int) -> bytes:
            weights, bias, gain, offset = self.convs[number]
            return conv(weights, bias, stride, padding, first=number == 0) + affine(gain, offset)

        relu, add = plain("relu_"), plain("add_prev_")
        half = plain("avg_pool_2", 2, 2, 2, 2, 0, 0)
        return b"".join(
            [
                integer(1) + text("loss_metric_2") + real(0.04) + real(0.6) + header("input_rgb_image_sized"),
                convolve(0, 2, 0) + relu + plain("max_pool_2", 3, 3, 2, 2, 0, 0),
                convolve(1, 1, 1) + relu + convolve(2, 1, 1) + add + relu,
                convolve(3, 2, 0) + relu + convolve(4, 1, 1) + half + add + relu,
                plain("avg_pool_2", 0, 0, 1, 1, 0, 0) + dense(self.matrix),
            ]
        )

    def output(self, image: Floats) -> Floats:
        """(3,150,150) → (5,), each layer as dlib's documentation describes it."""

        def convolve(number: int, value: Floats, stride: int, padding: int) -> Floats:
            weights, bias, gain, offset = self.convs[number]
            padded = np.pad(value, ((0, 0), (padding,) * 2, (padding,) * 2))
            windows = sliding_window_view(padded, weights.shape[2:], (1, 2))[:, ::stride, ::stride]
            raw = np.einsum("oikl,ihwkl->ohw", weights, windows) + bias[:, None, None]
            return raw * gain[:, None, None] + offset[:, None, None]

        def relu(value: Floats) -> Floats:
            return np.maximum(value, 0)

        def pooled(value: Floats, side: int) -> Floats:
            return sliding_window_view(value, (side, side), (1, 2))[:, ::2, ::2]

        stem = pooled(relu(convolve(0, image, 2, 0)), 3).max((-1, -2))
        block = relu(convolve(2, relu(convolve(1, stem, 1, 1)), 1, 1) + stem)
        branch = convolve(4, relu(convolve(3, block, 2, 0)), 1, 1)
        shortcut = pooled(block, 2).mean((-1, -2))
        assert branch.shape == (6, 17, 17)
        assert shortcut.shape == (4, 18, 18)
        both = np.zeros((6, 18, 18), np.float32)
        both[:, :17, :17] += branch
        both[:4] += shortcut
        return relu(both).mean((1, 2)) @ self.matrix


def tiny_graph(data: bytes) -> bytes:
    stream = Stream(data)
    stream.integer(), stream.text(), stream.real(), stream.real()
    return residual_graph(folded(read_network(stream).layers))


def run(graph: bytes, batch: Floats) -> list[Floats]:
    session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: batch})


# --- the embedder -------------------------------------------------------------------------------------------


def test_a_small_network_gives_what_its_layers_say() -> None:
    tiny = Weights()
    images = np.random.default_rng(1).normal(0, 1, (3, 3, 150, 150)).astype(np.float32)
    wanted = np.stack([tiny.output(image) for image in images])
    np.testing.assert_allclose(run(tiny_graph(tiny.stream()), images)[0], wanted, rtol=1e-4, atol=1e-5)


def chips(shared: Path) -> Pixels:
    """50 chips of 150×150: of lfw-dev where it is there, else small faces and a portrait, distorted."""
    files = sorted((shared / "faces" / "lfw-dev").glob("*/*.jpg"))[::67][:50]
    if files:
        pictures = [cv2.imread(str(file))[40:210, 40:210, ::-1] for file in files]
    else:
        data = pytest.importorskip("skimage.data")
        small = [cv2.cvtColor(face, cv2.COLOR_GRAY2RGB) for face in np.uint8(data.lfw_subset()[:40] * 255)]
        head = data.astronaut()[20:220, 120:320]
        pictures = small + [np.roll(head, 9 * i, axis=i % 3) for i in range(10)]
    return np.stack([cv2.resize(picture, (150, 150)) for picture in pictures])


def test_equals_dlib_on_fifty_faces(resnet: Bundle) -> None:
    peer = pytest.importorskip("dlib")
    shared = Path(__file__).resolve().parents[4] / "shared" / "data"
    faces = chips(shared)
    ours = Session(resnet, "model.onnx", Runtime())(faces)[0]
    theirs = np.array(
        peer.face_recognition_model_v1(str(weights_path(RESNET))).compute_face_descriptor(list(faces))
    )
    assert ours.shape == theirs.shape == (50, 128)
    assert np.abs(ours - theirs).max() < 1e-5


def test_the_graph_is_the_same_bytes_everywhere(resnet: Bundle) -> None:
    # Pinned: the shipped card names this file by its digest.
    digest = "2feefc522275986133f5cf16b37803499d5b5d0e728f070f4ca8c8220b909b1d"
    assert hashlib.sha256(resnet.read("model.onnx")).hexdigest() == digest


def test_the_graph_says_nothing_but_what_it_computes(resnet: Bundle) -> None:
    model = onnx.load_model_from_string(resnet.read("model.onnx"))
    onnx.checker.check_model(model, full_check=True)
    assert (model.producer_name, model.ir_version, model.opset_import[0].version) == ("mien", 8, 17)
    assert not model.doc_string
    assert not any(node.doc_string for node in model.graph.node)
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert {node.op_type for node in model.graph.node}.isdisjoint({"Pad", "Concat", "BatchNormalization"})
    assert sum(node.op_type == "Conv" for node in model.graph.node) == 29 + 3 + 2  # widened, enlarged


def test_the_card_is_ready_for_a_bundle(resnet: Bundle) -> None:
    assert resnet.card.input.size == (150, 150)
    assert (resnet.card.dimension, resnet.card.mirror, resnet.card.metric) == (128, True, "cosine")
    (golden,) = measure(resnet)
    assert golden.values[0] == pytest.approx(-0.0925236, abs=1e-4)


# --- the detector -------------------------------------------------------------------------------------------


def landmark_graph() -> bytes:
    """(n,3,48,48) → the mean of each channel, so that what it was fed shows."""
    helper = onnx.helper
    graph = helper.make_graph(
        [helper.make_node("ReduceMean", ["x"], ["y"], axes=[2, 3], keepdims=0)],
        "landmarks",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 3, 48, 48])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", 3])],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    ).SerializeToString()


def test_the_detectors_options_become_its_parameters() -> None:
    card, files = dlib.detector(weights_path(MMOD).read_bytes(), landmark_graph())
    assert card.head == "mmod"
    assert card.parameters["window"] == [80, 80]
    assert card.parameters["overlap"] == pytest.approx(0.33827613)
    # Three unpadded 5×5 convolutions of stride 2: 8p + 2·(1 + 2 + 4).
    assert (card.parameters["stride"], card.parameters["first"]) == (8, 14)
    assert {file.name for file in card.files} == set(files) == {"mmod.onnx", "landmarks.onnx"}


def test_one_normalisation_serves_both_graphs_of_the_detector() -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (2, 3, 48, 48)).astype(np.float32)
    fed = (pixels - np.float32(dlib.MEAN)[:, None, None]) / 256
    behind = normalised_first(landmark_graph(), dlib.ONET_GAIN, dlib.ONET_OFFSET)
    wanted = run(landmark_graph(), (pixels - 127.5) / 128)[0]
    np.testing.assert_allclose(run(behind, fed)[0], wanted, atol=1e-6)


def test_batch_normalisation_becomes_part_of_the_convolution() -> None:
    rng = np.random.default_rng(3)
    weights, bias = rng.normal(size=(1, 3, 3, 3)).astype(np.float32), np.float32([0.5])
    gain, offset, mean, variance = (np.float32([number]) for number in (1.5, -0.25, 0.75, 2.0))
    view = integers(1, 1, 1, 1, 1)
    norm = (
        text("bn_con2") + tensor([*gain, *offset]) + view * 2 + tensor([]) * 2 + tensor(mean) + tensor(variance)
    )
    norm += integers(7, 100) + real(1.0) * 4 + real(1e-5) + tail()
    data = header("input_rgb_image_pyramid") + conv(weights, bias, 1, 1, first=True) + norm
    graph = scanning_graph(folded(read_network(Stream(data)).layers))
    image = rng.normal(size=(1, 3, 6, 7)).astype(np.float32)
    windows = sliding_window_view(np.pad(image[0], ((0, 0), (1, 1), (1, 1))), (3, 3), (1, 2))
    raw = np.einsum("oikl,ihwkl->ohw", weights, windows) + bias
    wanted = gain * (raw - mean) / np.sqrt(variance + 1e-5) + offset
    np.testing.assert_allclose(run(graph, image)[0][0], wanted, atol=1e-5)


# --- damage -------------------------------------------------------------------------------------------------


@given(st.integers(-(1 << 63) + 1, (1 << 63) - 1))
def test_integers_read_back(value: int) -> None:
    assert Stream(integer(value)).integer(-(1 << 63)) == value


@given(st.floats(-1e12, 1e12))
def test_reals_read_back(value: float) -> None:
    mantissa, exponent = np.frexp(value)
    written = integers(int(mantissa * 2**53), int(exponent) - 53)
    assert Stream(written).real() == value


TINY = Weights().stream()


@given(st.dictionaries(st.integers(0, len(TINY) - 1), st.integers(0, 255), min_size=1, max_size=4))
def test_a_damaged_stream_is_refused_or_read_never_worse(flips: dict[int, int]) -> None:
    stream = bytearray(TINY)
    for at, byte in flips.items():
        stream[at] = byte
    with contextlib.suppress(GraphError):
        dlib.embedder(bytes(stream))


@pytest.mark.parametrize("byte", [0x00, 0x7F, 0x88])
def test_every_part_of_a_stream_withstands_damage(byte: int) -> None:
    refused = 0
    for at in range(0, len(TINY), 5):
        stream = bytearray(TINY)
        stream[at] = byte
        try:
            dlib.embedder(bytes(stream))
        except GraphError:
            refused += 1
    assert refused > 50


@given(st.integers(0, len(TINY) - 1))
def test_a_stream_cut_short_is_refused(length: int) -> None:
    with pytest.raises(GraphError):
        dlib.embedder(TINY[:length])


@given(st.integers(0, 4000), st.integers(0, 255))
def test_a_damaged_header_of_the_detector_is_refused_or_read(at: int, byte: int) -> None:
    data = bytearray(weights_path(MMOD).read_bytes()[:20_000])
    data[at] = byte
    with pytest.raises(GraphError):
        dlib.detector(bytes(data), landmark_graph())


def test_a_tensor_that_lies_about_its_size_costs_nothing() -> None:
    lie = integers(2, 200_000_000, 200_000_000, 1000, 1000) + b"\0" * 64
    tracemalloc.start()
    with pytest.raises(GraphError, match="bytes wanted"):
        Stream(lie).tensor()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "1 bytes wanted, 0 left"),
        (b"\x89PNG\r\n\x1a\n", "no integer begins"),
        (integer(1) + text("loss_mmod_"), "'loss_mmod_' where 'loss_metric_2' is wanted"),
        (integer(1) + text("loss_metric_2") + real(0.5) * 2 + integers(2) * 9, "left|no input layer"),
    ],
)
def test_what_is_wrong_is_said(data: bytes, complaint: str) -> None:
    with pytest.raises(GraphError, match=complaint):
        dlib.embedder(data)


@pytest.mark.parametrize("epsilon", [1e200, -1e200, -3.0])
def test_a_lying_epsilon_is_refused_without_a_warning(epsilon: float) -> None:
    view = integers(1, 1, 1, 1, 1)
    statistics = tensor([]) * 2 + tensor([0.5]) + tensor([2.0]) + integers(7, 100) + real(1.0) * 4
    mantissa, exponent = np.frexp(epsilon)
    lie = integers(int(mantissa * 2**53), int(exponent) - 53)
    norm = text("bn_con2") + tensor([1.0, 0.0]) + view * 2 + statistics + lie + tail()
    weights = conv(np.zeros((1, 3, 3, 3), np.float32), np.float32([0.5]), 1, 1, first=True)
    with pytest.raises(GraphError, match="running statistics that do not fit"):
        read_network(Stream(header("input_rgb_image_pyramid") + weights + norm))


def test_weights_must_be_numbers() -> None:
    bad = tensor([1.0]).replace(struct.pack("<f", 1.0), struct.pack("<f", float("nan")))
    with pytest.raises(GraphError, match="not a finite number"):
        Stream(bad).tensor()


def test_another_models_means_are_refused() -> None:
    data = Weights().stream().replace(real(dlib.MEAN[0]), real(dlib.MEAN[1]))
    with pytest.raises(GraphError, match="another model"):
        dlib.embedder(data)


def test_landmarks_that_are_no_graph_are_refused() -> None:
    with pytest.raises(GraphError, match="landmarks"):
        normalised_first(b"not a graph", 1.0, (0, 0, 0))
