"""The plots of a report: DET, ROC, histograms, reliability, CMC and FNIR against FPIR."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import mien.pages.page as p
from mien.evaluation.report.words import PERCENT, POINTS, WEIGHTINGS, main
from mien.evaluation.study import Figure, Histogram, Identification, Reliability, Study, Verification
from mien.pages.plots import Axis, Curve, Errorbars, Guide, Layer, Level, Ranges, Steps, Zone, plot
from mien.values import rate_text

NAME = 0.1  # of the width of a plot: what the name of a rate takes
SMALLEST_FNMR = 1e-4  # drawn: below it a curve is a handful of comparisons
SMALLEST_GAIN = 1e-3  # the height of a plot of differences at least
BESIDE = 1.25  # times the rate: where the dot of a second figure stands
Dot = tuple[float, float, float, float, str]  # x, y, low, high, what the pointer reads


def det_plot(study: Study) -> p.Html:
    """FNMR against FMR, both logarithmic, with the intervals of the operating points."""
    return det_curves({WEIGHTINGS[each.weighting]: each for each in study.verification}, study.impostor_pairs)


def det_curves(named: Mapping[str, Verification], impostor_pairs: int) -> p.Html:
    """The same of any curves, by their names, as far as so many impostor comparisons reach."""
    x = _fmr_axis(impostor_pairs)
    floor = min((fnmr for each in named.values() for _, _, fnmr in each.det if fnmr > 0), default=0.01)
    y = Axis("FNMR (%)", max(_decade(floor), SMALLEST_FNMR), 1, log=True, write="percent")
    layers: list[Layer] = [_unsupported(impostor_pairs, x)]
    for name, each in named.items():
        curve = [(fmr, fnmr) for _, fmr, fnmr in each.det if fmr >= x.low and fnmr >= y.low]
        dots = _dots((point.fmr, point.fnmr, f"FMR {rate_text(point.fmr)}: FNMR") for point in each.points)
        layers += [Curve(name, curve), Errorbars(name, [dot for dot in dots if dot[1] >= y.low])]
    return plot(x, y, *layers, title="detection error trade-off: FNMR against FMR")


def roc_plot(study: Study) -> p.Html:
    """TAR against the logarithm of FMR, with the intervals of the operating points."""
    x = _fmr_axis(study.impostor_pairs)
    curves = {each.weighting: _tars(each, x) for each in study.verification}
    lowest = min((tar for curve in curves.values() for _, tar in curve), default=0.0)
    y = Axis("TAR (%)", _tenth(lowest), 1, write="percent")
    layers: list[Layer] = [_unsupported(study.impostor_pairs, x)]
    for each in study.verification:
        dots = _dots((point.fmr, point.tar, f"FMR {rate_text(point.fmr)}: TAR") for point in each.points)
        name = WEIGHTINGS[each.weighting]
        layers += [Curve(name, curves[each.weighting]), Errorbars(name, dots)]
    return plot(x, y, *layers, title="receiver operating characteristic: TAR against FMR")


def _tars(verification: Verification, x: Axis) -> list[tuple[float, float]]:
    return [(fmr, 1 - fnmr) for _, fmr, fnmr in verification.det if fmr >= x.low]


def _fmr_axis(impostor_pairs: int) -> Axis:
    """From the decade in which three false matches are expected among all comparisons up to 1."""
    low = _decade(_supported(impostor_pairs) / 1.5)
    return Axis("FMR", low, 1, log=True, write="rate", grid=True)


def _supported(impostor_pairs: int) -> float:
    """The smallest rate that the impostor comparisons support: the rule of three (ISO/IEC 19795-1)."""
    return min(max(3 / max(impostor_pairs, 1), 1e-8), 1e-1)


def _unsupported(impostor_pairs: int, x: Axis) -> Zone:
    return Zone("x", x.low, _supported(impostor_pairs), "")


def gains_plot(gains: Sequence[tuple[str, float, Figure]]) -> p.Html:
    """Differences between two systems, (figure, FMR, difference), above and below the line of none."""
    rates = sorted({rate for _, rate, _ in gains})
    x = Axis("FMR", rates[0] / 2, rates[-1] * 2, log=True, ticks=tuple(rates), write="rate")
    names = list(dict.fromkeys(name for name, _, _ in gains))
    layers = [Errorbars(name, list(_gains(gains, name, BESIDE**i))) for i, name in enumerate(names)]
    ends = [end for layer in layers for _, _, *interval, _ in layer.points for end in interval]
    low, high = min(*ends, -SMALLEST_GAIN), max(*ends, SMALLEST_GAIN)
    room = 0.1 * (high - low)
    y = Axis("B − A (points)", low - room, high + room, write="percent")
    return plot(x, y, Level("y", 0, ""), *layers, title="differences of TAR by FMR")


def _gains(gains: Sequence[tuple[str, float, Figure]], wanted: str, beside: float) -> Iterator[Dot]:
    for name, rate, gain in gains:
        if name == wanted and gain.value is not None:
            words = f"{name} at FMR {rate_text(rate)}: {POINTS.plain(gain)}"
            yield rate * beside, gain.value, *_ends(gain, gain.value), words


def histogram_plot(study: Study, *, log: bool = False) -> p.Html:
    """Scores of genuine and of impostor comparisons, with the thresholds of the stated rates."""
    histogram = study.histogram
    first, last = _filled(histogram)
    edges = histogram.edges[first : last + 1]
    genuine, impostor = histogram.genuine[first:last], histogram.impostor[first:last]
    x = Axis("similarity", edges[0], edges[-1])
    y = _shares((*genuine, *impostor), log)
    bars = [Steps("impostor", edges, impostor), Steps("genuine", edges, genuine)]
    return plot(x, y, *bars, *_thresholds(study, x), title="similarities of genuine and impostor comparisons")


def _shares(shares: Sequence[float], log: bool) -> Axis:
    """The axis of a histogram, with room above for the names of thresholds."""
    filled = [share for share in shares if share > 0] or [1.0]
    if log:
        low = _decade(min(filled))
        ticks = tuple(low * 10**k for k in range(round(-math.log10(low)) + 1))
        return Axis("comparisons (%)", low, 300 * max(filled), log=True, ticks=ticks, write="percent")
    return Axis("comparisons (%)", 0, 1.3 * max(filled), write="percent")


def _filled(histogram: Histogram) -> tuple[int, int]:
    """The first bin that holds a comparison, and the one after the last."""
    shares = [
        genuine + impostor for genuine, impostor in zip(histogram.genuine, histogram.impostor, strict=True)
    ]
    filled = [i for i, share in enumerate(shares) if share > 0]
    return (filled[0], filled[-1] + 1) if filled else (0, len(shares))


def _thresholds(study: Study, x: Axis) -> Iterator[Level]:
    """A level for each stated rate, the lowest last, so that its name covers the lines of the others."""
    best = main(study)
    stated = {point.threshold.value: point.fmr for point in best.points} if best else {}
    places = sorted(place for place in stated if place is not None and x.low <= place <= x.high)
    levels = [
        Level("x", place, rate_text(stated[place]), line)
        for place, line in zip(places, _lines([x.at(place) for place in places]), strict=True)
    ]
    yield from reversed(levels)


def _lines(places: Sequence[float]) -> Iterator[int]:
    """The first line for each name, from left to right, on which it does not touch the one before."""
    ends: list[float] = []
    for place in places:
        line = next((i for i, end in enumerate(ends) if end <= place), len(ends))
        if line == len(ends):
            ends.append(0.0)
        ends[line] = place + NAME
        yield line


def reliability_plot(rows: Sequence[Reliability]) -> p.Html:
    """The FMR observed on people held out against the FMR stated, both logarithmic."""
    ends = [end for row in rows for end in (row.fmr, *row.stated, row.observed.low, row.observed.high) if end]
    low, high = min(ends) / 1.5, max(ends) * 1.5
    x = Axis("FMR stated", low, high, log=True, ticks=tuple(row.fmr for row in rows), write="rate")
    y = Axis("FMR observed", low, high, log=True, write="rate")
    stated = Ranges("interval stated", [(row.fmr, *row.stated, _stated_words(row)) for row in rows])
    dots = _dots((row.fmr, row.observed, f"stated {rate_text(row.fmr)}: observed") for row in rows)
    guide = Guide("as stated", (low, low), (high, high))
    return plot(x, y, stated, guide, Errorbars("observed", dots), title="FMR observed against FMR stated")


def _stated_words(row: Reliability) -> str:
    low, high = (PERCENT.text(end) for end in row.stated)
    return f"{rate_text(row.fmr)}: {low} to {high} stated"


def cmc_plot(found: Identification) -> p.Html:
    """The share found among the first names, by their number."""
    dots = _dots((rank, share, f"rank {rank}:") for rank, share in found.ranks)
    ticks = tuple(float(rank) for rank, _ in found.ranks)
    x = Axis("rank", 0.5, max(ticks, default=1.0) + 0.5, ticks=ticks)
    y = Axis("found (%)", _tenth(min((low for _, _, low, _, _ in dots), default=0.0)), 1, write="percent")
    return plot(x, y, *_joined(dots), title="cumulative match characteristic: share found by rank")


def fnir_plot(found: Identification) -> p.Html:
    """FNIR against FPIR, both logarithmic."""
    dots = _dots((rate, fnir, f"FPIR {rate_text(rate)}: FNIR") for rate, _, fnir in found.fnirs)
    shown = [dot for dot in dots if dot[1] > 0]
    rates = [rate for rate, _, _ in found.fnirs]
    x = Axis("FPIR", min(rates) / 1.5, max(rates) * 1.5, log=True, ticks=tuple(rates), write="rate", grid=True)
    ends = [end for _, *values, _ in shown for end in values if end > 0]
    y = Axis("FNIR (%)", min(ends, default=0.01) / 1.3, 1, log=True, write="percent")
    return plot(x, y, *_joined(shown), title="FNIR against FPIR")


def _joined(dots: Sequence[Dot]) -> tuple[Layer, Layer]:
    return Curve("", [(x, y) for x, y, *_ in dots]), Errorbars("", dots)


def _dots(points: Iterable[tuple[float, Figure, str]]) -> list[Dot]:
    """Figures as dots with their intervals; those that cannot be stated are no dots."""
    return [
        (x, figure.value, *_ends(figure, figure.value), f"{words} {PERCENT.plain(figure)}")
        for x, figure, words in points
        if figure.value is not None
    ]


def _ends(figure: Figure, value: float) -> tuple[float, float]:
    return (value if figure.low is None else figure.low, value if figure.high is None else figure.high)


def _decade(rate: float) -> float:
    """The power of ten at or below a rate."""
    return float(10.0 ** math.floor(math.log10(rate) + 1e-9))


def _tenth(share: float) -> float:
    """The tenth at or below a share, and never so high that nothing is left of the axis."""
    return float(min(math.floor(share * 10 + 1e-9) / 10, 0.9))
