"""How far each face can be relied on: size, sharpness, pose, light and score, with reasons.

The measures, each an (n,) array:

- size: pixels of the full picture between the eyes, over cos(yaw), so that a turned face is not called
  small for it (the definition of ISO/IEC 29794-5).
- sharpness: the crop's detail at 1/24 of the eyes' distance over that at 1/12 (standard deviations of the
  Laplacian at both spacings, brightness only). A picture enlarged or blurred has none of the finer one. A
  ratio, so contrast and the size of the embedder's crop hardly move it; noise over a blurred picture does.
- yaw, pitch, roll: degrees; positive: nose towards the image's right, nose up, head clockwise. From the
  rotation closest to the affine fit of a mean face to the five landmarks (weak perspective). turn: the
  angle between the face and the line of sight, of yaw and pitch together.
- brightness, contrast: mean and standard deviation of the face's brightness, 0..255.
- score: the detector's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.bundle.card import Reference
from mien.values import Faces, Floats, Pixels, Quality

EYES_APART = 24  # pixels between the eyes at which sharpness and light are measured
REACH = 0.95  # half a side of the square that is looked at, in distances between the eyes
# Five points of a mean face: x to the image's right, y down, z away from the camera; eyes 1 apart. Fitted to
# the landmarks that YuNet finds on 3,380 pictures of LFW, with no pitch at their median.
MEAN_FACE = (
    (-0.5, 0.0, 0.0),
    (0.5, 0.0, 0.0),
    (0.0, 0.544, -0.43),
    (-0.422, 0.963, 0.071),
    (0.422, 0.963, 0.071),
)
SOLVE = np.linalg.pinv(np.array(MEAN_FACE) - np.mean(MEAN_FACE, axis=0))  # (3,5): landmarks → affine fit
ROUNDING = 3.0  # keeps what rounding to bytes leaves of a smooth picture from counting as its detail
TINY = 1e-9

Doubles = NDArray[np.float64]
Band = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on each measure is a reason to doubt a face.

    A band maps its measure to 0..1: 0 at its first number, ½ at the second (the limit), 1 at the third,
    straight between.

    Chosen so that about one face in fifty of LFW (found by YuNet) has a reason, and nearly every face that
    was enlarged from 9 pixels between the eyes has.
    """

    small: Band = (0, 20, 45)
    blurred: Band = (0.15, 0.31, 0.36)
    turned: Band = (90, 50, 20)
    dark: Band = (0, 40, 80)
    bright: Band = (255, 215, 190)
    flat: Band = (0, 12, 25)
    low_score: Band = (0, 0.6, 0.9)

    def bands(self) -> Doubles:
        """(7,3) the bands, in the order of `JUDGED`."""
        return np.array([getattr(self, reason.replace(" ", "_")) for reason in JUDGED])


# reason → the measure that it judges
JUDGED = {
    "small": "size",
    "blurred": "sharpness",
    "turned": "turn",
    "dark": "brightness",
    "bright": "brightness",
    "flat": "contrast",
    "low score": "score",
}
DEFAULT_LIMITS = Limits()


def measure(faces: Faces, crops: Pixels, reference: Reference, limits: Limits = DEFAULT_LIMITS) -> Quality:
    """The quality of faces, in the full picture's pixels, with their crops (n,h,w,3) uint8 RGB.

    reference: where the crops' landmarks stand. A value under ½ and a reason go together.
    """
    yaw, pitch, roll, turn = pose(faces.landmarks)
    eyes = faces.landmarks[:, 1] - faces.landmarks[:, 0]
    grey = _face_squares(crops, reference)
    measures = {
        "size": np.hypot(eyes[:, 0], eyes[:, 1]) / np.maximum(np.cos(np.radians(yaw)), 0.2),
        "sharpness": _detail(grey, 1) / (_detail(grey, 2) + ROUNDING),
        "yaw": yaw,
        "pitch": pitch,
        "roll": roll,
        "turn": turn,
        "brightness": grey.mean(axis=(1, 2)),
        "contrast": grey.std(axis=(1, 2)),
        "score": faces.scores,
    }
    marks = _marks(np.array([measures[name] for name in JUDGED.values()]), limits.bands())
    return Quality(marks.min(axis=0), tuple(_reasons(mark) for mark in marks.T), measures)


