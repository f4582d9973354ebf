from __future__ import annotations

import hashlib
import os
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from damaged import astronaut, damaged, encoded, exif_block, samples
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mien.errors import ImageError, InputError, MissingExtraError
from mien.images import Picture, encode_jpeg, encode_png, find_pictures, fit, load, save, shrink
from mien.values import Faces, Pixels

# Stored → upright, as the EXIF standard says it in words, pixel by pixel: (row, column) of the upright
# picture of w×h ← (row, column) of the stored one.
STORED_AT = {
    1: lambda r, c, h, w: (r, c),
    2: lambda r, c, h, w: (r, w - 1 - c),
    3: lambda r, c, h, w: (h - 1 - r, w - 1 - c),
    4: lambda r, c, h, w: (h - 1 - r, c),
    5: lambda r, c, h, w: (c, r),
    6: lambda r, c, h, w: (w - 1 - c, r),
    7: lambda r, c, h, w: (w - 1 - c, h - 1 - r),
    8: lambda r, c, h, w: (c, h - 1 - r),
}


def gradient(height: int, width: int) -> Pixels:
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 200 // height, columns * 200 // width, (rows + columns) % 50], axis=-1).astype(
        np.uint8
    )


def photo() -> Pixels:
    return np.asarray(astronaut())


def difference(a: Pixels, b: Pixels) -> float:
    return float(np.abs(a.astype(float) - b.astype(float)).mean())


# ── What comes out ──


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP", "JPEG"])
def test_every_orientation_is_applied(form: str, orientation: int) -> None:
    upright = gradient(24, 40)
    h, w = upright.shape[:2]
    stored = np.zeros((w, h, 3) if orientation > 4 else (h, w, 3), np.uint8)
    for r in range(h):
        for c in range(w):
            stored[STORED_AT[orientation](r, c, h, w)] = upright[r, c]
    options = {"lossless": True} if form == "WEBP" else {"quality": 98} if form == "JPEG" else {}
    picture = load(encoded(Image.fromarray(stored), form, exif=exif_block(orientation), **options))
    assert picture.size == (w, h)
    assert picture.pixels.flags.c_contiguous
    if form == "JPEG":
        assert difference(picture.pixels, upright) < 4  # lossy, but every wrong turn differs by far more
        assert orientation == 1 or difference(picture.pixels, stored.reshape(upright.shape)) > 8
    else:
        np.testing.assert_array_equal(picture.pixels, upright)


@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_of_either_byte_order_counts(order: str) -> None:
    exif = Image.Exif()
    exif.endian = order
    exif[274] = 6
    data = encoded(Image.fromarray(gradient(8, 20)), "JPEG", exif=exif.tobytes())
    assert load(data).size == (8, 20)


def test_jpeg_pixels_are_those_of_pillow() -> None:
    data = samples()["jpeg progressive"]
    np.testing.assert_array_equal(load(data).pixels[::-1, ::-1], np.asarray(Image.open(BytesIO(data))))


def test_sixteen_bits_become_eight_by_scale() -> None:
    values = np.arange(0, 65536, 257, dtype=np.uint16).reshape(16, 16)  # 0, 257 … 65535: 8-bit 0 … 255
    eight = (values // 257).astype(np.uint8)
    grey = encoded(Image.fromarray(values), "PNG")
    tiff = encoded(Image.fromarray(values), "TIFF")
    pgm = b"P5 16 16 65535 " + values.astype(">u2").tobytes()
    colour = cv2.imencode(".png", np.dstack([values, values[::-1], values.T]))[1].tobytes()
    for data in (grey, tiff, pgm):
        np.testing.assert_array_equal(load(data).pixels, np.dstack([eight] * 3))
    np.testing.assert_array_equal(load(colour).pixels, np.dstack([eight.T, eight[::-1], eight]))


def test_transparent_pixels_are_shown_on_white() -> None:
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0] = (200, 0, 0, 255), (200, 0, 0, 0), (200, 0, 0, 51)
    wanted = [[200, 0, 0], [255, 255, 255], [244, 204, 204]]
    for source in (rgba, encoded(Image.fromarray(rgba), "PNG"), encoded(Image.fromarray(rgba), "TIFF")):
        np.testing.assert_allclose(load(source).pixels[0], wanted, atol=1)
    webp = encoded(Image.fromarray(rgba), "WEBP", lossless=True, exact=True)
    np.testing.assert_allclose(load(webp).pixels[0], wanted, atol=1)
    grey = Image.fromarray(np.array([[[90, 255], [90, 0]]], np.uint8), "LA")
    np.testing.assert_array_equal(load(encoded(grey, "PNG")).pixels[0], [[90] * 3, [255] * 3])


