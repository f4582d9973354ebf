"""Curves over the number of people, both axes logarithmic, side by side in one SVG that any viewer shows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

COLOURS = ("#0b6e99", "#c4500a", "#3f7d20", "#8a3fa0", "#8a6d00", "#c02b58", "#555555")
WIDTH, HEIGHT, LEFT, TOP = 300, 260, 52, 34
Curves = Mapping[str, Sequence[tuple[float, float]]]  # name → points


@dataclass(frozen=True, slots=True)
class Panel:
    """One frame: its title and the curves in it."""

    title: str
    curves: Curves


def drawing(panels: Sequence[Panel]) -> str:
    """The whole picture; a curve has the same colour in every panel."""
    names = list(dict.fromkeys(name for panel in panels for name in panel.curves))
    colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}
    wide, high = len(panels) * (WIDTH + LEFT + 12), TOP + HEIGHT + 68
    parts = [_panel(panel, colours, LEFT + i * (WIDTH + LEFT + 12)) for i, panel in enumerate(panels)]
    style = 'font-family="sans-serif" font-size="12" fill="#222"'
    ground = f'<rect width="{wide}" height="{high}" fill="#fff"/>'
    inside = "\n".join([ground, *parts, _legend(colours, high - 14)])
    size = f'viewBox="0 0 {wide} {high}" width="{wide}" height="{high}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>\n{inside}\n</svg>\n'


def _panel(panel: Panel, colours: Mapping[str, str], left: float) -> str:
    points = [point for curve in panel.curves.values() for point in curve]
    across, up = (_decades([point[axis] for point in points]) for axis in (0, 1))

    def place(x: float, y: float) -> tuple[float, float]:
        part = (math.log10(x) - across[0]) / (across[1] - across[0])
        rise = (math.log10(y) - up[0]) / (up[1] - up[0])
        return left + WIDTH * part, TOP + HEIGHT * (1 - rise)

    lines = [f'<text x="{left}" y="{TOP - 12}" font-weight="bold">{escape(panel.title)}</text>']
    for power in range(across[0], across[1] + 1):
        x, bottom = place(10.0**power, 10.0 ** up[0])
        lines.append(_rule(x, TOP, x, bottom) + _text(x, bottom + 16, _power(power), "middle"))
    for power in range(up[0], up[1] + 1):
        x, y = place(10.0 ** across[0], 10.0**power)
        lines.append(_rule(x, y, x + WIDTH, y) + _text(x - 6, y + 4, _power(power), "end"))
    for name, curve in panel.curves.items():
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in curve))
        lines.append(f'<polyline points="{path}" fill="none" stroke="{colours[name]}" stroke-width="2"/>')
    return "\n".join(lines)


def _legend(colours: Mapping[str, str], y: float) -> str:
    parts, x = [], float(LEFT)
    for name, colour in colours.items():
        parts.append(f'<rect x="{x}" y="{y - 9}" width="14" height="4" fill="{colour}"/>')
        parts.append(_text(x + 20, y, name, "start"))
        x += 44 + 7 * len(name)
    return "".join(parts)


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _power(power: int) -> str:
    return f"{10**power:,}" if 0 <= power <= 3 else f"10{_raised(power)}"


def _raised(power: int) -> str:
    return str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _rule(x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="#ddd"/>'


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
