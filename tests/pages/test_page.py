"""Pages hold what they were given, as text, and nothing that could run or be fetched."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from elements import Elements
from hypothesis import given
from hypothesis import strategies as st

import mien.pages.page as p
from mien.errors import InputError
from mien.values import Pixels

EVIL = "<script>alert('x')</script>\"&"


@pytest.fixture
def pixels() -> Pixels:
    ramp = np.linspace(0, 255, 40 * 30 * 3).reshape(30, 40, 3)
    return ramp.astype(np.uint8)


def everything(text: str, pixels: Pixels) -> p.Html:
    """A page with `text` in every place that takes one."""
    return p.page(
        text,
        text,
        p.define({"p0": pixels}),
        p.section(
            text,
            p.paragraph(text, p.badge(text)),
            p.note(text),
            p.facts({text: text}),
            p.part(text, p.table([text], [[text], [1], [0.5]], ids=["a", "b", "c"])),
            p.gallery(p.figure(pixels, text, alt=text), p.figure(p.show("p0", text, 48), text)),
            p.columns(text),
        ),
        footer=text,
    )


def test_a_page_is_well_formed_and_holds_every_text(pixels: Pixels) -> None:
    found = Elements(everything("Zoë 陳大文 😀", pixels))
    assert found.names()[:2] == ["html", "head"]
    assert "".join(found.texts).count("Zoë 陳大文 😀") == 17


def test_names_with_tags_in_them_come_out_as_text(pixels: Pixels) -> None:
    document = everything(EVIL, pixels)
    found = Elements(document)
    assert "script" not in found.names()
    assert "<script" not in document
    assert "".join(found.texts).count(EVIL) == 17
    assert {attributes["alt"] for name, attributes in found.tags if name == "img"} == {EVIL}


@given(st.text())
def test_any_text_survives_as_text_and_as_attribute(text: str) -> None:
    written = p.tag("p", text, title=text)
    assert not re.search(r"<(?!p[ >]|/p>)", written)
    attribute = re.fullmatch(r'<p title="([^"]*)">([^<]*)</p>', written, re.DOTALL)
    assert attribute
    assert attribute[1] == attribute[2] == p.join([text])


def test_nothing_is_fetched_and_nothing_runs(pixels: Pixels) -> None:
    document = everything("x", pixels)
    for name, attributes in Elements(document).tags:
        assert name not in {"script", "link", "iframe", "object"}
        assert not any(key.startswith("on") for key in attributes)
        for key in ("src", "href"):
            assert (attributes.get(key) or "#").startswith(("#", "data:image/"))
    assert "url(" not in document
    assert "@import" not in document
    assert "default-src 'none'" in document.replace("&#x27;", "'")


def test_pictures_are_inside_the_page(pixels: Pixels) -> None:
    uri = p.data_uri(pixels)
    kind, content = uri.split(",")
    assert kind == "data:image/jpeg;base64"
    decoded = cv2.imdecode(np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert np.abs(decoded[..., ::-1].astype(int) - pixels).mean() < 4


def test_bytes_of_a_jpeg_are_taken_as_they_are() -> None:
    assert (
        p.data_uri(b"\xff\xd8 as it is")
        == "data:image/jpeg;base64," + base64.b64encode(b"\xff\xd8 as it is").decode()
    )


def test_a_defined_picture_is_stored_once(pixels: Pixels) -> None:
    document = p.join([p.define({"p7": pixels}), p.show("p7", "Ann", 48), p.show("p7", "Ann", 96)])
    assert document.count(p.data_uri(pixels)) == 1
    uses = [attributes for name, attributes in Elements(document).tags if name == "use"]
    assert [use["href"] for use in uses] == ["#p7", "#p7"]


def test_numbers_stand_right_and_floats_have_three_digits() -> None:
    written = p.table(["a", "b", "c"], [["x", 3, 0.12345]])
    assert '<td>x</td><td class="number">3</td><td class="number">0.123</td>' in written


def test_a_badge_has_its_verdicts_colour() -> None:
    assert p.badge("same") == '<span class="badge same">same</span>'
    assert 'class="badge review"' in p.badge("low quality", "review")


def test_a_page_is_written_whole(tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    target.write_text("before")
    p.write(target, p.page("名字", "lead"))
    assert "<h1>名字</h1>" in target.read_text("utf-8")
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]


def test_names_that_are_no_utf8_do_not_stop_a_page(tmp_path: Path) -> None:
    p.write(tmp_path / "page.html", p.page("caf\udce9.jpg", "lead"))
    assert "<h1>caf?.jpg</h1>" in (tmp_path / "page.html").read_text("utf-8")


def test_where_a_page_cannot_be_written_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for target in (tmp_path / "folder", tmp_path / "missing" / "page.html"):
        with pytest.raises(InputError, match="cannot be written"):
            p.write(target, p.page("t", "l"))
    assert [file.name for file in tmp_path.iterdir()] == ["folder"]


def contrast(a: str, b: str) -> float:
    """WCAG 2's contrast ratio of two colours written #rrggbb."""

    def luminance(colour: str) -> float:
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def mixed(a: str, b: str, part: float) -> str:
    """So much of `a` with `b` for the rest, as CSS mixes in sRGB."""
    pairs = ((int(a[i : i + 2], 16), int(b[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(part * one + (1 - part) * other):02x}" for one, other in pairs)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_can_be_read_by_day_and_by_night(theme: int) -> None:
    style = Path(p.__file__).with_name("page.css").read_text("utf-8")
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", style.split(":root")[theme + 1]))
    for name in ("ink", "muted", "accent"):
        assert contrast(colours[name], colours["paper"]) >= 4.5
        assert contrast(colours[name], colours["soft"]) >= 4.5
    for verdict in ("same", "review", "different", "none"):
        assert contrast(colours[verdict], colours[f"{verdict}-soft"]) >= 4.5
        assert contrast(colours["muted"], colours[f"{verdict}-soft"]) >= 4.5
    for i in range(6):
        assert contrast(colours[f"s{i}"], colours["paper"]) >= 3
    strongest = float(re.findall(r"calc\((\d+)%", style)[0]) / 100  # of a cell of `.heat`
    assert contrast(colours["ink"], mixed(colours["different"], colours["paper"], strongest)) >= 4.5