def test_palettes_with_and_without_transparency() -> None:
    palette = Image.new("P", (3, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    for x in range(3):
        palette.putpixel((x, 0), x)
    colours = [[10, 20, 30], [40, 50, 60], [70, 80, 90]]
    for form in ("PNG", "GIF", "BMP", "TIFF"):
        np.testing.assert_array_equal(load(encoded(palette, form)).pixels[0], colours, form)
    seen = [[10, 20, 30], [255, 255, 255], [70, 80, 90]]
    np.testing.assert_array_equal(load(encoded(palette, "PNG", transparency=1)).pixels[0], seen)
    np.testing.assert_array_equal(load(encoded(palette, "GIF", transparency=1)).pixels[0], seen)
    by_bytes = encoded(palette, "PNG", transparency=b"\xff\x00\xff")
    np.testing.assert_array_equal(load(by_bytes).pixels[0], seen)


def test_cmyk_jpegs_show_the_colours_that_were_meant() -> None:
    plain = Image.fromarray(photo())
    data = encoded(plain.convert("CMYK"), "JPEG", quality=95, exif=exif_block(1))
    assert difference(load(data).pixels, np.asarray(plain.convert("CMYK").convert("RGB"))) < 3
    assert difference(load(data).pixels, photo()) < 6


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "BMP", "GIF", "WEBP", "PPM", "JPEG2000"])
def test_grey_and_one_bit_pictures_become_rgb(form: str) -> None:
    grey = Image.fromarray(photo()).convert("L")
    picture = load(encoded(grey, form))
    assert difference(picture.pixels, np.dstack([np.asarray(grey)] * 3)) < 6
    if form not in ("JPEG", "WEBP", "JPEG2000"):
        bits = load(encoded(grey.convert("1"), form)).pixels
        assert set(np.unique(bits)) == {0, 255}


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_picture_is_taken(form: str) -> None:
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if form == "WEBP" else {}
    picture = load(encoded(frames[0], form, save_all=True, append_images=frames[1:], **options))
    assert picture.size == (20, 10)
    assert (picture.pixels == (255, 0, 0)).all()


def test_one_pixel_is_a_picture() -> None:
    assert load(encoded(Image.new("RGB", (1, 1), "red"), "PNG")).pixels.tolist() == [[[255, 0, 0]]]


def test_path_bytes_and_array_agree_and_say_where_they_are_from(tmp_path: Path) -> None:
    data = encoded(astronaut(), "PNG")
    path = tmp_path / "ann.png"
    path.write_bytes(data)
    by_path, by_text, by_bytes, by_array = (load(each) for each in (path, str(path), data, photo()))
    for picture in (by_path, by_text, by_bytes, by_array):
        np.testing.assert_array_equal(picture.pixels, photo())
        assert picture.size == (96, 72)
        assert picture.factor == (1.0, 1.0)
        with pytest.raises(ValueError, match="read-only"):
            picture.pixels[0, 0, 0] = 1
    assert by_path.source == by_text.source == str(path)
    assert (by_bytes.source, by_array.source) == ("bytes", "array")
    assert by_path.sha256 == by_bytes.sha256 == hashlib.sha256(data).hexdigest()
    assert load(by_path) is by_path


def test_arrays_are_taken_without_a_copy_and_stay_writable_outside() -> None:
    array = photo().copy()
    picture = load(array)
    assert np.shares_memory(picture.pixels, array)
    array[0, 0] = 7
    assert load(array).sha256 != picture.sha256
    turned = load(np.rot90(array))
    assert turned.pixels.flags.c_contiguous
    assert load(array.reshape(array.shape[1], array.shape[0], 3)).sha256 != load(array).sha256
    np.testing.assert_array_equal(load(array[:, :, 0]).pixels, np.dstack([array[:, :, 0]] * 3))


