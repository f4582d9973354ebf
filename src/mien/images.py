"""Pictures in and out: a path, bytes or an array → RGB pixels, upright and bounded in size."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.decoders import Opened, open_picture, require_size, rgb_on_white
from mien.errors import ImageError, InputError, MienError, MissingExtraError
from mien.headers import Size
from mien.values import Pixels

MAX_PIXELS = 64_000_000
MAX_BYTES = 512 * 1024 * 1024
SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".gif", ".bmp"),
    *(".pgm", ".ppm", ".pbm", ".pnm", ".jp2", ".j2k", ".heic", ".heif"),
)


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
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 (a Path costs as much as the reading)
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


# ── Other sizes ──


def shrink(pixels: Pixels, longest: int) -> tuple[Pixels, tuple[float, float]]:
    """`pixels` with the longer side at most `longest`, each new pixel the mean of those it covers.

    Returns them with the factor that `Faces.scaled` takes to come back. Smaller pictures stay as they are.
    """
    height, width = pixels.shape[:2]
    if longest < 1:
        raise InputError(f"longest={longest}: at least 1 pixel is wanted")
    if max(height, width) <= longest:
        return pixels, (1.0, 1.0)
    return _resized(pixels, longest / max(height, width), (longest, longest), cv2.INTER_AREA)


def fit(pixels: Pixels, size: tuple[int, int]) -> tuple[Pixels, tuple[float, float]]:
    """`pixels` scaled up or down onto the top left of a black canvas of `size` (height, width).

    Returns the canvas and the factor that `Faces.scaled` takes to come back.
    """
    height, width = pixels.shape[:2]
    scale = min(size[0] / height, size[1] / width)
    scaled, factor = _resized(pixels, scale, size, cv2.INTER_LINEAR)
    canvas = np.zeros((*size, 3), np.uint8)
    canvas[: scaled.shape[0], : scaled.shape[1]] = scaled
    return canvas, factor


def _resized(
    pixels: Pixels, scale: float, most: tuple[int, int], how: int
) -> tuple[Pixels, tuple[float, float]]:
    """`pixels` times `scale`, no larger than `most` (height, width), and the exact factor back."""
    height, width = (
        min(max(1, round(side * scale)), limit) for side, limit in zip(pixels.shape[:2], most, strict=True)
    )
    # Means over whole blocks first: four times as fast as INTER_AREA at once, and no aliasing with
    # INTER_LINEAR. The last pixels that fill no block are left out, so that the way back is exact.
    block = max(1, min(pixels.shape[0] // height, pixels.shape[1] // width))
    if block > 1:
        rows, columns = (side // block for side in pixels.shape[:2])
        pixels = _scaled(pixels[: rows * block, : columns * block], (columns, rows), cv2.INTER_AREA)
    factor = (block * pixels.shape[1] / width, block * pixels.shape[0] / height)
    return _scaled(pixels, (width, height), how), factor


def _scaled(pixels: Pixels, size: Size, how: int) -> Pixels:
    return cv2.resize(pixels, size, interpolation=how).astype(np.uint8, copy=False)


# ── Files ──


def find_pictures(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Files as they are; of folders, every picture in them and below, by suffix, sorted, hidden ones left out.

    Raises InputError where a path is missing, a folder cannot be read, or no picture is found at all.
    """
    wanted = [Path(path) for path in paths]
    found = [picture for path in wanted for picture in _pictures_at(path)]
    if wanted and not found:
        names = ", ".join(map(str, wanted))
        raise InputError(f"{names}: no picture there ({', '.join(SUFFIXES)} are looked for)")
    return found


def _pictures_at(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(_pictures_below(path))
    if not path.exists():
        raise InputError(f"{path}: there is no such file or folder")
    return [path]


def _pictures_below(folder: Path) -> Iterator[Path]:
    seen: set[str] = set()
    for here, folders, files in os.walk(folder, onerror=_refuse_folder, followlinks=True):
        real = os.path.realpath(here)
        # A link may lead back to a folder above: each is entered once.
        folders[:] = [name for name in folders if not name.startswith(".") and real not in seen]
        if real not in seen:
            names = (name for name in files if not name.startswith("."))
            yield from (Path(here, name) for name in names if Path(name).suffix.lower() in SUFFIXES)
        seen.add(real)


def _refuse_folder(error: OSError) -> None:
    raise InputError(f"{error.filename}: the folder cannot be read ({error.strerror})") from error


def encode_jpeg(pixels: Pixels, quality: int = 90) -> bytes:
    """The bytes of a JPEG of (h,w,3) RGB `pixels`; quality 1..100."""
    return _encoded(".jpg", pixels, (cv2.IMWRITE_JPEG_QUALITY, quality))


def encode_png(pixels: Pixels) -> bytes:
    """The bytes of a PNG of (h,w,3) RGB `pixels`."""
    return _encoded(".png", pixels)


ENCODERS: dict[str, Callable[[Pixels], bytes]] = {".jpg": encode_jpeg, ".jpeg": encode_jpeg, ".png": encode_png}


def save(path: str | os.PathLike[str], pixels: Pixels) -> None:
    """Write (h,w,3) RGB `pixels` as the suffix says, whole or not at all. InputError where that cannot be."""
    target = Path(path)
    encode = ENCODERS.get(target.suffix.lower())
    if encode is None:
        raise InputError(f"{target}: pictures are written as {', '.join(ENCODERS)}, by the suffix")
    data = encode(pixels)
    scratch = target.with_name(f".{target.name}.part")
    try:
        scratch.write_bytes(data)
        scratch.replace(target)
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error.strerror or error})") from error
    finally:
        scratch.unlink(missing_ok=True)


def _encoded(suffix: str, pixels: Pixels, options: tuple[int, ...] = ()) -> bytes:
    try:
        _, data = cv2.imencode(suffix, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)
    except cv2.error as error:
        raise ImageError(
            f"{pixels.shape} of {pixels.dtype} cannot be written as {suffix} ({error.err})"
        ) from error
    return data.tobytes()
