"""The part of a report about groups of people: a table, plain words, and every group with every other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import mien.pages.page as p
from mien.evaluation.report.tables import cell, figures, head, name, rows_table
from mien.evaluation.report.words import PERCENT, SIMILARITY, TIMES, UNSTATED, measured
from mien.evaluation.study import Figure, GroupRates, Groups
from mien.values import rate_text

FULL = 10.0  # times the rate asked for: full colour
UNASKED = Figure(why="not measured")


def group_parts(groups: Groups) -> Iterator[p.Html]:
    """What was found by one column of a protocol file."""
    own = [rates for rates in groups.rates if rates.groups[0] == rates.groups[1]]
    yield p.paragraph(
        f"One threshold for everybody (similarity {SIMILARITY.text(groups.threshold)}, which strangers of the "
        f"whole data pass at FMR {rate_text(groups.fmr)}). ",
        _compared("strangers are taken for one another", groups.fmr_ratio, _by_group(own, "fmr")),
        _compared("people are refused", groups.fnmr_ratio, _by_group(own, "fnmr")),
    )
    yield _table(groups, own)
    if len(own) > 1:
        words = (
            "FMR of strangers, one of the row’s group and one of the column’s, at that threshold. The stronger "
            f"the colour, the further above FMR {rate_text(groups.fmr)}: full at {FULL:g} times as much."
        )
        yield p.figure(_square(groups, [rates.groups[0] for rates in own]), words)


def _by_group(own: list[GroupRates], rate: str) -> dict[str, float]:
    stated = ((rates.groups[0], getattr(rates, rate)) for rates in own)
    return {group: figure.value for group, figure in stated if figure and figure.value is not None}


def _compared(what: str, ratio: Figure, rates: Mapping[str, float]) -> p.Html:
    """A sentence on the worst group beside the best."""
    if ratio.value is None or len(rates) < 2:
        why = ratio.why or UNSTATED
        return p.join([f"How much groups differ in how often {what} cannot be stated: {why}. "])
    worst, best = (pick(rates, key=lambda group: rates[group]) for pick in (max, min))
    words = [f"Among “{worst}”, {what} ", measured(ratio, TIMES), f" as often as among “{best}”. "]
    return p.join(words)


def _table(groups: Groups, own: list[GroupRates]) -> p.Html:
    heads = [head(each) for each in (groups.column, "people", "comparisons", "FMR within", "FNMR")]
    rows = [
        [
            name(rates.groups[0]),
            cell(f"{rates.people:,}"),
            cell(f"{rates.comparisons:,}"),
            *figures((rates.fmr, PERCENT), (rates.fnmr or UNASKED, PERCENT)),
        ]
        for rates in own
    ]
    ratios = figures((groups.fmr_ratio, TIMES), (groups.fnmr_ratio, TIMES))
    return rows_table([heads], [*rows, [name("worst over best"), cell(), cell(), *ratios]])


def _square(groups: Groups, names: list[str]) -> p.Html:
    pairs = {frozenset(rates.groups): rates for rates in groups.rates}
    heads = [head("FMR between"), *(head(each) for each in names)]
    rows = (
        [name(row), *(_shaded(pairs.get(frozenset((row, column))), groups.fmr) for column in names)]
        for row in names
    )
    return p.tag("div", rows_table([heads], rows), class_="heat snug")


def _shaded(rates: GroupRates | None, asked: float) -> p.Html:
    figure = rates.fmr if rates else UNASKED
    if rates is None or figure.value is None:
        return p.tag("td", figure.why or UNSTATED, class_="refused")
    times = max(figure.value / asked, 1.0)
    shade = min(math.log(times) / math.log(FULL), 1.0)
    words = f"{' · '.join(rates.groups)}: {rates.comparisons:,} comparisons of {rates.people:,} people"
    return p.tag("td", measured(figure, PERCENT), style=f"--shade:{shade:.2f}", title=words)
