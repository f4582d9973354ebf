"""Pictures of every format, made from scikit-image's astronaut, and ways to damage them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BytesIO

import numpy as np
from numpy.random import Generator
from PIL import Image
from skimage import data

HEAD = 120  # bytes at the front that hold most header fields


def astronaut(side: int = 96) -> Image.Image:
    return Image.fromarray(data.astronaut()).resize((side, side * 3 // 4))


def exif_block(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[274] = orientation
    exif[271] = "a maker whose name is too long to stand in the entry itself"
    return exif.tobytes()


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    stream = BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def samples() -> dict[str, bytes]:
    rgb = astronaut()
    grey16 = Image.fromarray(np.asarray(rgb.convert("L")).astype(np.uint16) * 257)
    frames = [rgb, rgb.rotate(90), rgb.rotate(180)]
    return {
        "jpeg": encoded(rgb, "JPEG", exif=exif_block(6)),
        "jpeg progressive": encoded(rgb, "JPEG", progressive=True, exif=exif_block(3), comment=b"hello"),
        "jpeg cmyk": encoded(rgb.convert("CMYK"), "JPEG", exif=exif_block(8)),
        "png": encoded(rgb, "PNG", exif=exif_block(5)),
        "png palette": encoded(rgb.quantize(64), "PNG", transparency=bytes(range(64))),
        "png 16": encoded(grey16, "PNG"),
        "apng": encoded(rgb, "PNG", save_all=True, append_images=frames),
        "webp": encoded(rgb, "WEBP", exif=exif_block(7)),
        "webp lossless": encoded(rgb.convert("RGBA"), "WEBP", lossless=True),
        "webp animated": encoded(rgb, "WEBP", save_all=True, append_images=frames),
        "tiff": encoded(rgb, "TIFF", exif=exif_block(4)),
        "tiff lzw": encoded(rgb, "TIFF", compression="tiff_lzw"),
        "tiff jpeg": encoded(rgb, "TIFF", compression="jpeg"),
        "tiff 16": encoded(grey16, "TIFF"),
        "gif": encoded(rgb.quantize(64), "GIF"),
        "gif animated": encoded(rgb, "GIF", save_all=True, append_images=frames, disposal=2),
        "bmp": encoded(rgb, "BMP"),
        "bmp palette": encoded(rgb.quantize(16), "BMP"),
        "pgm": encoded(rgb.convert("L"), "PPM"),
        "pgm text": b"P2 8 4 200 " + b" ".join(b"%d" % n for n in range(32)),
        "ppm": encoded(rgb, "PPM"),
        "jpeg 2000": encoded(rgb, "JPEG2000"),
    }


def damaged(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """`count` damaged pictures, each with a name that says of what and how; the same for the same seed."""
    random = np.random.default_rng(seed)
    whole = samples()
    names = list(whole)
    for number in range(count):
        name = names[number % len(names)]
        way = DAMAGES[number // len(names) % len(DAMAGES)]
        other = whole[names[random.integers(len(names))]]
        yield f"{number} {name}: {way.__name__}", way(whole[name], other, random)


def flipped(picture: bytes, _: bytes, random: Generator) -> bytes:
    broken = bytearray(picture)
    for at in random.integers(0, len(broken), random.integers(1, 20)):
        broken[at] ^= int(random.integers(1, 256))
    return bytes(broken)


def head_flipped(picture: bytes, other: bytes, random: Generator) -> bytes:
    length = min(HEAD, len(picture))
    return flipped(picture[:length], other, random) + picture[length:]


def cut(picture: bytes, _: bytes, random: Generator) -> bytes:
    return picture[: random.integers(0, len(picture))]


def hollowed(picture: bytes, _: bytes, random: Generator) -> bytes:
    start, end = sorted(random.integers(0, len(picture), 2))
    return picture[:start] + picture[end:]


def spliced(picture: bytes, other: bytes, random: Generator) -> bytes:
    return picture[: random.integers(0, len(picture))] + other[random.integers(0, len(other)) :]


def doubled(picture: bytes, _: bytes, random: Generator) -> bytes:
    start, end = sorted(random.integers(0, len(picture), 2))
    return picture[:end] + picture[start:]


def field_overwritten(picture: bytes, _: bytes, random: Generator) -> bytes:
    form = ("<H", ">H", "<I", ">I")[random.integers(4)]
    value = (0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)[random.integers(6)]
    field = struct.pack(form, value & (0xFFFF if form[1] == "H" else 0xFFFFFFFF))
    at = int(random.integers(0, min(HEAD, len(picture) - 4)))
    return picture[:at] + field + picture[at + len(field) :]


def tail_field_overwritten(picture: bytes, other: bytes, random: Generator) -> bytes:
    # A TIFF's directory stands at its end.
    half = len(picture) // 2 if len(picture) < 400 else len(picture) - 200
    return picture[:half] + field_overwritten(picture[half:], other, random)


DAMAGES = (flipped, head_flipped, cut, hollowed, spliced, doubled, field_overwritten, tail_field_overwritten)
