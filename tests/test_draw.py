from __future__ import annotations

import numpy as np
import pytest
from PIL import ImageFont

from mien import draw
from mien.draw import BOX, POINT, annotate
from mien.errors import InputError
from mien.values import Faces, Pixels


def grey(height: int = 300, width: int = 400) -> Pixels:
    return np.full((height, width, 3), 128, np.uint8)


def one_face(*box: float) -> Faces:
    x1, y1, x2, y2 = box
    spots = [(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)]
    points = [(x1 + (x2 - x1) * x, y1 + (y2 - y1) * y) for x, y in spots]
    return Faces([box], [points], [0.9])


def drawn(pixels: Pixels, colour: tuple[int, int, int]) -> np.ndarray:  # type: ignore[type-arg]
    return (pixels == colour).all(axis=2)


def test_box_and_points_are_where_the_face_is_and_the_picture_is_a_copy() -> None:
    picture = grey()
    faces = one_face(100, 80, 200, 220)
    out = annotate(picture, faces)
    assert (picture == 128).all()
    assert out.shape == picture.shape
    assert out.dtype == np.uint8
    rows, columns = np.nonzero(drawn(out, BOX))
    assert (columns.min(), rows.min(), columns.max(), rows.max()) == (100, 80, 200, 220)
    for x, y in faces.landmarks[0]:
        assert tuple(out[round(float(y)), round(float(x))]) == POINT
    outside = out[:70]
    assert (outside == 128).all()


def test_lines_and_letters_grow_with_the_picture() -> None:
    small = annotate(grey(300, 400), one_face(100, 80, 200, 220), ["Ann"])
    large = annotate(grey(3000, 4000), one_face(1000, 800, 2000, 2200), ["Ann"])
    assert tuple(large[1500, 1006]) == BOX
    assert tuple(small[150, 102]) != BOX
    assert drawn(large, BOX).sum() > 25 * drawn(small, BOX).sum()


@pytest.mark.parametrize(
    "box", [(100, 80, 200, 220), (-30, -40, 60, 50), (350, 250, 500, 400), (0, 0, 399, 299), (390, 1, 399, 9)]
)
def test_captions_stay_inside_the_picture(box: tuple[float, ...]) -> None:
    bare = annotate(grey(), one_face(*box))
    for caption in ("Ann 0.98", "a name that is far too long for the picture it must stand in " * 3):
        out = annotate(grey(), one_face(*box), [caption])
        plate = drawn(out, BOX) & ~drawn(bare, BOX)
        rows, columns = np.nonzero(plate)
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert 10 <= height <= 30
        assert width >= 40
        letters = out[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].max(axis=2) < 120
        assert letters.sum() > 20


def test_empty_captions_draw_nothing() -> None:
    faces = one_face(100, 80, 200, 220)
    np.testing.assert_array_equal(annotate(grey(), faces, [" \n"]), annotate(grey(), faces))


def test_captions_must_be_as_many_as_faces() -> None:
    with pytest.raises(InputError, match="2 captions given for 1 faces"):
        annotate(grey(), one_face(1, 1, 20, 20), ["a", "b"])


def test_no_faces_and_tiny_pictures() -> None:
    np.testing.assert_array_equal(annotate(grey(), Faces.none(), []), grey())
    assert annotate(grey(1, 1), one_face(0, 0, 1, 1), ["Ann"]).shape == (1, 1, 3)


def test_boxes_far_outside_and_inside_out_are_no_trouble() -> None:
    annotate(grey(), one_face(-1e9, -1e9, 1e9, 1e9), ["Ann"])
    annotate(grey(), one_face(200, 200, 100, 100), ["Ann"])


def test_read_only_and_sliced_pictures_can_be_drawn_on() -> None:
    picture = grey()[:, ::-1]
    picture.flags.writeable = False
    assert drawn(annotate(picture, one_face(100, 80, 200, 220)), BOX).any()


@pytest.mark.parametrize("name", ["Zoë", "Łukasz", "张伟", "Иван", "山田太郎"])
def test_names_beyond_ascii_are_written_with_their_own_letters(name: str) -> None:
    text, font = draw._writable(name, 20)
    if not isinstance(font, ImageFont.FreeTypeFont) or font.getname()[0] == "Aileron":
        pytest.skip(f"no font of this system has the letters of {name}")
    assert text == name
    assert all(draw._has(font, letter) for letter in name)


def test_without_a_fitting_font_accents_are_left_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw, "SYSTEM_FONTS", ("no-such-font.ttf",))
    assert draw._writable("Zoë Ñandú", 20)[0] == "Zoe Nandu"
    assert draw._writable("张伟", 20)[0] == "张伟"
    assert drawn(annotate(grey(), one_face(100, 80, 200, 220), ["张伟"]), BOX).any()
