"""Self-contained HTML pages: pictures and plots inside, no script, no network, one look for every wing.

Whatever is no `Html` is escaped on its way in, so a name with a tag in it comes out as text.
"""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mien.files import write_whole
from mien.images import encode_jpeg
from mien.values import Pixels

Cell = str | int | float
Picture = Pixels | bytes  # (h,w,3) uint8 RGB, or the bytes of a JPEG file
VOID = {"img", "meta"}
# Nothing is fetched and nothing runs, whatever a page's texts may try.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(element: str, /, *children: str, **attributes: Cell | None) -> Html:
    """One element. `class_` is written class, `stroke_width` stroke-width; None leaves an attribute out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(
        f"<{element}{written}>" if element in VOID else f"<{element}{written}>{join(children)}</{element}>"
    )


def join(parts: Iterable[str]) -> Html:
    """The parts one after the other, each escaped unless it is Html."""
    return Html("".join(part if isinstance(part, Html) else html.escape(part) for part in parts))


def page(title: str, lead: str, *sections: str, footer: str = "") -> Html:
    """A whole document."""
    style = Html(Path(__file__).with_name("page.css").read_text("utf-8"))
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("title", title),
        tag("style", style),
    )
    header = tag("header", tag("h1", title), tag("p", lead, class_="lead"))
    body = tag("body", header, tag("main", *sections), tag("footer", footer))
    return Html("<!doctype html>\n" + tag("html", head, body, lang="en") + "\n")


def write(path: str | os.PathLike[str], document: Html) -> None:
    """Write a page, whole or not at all. InputError where the file cannot be written."""
    # A file name that is no UTF-8 reaches us with surrogates, which have no bytes of their own.
    write_whole(path, document.encode("utf-8", "replace"))


def section(heading: str, *parts: str) -> Html:
    """A heading and what stands below it."""
    return tag("section", tag("h2", heading), *parts)


def part(heading: str, *parts: str) -> Html:
    """A section within a section, its heading a step smaller."""
    return tag("section", tag("h3", heading), *parts)


def paragraph(*texts: str) -> Html:
    """Running text."""
    return tag("p", *texts)


def note(*texts: str) -> Html:
    """A paragraph that must not be overlooked."""
    return tag("p", *texts, class_="note")


def facts(values: Mapping[str, str]) -> Html:
    """A few figures in large type, each with its name below."""
    pairs = (tag("div", tag("dt", name), tag("dd", value)) for name, value in values.items())
    return tag("dl", *pairs, class_="facts")


def badge(word: str, kind: str = "") -> Html:
    """A verdict in its colour; words that are no verdict are grey. `kind` names another word's colour."""
    return tag("span", word, class_=f"badge {kind or word}")


def table(headers: Sequence[str], rows: Sequence[Sequence[Cell]], *, ids: Sequence[str] = ()) -> Html:
    """Rows below headers; numbers stand right, floats with three digits. ids: an anchor for each row."""
    body = [
        tag("tr", *(_cell(value) for value in row), id=ids[i] if ids else None) for i, row in enumerate(rows)
    ]
    kinds = [None if isinstance(value, str) else "number" for value in (rows[0] if rows else headers)]
    named = (tag("th", header, scope="col", class_=kind) for header, kind in zip(headers, kinds, strict=True))
    head = tag("thead", tag("tr", *named))
    return tag("div", tag("table", head, tag("tbody", *body)), class_="wide")


def _cell(value: Cell) -> Html:
    if isinstance(value, str):
        return tag("td", value)
    return tag("td", f"{value:.3f}" if isinstance(value, float) else str(value), class_="number")


def figure(picture: Html | Picture, *caption: str, alt: str = "") -> Html:
    """A picture (or a plot, or `show`'s result) with its caption."""
    shown = picture if isinstance(picture, Html) else image(picture, alt)
    return tag("figure", shown, *([tag("figcaption", *caption)] if caption else []))


def gallery(*figures: str) -> Html:
    """Many small figures, as many beside each other as fit."""
    return tag("div", *figures, class_="gallery")


def columns(*parts: str) -> Html:
    """Two or three parts side by side, below each other on a phone."""
    return tag("div", *parts, class_="columns")


def beside(words: str, pictures: str) -> Html:
    """Words in a narrow column, pictures in a wide one beside it; below each other on a phone."""
    return tag("div", tag("div", words), tag("div", pictures), class_="beside")


def image(picture: Picture, alt: str) -> Html:
    """A picture by itself, inside the page."""
    return tag("img", src=data_uri(picture), alt=alt)


def data_uri(picture: Picture) -> str:
    """The picture itself, where a page would name its address."""
    content = picture if isinstance(picture, bytes) else encode_jpeg(picture, 85)
    return "data:image/jpeg;base64," + base64.b64encode(content).decode()


def define(pictures: Mapping[str, Picture]) -> Html:
    """Square pictures by id, each stored once and shown by `show` as often as wanted."""
    symbols = (
        tag("symbol", tag("image", href=data_uri(picture), width=1, height=1), id=name, viewBox="0 0 1 1")
        for name, picture in pictures.items()
    )
    return tag("svg", *symbols, width=0, height=0, style="position:absolute", aria_hidden="true")


def show(name: str, alt: str, size: int) -> Html:
    """A defined picture, `size` pixels wide."""
    use = tag("use", href=f"#{name}")
    return tag("svg", tag("title", alt), use, class_="face", width=size, height=size, role="img")
