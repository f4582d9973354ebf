from __future__ import annotations

from contextlib import suppress
from io import BytesIO

import pytest
from damaged import encoded, exif_block, samples
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mien.errors import ImageError
from mien.images import headers

PARSERS = {
    "JPEG": headers.jpeg_head,
    "PNG": headers.png_essence,
    "GIF": headers.gif_size,
    "WebP": headers.webp_head,
    "TIFF": headers.tiff_essence,
}


def test_kinds() -> None:
    kinds = {"jpeg": "JPEG", "png": "PNG", "apng": "PNG", "webp": "WebP", "tiff": "TIFF", "gif": "GIF"}
    kinds |= {"bmp": "BMP", "pgm": "PNM", "ppm": "PNM"}
    for name, data in samples().items():
        known = "JPEG 2000" if name == "jpeg 2000" else kinds[name.split()[0]]
        assert headers.kind(data) == known, name


def test_heads_agree_with_pillow() -> None:
    for name, data in samples().items():
        size = Image.open(BytesIO(data)).size
        match headers.kind(data):
            case "JPEG":
                assert headers.jpeg_head(data).size == size, name
            case "WebP":
                assert headers.webp_head(data).size == size, name
            case "GIF":
                assert headers.gif_size(data) == size, name


def test_a_gif_frame_outside_its_canvas_counts() -> None:
    data = bytearray(encoded(Image.new("P", (10, 8)), "GIF"))
    at = data.index(b"\x2c\0\0\0\0") + 1
    data[at : at + 2] = b"\x05\0"
    assert headers.gif_size(bytes(data)) == (15, 8)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_read_from_a_bare_and_a_marked_block(orientation: int) -> None:
    block = exif_block(orientation)
    assert block.startswith(b"Exif\0\0")
    assert headers.exif_orientation(block) == headers.exif_orientation(block[6:]) == orientation


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_orientations_that_mean_nothing_turn_nothing(value: int) -> None:
    entry = b"\x12\x01\x03\0\x01\0\0\0" + value.to_bytes(4, "little")
    assert headers.exif_orientation(b"II*\0\x08\0\0\0\x01\0" + entry) == 1


@given(st.binary(max_size=200))
def test_any_bytes_have_an_orientation(block: bytes) -> None:
    assert headers.exif_orientation(block) == 1 or block[:2] in (b"II", b"MM") or block[6:8] in (b"II", b"MM")
    assert 1 <= headers.exif_orientation(b"II*\0" + block) <= 8


@pytest.mark.parametrize("kind", PARSERS)
@given(data=st.data())
def test_parsers_answer_or_refuse_any_cut(kind: str, data: st.DataObject) -> None:
    whole = WHOLE[kind]
    start = whole[: data.draw(st.integers(0, len(whole)))]
    with suppress(ImageError):
        PARSERS[kind](start + data.draw(st.binary(max_size=40)))


WHOLE = {headers.kind(data): data for data in samples().values()}


def test_essence_leaves_metadata_behind() -> None:
    secret = b"a maker whose name"
    for name in ("jpeg", "jpeg cmyk"):
        assert secret in samples()[name]
        assert secret not in headers.jpeg_essence(samples()[name])
    assert headers.png_essence(samples()["png"])[1] == 5
    assert secret not in headers.png_essence(samples()["png"])[0]
    assert headers.tiff_essence(samples()["tiff"])[1] == 4
    assert b"Adobe" in headers.jpeg_essence(samples()["jpeg cmyk"])
