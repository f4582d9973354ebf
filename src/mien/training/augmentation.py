"""How training pictures are varied: the recipe's numbers, and what they mean for each picture.

What happens to a picture depends on the seed, the epoch and the picture's number alone, so a run goes the same
way on another number of processes, in batches of another size, and after a resume.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.values import Floats

Range = tuple[float, float]


class Augmentation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How often each operation is applied (0 to 1), and between which limits its strength is drawn.

    The default is the usual for ArcFace: mirrored half of the time, nothing else. Lengths are pixels of the
    crop, shares are of its height and width.

    mask, sunglasses: a surgical mask over the lower face, dark glasses over the eyes, placed by the crop
    contract's reference points. warp: turned by up to ±`warp_rotation` degrees, moved by up to ±`warp_shift` of
    the side, enlarged by `warp_scale`, all in one interpolation. crop: black outside a window of `crop_area` of
    the picture, `crop_aspect` times as wide as high. occlusion: a rectangle of one colour, likewise. colour:
    multiplied by `brightness`, spread about its mean by `contrast`, away from grey by `saturation`. grey: no
    colour at all. blur: a Gaussian of `blur_sigma`. motion: smeared along a line of `motion_length`.
    low_resolution: shrunk to `low_resolution_scale` of its side and enlarged again. jpeg: coded at
    `jpeg_quality`.

    Crop, colour and low resolution at 0.2 each are what AdaFace trains with (Kim et al., CVPR 2022), and their
    limits here are its. Those of occlusion are Random Erasing's (Zhong et al., AAAI 2020), the area's halved.
    """

    mirror: float = 0.5
    mask: float = 0.0
    sunglasses: float = 0.0
    warp: float = 0.0
    warp_rotation: float = 10.0
    warp_shift: float = 0.04
    warp_scale: Range = (0.9, 1.1)
    crop: float = 0.0
    crop_area: Range = (0.2, 1.0)
    crop_aspect: Range = (0.75, 4 / 3)
    occlusion: float = 0.0
    occlusion_area: Range = (0.02, 0.2)
    occlusion_aspect: Range = (0.3, 3.3)
    colour: float = 0.0
    brightness: Range = (0.5, 1.5)
    contrast: Range = (0.5, 1.5)
    saturation: Range = (0.5, 1.5)
    grey: float = 0.0
    blur: float = 0.0
    blur_sigma: Range = (0.3, 2.0)
    motion: float = 0.0
    motion_length: Range = (3.0, 9.0)
    low_resolution: float = 0.0
    low_resolution_scale: Range = (0.2, 1.0)
    jpeg: float = 0.0
    jpeg_quality: Range = (20.0, 95.0)

    def __post_init__(self) -> None:
        """Refuse numbers that are no probability, no range, or beyond what a picture can bear."""
        for name in PROBABILITIES:
            _require_within(name, [getattr(self, name)], (0.0, 1.0))
        for name, limits in LIMITS.items():
            given = getattr(self, name)
            numbers = given if isinstance(given, tuple) else (given,)
            _require_within(name, numbers, limits)
            if sorted(numbers) != list(numbers):
                raise ValueError(f"{name}: the lower limit comes first, [{numbers[0]:g}, {numbers[1]:g}] given")


PROBABILITIES = (
    "mirror",
    "mask",
    "sunglasses",
    "warp",
    "crop",
    "occlusion",
    "colour",
    "grey",
    "blur",
    "motion",
    "low_resolution",
    "jpeg",
)
LIMITS: dict[str, Range] = {
    "warp_rotation": (0.0, 180.0),
    "warp_shift": (0.0, 1.0),
    "warp_scale": (0.1, 10.0),
    "crop_area": (0.01, 1.0),
    "crop_aspect": (0.1, 10.0),
    "occlusion_area": (0.0, 1.0),
    "occlusion_aspect": (0.1, 10.0),
    "brightness": (0.0, 10.0),
    "contrast": (0.0, 10.0),
    "saturation": (0.0, 10.0),
    "blur_sigma": (0.05, 20.0),
    "motion_length": (1.0, 63.0),
    "low_resolution_scale": (0.01, 1.0),
    "jpeg_quality": (1.0, 100.0),
}

# Each name is a column of its own, whatever stands beside it: a new one changes none of the others' numbers.
COLUMNS = (
    *PROBABILITIES,
    *("mask.width", "mask.top", "mask.bottom", "mask.cloth", "mask.shade"),
    *("sunglasses.width", "sunglasses.height", "sunglasses.shade", "sunglasses.opacity"),
    *("warp.rotation", "warp.x", "warp.y", "warp.scale"),
    *("crop.area", "crop.aspect", "crop.x", "crop.y"),
    *("occlusion.area", "occlusion.aspect", "occlusion.x", "occlusion.y"),
    *("occlusion.red", "occlusion.green", "occlusion.blue"),
    *("colour.brightness", "colour.contrast", "colour.saturation"),
    *("blur.sigma", "motion.length", "motion.angle"),
    *("low_resolution.scale", "low_resolution.filter", "jpeg.quality"),
)


def _key(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


KEYS = np.array([_key(name) for name in COLUMNS], np.uint64)


def draws(seed: int, epoch: int, pictures: ArrayLike) -> Floats:
    """A number in 0 ≤ u < 1 for each of `pictures` (n,), by number, and each of COLUMNS: (n,k) float32.

    Each is a hash of seed, epoch, picture and column (the finaliser of SplitMix64, Steele et al., OOPSLA 2014,
    once for each of the four). Where a picture stands twice in an epoch and should differ, give it two numbers.
    """
    numbers = np.asarray(pictures, np.int64).astype(np.uint64)
    state = _mixed(np.array([seed % 2**64], np.uint64))
    state = _mixed(state ^ np.uint64(epoch % 2**64))
    state = _mixed(state ^ numbers)
    bits = _mixed(state[:, None] ^ KEYS)
    return (bits >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    # uint64 arrays wrap, which is what is wanted; the added constant keeps 0 from staying 0
    numbers = numbers + np.uint64(0x9E3779B97F4A7C15)
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def _require_within(name: str, numbers: Sequence[float], limits: Range) -> None:
    low, high = limits
    if not all(math.isfinite(number) and low <= number <= high for number in numbers):
        given = ", ".join(f"{number:g}" for number in numbers)
        raise ValueError(f"{name}: {low:g} to {high:g} is possible, {given} given")
