"""The small picture of a face that may be kept: enough around it that another model can look at it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import msgspec
import numpy as np

from mien.errors import InputError
from mien.images import Picture, encode_jpeg, load
from mien.values import Faces, Floats, Pixels, frozen_array

AROUND = 0.6  # of the face's longer side, on each side of it
LONGEST = 512  # pixels of a side
QUALITY = 95  # of the JPEG


@dataclass(frozen=True, slots=True, eq=False)
class Cutout:
    """A kept picture (h,w,3) uint8 RGB and the face's landmarks (5,2) in it, pixels."""

    image: bytes
    landmarks: Floats

    @property
    def pixels(self) -> Pixels:
        """The picture itself."""
        return load(self.image).pixels

    def points(self) -> str:
        """The landmarks as they are stored."""
        return msgspec.json.encode(np.round(self.landmarks.astype(float), 2).tolist()).decode()


def cut(picture: Picture, faces: Faces) -> Cutout:
    """The surroundings of the one face given, in the full picture's pixels, at most LONGEST wide and high."""
    if len(faces) != 1:
        raise InputError(f"one face is cut out at a time, not {len(faces)}")
    shown = faces.scaled((1 / picture.factor[0], 1 / picture.factor[1]))
    x1, y1, x2, y2 = _window(shown, picture.pixels)
    part = picture.pixels[y1:y2, x1:x2]
    scale = min(1.0, LONGEST / max(part.shape[:2]))
    points = shown.landmarks[0] - np.array([x1, y1], np.float32)
    if scale < 1:
        size = (max(round(part.shape[1] * scale), 1), max(round(part.shape[0] * scale), 1))
        factor = np.array(size) / np.array(part.shape[1::-1])
        part = cv2.resize(part, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        points = ((points + 0.5) * factor - 0.5).astype(np.float32)
    return Cutout(encode_jpeg(np.ascontiguousarray(part), QUALITY), points)


def restored(image: bytes, points: str) -> Cutout:
    """A cutout as it was stored."""
    return Cutout(image, frozen_array("landmarks", msgspec.json.decode(points.encode()), 5, 2))


def _window(faces: Faces, pixels: Pixels) -> tuple[int, int, int, int]:
    """x1, y1, x2, y2 of the square about a face, as far as the picture reaches."""
    box = faces.boxes[0].reshape(2, 2)
    reach = float((box[1] - box[0]).max()) * (0.5 + AROUND)
    middle = box.mean(axis=0)
    limits = np.array(pixels.shape[1::-1])
    low = np.clip(np.floor(middle - reach), 0, limits - 1).astype(int)
    high = np.clip(np.ceil(middle + reach) + 1, low + 1, limits).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
