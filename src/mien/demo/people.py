"""People for trying things on any machine: small public faces, each photographed several times by augmentation.

They come from what scikit-image carries: the astronaut's portrait (public domain) and a hundred faces of
LFW, 25 pixels wide, enlarged and framed. A person's pictures are turned, shifted, lit, blurred, noisy and
compressed a little differently, always in the same way for the same seed. With `hardness` they are also seen
from a side, lit from one, partly hidden and coarse, so that telling people apart is something to be learnt.

Good for plumbing: ids are known, everyone has several pictures, and at hardness 0 each picture holds exactly
one face that the starter detector finds, and by the starter embedder a person's pictures are nearer to each
other than to anyone else's. Good for nothing that is called accuracy: they are enlarged stamps (their quality
says "blurred") and variations of one photograph each, so error rates, thresholds and calibrations made from
them mean nothing, and a network trained on them knows nobody else.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator

from mien.errors import MissingExtraError
from mien.values import Pixels

UNSEEN = (4, 9, 13, 28, 30, 54, 76, 83, 96)  # stamps in which the starter detector does not always find a face
MOST = 92
SIDE = 240  # of every picture, in pixels
FACE = 168  # of the enlarged stamp within it


def make_people(
    count: int = 8, pictures: int = 4, seed: int = 0, *, hardness: float = 0.0
) -> dict[str, list[Pixels]]:
    """`count` people (at most 92) by name, the astronaut first, with `pictures` of (240,240,3) uint8 each.

    hardness: 0 to 1. ValueError for other numbers, MissingExtraError without scikit-image.
    """
    if not 1 <= count <= MOST:
        raise ValueError(f"{count} people asked for; there are 1 to {MOST}")
    if not 0 <= hardness <= 1:
        raise ValueError(f"hardness {hardness:g} given; 0 to 1 is possible")
    rng = np.random.default_rng(seed)
    faces = [astronaut(), *stamps()][:count]
    names = ["astronaut", *(f"person-{number:03}" for number in range(1, count))]
    return {
        name: [photographed(hardened(face, rng, hardness), rng) for _ in range(pictures)]
        for name, face in zip(names, faces, strict=True)
    }


def write_people(
    folder: Path, count: int = 8, pictures: int = 4, seed: int = 0, *, hardness: float = 0.0
) -> dict[str, list[Path]]:
    """`make_people` as files: folder/NAME/0.jpg, 1.jpg, …, a folder a person."""
    written: dict[str, list[Path]] = {}
    for name, images in make_people(count, pictures, seed, hardness=hardness).items():
        (folder / name).mkdir(parents=True)
        written[name] = [folder / name / f"{number}.jpg" for number in range(len(images))]
        for path, image in zip(written[name], images, strict=True):
            cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 95])
    return written


def astronaut() -> Pixels:
    """Head and shoulders of scikit-image's portrait, (240,240,3)."""
    head: Pixels = _skimage().astronaut()[0:240, 100:340]
    return head


def stamps() -> list[Pixels]:
    """The small faces of scikit-image, enlarged and framed, (240,240,3) each."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its way of reading the file is one that newer NumPy warns of
        small = np.delete(_skimage().lfw_subset()[:100], UNSEEN, axis=0)
    return [_framed((face * 255).clip(0, 255).astype(np.uint8)) for face in small]


def photographed(face: Pixels, rng: Generator) -> Pixels:
    """One more picture of a face: moved, lit, blurred, noisy, compressed, each a little."""
    middle = (SIDE - 1) / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), rng.uniform(-8, 8), rng.uniform(0.9, 1.08))
    matrix[:, 2] = matrix[:, 2] + rng.uniform(-8, 8, 2)
    moved = cv2.warpAffine(face, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    soft = cv2.GaussianBlur(moved, (0, 0), rng.uniform(0.3, 1.2)).astype(np.float64)
    lit = soft * rng.uniform(0.8, 1.2) + rng.uniform(-12, 12)
    noisy = (lit + rng.normal(0, rng.uniform(0.5, 4), lit.shape)).clip(0, 255).astype(np.uint8)
    quality = int(rng.integers(60, 96))
    coded = cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


def hardened(face: Pixels, rng: Generator, hardness: float) -> Pixels:
    """A face harder to know: seen from a side, lit from one, partly hidden, coarse. At 0 it is what it was."""
    if not hardness:
        return face  # and draws nothing, so that easy pictures stay what they are
    seen = _seen_from_aside(face, rng, hardness)
    return _coarse(_hidden(_lit_from_aside(seen, rng, hardness), rng, hardness), rng, hardness)


def _seen_from_aside(face: Pixels, rng: Generator, hardness: float) -> Pixels:
    # a flat face turned away: narrower, and its far edge shorter
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32) * (SIDE - 1)
    across, down = rng.uniform(-0.22, 0.22, 2) * hardness * (SIDE - 1) * (1, 0.5)
    far = np.zeros((4, 2), np.float32)
    far[[0, 3] if across > 0 else [1, 2]] = [(across, abs(across) / 2), (across, -abs(across) / 2)]
    far[[0, 1] if down > 0 else [3, 2]] += [(abs(down) / 2, down), (-abs(down) / 2, down)]
    matrix = cv2.getPerspectiveTransform(corners, corners + far)
    turned = cv2.warpPerspective(face, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(turned, np.uint8)


def _lit_from_aside(face: Pixels, rng: Generator, hardness: float) -> Pixels:
    angle, depth = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.8) * hardness
    at = np.linspace(-1, 1, SIDE)
    ramp = (at * np.cos(angle) + at[:, None] * np.sin(angle)).clip(-1, 1)
    lit: Pixels = (face * (1 + depth * ramp)[..., None]).clip(0, 255).astype(np.uint8)
    return lit


def _hidden(face: Pixels, rng: Generator, hardness: float) -> Pixels:
    shown, sides = rng.random() > 0.5 * hardness, rng.integers(SIDE // 8, SIDE // 4, 2)
    x, y = rng.integers((SIDE - FACE) // 2, (SIDE + FACE) // 2 - sides)
    colour = rng.integers(0, 256, 3)
    covered = face.copy()
    covered[y : y + sides[1], x : x + sides[0]] = colour
    return face if shown else covered


def _coarse(face: Pixels, rng: Generator, hardness: float) -> Pixels:
    few = round(SIDE * (1 - rng.uniform(0, 0.85) * hardness))
    small = cv2.resize(face, (few, few), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), np.uint8)


def _framed(face: Pixels) -> Pixels:
    large = cv2.resize(face, (FACE, FACE), interpolation=cv2.INTER_CUBIC)
    edge = (SIDE - FACE) // 2
    whole = cv2.copyMakeBorder(large, edge, edge, edge, edge, cv2.BORDER_REPLICATE)
    return np.asarray(cv2.cvtColor(whole, cv2.COLOR_GRAY2RGB), np.uint8)


def _skimage() -> Any:
    try:
        from skimage import data
    except ImportError as error:
        raise MissingExtraError("scikit-image", "demo") from error
    return data
