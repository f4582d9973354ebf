"""The last part of a report: how it was measured, what it cost, and what its words mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import mien.pages.page as p
from mien.evaluation.report.tables import cell, name, rows_table, words
from mien.evaluation.study import Speed, Study

FACES = {
    "only": "pictures with several faces count as failures",
    "largest": "the largest",
    "central": "the one nearest the centre",
}
GLOSSARY = {
    "genuine, impostor": "A comparison of two pictures of one person; of two different people, here also "
    "called strangers.",
    "threshold": "The similarity from which two pictures pass as one person.",
    "FMR, false match rate": "The share of impostor comparisons that pass the threshold.",
    "FNMR, false non-match rate": "The share of genuine comparisons that do not pass it.",
    "TAR, true accept rate": "1 − FNMR: the field’s word, not the standard’s.",
    "GFRR, generalised false reject rate": "FNMR where a comparison with a picture that could not be enrolled "
    "counts as refused too.",
    "FTE, failure to enrol": "The share of pictures without a usable face.",
    "EER, equal error rate": "FMR and FNMR at the threshold at which they are equal.",
    "DET and ROC": "The curves of all thresholds: FNMR against FMR, and TAR against FMR. AUC is the area under "
    "the ROC curve: how often a genuine comparison scores above an impostor one.",
    "per person, over all comparisons": "Every person (and every pair of people) counts once, however many "
    "pictures there are; or every comparison counts once.",
    "gallery, rank": "The people enrolled for a search; the place of the right one among the answers, the most "
    "similar first.",
    "FPIR, false positive identification rate": "The share of searches for people who are not in the gallery "
    "that return somebody.",
    "FNIR, false negative identification rate": "The share of searches for people who are in the gallery that "
    "do not return them.",
    "rule of three": "A rate below 3 ÷ comparisons cannot be claimed: with no error in n comparisons it may "
    "still be 3 ÷ n (95 %).",
    "95 % interval": "In brackets: made so that 95 of 100 such intervals hold the true figure. How far a "
    "figure moves is seen by drawing the people, not the pairs, again and again at random (bootstrap).",
}


def method(study: Study) -> Iterator[p.Html]:
    """Command, system, cost, notes, glossary."""
    yield command(study)
    yield p.columns(p.part("What", system_table(study)), _cost(study.speed))
    if study.notes:
        yield p.part("Notes", notes(study.notes))
    yield p.part(
        "What the words mean",
        p.paragraph("As in ISO/IEC 19795-1, biometric performance testing and reporting."),
        terms(GLOSSARY),
    )


def command(study: Study) -> p.Html:
    """What was typed. A line may break between words, never at a hyphen within one."""
    typed = (p.join([p.tag("span", word), " "]) for word in study.command.split(" "))
    return p.tag("pre", *typed, class_="command")


def notes(texts: Sequence[str]) -> p.Html:
    """A list of remarks."""
    return p.tag("ul", *(p.tag("li", each) for each in texts))


def terms(meanings: Mapping[str, str]) -> p.Html:
    """Words and what they mean."""
    pairs = (p.tag("div", p.tag("dt", term), p.tag("dd", meaning)) for term, meaning in meanings.items())
    return p.tag("dl", *pairs, class_="terms")


def system_table(study: Study) -> p.Html:
    """What was measured, on what, when."""
    several = f"{study.several_faces:,} pictures; taken: {FACES.get(study.face, study.face)}"
    rows = {
        "system": study.system.name,
        "bundle": p.tag("code", study.system.bundle),
        "aligner": p.tag("code", study.system.aligner),
        "data": study.data,
        "protocol": study.protocol,
        "several faces": several,
        "measured": f"{study.date}, mien {study.version}",
    }
    return rows_table([], ([name(what), words(value)] for what, value in rows.items()))


def _cost(speed: Speed) -> p.Html:
    rate = speed.embedded / speed.embed_seconds if speed.embed_seconds else 0.0
    rows = {
        "pictures embedded": f"{speed.embedded:,}",
        "pictures from the cache": f"{speed.cached:,}",
        "time to embed": f"{speed.embed_seconds:,.1f} s",
        "pictures a second": f"{rate:,.1f}" if rate else "–",
        "time to measure": f"{speed.measure_seconds:,.1f} s",
        "memory at most": f"{speed.peak_mb:,.0f} MB",
    }
    return p.part("At what cost", rows_table([], ([name(what), cell(value)] for what, value in rows.items())))
