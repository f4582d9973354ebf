"""Picture formats, opened in two steps: the header is read, then (once the size is allowed) the pixels.

Plain JPEGs and WebPs are decoded by OpenCV, the rest by Pillow, which keeps four bytes a pixel and copies
them out: on one core a 250×250 JPEG took 0.15–0.20 ms so (Pillow: 0.25–0.60), one of 12 megapixels 58 ms (156).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from mien.errors import ImageError, MissingExtraError
from mien.images.headers import (
    Size,
    exif_orientation,
    gif_size,
    jpeg_essence,
    jpeg_head,
    kind,
    png_essence,
    tiff_essence,
    webp_head,
)
from mien.values import Pixels

JPEG_2000_PIXELS = 24_000_000
STRIP_PIXELS = 1 << 20  # turned to RGB at a time, so that a large picture never stands there three times


def open_picture(data: bytes, max_pixels: int) -> Opened:
    """The picture in a file's bytes, not decoded yet, of at most `max_pixels`.

    Damaged bytes raise ImageError here or in `decode`, or whatever error the decoder raises.
    """
    return OPENERS[kind(data)](data, max_pixels)


def require_size(size: Size, max_pixels: int, name: str = "") -> None:
    """ImageError unless a picture of `size` (width, height) has pixels, and at most `max_pixels`."""
    width, height = size
    if width < 1 or height < 1:
        raise ImageError(f"{name}{width}×{height} pixels: nothing to see")
    if width * height > max_pixels:
        raise ImageError(
            f"{name}{width}×{height} pixels are too many; at most {max_pixels} are taken; shrink it first"
        )


@dataclass(frozen=True, slots=True)
class Opened:
    """A file whose size (width, height, as stored) is known; `decode` gives its pixels at 1, ½, ¼ or ⅛."""

    size: Size
    orientation: int
    decode: Callable[[int], Pixels]


def _open_jpeg(data: bytes, max_pixels: int) -> Opened:
    head = jpeg_head(data)
    require_size(head.size, max_pixels)
    if head.bits != 8 or head.channels not in (1, 3):
        return _opened(JpegImageFile, jpeg_essence(data), max_pixels, head.orientation)

    def decode(reduced: int) -> Pixels:
        size = -(-head.size[0] // reduced), -(-head.size[1] // reduced)
        return _by_opencv(data, JPEG_FLAGS[reduced], size)

    return Opened(head.size, head.orientation, decode)


def _open_webp(data: bytes, max_pixels: int) -> Opened:
    head = webp_head(data)
    require_size(head.size, max_pixels)
    if head.animated:
        return _opened(WebPImageFile, data, max_pixels, head.orientation)

    def decode(reduced: int) -> Pixels:
        pixels = _by_opencv(data, cv2.IMREAD_UNCHANGED, head.size)
        if pixels.shape[2] == 4:
            return rgb(Image.fromarray(cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA)), reduced)
        colours = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)
        return rgb(Image.fromarray(colours), reduced) if reduced > 1 else colours

    return Opened(head.size, head.orientation, decode)


def _by_opencv(data: bytes, flags: int, size: Size) -> Pixels:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if pixels is None or pixels.dtype != np.uint8 or pixels.shape[1::-1] != size:
        raise ImageError("the picture is damaged or truncated")
    return np.asarray(pixels, np.uint8)


def _open_heic(data: bytes, max_pixels: int) -> Opened:
    try:
        pillow_heif = importlib.import_module("pillow_heif")
    except ImportError:
        raise MissingExtraError("pillow_heif", "heic") from None
    # libheif turns the picture as the file's own boxes say; its EXIF orientation does not count.
    heif = pillow_heif.open_heif(BytesIO(data), convert_hdr_to_8bit=True)
    require_size(heif.size, max_pixels)
    return Opened(tuple(heif.size), 1, lambda reduced: rgb(heif.to_pillow(), reduced))


def _opened(
    file_type: Callable[[Any], ImageFile], data: bytes, max_pixels: int, orientation: int | None = None
) -> Opened:
    # Not Image.open: it warns of large pictures before they can be refused.
    stream = BytesIO(data)
    image = file_type(stream)
    require_size(image.size, _pillow_most(max_pixels))
    if orientation is None:
        orientation = exif_orientation(image.info.get("exif", b""))

    def decode(reduced: int) -> Pixels:
        image.load()
        stream.close()
        if image.mode in ("I", "F") and image.format != "PPM":
            raise ImageError("32 bits a channel are not read; save it with 8 or 16")
        return rgb(image, reduced)

    return Opened(image.size, orientation, decode)


def _pillow_most(max_pixels: int) -> int:
    # Above its own bound Pillow warns in the midst of decoding.
    return min(max_pixels, Image.MAX_IMAGE_PIXELS or max_pixels)


def _open_png(data: bytes, max_pixels: int) -> Opened:
    essence, orientation = png_essence(data)
    return _opened(PngImageFile, essence, max_pixels, orientation)


def _open_tiff(data: bytes, max_pixels: int) -> Opened:
    essence, orientation = tiff_essence(data)
    return _opened(TiffImageFile, essence, max_pixels, orientation)


def _open_gif(data: bytes, max_pixels: int) -> Opened:
    # Pillow acts on the size before anyone else can look at it.
    require_size(gif_size(data), _pillow_most(max_pixels))
    return _opened(GifImageFile, data, max_pixels)


def _open_jpeg2000(data: bytes, max_pixels: int) -> Opened:
    # Its decoder takes four bytes for each colour of a pixel.
    return _opened(Jpeg2KImageFile, data, min(max_pixels, JPEG_2000_PIXELS))


OPENERS: dict[str, Callable[[bytes, int], Opened]] = {
    "JPEG": _open_jpeg,
    "PNG": _open_png,
    "TIFF": _open_tiff,
    "GIF": _open_gif,
    "WebP": _open_webp,
    "BMP": partial(_opened, BmpImageFile),
    "PNM": partial(_opened, PpmImageFile),
    "JPEG 2000": _open_jpeg2000,
    "HEIC": _open_heic,
}
_AS_STORED = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
# The names of the reduced flags that say COLOR mean BGR; those that say GRAYSCALE mean the reduction alone.
JPEG_FLAGS = {
    1: _AS_STORED,
    2: _AS_STORED | cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: _AS_STORED | cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: _AS_STORED | cv2.IMREAD_REDUCED_GRAYSCALE_8,
}


# ── Whatever Pillow decoded → RGB ──


def rgb(image: Image.Image, reduced: int) -> Pixels:
    """(h,w,3) RGB, one pixel for each reduced×reduced of `image`."""
    width, height = image.size
    rows = max(1, STRIP_PIXELS // (width * reduced)) * reduced
    pixels = np.empty((-(-height // reduced), -(-width // reduced), 3), np.uint8)
    for top in range(0, height, rows):
        strip = _flat(image.crop((0, top, width, min(top + rows, height))))
        pixels[top // reduced : (top + rows) // reduced] = np.asarray(strip.reduce(reduced))
    return pixels


def rgb_on_white(rgba: Pixels) -> Pixels:
    """(h,w,4) RGBA → (h,w,3) RGB, transparent pixels over white."""
    return rgb(Image.fromarray(rgba), 1)


def _flat(image: Image.Image) -> Image.Image:
    """RGB of any mode of 8 or 16 bits a channel; transparent pixels over white."""
    if image.mode.startswith("I"):
        # Pillow would clip 16 bits to 8; the upper byte is what it takes of 16-bit colours.
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")
