"""Plots as SVG, for `mien.pages`: they take its colours, follow day and night, and print sharp.

`plot(x, y, *layers)` draws layers (`mien.pages.layers`) into one frame of two axes; `matrix` a square of
similarities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mien.pages.frame import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, Frame, draw_axes
from mien.pages.layers import (
    Bars,
    Coloured,
    Curve,
    Errorbars,
    Guide,
    Layer,
    Level,
    Line,
    Ranges,
    Steps,
    Zone,
)
from mien.pages.page import Html, join, tag
from mien.values import Floats

COLOURS = 6  # classes s0 … s5 of the style sheet

__all__ = [
    "BOTTOM",
    "HEIGHT",
    "LEFT",
    "RIGHT",
    "TOP",
    "WIDTH",
    "Axis",
    "Bars",
    "Curve",
    "Errorbars",
    "Frame",
    "Guide",
    "Layer",
    "Level",
    "Line",
    "Ranges",
    "Steps",
    "Zone",
    "matrix",
    "plot",
]


def plot(x: Axis, y: Axis, *layers: Layer, title: str) -> Html:
    """Layers over each other in one frame, the first lowest. title: what a screen reader says.

    Layers of one name have one colour and one place in the legend.
    """
    frame = Frame(x, y)
    names = dict.fromkeys(layer.name for layer in layers if isinstance(layer, Coloured))
    colours = {name: f"s{i % COLOURS}" for i, name in enumerate(names)}
    # The grid lies on the zones and under everything else.
    zones = [layer.draw(frame, "") for layer in layers if isinstance(layer, Zone)]
    rest = [layer.draw(frame, _colour(layer, colours)) for layer in layers if not isinstance(layer, Zone)]
    box = f"0 0 {WIDTH} {HEIGHT}"
    parts = (*zones, draw_axes(frame), *rest)
    picture = tag("svg", *parts, viewBox=box, role="img", aria_label=title, class_="plot")
    return join([picture, _legend(colours)])


def _colour(layer: Layer, colours: Mapping[str, str]) -> str:
    return colours[layer.name] if isinstance(layer, Coloured) else ""


def _legend(colours: Mapping[str, str]) -> Html:
    if len(colours) < 2:
        return Html("")
    keys = (tag("span", tag("i", class_=f"key {colour}"), name) for name, colour in colours.items())
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
