"""The tables of a report: every figure with its interval, or across its columns why it cannot be stated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import mien.pages.page as p
from mien.evaluation.report.words import (
    AREA,
    FINE,
    PERCENT,
    SIMILARITY,
    UNSTATED,
    WEIGHTINGS,
    Unit,
    asked,
    measured,
)
from mien.evaluation.study import (
    Accuracy,
    Figure,
    Identification,
    Reliability,
    Verification,
)

POINT_COLUMNS = {"threshold": SIMILARITY, "TAR": PERCENT, "FNMR": PERCENT, "GFRR": PERCENT}
UNASKED = Figure(why="not asked for")


def rows_table(heads: Sequence[Sequence[str]], rows: Iterable[Sequence[str]]) -> p.Html:
    """A table from cells that are HTML; its first column stays in sight where it must be scrolled."""
    head = p.tag("thead", *(p.tag("tr", *cells) for cells in heads))
    body = p.tag("tbody", *(p.tag("tr", *cells) for cells in rows))
    return p.tag("div", p.tag("table", head, body), class_="wide pinned")


def head(*texts: str, span: int = 1, rows: int = 1) -> p.Html:
    """The name of a column, or of `span` of them."""
    scope = "colgroup" if span > 1 else "col"
    return p.tag("th", *texts, scope=scope, colspan=_span(span), rowspan=_span(rows))


def _span(columns: int) -> int | None:
    return columns if columns > 1 else None


def name(*texts: str) -> p.Html:
    """The name of a row."""
    return p.tag("th", *texts, scope="row")


def cell(*texts: str) -> p.Html:
    """A number."""
    return p.tag("td", *texts)


def words(*texts: str) -> p.Html:
    """A cell of running text."""
    return p.tag("td", *texts, class_="words")


def figures(*cells: tuple[Figure, Unit]) -> Iterator[p.Html]:
    """A cell for each figure; neighbours that are refused for one reason share one cell."""
    reasons = groupby(cells, lambda each: None if each[0].value is not None else each[0].why or UNSTATED)
    for why, run in reasons:
        if why is None:
            yield from (cell(measured(figure, unit)) for figure, unit in run)
        else:
            yield refused(why, span=len(list(run)))


def refused(why: str, *, span: int = 1) -> p.Html:
    """Why there is no figure, across so many columns."""
    return p.tag("td", why, class_="refused", colspan=_span(span))


def points_table(verifications: Sequence[Verification]) -> p.Html:
    """A row for each rate asked for; a group of columns for each weighting."""
    above = [head(WEIGHTINGS[each.weighting], span=len(POINT_COLUMNS)) for each in verifications]
    below = [head(column) for _ in verifications for column in POINT_COLUMNS]
    rates = sorted({point.fmr for each in verifications for point in each.points}, reverse=True)
    rows = ([name(asked(rate)), *_points(verifications, rate)] for rate in rates)
    return rows_table([[head("FMR asked", rows=2), *above], below], rows)


def _points(verifications: Sequence[Verification], rate: float) -> Iterator[p.Html]:
    for each in verifications:
        point = next((point for point in each.points if point.fmr == rate), None)
        values = (point.threshold, point.tar, point.fnmr, point.gfrr) if point else (UNASKED,) * 4
        yield from figures(*zip(values, POINT_COLUMNS.values(), strict=True))


def summary_table(verifications: Sequence[Verification]) -> p.Html:
    """EER and area under the curve."""
    heads = [head(""), *(head(WEIGHTINGS[each.weighting]) for each in verifications)]
    eer = [name("EER"), *figures(*((each.eer, PERCENT) for each in verifications))]
    auc = [name("AUC"), *figures(*((each.auc, AREA) for each in verifications))]
    return p.tag("div", rows_table([heads], [eer, auc]), class_="snug")


def folds_table(accuracy: Accuracy) -> p.Html:
    """Accuracy and threshold of each fold."""
    heads = [head("fold"), *(head(str(i)) for i in range(1, len(accuracy.folds) + 1))]
    shares = [name("accuracy"), *(cell(FINE.text(share)) for share in accuracy.folds)]
    thresholds = [name("threshold"), *(cell(SIMILARITY.text(each)) for each in accuracy.thresholds)]
    return rows_table([heads], [shares, thresholds])


def ranks_table(found: Identification) -> p.Html:
    """Closed set: the share found among the first `rank` names."""
    rows = ([name(f"rank {rank}"), *figures((share, PERCENT))] for rank, share in found.ranks)
    return rows_table([[head("among the first"), head("found")]], rows)


def fnirs_table(found: Identification) -> p.Html:
    """Open set: the searches missed at each rate of false alarms."""
    heads = [head("FPIR asked"), head("threshold"), head("FNIR")]
    rows = (
        [name(asked(rate)), *figures((threshold, SIMILARITY), (fnir, PERCENT))]
        for rate, threshold, fnir in found.fnirs
    )
    return rows_table([heads], rows)


def reliability_table(rows: Sequence[Reliability]) -> p.Html:
    """What was stated of people not seen before, and what came."""
    heads = [head("FMR asked"), head("stated"), head("observed"), head("within")]
    written = (
        [
            name(asked(row.fmr), *_extrapolated(row)),
            *figures((Figure(value=row.fmr, low=row.stated[0], high=row.stated[1]), PERCENT)),
            *figures((row.observed, PERCENT)),
            cell(PERCENT.text(row.within), " ", p.tag("small", f"of {row.splits} splits", class_="interval")),
        ]
        for row in rows
    )
    return rows_table([heads], written)


def _extrapolated(row: Reliability) -> Iterator[p.Html]:
    if row.kind == "extrapolated":
        yield p.tag("small", row.kind, class_="interval")