def pose(landmarks: Floats) -> tuple[Doubles, Doubles, Doubles, Doubles]:
    """Yaw, pitch, roll and turn, degrees (n,) each, of landmarks (n,5,2): see the head of this file."""
    affine = np.matmul(SOLVE, landmarks, dtype=np.float64).transpose(
        2, 1, 0
    )  # (2,3,n): three numbers for x, three for y
    (r1, r2, r3), (d1, d2, d3) = _nearest_rotation(affine)
    a1, a2, a3 = r2 * d3 - r3 * d2, r3 * d1 - r1 * d3, r1 * d2 - r2 * d1
    # R = Rz(roll) · Rx(−pitch) · Ry(−yaw), its rows being right, down, away.
    yaw, roll = np.arctan2(a1, a3), np.arctan2(-r2, d2)
    pitch, turn = -np.arcsin(np.clip(a2, -1, 1)), np.arccos(np.clip(a3, -1, 1))
    return np.degrees(yaw), np.degrees(pitch), np.degrees(roll), np.degrees(turn)


def _nearest_rotation(affine: Doubles) -> Doubles:
    """The orthonormal rows (2,3,n) nearest to the given: (A·Aᵀ)^-½ · A, the root of a 2×2 in closed form."""
    x, y = affine
    xx, xy, yy = (x * x).sum(axis=0), (x * y).sum(axis=0), (y * y).sum(axis=0)
    # Landmarks on one line make the root 0; the small numbers leave them a face turned away.
    root = np.sqrt(np.maximum(xx * yy - xy * xy, 0)) + TINY * (xx + yy) + TINY
    whole = root * np.sqrt(xx + yy + 2 * root)
    rows: Doubles = np.array([(yy + root) * x - xy * y, (xx + root) * y - xy * x]) / whole
    return rows


def _face_squares(crops: Pixels, reference: Reference) -> Floats:
    """(n,s,s) brightness of the square about each face, its eyes EYES_APART pixels apart."""
    n, height, width, _ = crops.shape
    columns, rows, size = _square(reference, height, width)
    squares = np.empty((n, size[1], size[0]), np.float32)
    grey = cv2.cvtColor(crops.reshape(-1, width, 3), cv2.COLOR_RGB2GRAY) if n else crops[..., 0]
    # Floats before the averaging: rounding after it would look like fine detail.
    faces = grey.reshape(n, height, width)[:, rows, columns].astype(np.float32)
    for face, square in zip(faces, squares, strict=True):
        cv2.resize(face, size, dst=square, interpolation=cv2.INTER_AREA)
    return squares


def _square(reference: Reference, height: int, width: int) -> tuple[slice, slice, tuple[int, int]]:
    """Which columns and rows of a crop to look at, and the (width, height) to bring them to."""
    points = reference.points
    corners = [points[i] for i in (0, 1, 3, 4)]  # eyes and mouth
    apart = max(math.dist(points[0], points[1]), 1.0)
    x, y = (sum(corner[axis] for corner in corners) / 4 for axis in (0, 1))
    columns, rows = _within(x, REACH * apart, width), _within(y, REACH * apart, height)
    sides = (span.stop - span.start for span in (columns, rows))
    across, down = (max(5, round(side * EYES_APART / apart)) for side in sides)
    return columns, rows, (across, down)


def _within(middle: float, reach: float, length: int) -> slice:
    start = min(max(int(middle - reach), 0), length - 1)
    return slice(start, min(max(int(middle + reach), start + 1), length))


def _detail(grey: Floats, spacing: int) -> Floats:
    """(n,) standard deviation of the Laplacian with its neighbours `spacing` pixels away."""
    s = spacing
    edges = 4 * grey[:, s:-s, s:-s]
    edges -= grey[:, 2 * s :, s:-s]
    edges -= grey[:, : -2 * s, s:-s]
    edges -= grey[:, s:-s, 2 * s :]
    edges -= grey[:, s:-s, : -2 * s]
    spread: Floats = edges.std(axis=(1, 2))
    return spread


def _marks(values: Doubles, bands: Doubles) -> Doubles:
    useless, limit, ample = bands.T[:, :, None]
    below, above = (values - useless) / (limit - useless), (values - limit) / (ample - limit)
    marks: Doubles = np.clip(np.where(below < 1, below, 1 + above) / 2, 0, 1)
    return marks


def _reasons(marks: Doubles) -> tuple[str, ...]:
    """Names of the marks under ½, worst first."""
    if marks.min() >= 0.5:
        return ()
    names = tuple(JUDGED)
    return tuple(names[i] for i in np.argsort(marks, kind="stable") if marks[i] < 0.5)
