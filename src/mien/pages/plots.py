"""Plots as SVG, for `mien.pages`: they take its colours, follow day and night, and print sharp.

`plot(x, y, *layers)` draws layers (lines, bars, zones, levels) into one frame of two axes; `matrix` a square
of similarities.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from mien.pages.page import Html, join, tag
from mien.values import Floats, rate_text

WIDTH, HEIGHT = 480, 270  # of a plot, and its margins
LEFT, RIGHT, TOP, BOTTOM = 48, 14, 14, 46
COLOURS = 6  # classes s0 … s5 of the style sheet


@dataclass(frozen=True, slots=True)
class Axis:
    """One direction of a plot. low may be the larger number; ticks: where to write numbers, else chosen."""

    label: str
    low: float
    high: float
    log: bool = False
    ticks: tuple[float, ...] = ()

    def at(self, value: float) -> float:
        """Where a value lies: 0 at `low`, 1 at `high`, held between them."""
        low, high, place = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        return min(max((place - low) / (high - low), 0.0), 1.0)

    def numbers(self) -> Sequence[float]:
        """The values written along the axis."""
        if self.ticks:
            return self.ticks
        low, high = sorted((self.low, self.high))
        if self.log:
            return [10.0**k for k in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)]
        rough = (high - low) / 4
        size = 10 ** math.floor(math.log10(rough))
        step = next(size * nice for nice in (1, 2, 2.5, 5, 10) if size * nice >= rough)
        return [k * step for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


@dataclass(frozen=True, slots=True)
class Frame:
    """The plane of a plot: values → places in the picture."""

    x: Axis
    y: Axis

    def place(self, x: float, y: float) -> tuple[float, float]:
        """The pixel of a point."""
        return self.across(x), self.up(y)

    def across(self, x: float) -> float:
        """The column of a value of the x axis."""
        return round(LEFT + self.x.at(x) * (WIDTH - LEFT - RIGHT), 1)

    def up(self, y: float) -> float:
        """The row of a value of the y axis."""
        return round(HEIGHT - BOTTOM - self.y.at(y) * (HEIGHT - TOP - BOTTOM), 1)


class Layer(Protocol):
    """Something that can be drawn into a plot."""

    def draw(self, frame: Frame, colour: str) -> Html:
        """The layer as SVG; `colour` is the class of the next colour in turn."""
        ...


@dataclass(frozen=True, slots=True)
class Line:
    """Points joined in order: (x, y, what the pointer reads). y None: a gap, marked × at the foot."""

    name: str
    points: Sequence[tuple[float, float | None, str]]

    def draw(self, frame: Frame, colour: str) -> Html:
        """The line, broken at its gaps, with a dot on every point."""
        path, pen = [], "M"
        for x, y, _ in self.points:
            if y is None:
                pen = "M"
                continue
            path.append("{}{} {}".format(pen, *frame.place(x, y)))
            pen = "L"
        marks = [self._mark(frame, *point) for point in self.points]
        return tag("g", tag("path", d="".join(path), class_="line"), *marks, class_=colour)

    def _mark(self, frame: Frame, x: float, y: float | None, words: str) -> Html:
        column = frame.across(x)
        if y is None:
            foot = HEIGHT - BOTTOM - 8
            cross = f"M{column - 4} {foot - 4}l8 8m0 -8l-8 8"
            return tag("path", tag("title", words), d=cross, class_="missing", stroke_width=1.5)
        return tag("circle", tag("title", words), cx=column, cy=frame.up(y), r=3.5, class_="dot")


@dataclass(frozen=True, slots=True)
class Bars:
    """A histogram, or any row of bars: len(edges) − 1 of them, each from zero to its height."""

    name: str
    edges: Sequence[float]
    heights: Sequence[float]

    def draw(self, frame: Frame, colour: str) -> Html:
        """A rectangle for every height but zero."""
        foot = HEIGHT - BOTTOM if frame.y.log else frame.up(0)
        bars = [
            self._bar(frame, low, high, height, foot)
            for low, high, height in zip(self.edges, self.edges[1:], self.heights, strict=False)
            if height
        ]
        return tag("g", *bars, class_=colour)

    def _bar(self, frame: Frame, low: float, high: float, height: float, foot: float) -> Html:
        left, right = frame.across(low), frame.across(high)
        top, bottom = sorted((frame.up(height), foot))
        size = {"width": round(max(right - left - 0.6, 0.6), 1), "height": round(bottom - top, 1)}
        words = tag("title", f"{low:.3g} – {high:.3g}: {height:g}")
        return tag("rect", words, x=left, y=top, class_="bar", **size)


@dataclass(frozen=True, slots=True)
class Zone:
    """A coloured stretch of one axis, with its name. kind: a verdict's colour, else grey."""

    axis: Literal["x", "y"]
    start: float
    end: float
    name: str
    kind: str = ""

    def draw(self, frame: Frame, colour: str) -> Html:
        """A rectangle across the whole plot; its name stands where there is room for it."""
        left, right, top, bottom = float(LEFT), float(WIDTH - RIGHT), float(TOP), float(HEIGHT - BOTTOM)
        if self.axis == "x":
            left, right = sorted((frame.across(self.start), frame.across(self.end)))
            middle, foot, room = (left + right) / 2, TOP + 14.0, right - left > 6.5 * len(self.name)
            words = tag("text", self.name, x=middle, y=foot, text_anchor="middle", class_=self.kind)
        else:
            top, bottom = sorted((frame.up(self.start), frame.up(self.end)))
            room, foot = bottom - top >= 12, (top + bottom) / 2 + 4
            words = tag("text", self.name, x=LEFT + 6, y=foot, class_=self.kind)
        size = {"width": round(right - left, 1), "height": round(bottom - top, 1)}
        return join(
            [tag("rect", x=left, y=top, class_=f"zone {self.kind}", **size), *([words] if room else [])]
        )