# ── Reduced pictures ──


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(
    ("shrink_to", "reduced"), [(None, 1), (151, 1), (150, 2), (76, 2), (75, 4), (37, 8), (1, 8)]
)
def test_large_pictures_come_reduced_and_map_back_exactly(
    form: str, shrink_to: int | None, reduced: int
) -> None:
    centre = np.array([123.0, 61.0])
    full = spot(301, 203, centre)
    options = {"lossless": True} if form == "WEBP" else {"quality": 98} if form == "JPEG" else {}
    picture = load(encoded(Image.fromarray(full), form, **options), shrink_to=shrink_to)
    assert picture.size == (301, 203)
    assert picture.reduced == reduced
    assert picture.pixels.shape == (-(-203 // reduced), -(-301 // reduced), 3)
    found = Faces([[0, 0, 1, 1]], np.tile(middle(picture.pixels), (1, 5, 1)), [1])
    np.testing.assert_allclose(found.scaled(picture.factor).landmarks[0, 0], centre, atol=0.15)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(301, 203), (304, 208)])
def test_reduced_pictures_that_are_turned_map_back_exactly(orientation: int, size: tuple[int, int]) -> None:
    stored = spot(*size, np.array([123.0, 61.0]))
    data = encoded(Image.fromarray(stored), "JPEG", quality=98, exif=exif_block(orientation))
    whole, small = load(data), load(data, shrink_to=70)
    assert small.reduced == (4 if orientation == 1 or size == (304, 208) else 1)
    found = (middle(small.pixels) + 0.5) * small.factor - 0.5
    np.testing.assert_allclose(found, middle(whole.pixels), atol=0.15)


def spot(columns: int, rows: int, centre: np.ndarray, width: float = 12.0) -> Pixels:  # type: ignore[type-arg]
    y, x = np.mgrid[:rows, :columns]
    bright = 250 * np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * width**2))
    return np.dstack([bright] * 3).round().astype(np.uint8)


def middle(pixels: Pixels) -> np.ndarray:  # type: ignore[type-arg]
    weights = np.where(pixels[:, :, 0] > 25, pixels[:, :, 0], 0).astype(float)
    y, x = np.mgrid[: pixels.shape[0], : pixels.shape[1]]
    return np.array([(x * weights).sum(), (y * weights).sum()]) / weights.sum()


sides = st.integers(1, 260)


@settings(deadline=None, max_examples=200)
@given(sides, sides, st.integers(1, 300))
def test_shrink_bounds_the_longer_side_and_maps_back(width: int, height: int, longest: int) -> None:
    pixels = gradient(height, width)
    small, factor = shrink(pixels, longest)
    assert max(small.shape[:2]) == min(longest, max(width, height))
    if longest >= max(width, height):
        assert small is pixels
    check_way_back((width, height), (small.shape[1], small.shape[0]), factor)


@settings(deadline=None, max_examples=200)
@given(sides, sides, sides, sides)
def test_fit_fills_one_side_and_maps_back(width: int, height: int, to_width: int, to_height: int) -> None:
    canvas, factor = fit(np.full((height, width, 3), 255, np.uint8), (to_height, to_width))
    assert canvas.shape == (to_height, to_width, 3)
    filled = canvas[:, :, 0] == 255
    rows, columns = int(filled[:, 0].sum()), int(filled[0].sum())
    assert (canvas[:rows, :columns] == 255).all()
    assert not canvas[rows:].any()
    assert not canvas[:, columns:].any()
    assert rows == to_height or columns == to_width
    check_way_back((width, height), (columns, rows), factor)


def check_way_back(full: tuple[int, int], small: tuple[int, int], factor: tuple[float, float]) -> None:
    """The last pixel's far edge goes back to the picture's, but for what fills no whole block."""
    for side, part, times in zip(full, small, factor, strict=True):
        assert side - times < part * times <= side + 1e-3


@pytest.mark.parametrize(("size", "longest"), [((1200, 900), 300), ((1201, 903), 170), ((1201, 903), 700)])
def test_shrunk_and_fitted_pictures_show_a_point_where_the_factor_says(
    size: tuple[int, int], longest: int
) -> None:
    centre = np.array([500.0, 300.0])
    full = spot(*size, centre, width=50.0)
    truth = middle(full)
    for small, factor in (shrink(full, longest), fit(full, (longest, longest))):
        # To a thirtieth of the small picture's pixel: what eight bits leave of a centre of mass.
        np.testing.assert_allclose((middle(small) + 0.5) * factor - 0.5, truth, atol=max(factor) / 30)


