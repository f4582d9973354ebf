"""Plots put every value where its axis says."""

from __future__ import annotations

import re
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.pages.plots import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Axis,
    Bars,
    Curve,
    Errorbars,
    Guide,
    Level,
    Line,
    Ranges,
    Steps,
    Zone,
    matrix,
    plot,
)

X = Axis("x", 0, 10)
Y = Axis("y", 0, 1)
FOOT, END = HEIGHT - BOTTOM, WIDTH - RIGHT


def attributes(svg: str, element: str) -> list[dict[str, str]]:
    return [
        dict(re.findall(r'([\w-]+)="([^"]*)"', found)) for found in re.findall(rf"<{element} ([^>]*)>", svg)
    ]


def test_points_lie_where_the_axes_say() -> None:
    dots = attributes(plot(X, Y, Line("a", [(0, 0, ""), (10, 1, ""), (5, 0.5, "")]), title="t"), "circle")
    places = [(float(dot["cx"]), float(dot["cy"])) for dot in dots]
    assert places == [(LEFT, FOOT), (END, TOP), ((LEFT + END) / 2, (TOP + FOOT) / 2)]


def test_a_gap_breaks_the_line_and_is_marked() -> None:
    drawn = plot(X, Y, Line("a", [(0, 0.1, ""), (1, 0.2, ""), (2, None, "no face"), (3, 0.3, "")]), title="t")
    (path,) = [each for each in attributes(drawn, "path") if each.get("class") == "line"]
    assert re.findall("[ML]", path["d"]) == ["M", "L", "M"]
    assert len(attributes(drawn, "circle")) == 3
    assert "<title>no face</title>" in drawn


@given(st.floats(1e-6, 1e6), st.floats(1.01, 1e6), st.floats(0, 1))
def test_a_log_axis_is_even_in_ratios(low: float, ratio: float, part: float) -> None:
    axis = Axis("", low, low * ratio, log=True)
    assert axis.at(low * ratio**part) == pytest.approx(part, abs=1e-6)


def test_an_axis_may_run_backwards_and_holds_what_is_outside() -> None:
    assert Axis("", 100, 0).at(75) == 0.25
    assert Axis("", 100, 0).at(120) == 0
    assert Axis("", 0, 1).at(7) == 1
    assert Axis("", 1e-3, 1, log=True).at(0) == 0


@pytest.mark.parametrize(
    ("axis", "numbers"),
    [
        (Axis("", 0, 1), [0, 0.25, 0.5, 0.75, 1]),
        (Axis("", 0, 8), [0, 2, 4, 6, 8]),
        (Axis("", 0.7, 1), [0.7, 0.8, 0.9, 1]),
        (Axis("", 100, 0), [0, 25, 50, 75, 100]),
        (Axis("", 1e-4, 0.5, log=True), [1e-4, 1e-3, 1e-2, 1e-1]),
        (Axis("", 0.004, 1, log=True), [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1]),
        (Axis("", 1, 1000, log=True), [1, 10, 100, 1000]),
        (Axis("", 0, 9, ticks=(1, 5)), [1, 5]),
    ],
)
def test_axes_choose_round_numbers(axis: Axis, numbers: list[float]) -> None:
    assert axis.numbers() == pytest.approx(numbers)


@pytest.mark.parametrize(
    ("write", "texts"),
    [("number", ["1", "0.01", "1e-4"]), ("percent", ["100", "1", "0.01"]), ("rate", ["1", "1e-2", "1e-4"])],
)
def test_numbers_are_written_as_the_axis_says(
    write: Literal["number", "percent", "rate"], texts: list[str]
) -> None:
    axis = Axis("", 1e-4, 1, log=True, write=write)
    assert [axis.text(value) for value in (1, 0.01, 1e-4)] == texts


@given(st.floats(-1e5, 1e5), st.floats(1e-4, 1e5))
def test_numbers_lie_within_their_axis_and_are_few(low: float, length: float) -> None:
    numbers = Axis("", low, low + length).numbers()
    assert 2 <= len(numbers) <= 7
    assert min(numbers) >= low - 1e-6 * length
    assert max(numbers) <= low + length * (1 + 1e-6)


def test_bars_stand_on_zero() -> None:
    drawn = plot(X, Axis("", -1, 1), Bars("b", [0, 5, 10], [1, -0.5]), title="t")
    up, down = attributes(drawn, "rect")
    zero = (TOP + FOOT) / 2
    assert float(up["y"]) == TOP
    assert float(up["y"]) + float(up["height"]) == zero
    assert float(down["y"]) == zero
    assert float(down["height"]) == pytest.approx((FOOT - TOP) / 4)
    assert float(up["width"]) == pytest.approx((END - LEFT) / 2, abs=1)


def test_zones_lie_below_everything_and_are_named() -> None:
    drawn = plot(X, Y, Line("a", [(1, 1, "")]), Zone("y", 0.5, 1, "same", "same"), title="t")
    (zone,) = attributes(drawn, "rect")
    assert zone["class"] == "zone same"
    assert float(zone["y"]) == TOP
    assert float(zone["height"]) == pytest.approx((FOOT - TOP) / 2)
    assert drawn.index("<rect") < drawn.index("<circle")
    assert ">same</text>" in drawn


def test_a_zone_too_narrow_for_its_name_goes_without() -> None:
    assert "review" in plot(X, Y, Zone("y", 0.5, 0.51, "word", "review"), title="t")
    assert "word" not in plot(X, Y, Zone("y", 0.5, 0.51, "word", "review"), title="t")


def test_a_grid_has_lines_both_ways() -> None:
    x = Axis("x", 0, 10, ticks=(0, 5), grid=True)
    upright = [line for line in attributes(plot(x, Y, title="t"), "line") if line["x1"] == line["x2"]]
    assert [float(line["x1"]) for line in upright] == [LEFT, (LEFT + END) / 2]
    assert not [line for line in attributes(plot(X, Y, title="t"), "line") if line["x1"] == line["x2"]]


