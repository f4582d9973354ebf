"""Two systems on the same comparisons as one HTML page: which is better, by how much, and is that chance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import mien.pages.page as p
from mien.evaluation.diff import Difference, Differences
from mien.evaluation.report.method import GLOSSARY, command, notes, system_table, terms
from mien.evaluation.report.plots import det_curves, gains_plot
from mien.evaluation.report.tables import cell, figures, head, name, rows_table
from mien.evaluation.report.words import (
    AREA,
    HEADLINE,
    HEADLINES,
    NOTHING,
    PERCENT,
    POINTS,
    UNSIGNED,
    WEIGHTINGS,
    Unit,
    asked,
    clear,
    measured,
    reason,
    unsigned,
)
from mien.evaluation.study import Figure, Study, Verification, Weighting
from mien.pages.page import Html
from mien.values import rate_text

Studies = tuple[Study, Study]

LETTERS = ("A", "B")
AREAS = replace(AREA, between=" to ", plus="+", decimals=lambda _: 5)
UNITS: Mapping[str, tuple[Unit, Unit]] = {"AUC": (AREA, AREAS)}  # of the figure, of its difference
LOWER = {"EER"}  # is better
VERDICTS = {1: ("better", "same"), -1: ("worse", "different"), 0: ("could be chance", "")}
INTERVAL = (
    "In brackets stands a 95 % interval: where the difference is to be expected if both were tried on all "
    "people like these, and not only on the ones at hand. Where it holds zero, the difference could be chance."
)
TABLE = (
    "Each system at its own threshold for the FMR. Under the name of a figure: what B is by it. Rates that the "
    "comparisons do not support are left out."
)
DET = (
    "DET of both studies, each over all its own pictures: genuine comparisons refused against strangers "
    "passing. Lower and further left is better. Dots: the stated rates, with the 95 % intervals of each system "
    "by itself; they may overlap although the difference is clear. Grey: chance."
)
GAINS = (
    "B minus A at each FMR, with 95 % intervals: above the dashed line B is better. A difference whose "
    "interval crosses the line could be chance."
)
FAILURES = (
    "Of all pictures of each study. TAR leaves them out; the generalised TAR counts a comparison with one of "
    "them as refused."
)
NOBODY = (
    "The data name no people. Pairs were drawn in their place, so the intervals are narrower than they should "
    "be."
)
READING = {
    "A and B": "The first and the second study that were given. Differences are B minus A; a point is one "
    "percent of the comparisons.",
    "better, worse": "The interval of the difference leaves out zero, on the side that is good for B, or on "
    "the other.",
    "could be chance": "The interval holds zero: other people might have shown the opposite. That does not "
    "make the systems equal; more people would tell. “The same”: no difference in any draw.",
    "paired bootstrap over people": "People are drawn again and again at random, every time the same people "
    "for both systems, and the difference is taken anew. What makes a person hard for both cancels out, so "
    "differences are known more exactly than either figure by itself.",
    "many figures": "Of twenty differences that are mere chance, one leaves out zero all the same. Settle "
    "beforehand on the figure that decides.",
    "generalised TAR": "TAR where a comparison with a picture that could not be enrolled counts as refused.",
}
KNOWN = ("FMR, false match rate", "TAR, true accept rate", "EER, equal error rate", "DET and ROC")


def build_differences(found: Differences, studies: Studies) -> Html:
    """The whole page. studies: those that `found` compares, in its order."""
    a, b = (system.name for system in found.systems)
    return p.page(
        f"{b} against {a}",
        f"What B ({b}) gains over A ({a}) on the same comparisons of “{found.data}”, by the protocol "
        f"“{found.protocol}”.",
        p.facts(dict(_headlines(found))),
        p.facts(_sizes(found)),
        p.section("In plain words", *_plainly(found, studies)),
        *(p.section(_title(each), *_weighed(found, studies, each)) for each in _weightings(found)),
        p.section("Pictures that could not be used", *_failures(found, studies)),
        p.section("What was compared", *_compared(found, studies)),
        p.section("How to read it", terms(READING | {key: GLOSSARY[key] for key in KNOWN})),
        footer=f"Written by mien {studies[0].version}. This page needs no network and runs no script.",
    )


def _weightings(found: Differences) -> list[Weighting]:
    return list(dict.fromkeys(row.weighting for row in found.rows))


def _title(weighting: Weighting) -> str:
    return WEIGHTINGS[weighting].capitalize()


def _headlines(found: Differences) -> Iterator[tuple[str, Html]]:
    """The differences that a reader looks for first."""
    for row in found.rows:
        first = row.weighting == found.rows[0].weighting
        if first and (row.name == "EER" or (row.name == "TAR" and row.fmr in HEADLINES)):
            yield f"{named(row)}, {WEIGHTINGS[row.weighting]}: B − A", measured(row.difference, POINTS)


def named(row: Difference) -> str:
    """A figure, and where it was measured."""
    return row.name if row.fmr is None else f"{row.name} at FMR {rate_text(row.fmr)}"


def _sizes(found: Differences) -> dict[str, str]:
    counts = {
        "people": found.people,
        "pictures": found.pictures,
        "genuine comparisons": found.genuine_pairs,
        "impostor comparisons": found.impostor_pairs,
    }
    return {what: f"{count:,}" for what, count in counts.items() if count}


def _plainly(found: Differences, studies: Studies) -> Iterator[Html]:
    rows = [row for row in found.rows if row.name == "TAR"]
    if not rows:
        yield p.paragraph(f"No TAR can be compared here: {reason(*studies)}.")
        return
    # The first weighting's row of 1e-3; without one, that of the smallest rate.
    row = min(rows, key=lambda each: (each.weighting != rows[0].weighting, each.fmr != HEADLINE, each.fmr))
    yield p.paragraph(*_told(row), *_unused(studies))
    yield p.paragraph(INTERVAL)
    if not found.people:
        yield p.note(NOBODY)


def _told(row: Difference) -> Iterator[str]:
    """One row in sentences."""
    a, b = (measured(each, PERCENT) for each in (row.first, row.second))
    yield f"At FMR {rate_text(row.fmr or 0)}, {WEIGHTINGS[row.weighting]}, of the comparisons of two pictures "
    yield p.join(["of one person ", a, " pass with A and ", b, " with B. "])
    if _none(row.difference):
        yield p.tag("strong", "There is no difference at all.")
    elif better := verdict(row):
        yield p.tag("strong", "B is ", "better" if better > 0 else "worse", " by ")
        yield p.tag("strong", measured(unsigned(row.difference), UNSIGNED))
        yield "."
    else:
        yield p.tag("strong", "The difference could be chance: ", measured(row.difference, POINTS))
        yield "."


def _unused(studies: Studies) -> Iterator[str]:
    counts = [len(study.missed) for study in studies]
    if counts[0] != counts[1]:
        yield f" A could not use {counts[0]:,} pictures, B {counts[1]:,}: go by the generalised TAR below."


def verdict(row: Difference) -> int:
    """1: B is better, −1: worse, 0: it could be chance."""
    return clear(row.difference) * (-1 if row.name in LOWER else 1)


def _weighed(found: Differences, studies: Studies, weighting: Weighting) -> Iterator[Html]:
    """Table and plots of one weighting."""
    rows = [row for row in found.rows if row.weighting == weighting]
    yield p.paragraph(TABLE)
    yield _table(rows)
    yield p.tag("div", *_plots(rows, studies, weighting), class_="plots")


def _table(rows: Sequence[Difference]) -> Html:
    heads = [head(each) for each in ("figure", "FMR", *LETTERS, "B − A")]
    return rows_table([heads], map(_row, rows))


def _row(row: Difference) -> list[Html]:
    unit, between = UNITS.get(row.name, (PERCENT, POINTS))
    rate = cell("–") if row.fmr is None else cell(asked(row.fmr))
    compared = figures((row.first, unit), (row.second, unit), (row.difference, between))
    return [name(p.tag("div", row.name), _badge(row)), rate, *compared]


def _badge(row: Difference) -> Html:
    return p.badge("the same", "none") if _none(row.difference) else p.badge(*VERDICTS[verdict(row)])


def _none(difference: Figure) -> bool:
    """Whether there is no difference, in the people at hand and in every draw."""
    ends = (difference.value, difference.low, difference.high)
    return all(end is not None and abs(end) < NOTHING for end in ends)


def _plots(rows: Sequence[Difference], studies: Studies, weighting: Weighting) -> Iterator[Html]:
    curves = {
        letter: each
        for letter, study in zip(LETTERS, studies, strict=True)
        for each in _curves(study, weighting)
    }
    if curves:
        yield p.figure(det_curves(curves, min(study.impostor_pairs for study in studies)), DET)
    gains = [(row.name, row.fmr, row.difference) for row in rows if row.fmr is not None]
    if gains:
        yield p.figure(gains_plot(gains), GAINS)


def _curves(study: Study, weighting: Weighting) -> list[Verification]:
    return [each for each in study.verification if each.weighting == weighting and each.det]


def _failures(found: Differences, studies: Studies) -> Iterator[Html]:
    yield p.paragraph(FAILURES)
    heads = [head(each) for each in ("", "pictures", "could not be used", "rate")]
    rows = (
        [
            name(f"{letter}: {study.system.name}"),
            cell(f"{study.pictures:,}"),
            cell(f"{len(study.missed):,}"),
            *figures((study.failure_to_enrol, PERCENT)),
        ]
        for letter, study in zip(LETTERS, studies, strict=True)
    )
    yield p.tag("div", rows_table([heads], rows), class_="snug")


def _compared(found: Differences, studies: Studies) -> Iterator[Html]:
    """What each system is, and what was left out."""
    a, b = found.systems
    if a.bundle and b.bundle:  # vectors from elsewhere need not say
        bundle, aligner = (_other(one, two) for one, two in ((a.bundle, b.bundle), (a.aligner, b.aligner)))
        yield p.paragraph(f"B has {bundle} bundle (the embedder) and {aligner} aligner (detector and crop).")
    if found.notes:
        yield notes(found.notes)
    yield p.columns(*(_system(letter, study) for letter, study in zip(LETTERS, studies, strict=True)))


def _other(one: str, two: str) -> str:
    return "the same" if one == two else "another"


def _system(letter: str, study: Study) -> Html:
    parts = [system_table(study), command(study)]
    return p.part(f"{letter}: {study.system.name}", *parts, *([notes(study.notes)] if study.notes else []))
