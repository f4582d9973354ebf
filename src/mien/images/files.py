"""Picture files: found in folders, encoded, written."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import cv2

from mien.errors import ImageError, InputError
from mien.files import write_whole
from mien.values import Pixels

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".gif", ".bmp"),
    *(".pgm", ".ppm", ".pbm", ".pnm", ".jp2", ".j2k", ".heic", ".heif"),
)


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
    try:
        folder, there = path.is_dir(), path.exists()
    except OSError as error:  # a name too long, say
        raise InputError(f"{path}: cannot be looked up ({error.strerror})") from error
    if not there:
        raise InputError(f"{path}: there is no such file or folder")
    return sorted(_pictures_below(path)) if folder else [path]


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
    write_whole(target, encode(pixels))


def _encoded(suffix: str, pixels: Pixels, options: tuple[int, ...] = ()) -> bytes:
    try:
        _, data = cv2.imencode(suffix, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)
    except cv2.error as error:
        raise ImageError(
            f"{pixels.shape} of {pixels.dtype} cannot be written as {suffix} ({error.err})"
        ) from error
    return data.tobytes()
