"""How a report writes numbers: rates in percent, each with its interval, and what cannot be stated in words."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

import mien.pages.page as p
from mien.evaluation.study import Figure, Study, Verification, Weighting
from mien.values import rate_text

HEADLINE = 1e-3  # the rate that a reader looks for first
HEADLINES = (1e-2, HEADLINE, 1e-4)  # of these, the two smallest that are stated stand at the top
WEIGHTINGS: dict[Weighting, str] = {"person": "per person", "pair": "over all comparisons"}
UNSTATED = "not stated"
NOTHING = 1e-6  # a difference as small as that is one of rounding
ROUNDING = 1e-8  # of a percent: what sums of shares may be beside 0 or 100 %


@dataclass(frozen=True, slots=True)
class Unit:
    """How a number is written: times `factor`, with so many decimals and a sign behind."""

    sign: str
    factor: float
    decimals: Callable[[float], int]
    between: str = "–"  # the ends of an interval; a dash would read as a minus beside signed numbers
    plus: str = ""

    def text(self, value: float) -> str:
        """One number with its unit."""
        return self.bare(value, self.decimals(value)) + self.sign

    def bare(self, value: float, decimals: int) -> str:
        """One number without its unit."""
        scaled = round(self.factor * value, decimals)
        written = f"{scaled:{self.plus},.{decimals}f}" if scaled else f"{0:.{decimals}f}"  # nothing has no sign
        return written.replace("-", "\N{MINUS SIGN}")

    def interval(self, figure: Figure) -> str:
        """The interval in brackets, as exact as the value; "" without one."""
        if figure.value is None or figure.low is None or figure.high is None:
            return ""
        decimals = self.decimals(figure.value)
        return f"({self.bare(figure.low, decimals)}{self.between}{self.bare(figure.high, decimals)})"

    def plain(self, figure: Figure) -> str:
        """Value and interval as text; the reason where there is no value."""
        if figure.value is None:
            return figure.why or UNSTATED
        return f"{self.text(figure.value)} {self.interval(figure)}".rstrip()


def rate_decimals(rate: float) -> int:
    """Decimals of a rate in percent: one, and where it nears 0 or 100 % so many that two digits tell it."""
    near = 100 * min(abs(rate), abs(1 - rate))
    return 1 if near < ROUNDING or near >= 1 else min(1 - math.floor(math.log10(near)), 6)


def _point_decimals(difference: float) -> int:
    return 1 if abs(difference) >= 1e-3 else 2


def _ratio_decimals(ratio: float) -> int:
    return 1 if abs(ratio) < 100 else 0


PERCENT = Unit("\N{NO-BREAK SPACE}%", 100, rate_decimals)
FINE = Unit("\N{NO-BREAK SPACE}%", 100, lambda rate: max(2, rate_decimals(rate)))
SIMILARITY = Unit("", 1, lambda _: 3)
AREA = Unit("", 1, lambda area: 2 + rate_decimals(area))
TIMES = Unit("\N{NO-BREAK SPACE}times", 1, _ratio_decimals)
POINTS = Unit("\N{NO-BREAK SPACE}points", 100, _point_decimals, between=" to ", plus="+")
UNSIGNED = replace(POINTS, plus="")


def measured(figure: Figure, unit: Unit) -> p.Html:
    """A number with its interval in smaller type behind; why not, in words, where it cannot be stated."""
    if figure.value is None:
        return p.tag("span", figure.why or UNSTATED, class_="refused")
    interval = unit.interval(figure)
    written = unit.text(figure.value)
    return p.join([written, " ", p.tag("small", interval, class_="interval")] if interval else [written])


def clear(difference: Figure) -> int:
    """1 where a difference is a gain beyond chance, −1 where it is such a loss, 0 where it could be chance."""
    above = difference.low is not None and difference.low > 0
    below = difference.high is not None and difference.high < 0
    return above - below


def unsigned(difference: Figure) -> Figure:
    """How large a difference is, a loss as well as a gain."""
    value, low, high = difference.value, difference.low, difference.high
    if value is None or low is None or high is None or value > 0:
        return difference
    return Figure(value=0 - value, low=0 - high, high=0 - low)


def one_in(rate: float) -> str:
    """A rate as the pairs it takes: 0.001 → "1 in 1,000"."""
    return f"1 in {1 / rate:,.0f}"


def asked(rate: float) -> p.Html:
    """A rate that was asked for, as the field writes it and as everybody reads it."""
    return p.join([rate_text(rate), " ", p.tag("small", one_in(rate), class_="interval")])


def day(text: str) -> str:
    """A date of ISO 8601 for people; any other text as it is."""
    try:
        when = date.fromisoformat(text[:10])
    except ValueError:
        return text
    return f"{when.day} {when:%B %Y}"


def main(study: Study) -> Verification | None:
    """The figures that speak for the study: per person where there are any."""
    return min(study.verification, key=lambda each: each.weighting != "person", default=None)


def reason(*studies: Study) -> str:
    """Why an error rate cannot be stated."""
    points = (point for study in studies for each in study.verification for point in each.points)
    return next((point.tar.why for point in points if point.tar.why), UNSTATED)


def score_rate(det: tuple[tuple[float, float, float], ...], similarity: float) -> str:
    """How often strangers score so high, read off the curve; "" where it does not reach there."""
    rising = [(threshold, rate) for threshold, rate, _ in reversed(det) if rate > 0]
    if not rising or similarity < rising[0][0]:
        return ""
    if similarity > rising[-1][0]:
        return f"FMR below {rate_text(rising[-1][1])}"
    above = next(i for i, (threshold, _) in enumerate(rising) if threshold >= similarity)
    (low, more), (high, fewer) = rising[max(above - 1, 0)], rising[above]
    part = (similarity - low) / (high - low) if high > low else 1.0
    return f"FMR {rate_text(math.exp(math.log(more) + part * math.log(fewer / more)))}"
