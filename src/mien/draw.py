"""Boxes, landmarks and captions onto a copy of a picture."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mien.errors import InputError
from mien.values import Faces, Pixels

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Colour = tuple[int, int, int]

INK: Colour = (16, 24, 32)
BOX: Colour = (64, 224, 144)
POINT: Colour = (255, 214, 64)
# Pillow's own font knows ASCII only. These are looked for, by name, for captions that need more.
SYSTEM_FONTS = (
    *("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "Arial.ttf", "Helvetica.ttc"),
    *("NotoSansCJK-Regular.ttc", "NotoSerifCJK-Regular.ttc", "wqy-microhei.ttc", "DroidSansFallbackFull.ttf"),
    *("PingFang.ttc", "Hiragino Sans GB.ttc", "Arial Unicode.ttf", "msyh.ttc", "malgun.ttf", "meiryo.ttc"),
)
LONGEST_CAPTION = 80
NO_CHARACTER = "\uffff"


def annotate(pixels: Pixels, faces: Faces, captions: Sequence[str] | None = None) -> Pixels:
    """A copy of `pixels` (h,w,3) RGB with each face's box, five points and, where given, its caption.

    Lines and letters grow with the picture; everything stays inside it. A caption beyond ASCII is written
    in a font of the system that has its characters; where there is none, accents are left off and other
    characters become boxes. Raises InputError where `captions` are not as many as the faces.
    """
    if captions is not None and len(captions) != len(faces):
        raise InputError(f"{len(captions)} captions given for {len(faces)} faces; one each is wanted")
    image = Image.fromarray(np.ascontiguousarray(pixels))
    draw = ImageDraw.Draw(image)
    line = max(1, round(max(image.size) / 500))
    reach = max(image.size)  # what lies further out is not seen and need not be drawn
    boxes = np.clip(faces.boxes, -reach, 2 * reach)
    for box, points in zip(boxes, np.clip(faces.landmarks, -reach, 2 * reach), strict=True):
        _draw_face(draw, box, points, line)
    for box, caption in zip(boxes, captions or (), strict=False):
        _draw_caption(draw, box, caption, line)
    return np.asarray(image)


def _draw_face(draw: ImageDraw.ImageDraw, box: Pixels, points: Pixels, line: int) -> None:
    left, top, right, bottom = map(round, _ordered(box))
    # A dark rim keeps the box visible on any ground.
    draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=INK, width=line + 2)
    draw.rectangle((left, top, right, bottom), outline=BOX, width=line)
    radius = max(1.0, min(1.5 * line, 0.03 * (right - left)))
    for x, y in points.tolist():
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=POINT, outline=INK)


def _draw_caption(draw: ImageDraw.ImageDraw, box: Pixels, caption: str, line: int) -> None:
    """On a plate above the box, or just inside it where there is no room above."""
    text = " ".join(caption.split())[:LONGEST_CAPTION]
    if not text:
        return
    width, height = draw.im.size
    size = max(11, round(max(width, height) / 55))
    text, font = _writable(text, size)
    text = _cut(text, font, width - 4 * line)
    pad = max(2, size // 5)
    ascent, descent = font.getmetrics() if isinstance(font, ImageFont.FreeTypeFont) else (11, 3)
    plate = (round(font.getlength(text)) + 2 * pad, ascent + descent + pad)
    left, top, _, _ = map(round, _ordered(box))
    above = top - plate[1]
    x = max(0, min(left - 1, width - plate[0]))
    y = max(0, min(above if above >= 0 else top, height - plate[1]))
    draw.rectangle((x, y, x + plate[0] - 1, y + plate[1] - 1), fill=BOX)
    draw.text((x + pad, y + pad // 2), text, fill=INK, font=font)


def _ordered(box: Pixels) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = box.tolist()
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def _writable(text: str, size: int) -> tuple[str, Font]:
    """The text, and the first font that has all its characters; or the text without its accents."""
    if not text.isascii():
        for font in _system_fonts(size):
            if all(_has(font, character) for character in set(text)):
                return text, font
    plain = unicodedata.normalize("NFKD", text) if not text.isascii() else text
    return "".join(c for c in plain if not unicodedata.combining(c)), ImageFont.load_default(size)


def _system_fonts(size: int) -> Iterator[ImageFont.FreeTypeFont]:
    for name in SYSTEM_FONTS:
        try:
            yield ImageFont.truetype(name, size)
        except OSError:
            continue


def _has(font: ImageFont.FreeTypeFont, character: str) -> bool:
    return bytes(font.getmask(character)) != bytes(font.getmask(NO_CHARACTER))


def _cut(text: str, font: Font, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while len(text) > 1 and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."
