"""The loop that anybody would write around two ONNX files: read, scale, run, decode, warp, run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort
from clock import Measured, rated

POINTS = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]],
    np.float32,
)


def read(pictures: Sequence[str], head: str, detector: str, embedder: str, spinning: bool) -> Measured:
    """Images a second, end to end from files; spinning: ONNX Runtime as it comes."""
    detect, embed = (open_session(path, spinning) for path in (detector, embedder))
    for picture in pictures[:8]:
        faces_of(picture, HEADS[head], detect, embed)
    return rated(
        lambda: sum(len(faces_of(picture, HEADS[head], detect, embed)) for picture in pictures), len(pictures)
    )


def open_session(path: str, spinning: bool) -> Any:
    if spinning:
        return ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    options = ort.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def faces_of(picture: str, head: Any, detect: Any, embed: Any) -> Any:
    image = cv2.imread(picture)
    crops = []
    for landmarks in head(detect, image):
        matrix, _ = cv2.estimateAffinePartial2D(landmarks, POINTS, method=cv2.LMEDS)
        crops.append(cv2.warpAffine(image, matrix, (112, 112)))  # type: ignore[arg-type]
    if not crops:
        return []
    blob = cv2.dnn.blobFromImages(crops, 1 / 127.5, (112, 112), (127.5,) * 3, swapRB=True)
    vectors = embed.run(None, {embed.get_inputs()[0].name: blob})[0]
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def scrfd(session: Any, image: Any) -> Any:
    """Landmarks (n,5,2); the picture is fitted into 640×640."""
    height, width = image.shape[:2]
    scale = 640 / max(height, width)
    small = cv2.resize(image, (round(width * scale), round(height * scale)))
    canvas = np.zeros((640, 640, 3), np.uint8)
    canvas[: small.shape[0], : small.shape[1]] = small
    blob = cv2.dnn.blobFromImage(canvas, 1 / 128, (640, 640), (127.5,) * 3, swapRB=True)
    outputs = session.run(None, {session.get_inputs()[0].name: blob})
    scores, boxes, landmarks = [], [], []
    for level, stride in enumerate((8, 16, 32)):
        score = outputs[level].ravel()
        hits = np.flatnonzero(score > 0.5)
        y, x = np.divmod(hits // 2, 640 // stride)
        cells = np.stack([x, y], axis=1) * stride
        distances = outputs[level + 3].reshape(-1, 4)[hits] * stride
        scores.append(score[hits])
        boxes.append(np.hstack([cells - distances[:, :2], distances[:, :2] + distances[:, 2:]]))
        landmarks.append(cells[:, None] + outputs[level + 6].reshape(-1, 5, 2)[hits] * stride)
    return _best(scores, boxes, landmarks, 0.4) / scale


def yunet(session: Any, image: Any) -> Any:
    """Landmarks (n,5,2); the picture as large as it is, padded to multiples of 32."""
    down, right = (-side % 32 for side in image.shape[:2])
    canvas = cv2.copyMakeBorder(image, 0, down, 0, right, cv2.BORDER_CONSTANT)
    outputs = session.run(None, {session.get_inputs()[0].name: cv2.dnn.blobFromImage(canvas)})
    scores, boxes, landmarks = [], [], []
    for level, stride in enumerate((8, 16, 32)):
        score = np.sqrt(outputs[level].ravel() * outputs[level + 3].ravel())
        hits = np.flatnonzero(score > 0.7)
        y, x = np.divmod(hits, canvas.shape[1] // stride)
        cells = np.stack([x, y], axis=1)
        answers = outputs[level + 6].reshape(-1, 4)[hits]
        sides = np.exp(answers[:, 2:])
        scores.append(score[hits])
        boxes.append(np.hstack([cells + answers[:, :2] - sides / 2, sides]) * stride)
        landmarks.append((cells[:, None] + outputs[level + 9].reshape(-1, 5, 2)[hits]) * stride)
    return _best(scores, boxes, landmarks, 0.3)


def _best(scores: list[Any], boxes: list[Any], landmarks: list[Any], overlap: float) -> Any:
    kept = cv2.dnn.NMSBoxes(np.concatenate(boxes), np.concatenate(scores), 0.5, overlap)  # type: ignore[arg-type]
    return np.concatenate(landmarks)[np.array(kept, int).ravel()]


HEADS = {"scrfd": scrfd, "yunet": yunet}
