"""insightface's FaceAnalysis, given the same two files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
from clock import Measured, rated


def read(pictures: Sequence[str], root: str, name: str, spinning: bool) -> Measured:
    """Images a second, end to end from files; spinning: ONNX Runtime as it comes."""
    app = _open(root, name, spinning)
    for picture in pictures[:8]:
        app.get(cv2.imread(picture))
    return rated(lambda: sum(len(app.get(cv2.imread(picture))) for picture in pictures), len(pictures))


def _open(root: str, name: str, spinning: bool) -> Any:
    from insightface.app import FaceAnalysis

    more = {} if spinning else {"sess_options": _quiet()}
    app = FaceAnalysis(name=name, root=root, providers=["CPUExecutionProvider"], **more)
    app.prepare(ctx_id=-1, det_size=(640, 640))
    return app


def _quiet() -> Any:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