def test_fit_enlarges() -> None:
    canvas, factor = fit(photo(), (144, 300))
    assert factor == (0.5, 0.5)
    np.testing.assert_array_equal(
        canvas[:, :192], cv2.resize(photo(), (192, 144), interpolation=cv2.INTER_LINEAR)
    )


# ── What is refused ──


def png_of(width: int, height: int) -> bytes:
    """The head of a PNG of any size: enough to be refused by."""
    one = encoded(Image.new("L", (1, 1)), "PNG")
    head = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + one[24:29]
    return one[:12] + head + zlib.crc32(head).to_bytes(4, "big") + one[33:]


BAD = {
    "empty": (b"", "zero bytes"),
    "text": (b"hello, I am no picture at all", "not a picture"),
    "cut JPEG": (encoded(astronaut(), "JPEG")[:-200], "truncated"),
    "JPEG without its end": (encoded(astronaut(), "JPEG")[:-2], "truncated"),
    "JPEG head": (encoded(astronaut(), "JPEG")[:100], "truncated"),
    "cut progressive": (samples()["jpeg progressive"][:-500], "truncated"),
    "cut CMYK": (samples()["jpeg cmyk"][:-500], "truncated"),
    "cut PNG": (samples()["png"][:-500], "truncated"),
    "cut WebP": (samples()["webp"][:-50], "truncated"),
    "cut GIF": (samples()["gif"][:2000], "truncated"),
    "cut BMP": (samples()["bmp"][:-500], "truncated"),
    "cut PGM": (samples()["pgm"][:-500], "truncated"),
    "cut TIFF": (samples()["tiff"][:-500], "truncated"),
    "cut LZW TIFF": (samples()["tiff lzw"][:2000], "truncated"),
    "cut JPEG 2000": (samples()["jpeg 2000"][:100], "truncated"),
    "huge PNG": (png_of(20_000, 20_000), "20000×20000 pixels are too many"),
    "no pixels": (b"P5 0 5 255 ", "damaged"),
    "float TIFF": (encoded(Image.new("F", (4, 4)), "TIFF"), "32 bits"),
    "video": (b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + bytes(100), "video"),
    "AVIF": (b"\0\0\0\x1cftypavif\0\0\0\0mif1avifmiaf" + bytes(100), "AVIF"),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_by_name_in_one_line(name: str, tmp_path: Path) -> None:
    data, why = BAD[name]
    path = tmp_path / "bad.jpg"
    path.write_bytes(data)
    for source, called in ((data, "bytes: "), (path, f"{path}: ")):
        with pytest.raises(ImageError, match=why) as caught:
            load(source)
        assert str(caught.value).startswith(called)
        assert "\n" not in str(caught.value)


def test_every_size_is_bounded_before_decoding() -> None:
    for name, data in samples().items():
        with pytest.raises(ImageError, match=r"pixels are too many; at most 20 "):
            load(data, max_pixels=20)
        assert load(data, max_pixels=96 * 72).pixels.any(), name
    with pytest.raises(ImageError, match="array: 96×72 pixels are too many"):
        load(photo(), max_pixels=20)


def test_heic_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mien\[heic\]'"):
        load(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(50))


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    for path, why in (
        (tmp_path / "gone.jpg", "no such file"),
        (tmp_path, "a folder"),
        ("a\0b", "cannot be read"),
        ("a" * 5000, "cannot be read"),
    ):
        with pytest.raises(ImageError, match=why):
            load(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.jpg"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(load, pipe)
        try:
            assert "not a plain file" in str(answer.exception(timeout=10))
        finally:  # lets go a reader that does wait
            os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((2, 4, 4, 3), np.uint8),
    ],
)
def test_arrays_of_another_shape_or_type_are_refused(array: Pixels) -> None:
    with pytest.raises(ImageError, match=r"\(h,w,3\) RGB.*wanted"):
        load(array)


def test_other_sources_are_refused() -> None:
    with pytest.raises(ImageError, match="NoneType given"):
        load(None)  # type: ignore[arg-type]


