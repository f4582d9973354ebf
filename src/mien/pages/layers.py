"""What can be drawn into a plot: lines, curves, bars, steps, intervals, zones and levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from mien.pages.frame import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Frame
from mien.pages.page import Html, join, tag

LETTER = 6.5  # pixels that a letter takes, about
CAP = 4  # half the width of an interval's end


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
        return _dot(frame, x, y, words)


@dataclass(frozen=True, slots=True)
class Curve:
    """Many points joined in order, (x, y), without dots."""

    name: str
    points: Sequence[tuple[float, float]]

    def draw(self, frame: Frame, colour: str) -> Html:
        """The curve."""
        places = ("{} {}".format(*frame.place(x, y)) for x, y in self.points)
        return tag("path", d="M" + "L".join(places), class_=f"line {colour}") if self.points else Html("")


@dataclass(frozen=True, slots=True)
class Errorbars:
    """Dots with an interval each: (x, y, low, high, what the pointer reads)."""

    name: str
    points: Sequence[tuple[float, float, float, float, str]]

    def draw(self, frame: Frame, colour: str) -> Html:
        """The dots on their intervals, which end in short caps."""
        return tag("g", *(self._bar(frame, *point) for point in self.points), class_=colour)

    def _bar(self, frame: Frame, x: float, y: float, low: float, high: float, words: str) -> Html:
        column, top, bottom = frame.across(x), frame.up(high), frame.up(low)
        left, right = column - CAP, column + CAP
        stroke = f"M{left} {top}H{right}M{column} {top}V{bottom}M{left} {bottom}H{right}"
        return join([tag("path", d=stroke, class_="interval"), _dot(frame, x, y, words)])


@dataclass(frozen=True, slots=True)
class Ranges:
    """Wide pale intervals, to lie behind dots: (x, low, high, what the pointer reads)."""

    name: str
    points: Sequence[tuple[float, float, float, str]]

    def draw(self, frame: Frame, colour: str) -> Html:
        """A pale bar for each."""
        bars = [self._bar(frame, *point) for point in self.points]
        return tag("g", *bars, class_=colour)

    def _bar(self, frame: Frame, x: float, low: float, high: float, words: str) -> Html:
        top, bottom = frame.up(high), frame.up(low)
        size = {"width": 22, "height": round(bottom - top, 1)}
        return tag("rect", tag("title", words), x=frame.across(x) - 11, y=top, rx=3, class_="range", **size)


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
class Steps:
    """A histogram that another may overlap: one pale area under its outline."""

    name: str
    edges: Sequence[float]
    heights: Sequence[float]

    def draw(self, frame: Frame, colour: str) -> Html:
        """The area and the outline."""
        foot = frame.up(0)
        path = f"M{frame.across(self.edges[0])} {foot}"
        for right, height in zip(self.edges[1:], self.heights, strict=True):
            path += f"V{frame.up(height)}H{frame.across(right)}"
        return tag("path", d=f"{path}V{foot}", class_=f"steps {colour}")


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
            middle, foot, room = (left + right) / 2, TOP + 14.0, right - left > LETTER * len(self.name)
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
    """A dashed line at one value of an axis, with its name. line: the row of the name, 0 at the top."""

    axis: Literal["x", "y"]
    value: float
    name: str
    line: int = 0

    def draw(self, frame: Frame, colour: str) -> Html:
        """The line across the whole plot; its name beside it, on the side that has room."""
        if self.axis == "x":
            place, row = frame.across(self.value), TOP + 10 + 15 * self.line
            line = tag("line", x1=place, x2=place, y1=TOP, y2=HEIGHT - BOTTOM, class_="level")
            if place + 4 + LETTER * len(self.name) > WIDTH - RIGHT:
                return join(
                    [line, tag("text", self.name, x=place - 4, y=row, text_anchor="end", class_="halo")]
                )
            return join([line, tag("text", self.name, x=place + 4, y=row, class_="halo")])
        place = frame.up(self.value)
        line = tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=place, y2=place, class_="level")
        return join([line, tag("text", self.name, x=LEFT + 4, y=place - 4, class_="halo")])


@dataclass(frozen=True, slots=True)
class Guide:
    """A dashed line from one point to another, to compare with; its name stands at the foot of its end."""

    name: str
    start: tuple[float, float]
    end: tuple[float, float]

    def draw(self, frame: Frame, colour: str) -> Html:
        """The line and its name."""
        (x1, y1), (x2, y2) = frame.place(*self.start), frame.place(*self.end)
        line = tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_="level")
        return join([line, tag("text", self.name, x=x2 - 30, y=y2 + 8, text_anchor="end", class_="halo")])


Coloured = Line | Curve | Errorbars | Ranges | Bars | Steps  # layers that take a colour, one for each name


def _dot(frame: Frame, x: float, y: float, words: str) -> Html:
    column, row = frame.place(x, y)
    return tag("circle", tag("title", words), cx=column, cy=row, r=3.5, class_="dot")
