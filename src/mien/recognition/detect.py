"""The first step: images → faces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mien.bundle.bundle import Bundle, require_task
from mien.bundle.card import DetectCard
from mien.bundle.runtime import Runtime
from mien.errors import CardError
from mien.recognition.boxes import suppress
from mien.recognition.detectors import HEADS
from mien.values import Faces, Floats, Pixels

SAME_FACE = 0.3  # overlap (IoU) from which two rotations have seen one face


class Detector:
    """A detector bundle ready to run. Safe to call from several threads at once.

    any_rotation: look at the picture at 0, 90, 180 and 270 degrees (four times the work) and keep, of
    every face, the view with the best score.
    """

    def __init__(self, bundle: Bundle, runtime: Runtime, *, any_rotation: bool = False) -> None:
        require_task(bundle, DetectCard, "a detector")
        head = getattr(bundle.card, "head", "")
        if head not in HEADS:
            raise CardError(f"{bundle.folder}: head {head!r} is unknown; known: {', '.join(sorted(HEADS))}")
        self._head = HEADS[head](bundle, runtime)
        self._any_rotation = any_rotation

    def __call__(self, images: Sequence[Pixels]) -> list[Faces]:
        """The faces of each image (h,w,3) uint8 RGB, in its pixels, best score first."""
        if not self._any_rotation:
            return self._head(images)
        return [self._all_round(image) for image in images]

    def _all_round(self, image: Pixels) -> Faces:
        views = [self._head([np.ascontiguousarray(np.rot90(image, turns))])[0] for turns in range(4)]
        found = [turned_back(faces, turns, image.shape[:2]) for turns, faces in enumerate(views)]
        every = joined(found)
        return every[suppress(every.boxes, every.scores, SAME_FACE)]


def joined(parts: Sequence[Faces]) -> Faces:
    """All faces of one image in one value, in the order given."""
    return Faces(
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.landmarks for part in parts]),
        np.concatenate([part.scores for part in parts]),
    )


def turned_back(faces: Faces, turns: int, size: tuple[int, int]) -> Faces:
    """Faces found in `np.rot90(image, turns)`, in the pixels of the image of `size` (height, width).

    Landmarks keep their order as seen with the face upright.
    """
    points: Floats = faces.landmarks
    corners: Floats = faces.boxes.reshape(-1, 2, 2)
    for step in range(turns, 0, -1):
        # One counter-clockwise quarter took (x, y) of a w×h image to (y, w − 1 − x).
        width = size[1] if step % 2 else size[0]
        points, corners = _clockwise(points, width), _clockwise(corners, width)
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    return Faces(boxes, points, faces.scores)


def _clockwise(points: Floats, width: int) -> Floats:
    return np.stack([width - 1 - points[..., 1], points[..., 0]], axis=-1)
