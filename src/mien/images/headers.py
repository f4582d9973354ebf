"""What a picture's bytes say of it before anything is decoded: its kind, size and EXIF orientation.

Pillow warns (through `warnings`, which no thread can hold back for itself) when metadata is damaged.
So it is given files without metadata: `jpeg_essence`, `png_essence` and `tiff_essence` keep what makes
the pixels, and the orientation is read here. All parsers are bounded and raise ImageError.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from mien.errors import ImageError

Size = tuple[int, int]

SIGNATURES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"\0\0\0\x0cjP  \r\n\x87\n": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    **{b"P%d" % digit: "PNM" for digit in range(1, 7)},
}
HEIF_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"))
AVIF_BRANDS = frozenset((b"avif", b"avis"))


def kind(data: bytes) -> str:
    """The picture format by the first bytes; ImageError where they are no format mien knows."""
    if not data:
        raise ImageError("the file is empty (zero bytes)")
    for signature, name in SIGNATURES.items():
        if data.startswith(signature):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data[4:8] == b"ftyp":
        return _kind_by_brand(data)
    raise ImageError(
        "not a picture of a kind that mien reads (JPEG, PNG, WebP, TIFF, GIF, BMP, PNM, JPEG 2000)"
    )


def _kind_by_brand(data: bytes) -> str:
    length = min(int.from_bytes(data[:4], "big"), 256)
    brands = {data[at : at + 4] for at in range(8, length, 4)}
    if brands & AVIF_BRANDS:
        raise ImageError("AVIF pictures are not read; save it as JPEG or PNG")
    if brands & HEIF_BRANDS:
        return "HEIC"
    raise ImageError("not a picture (a video, perhaps); save a frame of it as JPEG or PNG")


def exif_orientation(exif: bytes) -> int:
    """The orientation 1..8 of an EXIF block (a small TIFF file); 1 where it is missing or damaged."""
    block = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "I", block, 4)
        for tag, form, _, at in _tiff_entries(block, order, start):
            if tag == ORIENTATION and form in TIFF_INTEGERS:
                (value,) = struct.unpack_from(order + TIFF_INTEGERS[form], block, at)
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


# ── JPEG ──


@dataclass(frozen=True, slots=True)
class Jpeg:
    """The head of a JPEG. size: (width, height) as stored; bits and channels: of a pixel as stored."""

    size: Size
    bits: int
    channels: int
    orientation: int


# Start-of-frame markers; C4, C8 and CC among them mean other things.
JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
JPEG_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))  # markers without a length
JPEG_SCAN, JPEG_END, JPEG_EXIF, JPEG_ADOBE, JPEG_COMMENT = 0xDA, 0xD9, 0xE1, 0xEE, 0xFE


def jpeg_head(data: bytes) -> Jpeg:
    """Size, depth, channels and orientation; ImageError where the file is damaged or ends early."""
    frame, orientation, scan = None, 0, 0
    for marker, start, end in _jpeg_segments(data):
        if marker in JPEG_FRAMES and frame is None:
            frame = struct.unpack_from(">BHHB", data, start)
        elif marker == JPEG_EXIF and not orientation and data.startswith(b"Exif\0\0", start):
            orientation = exif_orientation(data[start:end])
        elif marker == JPEG_SCAN:
            scan = end
            break
    if frame is None:
        raise ImageError("damaged JPEG: it never says its size")
    # Data cannot hold this pair of bytes, so a file without it was cut short. Decoders differ over
    # such a file: some fill the missing part with grey and say nothing.
    if data.rfind(b"\xff\xd9", scan) < 0:
        raise ImageError("the JPEG is truncated: its end is missing")
    bits, height, width, channels = frame
    return Jpeg((width, height), bits, channels, orientation or 1)


def jpeg_essence(data: bytes) -> bytes:
    """The same JPEG without application data and comments; Adobe's marker, which names the colours, stays."""
    parts, scan = [data[:2]], len(data)
    for marker, start, end in _jpeg_segments(data):
        if marker == JPEG_SCAN:
            scan = start - 4
            break
        if marker == JPEG_ADOBE or not (marker == JPEG_COMMENT or 0xE0 <= marker <= 0xEF):
            parts.append(data[start - 4 : end])
    return b"".join((*parts, data[scan:]))


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) of each segment's content up to and with the first scan's head."""
    at = 2
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 4 > len(data):
            raise ImageError("the JPEG is truncated: it ends before its picture begins")
        marker = data[at + 1]
        if marker in (0x00, 0xFF) or marker in JPEG_ALONE:
            at += 1 if marker == 0xFF else 2
            continue
        end = at + 2 + (data[at + 2] << 8 | data[at + 3])
        if marker == JPEG_END or end < at + 4 or end > len(data):
            raise ImageError("the JPEG is truncated or damaged: a part reaches past its end")
        yield marker, at + 4, end
        at = end


# ── PNG ──

PNG_KEPT = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"))


def png_essence(data: bytes) -> tuple[bytes, int]:
    """The same PNG with the chunks of its (first) picture only, and its EXIF orientation."""
    parts, orientation, at = [data[:8]], 1, 8
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        name = data[at + 4 : at + 8]
        if end > len(data):
            break
        if name in PNG_KEPT:
            parts.append(data[at:end])
        elif name == b"eXIf":
            orientation = exif_orientation(data[at + 8 : end - 4])
        if name == b"IEND":
            return b"".join(parts), orientation
        at = end
    raise ImageError("the PNG is truncated: its end is missing")


# ── TIFF ──

ORIENTATION = 274
TIFF_INTEGERS = {3: "H", 4: "I"}
TIFF_LENGTHS = {1: 1, 3: 2, 4: 4}  # bytes of a value by its form; the kept tags know no other
TIFF_JPEG_TABLES = 347  # bytes of any meaning, form 7
# Tags that make the pixels, and whether each holds one value only.
TIFF_KEPT = {
    **dict.fromkeys((256, 257, 259, 262, 266, 277, 278, 284, 317, 322, 323), True),
    **dict.fromkeys((258, 273, 279, 320, 324, 325, 338, 339, 530), False),
    TIFF_JPEG_TABLES: False,
}


def tiff_essence(data: bytes) -> tuple[bytes, int]:
    """The first picture of a TIFF with the tags that make its pixels, and its orientation."""
    order = "<" if data[:2] == b"II" else ">"
    try:
        (start,) = struct.unpack_from(order + "I", data, 4)
        entries = [entry for entry in _tiff_entries(data, order, start) if entry[0] in TIFF_KEPT]
        lengths = [_tiff_length(data, order, *entry) for entry in entries]
    except struct.error:
        raise ImageError("the TIFF is truncated: its directory is cut off") from None
    if sum(lengths) > len(data):
        raise ImageError("damaged TIFF: its directory names more than the file holds")
    kept = [data[at - 8 : at + 4] for _, _, _, at in entries]
    padding = b"\0" * (-len(data) % 2)
    directory = struct.pack(order + "H", len(kept)) + b"".join(kept) + bytes(4)
    head = data[:4] + struct.pack(order + "I", len(data) + len(padding))
    return b"".join((head, memoryview(data)[8:], padding, directory)), exif_orientation(data)


def _tiff_entries(data: bytes, order: str, start: int) -> Iterator[tuple[int, int, int, int]]:
    """(tag, form, count, where its value or the offset of it stands) of each entry of a directory."""
    (entries,) = struct.unpack_from(order + "H", data, start)
    for entry in range(entries):
        at = start + 2 + 12 * entry
        yield *struct.unpack_from(order + "HHI", data, at), at + 8


def _tiff_length(data: bytes, order: str, tag: int, form: int, count: int, at: int) -> int:
    """Bytes of a kept entry's value; ImageError unless Pillow will take it without a word."""
    lengths = {7: 1} if tag == TIFF_JPEG_TABLES else TIFF_LENGTHS
    length = lengths.get(form, 0) * count
    (offset,) = struct.unpack_from(order + "I", data, at)
    outside = length > 4 and offset + length > len(data)
    if not length or outside or (TIFF_KEPT[tag] and count != 1):
        raise ImageError(f"damaged TIFF: tag {tag} is not what it must be")
    return length