def test_a_curve_passes_its_points_without_dots() -> None:
    drawn = plot(X, Y, Curve("c", [(0, 0), (5, 1), (10, 0)]), title="t")
    (path,) = attributes(drawn, "path")
    assert path["d"] == f"M{LEFT:.1f} {FOOT:.1f}L{(LEFT + END) / 2} {TOP:.1f}L{END:.1f} {FOOT:.1f}"
    assert "<circle" not in drawn
    assert "<path" not in plot(X, Y, Curve("c", []), title="t")


def test_error_bars_reach_from_low_to_high() -> None:
    drawn = plot(X, Y, Errorbars("e", [(5, 0.5, 0.25, 1, "half")]), title="t")
    (bar,), (dot,) = attributes(drawn, "path"), attributes(drawn, "circle")
    assert float(dot["cy"]) == (TOP + FOOT) / 2
    assert f"V{FOOT - (FOOT - TOP) / 4}" in bar["d"]
    assert f" {TOP:.1f}H" in bar["d"]
    assert "<title>half</title>" in drawn


def test_ranges_are_pale_bars_about_their_place() -> None:
    (bar,) = attributes(plot(X, Y, Ranges("r", [(5, 0.25, 0.75, "")]), title="t"), "rect")
    assert float(bar["x"]) + float(bar["width"]) / 2 == (LEFT + END) / 2
    assert float(bar["height"]) == (FOOT - TOP) / 2
    assert float(bar["y"]) == TOP + (FOOT - TOP) / 4


def test_steps_are_one_outline_on_the_ground() -> None:
    (path,) = attributes(plot(X, Y, Steps("s", [0, 5, 10], [1, 0]), title="t"), "path")
    middle = (LEFT + END) / 2
    assert path["d"] == f"M{LEFT:.1f} {FOOT:.1f}V{TOP:.1f}H{middle}V{FOOT:.1f}H{END:.1f}V{FOOT:.1f}"


def test_steps_reach_the_foot_of_a_log_axis() -> None:
    (path,) = attributes(plot(X, Axis("y", 1e-4, 1, log=True), Steps("s", [0, 10], [0.01]), title="t"), "path")
    assert path["d"].endswith(f"V{(TOP + FOOT) / 2}H{END:.1f}V{FOOT:.1f}")


def test_a_guide_goes_from_point_to_point() -> None:
    drawn = plot(X, Y, Guide("even", (0, 0), (10, 1)), title="t")
    (line,) = [line for line in attributes(drawn, "line") if line["class"] == "level"]
    assert [float(line[key]) for key in ("x1", "y1", "x2", "y2")] == [LEFT, FOOT, END, TOP]
    assert ">even</text>" in drawn


def test_layers_of_one_name_share_a_colour_and_a_place_in_the_legend() -> None:
    layers = [Curve("one", [(1, 1)]), Errorbars("one", [(1, 1, 1, 1, "")]), Curve("two", [(1, 1)])]
    drawn = plot(X, Y, *layers, title="t")
    assert re.findall(r'class="key (s\d)"></i>(\w+)', drawn) == [("s0", "one"), ("s1", "two")]
    assert 'class="line s0"' in drawn
    assert '<g class="s0">' in drawn
    assert 'class="line s1"' in drawn


def test_names_of_levels_stand_where_there_is_room() -> None:
    drawn = plot(X, Y, Level("x", 2, "left"), Level("x", 10, "right", line=2), title="t")
    left, right = (text for text in attributes(drawn, "text") if text.get("class") == "halo")
    assert "text-anchor" not in left
    assert right["text-anchor"] == "end"
    assert float(right["y"]) - float(left["y"]) == 30


def test_a_level_is_a_line_at_its_value() -> None:
    drawn = plot(X, Y, Level("y", 0.5, "half"), Level("x", 10, "end"), title="t")
    across, down = (line for line in attributes(drawn, "line") if line["class"] == "level")
    assert float(across["y1"]) == float(across["y2"]) == (TOP + FOOT) / 2
    assert float(down["x1"]) == END
    assert ">half</text>" in drawn


def test_several_lines_have_a_legend_and_colours_of_their_own() -> None:
    lines = [Line(name, [(1, 0.5, "")]) for name in ("one", "<two>")]
    drawn = plot(X, Y, *lines, title="t")
    assert 'class="key s0"></i>one' in drawn
    assert 'class="key s1"></i>&lt;two&gt;' in drawn
    assert "legend" not in plot(X, Y, lines[0], title="t")


def test_a_matrix_shows_each_pair_once_with_its_shade() -> None:
    values = np.array([[1, 0.75], [0.75, 1]], np.float32)
    drawn = matrix(values, ["a", "<b>"], 0.5, 1)
    cells = attributes(drawn, "rect")
    assert [cell["fill-opacity"] for cell in cells] == ["1.00", "0.50", "0.50", "1.00"]
    assert [(cell["x"], cell["y"]) for cell in cells] == [("0", "0"), ("1", "0"), ("0", "1"), ("1", "1")]
    assert "<title>a · &lt;b&gt;: 0.750</title>" in drawn


def test_a_matrix_shows_pictures_along_its_edges() -> None:
    uses = attributes(matrix(np.eye(2, dtype=np.float32), ["a", "b"], 0, 1, ids=["p0", "p1"]), "use")
    assert [(use["href"], use["x"], use["y"]) for use in uses] == [
        ("#p0", "1", "0"),
        ("#p0", "0", "1"),
        ("#p1", "2", "0"),
        ("#p1", "0", "2"),
    ]
