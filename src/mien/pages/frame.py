"""The frame of a plot: two axes, their numbers, and the place of every value between them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from mien.pages.page import Html, tag
from mien.values import rate_text

WIDTH, HEIGHT = 480, 270  # of a plot, and its margins
LEFT, RIGHT, TOP, BOTTOM = 60, 14, 14, 46
TINY = 1e-300  # stands for zero on a log axis


@dataclass(frozen=True, slots=True)
class Axis:
    """One direction of a plot. low may be the larger number; ticks: where to write numbers, else chosen.

    write: how numbers are written; "percent" leaves the sign to the label. grid: lines across the plot, which a
    y axis has anyway.
    """

    label: str
    low: float
    high: float
    log: bool = False
    ticks: tuple[float, ...] = ()
    write: Literal["number", "percent", "rate"] = "number"
    grid: bool = False

    def at(self, value: float) -> float:
        """Where a value lies: 0 at `low`, 1 at `high`, held between them (on a log axis, zero at its foot)."""
        low, high, place = (math.log(v or TINY) if self.log else v for v in (self.low, self.high, value))
        if high == low:  # an axis of one value: it lies in the middle
            return 0.5
        return min(max((place - low) / (high - low), 0.0), 1.0)

    def numbers(self) -> Sequence[float]:
        """The values written along the axis."""
        if self.ticks:
            return self.ticks
        low, high = sorted((self.low, self.high))
        return _log_numbers(low, high) if self.log else _even_numbers(low, high)

    def text(self, value: float) -> str:
        """A value as it is written along the axis."""
        return WRITERS[self.write](value)


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


def draw_axes(frame: Frame) -> Html:
    """Grid, numbers and labels."""
    foot = HEIGHT - BOTTOM
    middle = (TOP + foot) / 2
    turned = {"transform": f"rotate(-90 12 {middle})", "text_anchor": "middle"}
    return tag(
        "g",
        *_columns(frame, foot),
        *_rows(frame),
        tag("text", frame.x.label, x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 8, text_anchor="middle"),
        tag("text", frame.y.label, x=12, y=middle, **turned),
    )


def _columns(frame: Frame, foot: float) -> Iterator[Html]:
    for value in frame.x.numbers():
        column = frame.across(value)
        if frame.x.grid:
            yield tag("line", x1=column, x2=column, y1=TOP, y2=foot, class_="grid")
        yield tag("text", frame.x.text(value), x=column, y=foot + 18, text_anchor="middle")


def _rows(frame: Frame) -> Iterator[Html]:
    for value in frame.y.numbers():
        row = frame.up(value)
        yield tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=row, y2=row, class_="grid")
        yield tag("text", frame.y.text(value), x=LEFT - 8, y=row + 4, text_anchor="end")


def _even_numbers(low: float, high: float) -> Sequence[float]:
    rough = (high - low) / 4
    size = 10 ** math.floor(math.log10(rough))
    step = next(size * nice for nice in (1, 2, 2.5, 5, 10) if size * nice >= rough)
    return [k * step for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _log_numbers(low: float, high: float) -> Sequence[float]:
    """Powers of ten; their doubles and fives too where the axis spans less than three of them."""
    steps = (1, 2, 5) if high / low < 1e3 * (1 - 1e-9) else (1,)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    numbers = (step * 10.0**k for k in decades for step in steps)
    return [number for number in numbers if low * (1 - 1e-9) <= number <= high * (1 + 1e-9)]


def _number(value: float) -> str:
    return f"{value:g}" if value == 0 or 0.01 <= abs(value) < 10000 else rate_text(value)


def _percent(value: float) -> str:
    return _number(float(f"{100 * value:.6g}"))


def _rate(value: float) -> str:
    return "1" if value == 1 else rate_text(value)


WRITERS = {"number": _number, "percent": _percent, "rate": _rate}