def test_damaged_metadata_neither_warns_nor_stops_a_picture() -> None:
    """Pillow, asked for these, warns; a warning cannot be held back in one thread alone."""
    exif = b"Exif\0\0II*\0\x08\0\0\0\x02\0" + b"\x0f\x01\x02\0\xff\xff\0\0\xff\xff\0\0" + b"\x12\x01\x03\0"
    jpeg = encoded(astronaut(), "JPEG", exif=exif)
    cmyk = encoded(astronaut().convert("CMYK"), "JPEG", exif=exif)
    apng = encoded(astronaut(), "PNG")
    control = b"\0\0\0\x08acTL" + bytes(8) + b"\0\0\0\0"
    apng = apng[:33] + control + apng[33:]
    tiff = bytearray(encoded(astronaut(), "TIFF", software="a text that does not fit the entry"))
    at = tiff.index(b"\x31\x01\x02\0")
    tiff[at + 4 : at + 8] = b"\xff\xff\xff\x7f"
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        pictures = [load(data) for data in (jpeg, cmyk, apng, bytes(tiff))]
        assert not warned
        with Image.open(BytesIO(tiff)) as image:
            image.load()
    assert warned, "Pillow no longer warns: this test proves nothing"
    assert all(picture.size == (96, 72) for picture in pictures)


def test_every_undamaged_sample_is_read() -> None:
    for name, data in samples().items():
        for shrink_to in (None, 20):
            assert load(data, shrink_to=shrink_to).pixels.std() > 10, name


def test_a_few_damaged_pictures_are_refused_or_read() -> None:
    refused = 0
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for name, broken in damaged(350, seed=7):
            try:
                picture = load(broken, max_pixels=1_000_000)
            except (ImageError, MissingExtraError):
                refused += 1
            else:
                assert picture.pixels.shape == (picture.size[1], picture.size[0], 3), name
    assert [str(warning.message) for warning in warned] == []
    assert 100 < refused < 330


def test_several_threads_at_once() -> None:
    whole = samples()
    alone = {name: load(data).pixels for name, data in whole.items()}
    with ThreadPoolExecutor(8) as pool:
        for name, picture in zip(list(whole) * 8, pool.map(load, list(whole.values()) * 8), strict=True):
            np.testing.assert_array_equal(picture.pixels, alone[name], name)


# ── Files ──


def test_find_pictures(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "notes.txt", ".hidden.jpg", "sub/c.pgm", ".git/d.jpg", "sub/deep/e.webp"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "sub" / "back").symlink_to(tmp_path, target_is_directory=True)
    found = find_pictures([tmp_path / "notes.txt", tmp_path])
    wanted = ["notes.txt", "a.png", "b.JPG", "sub/c.pgm", "sub/deep/e.webp"]
    assert found == [tmp_path / name for name in wanted]
    assert find_pictures([]) == []


def test_find_pictures_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone: there is no such"):
        find_pictures([tmp_path / "gone"])
    with pytest.raises(InputError, match=r"aaa: cannot be looked up|aaa: there is no such"):
        find_pictures(["a" * 5000])
    with pytest.raises(InputError, match="no picture there"):
        find_pictures([tmp_path])


def test_saved_pictures_come_back(tmp_path: Path) -> None:
    save(tmp_path / "a.png", photo())
    np.testing.assert_array_equal(load(tmp_path / "a.png").pixels, photo())
    save(tmp_path / "a.JPEG", photo())
    assert difference(load(tmp_path / "a.JPEG").pixels, photo()) < 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.JPEG", "a.png"]
    assert len(encode_jpeg(photo(), quality=30)) < len(encode_jpeg(photo())) < len(encode_png(photo()))


def test_pictures_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.xyz: pictures are written as \.jpg"):
        save(tmp_path / "a.xyz", photo())
    with pytest.raises(InputError, match="cannot be written"):
        save(tmp_path / "gone" / "a.jpg", photo())
    with pytest.raises(InputError, match="cannot be written"):
        save(tmp_path / "a.png", np.zeros((0, 0, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


# ── Real files ──


def test_real_pictures(shared_data: Path) -> None:
    photos = shared_data / "faces" / "photos"
    assert load(photos / "obama_biden" / "32bit.png").pixels.std() > 20
    face = load(shared_data / "faces" / "att_faces" / "s1" / "1.pgm")
    assert face.size == (92, 112)
    assert (face.pixels[:, :, 0] == face.pixels[:, :, 2]).all()
    assert isinstance(load(photos / "groups" / "six_people.jpg", shrink_to=600), Picture)
