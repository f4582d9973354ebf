"""dlib, used as face_recognition uses it by default: HOG detector, five-point landmarks, ResNet.

Its wheel has no BLAS and its models run on one core.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import dlib
import numpy as np
from clock import Measured, rated
from PIL import Image

UPSAMPLE = 1  # face_recognition's default: the picture is doubled once before HOG looks at it


def read(pictures: Sequence[str]) -> Measured:
    """Images a second, end to end from files."""
    detect = dlib.get_frontal_face_detector()
    points = dlib.shape_predictor(_model("shape_predictor_5_face_landmarks.dat"))
    network = dlib.face_recognition_model_v1(_model("dlib_face_recognition_resnet_model_v1.dat"))

    def faces_of(picture: str) -> int:
        image = np.array(Image.open(picture).convert("RGB"))
        found = [points(image, box) for box in detect(image, UPSAMPLE)]
        return len([network.compute_face_descriptor(image, shape, 1) for shape in found])

    for picture in pictures[:2]:
        faces_of(picture)
    return rated(lambda: sum(faces_of(picture) for picture in pictures), len(pictures))


def embed(chips: str, batch: int) -> Measured:
    """Milliseconds a face: compute_face_descriptor on uint8 chips of 150×150."""
    images = np.load(chips)[:64]
    network = dlib.face_recognition_model_v1(_model("dlib_face_recognition_resnet_model_v1.dat"))

    def run(part: Any) -> float:
        start = time.perf_counter()
        network.compute_face_descriptor(part[0] if batch == 1 else list(part))
        return time.perf_counter() - start

    run(images[:batch])
    times = [run(images[i : i + batch]) for i in range(0, len(images) - batch + 1, batch)]
    return {"value": 1000 * median(times) / batch, "faces": batch * len(times)}


def _model(name: str) -> str:
    # The package is only found, never imported: it needs pkg_resources, which is no more.
    spec = find_spec("face_recognition_models")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("face_recognition_models is not installed here")
    return str(Path(spec.submodule_search_locations[0]) / "models" / name)
