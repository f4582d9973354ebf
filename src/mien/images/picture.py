"""Pictures in and out: a path, bytes or an array → RGB pixels, upright and bounded in size."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.errors import ImageError, MienError, MissingExtraError
from mien.images.decoders import Opened, open_picture, require_size, rgb_on_white
from mien.images.headers import Size
from mien.values import Pixels

MAX_PIXELS = 64_000_000
MAX_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture as mien sees it.

    pixels (h,w,3) uint8 RGB, contiguous, read-only, upright. size: (width, height) of the full picture,
    upright. sha256: of the file's bytes; of shape and pixels for an array. source: the path, "bytes" or
    "array". reduced: 1, or 2, 4, 8 where `pixels` has one pixel for each 2×2, 4×4, 8×8 of the picture.
    """

    pixels: Pixels
    size: Size
    sha256: str
    source: str
    reduced: int = 1

    @property
    def factor(self) -> tuple[float, float]:
        """What `Faces.scaled` takes to go from these pixels to the full picture's; exact."""
        return float(self.reduced), float(self.reduced)


Source = str | os.PathLike[str] | bytes | NDArray[np.uint8] | Picture


def load(source: Source, *, max_pixels: int = MAX_PIXELS, shrink_to: int | None = None) -> Picture:
    """A picture from a file, from a file's bytes or from an array. Safe to call from several threads.

    An array is (h,w,3) RGB, (h,w,4) RGBA or (h,w) grey, uint8, and is not copied where it need not be.
    Transparent pixels are shown on white; of an animation, the first picture is taken. A file's EXIF
    orientation is applied. Its size is bounded by `max_pixels` before it is decoded. shrink_to: the
    picture may come reduced to ½, ¼ or ⅛ while its longer side stays at or above this (an array as is).
    Raises ImageError, naming the source; MissingExtraError for HEIC without the extra `heic`.
    """
    if isinstance(source, Picture):
        return source
    if isinstance(source, np.ndarray):
        return _from_array(source, max_pixels)
    if not isinstance(source, str | os.PathLike | bytes):
        raise ImageError(f"{type(source).__name__} given; a path, a file's bytes or an array is wanted")
    name = "bytes" if isinstance(source, bytes) else os.fspath(source)
    try:
        return _from_bytes(source if isinstance(source, bytes) else _read(name), name, max_pixels, shrink_to)
    except MissingExtraError:
        raise
    except MienError as error:
        raise ImageError(f"{name}: {error}") from error
    except Exception as error:  # decoders raise a dozen kinds on damaged bytes
        raise ImageError(f"{name}: the picture is damaged or truncated ({_first_line(error)})") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def _read(path: str) -> bytes:
    try:
        # A Path costs as much as the reading.
        with open(path, "rb", buffering=0, opener=_open_at_once) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ImageError("not a plain file")
            if status.st_size > MAX_BYTES:
                raise ImageError(f"{status.st_size} bytes are too many; at most {MAX_BYTES} are read")
            return file.read()
    except IsADirectoryError:
        raise ImageError("a folder, where a picture is wanted") from None
    except FileNotFoundError:
        raise ImageError("there is no such file") from None
    except (OSError, ValueError) as error:
        raise ImageError(f"the file cannot be read ({_first_line(error)})") from error


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # a pipe would wait for its writer


def _from_bytes(data: bytes, name: str, max_pixels: int, shrink_to: int | None) -> Picture:
    if len(data) > MAX_BYTES:
        raise ImageError(f"{len(data)} bytes are too many; at most {MAX_BYTES} are read")
    sha256 = hashlib.sha256(data).hexdigest()
    opened = open_picture(data, max_pixels)
    del data  # some decoders work on a copy
    reduced = _reduction(opened, shrink_to)
    pixels = UPRIGHT[opened.orientation](opened.decode(reduced))
    pixels.flags.writeable = False
    width, height = opened.size[:: -1 if opened.orientation > 4 else 1]
    return Picture(pixels, (width, height), sha256, name, reduced)


def _from_array(array: NDArray[Any], max_pixels: int) -> Picture:
    channels = array.shape[2] if array.ndim == 3 else 1 if array.ndim == 2 else 0
    if array.dtype != np.uint8 or channels not in FROM_ARRAY or not array.size:
        raise ImageError(
            f"array: shape {array.shape} of {array.dtype} given; "
            f"(h,w,3) RGB, (h,w,4) RGBA or (h,w) grey of uint8 wanted, none of them empty"
        )
    height, width = array.shape[:2]
    require_size((width, height), max_pixels, "array: ")
    pixels = FROM_ARRAY[channels](np.ascontiguousarray(array)).view()
    pixels.flags.writeable = False
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(pixels.data)
    return Picture(pixels, (width, height), digest.hexdigest(), "array")


def _reduction(opened: Opened, shrink_to: int | None) -> int:
    """The strongest reduction that leaves `shrink_to` pixels and keeps the way back exact.

    Where sides are no multiple of it, the last pixels stand for less than a full block. Turned to the
    front by the orientation, they would shift all others.
    """
    longest = max(opened.size)
    for reduced in (8, 4, 2) if shrink_to else ():
        whole = opened.orientation == 1 or not any(side % reduced for side in opened.size)
        if whole and longest >= reduced * (shrink_to or longest):
            return reduced
    return 1


# OpenCV's turns give contiguous arrays, NumPy's do not. By EXIF orientation, as stored → upright.
UPRIGHT: dict[int, Callable[[Any], Any]] = {
    1: lambda pixels: pixels,
    2: lambda pixels: cv2.flip(pixels, 1),
    3: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_180),
    4: lambda pixels: cv2.flip(pixels, 0),
    5: cv2.transpose,
    6: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_90_CLOCKWISE),
    7: lambda pixels: cv2.flip(cv2.transpose(pixels), -1),
    8: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_90_COUNTERCLOCKWISE),
}
FROM_ARRAY: dict[int, Callable[[Any], Any]] = {
    1: lambda grey: cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB),
    3: lambda rgb: rgb,
    4: lambda rgba: rgb_on_white(rgba),
}