@dataclass(frozen=True, slots=True)
class Level:
    """A dashed line at one value of an axis, with its name."""

    axis: Literal["x", "y"]
    value: float
    name: str

    def draw(self, frame: Frame, colour: str) -> Html:
        """The line across the whole plot."""
        if self.axis == "x":
            place = frame.across(self.value)
            line = tag("line", x1=place, x2=place, y1=TOP, y2=HEIGHT - BOTTOM, class_="level")
            return join([line, tag("text", self.name, x=place + 4, y=TOP + 10)])
        place = frame.up(self.value)
        line = tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=place, y2=place, class_="level")
        return join([line, tag("text", self.name, x=LEFT + 4, y=place - 4)])


def plot(x: Axis, y: Axis, *layers: Layer, title: str) -> Html:
    """Layers over each other in one frame, the first lowest. title: what a screen reader says."""
    frame = Frame(x, y)
    coloured = [layer for layer in layers if isinstance(layer, Line | Bars)]
    colours = {id(layer): f"s{i % COLOURS}" for i, layer in enumerate(coloured)}
    # The grid lies on the zones and under everything else.
    zones = [layer.draw(frame, "") for layer in layers if isinstance(layer, Zone)]
    rest = [layer.draw(frame, colours.get(id(layer), "")) for layer in layers if not isinstance(layer, Zone)]
    box = f"0 0 {WIDTH} {HEIGHT}"
    picture = tag("svg", *zones, _axes(frame), *rest, viewBox=box, role="img", aria_label=title, class_="plot")
    return join([picture, _legend(coloured, colours)])


def _axes(frame: Frame) -> Html:
    foot, parts = HEIGHT - BOTTOM, []
    for value in frame.x.numbers():
        parts.append(tag("text", _number(value), x=frame.across(value), y=foot + 18, text_anchor="middle"))
    for value in frame.y.numbers():
        row = frame.up(value)
        parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=row, y2=row, class_="grid"))
        parts.append(tag("text", _number(value), x=LEFT - 8, y=row + 4, text_anchor="end"))
    middle = (TOP + foot) / 2
    turned = {"transform": f"rotate(-90 12 {middle})", "text_anchor": "middle"}
    return tag(
        "g",
        *parts,
        tag("text", frame.x.label, x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 8, text_anchor="middle"),
        tag("text", frame.y.label, x=12, y=middle, **turned),
    )


def _number(value: float) -> str:
    return f"{value:g}" if value == 0 or 0.01 <= abs(value) < 10000 else rate_text(value)


def _legend(layers: Sequence[Line | Bars], colours: dict[int, str]) -> Html:
    if len(layers) < 2:
        return Html("")
    keys = (tag("span", tag("i", class_=f"key {colours[id(layer)]}"), layer.name) for layer in layers)
    return tag("div", *keys, class_="legend")


def matrix(values: Floats, names: Sequence[str], low: float, high: float, ids: Sequence[str] = ()) -> Html:
    """A square of (n,n) values, paper at `low` and below, full colour at `high`; the pointer reads each.

    ids: pictures that the page defines (`mien.pages.page.define`), shown along both edges.
    """
    n, edge = len(names), 1 if ids else 0
    shades = np.clip((values - low) / (high - low), 0, 1)
    cells = [
        _square(j + edge, i + edge, f"{names[i]} · {names[j]}: {values[i, j]:.3f}", f"{shades[i, j]:.2f}")
        for i in range(n)
        for j in range(n)
    ]
    size = {"width": 1, "height": 1}
    heads = [
        tag("use", href=f"#{name}", x=x, y=y, **size)
        for i, name in enumerate(ids, 1)
        for x, y in ((i, 0), (0, i))
    ]
    box, label = f"0 0 {n + edge} {n + edge}", f"similarities of {n} faces with each other"
    picture = tag("g", *cells, class_="cell")
    return tag("svg", picture, *heads, viewBox=box, role="img", aria_label=label, class_="plot")


def _square(x: int, y: int, words: str, shade: str) -> Html:
    return tag("rect", tag("title", words), x=x, y=y, width=1, height=1, fill_opacity=shade)
