"""What a photograph may have gone through: seven ways to spoil one, each in several strengths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from mien.values import Floats, Pixels

GREY = (128, 128, 128)


@dataclass(frozen=True, slots=True)
class Stress:
    """One way to spoil a picture. apply(pixels, box, strength) → the spoilt picture; box: the face's.

    strengths: from untouched to hopeless. unit: what is written after a strength. label: what it measures.
    """

    name: str
    says: str
    label: str
    unit: str
    strengths: Sequence[float]
    apply: Callable[[Pixels, Floats, float], Pixels]
    log: bool = False

    def words(self, strength: float) -> str:
        """A strength as people write it."""
        return f"{strength:g}{self.unit}"


def blurred(pixels: Pixels, box: Floats, sigma: float) -> Pixels:
    """Gaussian blur, sigma in pixels."""
    return _uint8(cv2.GaussianBlur(pixels, (0, 0), sigma)) if sigma else pixels


def turned(pixels: Pixels, box: Floats, degrees: float) -> Pixels:
    """Turned counter-clockwise about the middle of the face; what comes into view is grey."""
    x1, y1, x2, y2 = (float(v) for v in box)
    matrix = cv2.getRotationMatrix2D(((x1 + x2) / 2, (y1 + y2) / 2), degrees, 1)
    return _uint8(cv2.warpAffine(pixels, matrix, pixels.shape[1::-1], borderValue=GREY))


def darkened(pixels: Pixels, box: Floats, percent: float) -> Pixels:
    """So much of the brightness left; the numbers of the file stay whole."""
    return _uint8(pixels * (percent / 100))


def compressed(pixels: Pixels, box: Floats, quality: float) -> Pixels:
    """Through a JPEG file of that quality."""
    file = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(quality)])[1]
    return _uint8(cv2.imdecode(file, cv2.IMREAD_COLOR))[..., ::-1].copy()


def covered(pixels: Pixels, box: Floats, percent: float) -> Pixels:
    """A grey sheet over the lower part of the face."""
    x1, y1, x2, y2 = (round(float(v)) for v in box)
    result = pixels.copy()
    result[max(round(y2 - (y2 - y1) * percent / 100), 0) : max(y2, 0), max(x1, 0) : max(x2, 0)] = GREY
    return result


def shrunk(pixels: Pixels, box: Floats, width: float) -> Pixels:
    """The whole picture made smaller, until the face is `width` pixels wide."""
    scale = width / float(box[2] - box[0])
    if scale >= 1:
        return pixels
    size = [max(round(side * scale), 1) for side in pixels.shape[1::-1]]
    return _uint8(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))


def noisy(pixels: Pixels, box: Floats, deviation: float) -> Pixels:
    """Random numbers added to every pixel and channel, the same ones each time."""
    noise = np.random.default_rng(0).standard_normal(pixels.shape, np.float32)
    return _uint8(pixels + deviation * noise)


def _uint8(values: Any) -> Pixels:
    result: Pixels = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return result


STRESSES = (
    Stress(
        "Blur",
        "Out of focus: a Gaussian blur of so many pixels.",
        "blur (pixels)",
        " px",
        (0, 1, 2, 3, 4, 5, 6, 8),
        blurred,
    ),
    Stress(
        "Rotation",
        "The camera held askew. A face that is found is turned upright before it is compared, so a tilt costs "
        "little. But detectors learn on upright faces: on its side or head they find none, or take something "
        "else for one. With --any-rotation they look four times, and find these too.",
        "turned by (degrees)",
        "°",
        tuple(range(0, 360, 30)),
        turned,
    ),
    Stress(
        "Darkness",
        "Too little light: the numbers of the file shrink, stay whole, and leave less and less to see.",
        "brightness left (percent)",
        " %",
        (100, 50, 25, 12, 6, 4, 2, 1),
        darkened,
        log=True,
    ),
    Stress(
        "JPEG",
        "Saved ever smaller: 95 is a good camera, 5 a bad joke.",
        "JPEG quality",
        "",
        (95, 70, 50, 30, 20, 10, 5, 2),
        compressed,
    ),
    Stress(
        "Occlusion",
        "A grey sheet rises from the chin: over the mouth, the nose, the eyes.",
        "covered (percent of the face)",
        " %",
        (0, 10, 20, 30, 40, 50, 60, 75),
        covered,
    ),
    Stress(
        "Small size",
        "Further and further away: the whole picture shrinks until the face is so many pixels wide.",
        "face width (pixels)",
        " px",
        (80, 64, 48, 40, 32, 24, 16, 12),
        shrunk,
        log=True,
    ),
    Stress(
        "Noise",
        "A sensor at its limit: random numbers on every pixel, of this standard deviation (of 255).",
        "noise (of 255)",
        "",
        (0, 10, 20, 30, 40, 60, 80, 120),
        noisy,
    ),
)