# ── GIF and WebP: their sizes, before Pillow acts on them ──


def gif_size(data: bytes) -> Size:
    """The canvas of a GIF, enlarged as Pillow does where the first frame reaches outside it."""
    try:
        width, height, flags = struct.unpack_from("<HHB", data, 6)
        at = 13 + _gif_palette(flags)
        while data[at] == 0x21:  # an extension: a label, then blocks up to an empty one
            at += 2
            while data[at]:
                at += 1 + data[at]
            at += 1
        if data[at] != 0x2C:
            raise ImageError("damaged GIF: no picture where one must be")
        x, y, w, h = struct.unpack_from("<HHHH", data, at + 1)
    except (IndexError, struct.error):
        raise ImageError("the GIF is truncated: it ends before its picture begins") from None
    return max(width, x + w), max(height, y + h)


def _gif_palette(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


@dataclass(frozen=True, slots=True)
class WebP:
    """The head of a WebP. size: (width, height) of its canvas as stored."""

    size: Size
    animated: bool
    orientation: int


def webp_head(data: bytes) -> WebP:
    """Size, kind and orientation; ImageError where the file ends early."""
    end = 8 + int.from_bytes(data[4:8], "little")
    if len(data) < max(end, 30):
        raise ImageError("the WebP is truncated: its end is missing")
    form = data[12:16]
    if form == b"VP8X":
        size = 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
        return WebP(size, bool(data[20] & WEBP_ANIMATED), exif_orientation(_webp_exif(data, end)))
    if form == b"VP8L":
        packed = int.from_bytes(data[21:25], "little")
        return WebP((1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)), False, 1)
    width, height = struct.unpack_from("<HH", data, 26)
    return WebP((width & 0x3FFF, height & 0x3FFF), False, 1)


WEBP_ANIMATED = 0x02


def _webp_exif(data: bytes, end: int) -> bytes:
    at = 12
    while at + 8 <= end:
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] == b"EXIF":
            return data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
    return b""
