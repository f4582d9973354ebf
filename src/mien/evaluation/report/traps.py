"""The part of a report about a model fed wrongly: what each change cost, in words and in a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import mien.pages.page as p
from mien.evaluation.report.tables import cell, figures, head, name, refused, rows_table
from mien.evaluation.report.words import (
    NOTHING,
    PERCENT,
    POINTS,
    UNSIGNED,
    UNSTATED,
    WEIGHTINGS,
    clear,
    measured,
    unsigned,
)
from mien.evaluation.study import Figure, Trap
from mien.values import rate_text

LEAD = (
    "The same pictures, read by the same model with one thing changed. A model that is fed as it was trained "
    "loses by every change; where nothing changes, that setting does not matter here."
)


def traps_parts(traps: Sequence[Trap]) -> Iterator[p.Html]:
    """What was changed, and what that did."""
    yield p.paragraph(LEAD)
    yield from (_warning(trap) for trap in traps if clear(trap.difference) > 0)
    yield p.tag("ul", *(p.tag("li", *_told(trap)) for trap in traps))
    yield traps_table(traps)


def _warning(trap: Trap) -> p.Html:
    return p.note(
        p.tag("strong", f"“{trap.change}” reads better than the settings that the card states"),
        f", which lose {UNSIGNED.plain(trap.difference)} of TAR at FMR {rate_text(trap.fmr)}. The card may be "
        "wrong about this: compare it with what the model’s makers say.",
    )


def _told(trap: Trap) -> Iterator[str]:
    """One change in a sentence."""
    difference, where = trap.difference, f"at FMR {rate_text(trap.fmr)}"
    yield f"“{trap.change}” "
    if difference.value is None:
        yield f"cannot be judged: {difference.why or UNSTATED}."
    elif abs(difference.value) < NOTHING:
        yield f"changes nothing {where}, on these pictures."
    else:
        yield "loses " if difference.value < 0 else "gains "
        yield measured(unsigned(difference), UNSIGNED)
        yield f" of TAR {where}: {_percent(trap.tar)} instead of {_percent(trap.stated)}"
        yield "." if clear(difference) else "; that could be chance."


def traps_table(traps: Sequence[Trap]) -> p.Html:
    """Each change, and the TAR beside that of the settings as stated."""
    heads = [head(each) for each in ("what was changed", "TAR", "difference")]
    stated = {_point(trap): trap.stated for trap in traps if trap.difference.value is not None}
    as_stated = ([name("as the card states"), _tar(tar, *point), cell("–")] for point, tar in stated.items())
    return rows_table([heads], [*as_stated, *(_row(trap) for trap in traps)])


def _row(trap: Trap) -> list[p.Html]:
    if trap.difference.value is None:
        return [name(trap.change), refused(trap.difference.why or UNSTATED, span=2)]
    changed = name(p.tag("div", trap.change), _verdict(trap.difference))
    return [changed, _tar(trap.tar, *_point(trap)), *figures((trap.difference, POINTS))]


def _point(trap: Trap) -> tuple[float, str]:
    """Where a TAR was measured: the FMR, and how it is averaged."""
    return trap.fmr, WEIGHTINGS[trap.weighting]


def _percent(tar: float | None) -> str:
    return UNSTATED if tar is None else PERCENT.text(tar)


def _tar(tar: float | None, fmr: float, averaged: str) -> p.Html:
    where = p.tag("small", f"at FMR {rate_text(fmr)}, {averaged}", class_="interval")
    return cell(_percent(tar), " ", where)


def _verdict(difference: Figure) -> p.Html:
    word, kind = {1: ("better", "review"), -1: ("worse", "different"), 0: ("no clear change", "")}[
        clear(difference)
    ]
    return p.badge(word, kind)
