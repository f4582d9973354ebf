"""dlib's face networks: from their `.dat` files to bundles' cards and files, without dlib.

Weights: Davis E. King, `dlib_face_recognition_resnet_model_v1.dat` and `mmod_human_face_detector.dat`, CC0 1.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mien.bundle.card import DetectCard, EmbedCard, Input, Provenance, Reference, listed
from mien.bundle.importers.dlib_graph import CHIP, normalised_first, residual_graph, scanning_graph
from mien.bundle.importers.dlib_stream import Conv, Layer, Network, Stream, folded, read_network
from mien.errors import GraphError

MAX_WINDOW = 4096
# dlib stores the means as float32; these are the numbers that it was given.
MEAN = (122.782, 117.001, 104.298)
SCALE = 1 / 256
# What O-Net wants, (x − 127.5) / 128, from what both graphs of the detector are fed, (x − mean) / 256.
ONET_GAIN, ONET_OFFSET = 2.0, tuple((mean - 127.5) / 128 for mean in MEAN)
# Fitted on LFW: where five landmarks of MTCNN fall on the chips that dlib's own aligner cuts.
REFERENCE = Reference(
    points=((48.83, 46.98), (103.20, 46.82), (75.06, 79.49), (52.44, 107.24), (100.23, 107.00)),
    weights=(1.0, 1.0, 0.2, 0.2, 0.2),
)
# Pyramid and canvas as dlib's Python module sets them up (they are not in the file), and the square in which
# MTCNN's O-Net finds the landmarks: as large as the box, its centre a little right of and below the box's.
# On lfw-dev, 10 % more or less of its side or 5 % of its place leave the embedder's accuracy as it is.
HEAD = {
    "padding": 10,
    "border": 11,
    "octave": 6,
    "threshold": 0.5,
    "slope": 4.0,
    "longest": 1280,
    "upsample": 0,
    "landmark_box": [0.035, 0.05, 1.0],
}
SOURCE = "https://github.com/davisking/dlib-models, by way of face_recognition_models 0.3.0"


def embedder(
    data: bytes, *, source: str = SOURCE, licence: str = "CC0-1.0"
) -> tuple[EmbedCard, dict[str, bytes]]:
    """The card, without golden numbers, and the files of dlib's residual embedder, from its `.dat` file.

    Raises GraphError where the bytes are not that network, MissingExtraError without the package onnx.
    """
    stream = Stream(data)
    _loss(stream, "loss_metric_2")
    stream.real(), stream.real()  # margin and distance threshold of the training
    network = _require_input(read_network(stream), "input_rgb_image_sized")
    files = {"model.onnx": residual_graph(folded(network.layers))}
    card = EmbedCard(
        name="dlib-resnet",
        files=listed(files),
        input=_input((CHIP, CHIP)),
        provenance=Provenance(
            source=source,
            licence=licence,
            framework="dlib",
            recipe="29 convolutions, metric loss (Davis E. King)",
            data="about 3 million faces of 7485 people: VGG, FaceScrub and others",
        ),
        reference=REFERENCE,
        dimension=128,
        mirror=True,
    )
    return card, files


def detector(
    data: bytes, landmarks: bytes, *, source: str = SOURCE, licence: str = "CC0-1.0 (detector), MIT (landmarks)"
) -> tuple[DetectCard, dict[str, bytes]]:
    """The card, without golden numbers, and the files of dlib's CNN face detector.

    data: the `.dat` file. landmarks: an ONNX graph for 48×48 faces, (x − 127.5) / 128, whose output of ten
    numbers is five x, then five y (MTCNN's O-Net). Raises as `embedder` does.
    """
    stream = Stream(data)
    options = _mmod_options(stream)
    network = _require_input(read_network(stream), "input_rgb_image_pyramid")
    steps = folded(network.layers)
    files = {
        "mmod.onnx": scanning_graph(steps),
        "landmarks.onnx": normalised_first(landmarks, ONET_GAIN, ONET_OFFSET),
    }
    card = DetectCard(
        name="mmod",
        files=listed(files),
        input=_input(None),
        provenance=Provenance(
            source=source,
            licence=licence,
            framework="dlib",
            recipe="max-margin object detection (King 2015, arXiv:1502.00046)",
            data="dlib_face_detection_dataset; landmarks: those of the mtcnn bundle",
        ),
        head="mmod",
        parameters={**options, **_grid(steps), **HEAD},
    )
    return card, files


def _loss(stream: Stream, name: str) -> None:
    stream.integer(1, 1)
    stream.expect(name)


def _mmod_options(stream: Stream) -> dict[str, Any]:
    _loss(stream, "loss_mmod_")
    stream.integer(1, 1)  # later versions hold several windows and box regression: no such face model is public
    width, height = (stream.integer(1, MAX_WINDOW) for _ in range(2))
    numbers = [stream.real() for _ in range(7)]
    overlap, covered = numbers[3:5]  # before: three of the training; after: two for ignored boxes
    if not 0 < overlap <= 1 or covered != 1:
        raise stream.fail(f"overlaps {overlap} and {covered}: 0 to 1, and 1 (no limit), are read")
    return {"window": [width, height], "overlap": overlap}


def _grid(steps: Sequence[Layer]) -> dict[str, int]:
    """How far apart the windows are, and where the centre of the first one is, in pixels of the input."""
    stride, first = 1, 0
    for step in steps:
        if isinstance(step, Conv):
            first += stride * (step.weights.shape[2] // 2 - step.padding)
            stride *= step.stride
    return {"stride": stride, "first": first}


def _require_input(network: Network, name: str) -> Network:
    if network.input != name or not np.allclose(network.mean, MEAN, atol=1e-4):
        raise GraphError(
            f"dlib stream: input {network.input!r} with means {network.mean}, where {name!r} with "
            f"{MEAN} is wanted; this is another model"
        )
    return network


def _input(size: tuple[int, int] | None) -> Input:
    return Input(size=size, channels="RGB", mean=MEAN, scale=(SCALE,) * 3)
