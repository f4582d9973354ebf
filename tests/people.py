"""People for tests on any machine: small public faces, each photographed several times by augmentation.

They come from what scikit-image carries: the astronaut's portrait (public domain) and a hundred faces of
LFW, 25 pixels wide, enlarged and framed. A person's pictures are turned, shifted, lit, blurred, noisy and
compressed a little differently, always in the same way for the same seed.

Good for plumbing: ids are known, everyone has several pictures, each picture holds exactly one face that
the starter detector finds, and by the starter embedder a person's pictures are nearer to each other than
to anyone else's. Good for nothing that is called accuracy: they are enlarged stamps (their quality says
"blurred") and variations of one photograph each, so error rates, thresholds and calibrations made from
them mean nothing.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator
from skimage import data

from mien.values import Pixels

UNSEEN = (4, 9, 13, 28, 30, 54, 76, 83, 96)  # stamps in which the starter detector does not always find a face
MOST = 92
SIDE = 240  # of every picture, in pixels
FACE = 168  # of the enlarged stamp within it


def make_people(count: int = 8, pictures: int = 4, seed: int = 0) -> dict[str, list[Pixels]]:
    """`count` people (at most 92) by name, the astronaut first, with `pictures` of (240,240,3) uint8 each."""
    if not 1 <= count <= MOST:
        raise ValueError(f"{count} people asked for; there are 1 to {MOST}")
    rng = np.random.default_rng(seed)
    faces = [astronaut(), *stamps()][:count]
    names = ["astronaut", *(f"person-{number:03}" for number in range(1, count))]
    return {
        name: [photographed(face, rng) for _ in range(pictures)]
        for name, face in zip(names, faces, strict=True)
    }


def write_people(folder: Path, count: int = 8, pictures: int = 4, seed: int = 0) -> dict[str, list[Path]]:
    """`make_people` as files: folder/NAME/0.jpg, 1.jpg, …, a folder a person."""
    written: dict[str, list[Path]] = {}
    for name, images in make_people(count, pictures, seed).items():
        (folder / name).mkdir(parents=True)
        written[name] = [folder / name / f"{number}.jpg" for number in range(len(images))]
        for path, image in zip(written[name], images, strict=True):
            cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 95])
    return written


def astronaut() -> Pixels:
    """Head and shoulders of scikit-image's portrait."""
    head: Pixels = data.astronaut()[0:240, 100:340]
    return head


def stamps() -> list[Pixels]:
    """The small faces of scikit-image, enlarged and framed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its way of reading the file is one that newer NumPy warns of
        small = np.delete(data.lfw_subset()[:100], UNSEEN, axis=0)
    return [framed((face * 255).clip(0, 255).astype(np.uint8)) for face in small]


def framed(face: Pixels) -> Pixels:
    large = cv2.resize(face, (FACE, FACE), interpolation=cv2.INTER_CUBIC)
    edge = (SIDE - FACE) // 2
    whole = cv2.copyMakeBorder(large, edge, edge, edge, edge, cv2.BORDER_REPLICATE)
    return cv2.cvtColor(whole, cv2.COLOR_GRAY2RGB).astype(np.uint8, copy=False)


def photographed(face: Pixels, rng: Generator) -> Pixels:
    """One more picture of a face: moved, lit, blurred, noisy, compressed, each a little."""
    middle = (SIDE - 1) / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), rng.uniform(-8, 8), rng.uniform(0.9, 1.08))
    matrix[:, 2] += rng.uniform(-8, 8, 2)
    moved = cv2.warpAffine(face, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    soft = cv2.GaussianBlur(moved, (0, 0), rng.uniform(0.3, 1.2)).astype(np.float64)
    lit = soft * rng.uniform(0.8, 1.2) + rng.uniform(-12, 12)
    noisy = (lit + rng.normal(0, rng.uniform(0.5, 4), lit.shape)).clip(0, 255).astype(np.uint8)
    quality = int(rng.integers(60, 96))
    coded = cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(coded, cv2.IMREAD_COLOR).astype(np.uint8, copy=False)
