"""Faces → crops: each face warped so that its landmarks meet the places its embedder was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.bundle.bundle import Bundle, require_task
from mien.bundle.card import DetectCard, EmbedCard, Reference, digest_of
from mien.errors import InputError
from mien.recognition.detectors import VERSIONS
from mien.values import Floats, Pixels

WARP_VERSION = 1  # goes up with any change that moves a crop's pixels: crops of two versions must not mix
FLAT = 1e-3  # landmarks closer together than this, in pixels, fix no transform
WIDEST = 32767  # OpenCV's warp counts the pixels of a side in 16 bits
MIRRORED = 1e-6  # how little of the landmarks' spread a fit may carry over: beside it they are no face

Matrices = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Aligner:
    """What makes an embedder's crops: whose landmarks, onto which points, of which (height, width).

    detector: the bundle's digest; head: the version of the code that reads its outputs.
    """

    detector: str
    reference: Reference
    size: tuple[int, int]
    head: int = 1

    @classmethod
    def of(cls, bundle: Bundle, detector: Bundle) -> Self:
        """The aligner between a detector's bundle and an embedder's. BundleError where they are not that."""
        require_task(detector, DetectCard, "a detector")
        require_task(bundle, EmbedCard, "an embedder")
        card = bundle.card
        if not isinstance(card, EmbedCard) or card.input.size is None:  # both held by the card itself
            raise InputError(f"{bundle.folder}: the card names no crop")
        head = VERSIONS.get(getattr(detector.card, "head", ""), 1)
        return cls(detector.digest, card.reference, card.input.size, head)

    @property
    def digest(self) -> str:
        """SHA-256 over all that decides what a crop shows: detector, its head, points, weights, size, warp."""
        return digest_of(
            {
                "detector": self.detector,
                "head": self.head,
                "points": self.reference.points,
                "weights": self.reference.weights,
                "size": self.size,
                "warp": WARP_VERSION,
            }
        )

    def __call__(self, pixels: Pixels, landmarks: Floats) -> Pixels:
        """The crops (n,h,w,3) of the faces of one image (h,w,3) uint8 RGB with these landmarks (n,5,2).

        Raises InputError where the landmarks fix no transform.
        """
        return warp(pixels, transforms(landmarks, self.reference), self.size)


def transforms(landmarks: Floats, reference: Reference) -> Matrices:
    """(n,2,3) similarity transforms, crop ← image, that bring landmarks (n,5,2) closest to the reference.

    Weighted least squares in the crop (Umeyama 1991, without reflection). With points as complex numbers
    the transform is z → a·z + b, and a = Σ w conj(z)·r / Σ w |z|² over centred points: no SVD is needed.
    Raises InputError where landmarks are not finite, or all in one place.
    """
    points = np.asarray(landmarks, np.float64)
    if points.ndim != 3 or points.shape[1:] != (5, 2):
        raise InputError(f"landmarks: shape {points.shape} given, (n, 5, 2) wanted")
    weights = np.array(reference.weights) / sum(reference.weights)
    places, place = _centred(_complex(np.array(reference.points)), weights)
    with np.errstate(all="ignore"):
        seen, middle = _centred(_complex(points), weights)
        spread = (np.abs(seen) ** 2) @ weights
        turn = (seen.conj() * places) @ weights / spread
        kept = np.abs(turn) ** 2 * spread / ((np.abs(places) ** 2) @ weights)
    if not np.all((spread > FLAT**2) & (kept > MIRRORED)):
        raise InputError("landmarks: five finite points, in different places, are wanted of every face")
    shift = place - turn * middle
    rows = [[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]]
    return np.moveaxis(np.array(rows), 2, 0)


def warp(pixels: Pixels, matrices: Matrices, size: tuple[int, int]) -> Pixels:
    """Crops (n,h,w,3) uint8 of an image (H,W,3) uint8, one for each of the matrices (n,2,3), crop ← image.

    size: (h, w). Linear between pixels; what lies outside the image is black, as in dlib and InsightFace.
    A face that shrinks to less than half is area-averaged first, or its fine detail would turn to noise.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise InputError(f"a picture is (h,w,3) uint8 RGB, not {pixels.shape} {pixels.dtype}")
    crops = np.zeros((len(matrices), *size, 3), np.uint8)
    steps = _steps(matrices, pixels)
    if (steps == 1).all() and max(pixels.shape) < WIDEST:  # nothing to average: the common, quick case
        for crop, matrix in zip(crops, matrices, strict=True):
            cv2.warpAffine(pixels, matrix, size[::-1], dst=crop)
        return crops
    windows = _windows(matrices, size, steps, pixels)
    small, from_small = _shrunk(matrices, windows, steps)
    for crop, matrix, (x1, y1, x2, y2), target in zip(crops, from_small, windows, small, strict=True):
        if x1 < x2 and y1 < y2:
            part = pixels[y1:y2, x1:x2]
            if part.shape[1::-1] != tuple(target):
                part = cv2.resize(part, target, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
            cv2.warpAffine(part, matrix, size[::-1], dst=crop)
    return crops


def _complex(points: Matrices) -> NDArray[np.complex128]:
    return points[..., 0] + 1j * points[..., 1]


def _centred(
    points: NDArray[np.complex128], weights: Matrices
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    middle = points @ weights
    return points - middle[..., None], middle


def _steps(matrices: Matrices, pixels: Pixels) -> Counts:
    """(n,) how many pixels of the image, side by side, are averaged into one before the warp."""
    shrinking = 1 / np.hypot(matrices[:, 0, 0], matrices[:, 1, 0])
    return np.clip(shrinking, 1, max(pixels.shape)).astype(np.int64)


def _windows(matrices: Matrices, size: tuple[int, int], steps: Counts, pixels: Pixels) -> Counts:
    """(n,4) x1, y1, x2, y2: the part of the image that each crop shows, whole steps wide where that fits."""
    height, width = size
    corners = np.array([(-1, -1), (width, -1), (-1, height), (width, height)], np.float64)
    shown = (corners - matrices[:, None, :, 2]) @ np.linalg.inv(matrices[:, :, :2]).transpose(0, 2, 1)
    step, limits = steps[:, None], np.array(pixels.shape[1::-1])
    low = np.clip(np.floor(shown.min(axis=1)) - step, 0, limits)
    high = np.clip(np.ceil(shown.max(axis=1)) + 1 + step, 0, limits)
    high = np.minimum(low + np.ceil((high - low) / step) * step, limits)
    return np.concatenate([low, high], axis=1).astype(np.int64)


def _shrunk(matrices: Matrices, windows: Counts, steps: Counts) -> tuple[Counts, Matrices]:
    """(n,2) the size (width, height) of each averaged window, and (n,2,3) crop ← averaged window."""
    spans = windows[:, 2:] - windows[:, :2]
    small = -(-spans // steps[:, None])
    scale = spans / np.maximum(small, 1)
    # Pixel centres are whole numbers, so a small pixel p shows the image at (p + ½)·scale − ½ + corner.
    corner = (scale - 1) / 2 + windows[:, :2]
    linear, shift = matrices[:, :, :2], matrices[:, :, 2:]
    return small, np.concatenate([linear * scale[:, None], linear @ corner[..., None] + shift], axis=2)
