"""The sections of a report, in their order: each yields its parts, or nothing where the study has none."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import mien.pages.page as p
from mien.evaluation.report.faces import Pictures, failures, pairs_gallery
from mien.evaluation.report.groups import group_parts
from mien.evaluation.report.method import method
from mien.evaluation.report.plots import (
    cmc_plot,
    det_plot,
    fnir_plot,
    histogram_plot,
    reliability_plot,
    roc_plot,
)
from mien.evaluation.report.tables import (
    fnirs_table,
    folds_table,
    points_table,
    ranks_table,
    reliability_table,
    summary_table,
)
from mien.evaluation.report.traps import traps_parts
from mien.evaluation.report.words import FINE, HEADLINE, PERCENT, main, measured, one_in, reason
from mien.evaluation.study import Accuracy, OperatingPoint, Study
from mien.pages.page import Html

Section = Callable[[Study, Pictures], Iterator[Html]]

STRANGERS = {
    1e-1: "one pair of strangers in ten",
    1e-2: "one pair of strangers in a hundred",
    1e-3: "one pair of strangers in a thousand",
    1e-4: "one pair of strangers in ten thousand",
    1e-5: "one pair of strangers in a hundred thousand",
    1e-6: "one pair of strangers in a million",
}
WEIGHED = {
    "person": "Every person counts once, however many pictures there are of them.",
    "pair": "Every comparison counts once, so people with many pictures weigh more.",
}
INTERVAL = (
    "In brackets stands a 95 % interval: where the figure is to be expected if it were measured on all people "
    "like these, and not only on the ones at hand. It was found by drawing the people again and again at "
    "random (bootstrap over people). It tells nothing about pictures of another kind."
)
POINTS_WORDS = (
    "For each rate at which strangers may pass (FMR): the threshold that keeps it, and how many comparisons of "
    "one person pass (TAR) or fail (FNMR) there; GFRR counts pictures that could not be used as failing too. "
    "In brackets: 95 % intervals. "
)
WEIGHINGS = {
    "person": "Per person: every person, and every pair of people, counts once. ",
    "pair": "Over all comparisons: people with many pictures weigh more. ",
}
BELOW = "Further down, reliability, identification, groups and changed settings are all averaged per person."
DET = (
    "DET: genuine comparisons refused against strangers passing. Lower and further left is better. Dots: the "
    "rates of the table, with 95 % intervals. Grey: rates at which fewer than three comparisons of strangers "
    "would pass; the curve is chance there."
)
ROC = "ROC: genuine comparisons passing against strangers passing. Higher and further left is better."
HISTOGRAM = (
    "How similar two pictures of one person are, and two of strangers. Dashed: the thresholds of the FMRs at "
    "their heads. Of the genuine hill, what lies left of a threshold is refused there."
)
TAILS = "The same, logarithmic: how far strangers reach into the genuine, and how thin their number gets."
RELIABILITY_WORDS = (
    "Thresholds were set on some of the people and tried on the others, over and over. A stated rate can be "
    "trusted when what was observed lies in the interval stated for it in about 95 % of the splits."
)
EXTRAPOLATED = (
    " Extrapolated: rarer than the comparisons can show by themselves; the threshold comes from a fit to the "
    "highest scores."
)
RELIABILITY = (
    "Pale: the interval stated for people not seen before. Dot and line: the median and the central 95 % of "
    "what was observed. Dashed: observed as stated."
)
CMC = "CMC: searches for people of the gallery that find them among the first names, with 95 % intervals."
FNIR = "Searches for people of the gallery that miss them, against searches for others that return somebody."
CHANCE = (
    "Chance alone lifts the worst group over the best, the more so the fewer people a group has: go by the "
    "intervals, not by the order."
)
GENUINE = (
    "One person, least alike: maybe mislabelled, or hard. FMR: how often strangers score as high as this pair."
)
IMPOSTOR = "Strangers most alike: maybe one person under two names. FMR: how often strangers score as high."


def _plainly(study: Study, pictures: Pictures) -> Iterator[Html]:
    """The result for somebody who has never read such a report."""
    best = main(study)
    points = [point for point in best.points if point.tar.value is not None] if best else []
    if best is None or not points:
        yield p.paragraph(f"No error rate can be stated here: {reason(study)}.")
        return
    point = min(points, key=lambda each: (each.fmr != HEADLINE, each.fmr))
    yield p.paragraph(*_headline(point), f" {WEIGHED[best.weighting]} {_left_out(study)}")
    if point.tar.low is not None:
        yield p.paragraph(INTERVAL)


def _headline(point: OperatingPoint) -> Iterator[str]:
    among = STRANGERS.get(point.fmr, f"{one_in(point.fmr)} pairs of strangers")
    yield f"At the threshold that {among} passes, "
    yield p.tag("strong", measured(point.tar, PERCENT))
    yield " of the comparisons of two pictures of one person pass"
    if point.fnmr.value is not None:
        yield f"; the other {PERCENT.text(point.fnmr.value)} are refused, wrongly"
    yield "."


def _left_out(study: Study) -> str:
    if not study.missed:
        return ""
    return (
        f"{len(study.missed):,} of {study.pictures:,} pictures could not be used and are left out of this; the "
        "rate called GFRR below counts them as refused."
    )


def _verification(study: Study, pictures: Pictures) -> Iterator[Html]:
    if not study.verification:
        return
    weighings = (WEIGHINGS[each.weighting] for each in study.verification)
    yield p.paragraph(POINTS_WORDS, *weighings, BELOW if _goes_on(study) else "")
    yield points_table(study.verification)
    if study.accuracy is not None:
        yield p.part("Accuracy by fold", p.paragraph(_spread(study.accuracy)), folds_table(study.accuracy))
    yield p.part("Over all thresholds", summary_table(study.verification), *_curves(study))


def _goes_on(study: Study) -> bool:
    """Whether there are people, and figures further down that count every one of them once."""
    people = any(each.weighting == "person" for each in study.verification)
    return people and any((study.reliability, study.identification, study.groups, study.traps))


def _spread(accuracy: Accuracy) -> str:
    mean, deviation = FINE.text(accuracy.mean), FINE.text(accuracy.deviation)
    return (
        f"The share of right decisions in each fold, at the threshold that was best on the other folds: {mean} "
        f"on average, standard deviation {deviation}."
    )


def _curves(study: Study) -> Iterator[Html]:
    curves = []
    if any(each.det for each in study.verification):
        curves += [p.figure(det_plot(study), DET), p.figure(roc_plot(study), ROC)]
    if any(study.histogram.genuine) or any(study.histogram.impostor):
        curves.append(p.figure(histogram_plot(study), HISTOGRAM))
        curves.append(p.figure(histogram_plot(study, log=True), TAILS))
    if curves:
        yield p.tag("div", *curves, class_="plots")


def _reliability(study: Study, pictures: Pictures) -> Iterator[Html]:
    if study.reliability:
        beyond = EXTRAPOLATED if any(row.kind == "extrapolated" for row in study.reliability) else ""
        yield p.paragraph(RELIABILITY_WORDS, beyond)
        plotted = p.figure(reliability_plot(study.reliability), RELIABILITY)
        yield p.tag("div", reliability_table(study.reliability), plotted, class_="plots")


def _identification(study: Study, pictures: Pictures) -> Iterator[Html]:
    found = study.identification
    if found is None:
        return
    splits = f", on average over {found.splits:,} splits" if found.splits > 1 else ""
    yield p.paragraph(
        f"A gallery of {found.gallery:,} people is searched with {found.mated:,} pictures of people who are in "
        f"it and {found.unmated:,} of people who are not{splits}. Several pictures of one person in the "
        f"gallery count together by the rule “{found.fusion}”."
    )
    parts = []
    if found.ranks:
        parts.append(p.part("Among the known", ranks_table(found), p.figure(cmc_plot(found), CMC)))
    if found.fnirs:
        parts.append(p.part("And when strangers come", fnirs_table(found), p.figure(fnir_plot(found), FNIR)))
    yield p.tag("div", *parts, class_="plots")


def _groups(study: Study, pictures: Pictures) -> Iterator[Html]:
    if study.groups:
        yield p.paragraph(CHANCE)
    for groups in study.groups:
        yield p.part(f"By {groups.column}", *group_parts(groups))


def _traps(study: Study, pictures: Pictures) -> Iterator[Html]:
    return traps_parts(study.traps) if study.traps else iter(())


def _hardest(study: Study, pictures: Pictures) -> Iterator[Html]:
    best = main(study)
    det = best.det if best else ()
    if study.hard_genuine:
        shown = pairs_gallery(study.hard_genuine, pictures, det)
        yield p.part("The same person", p.paragraph(GENUINE), shown)
    if study.hard_impostor:
        shown = pairs_gallery(study.hard_impostor, pictures, det)
        yield p.part("Different people", p.paragraph(IMPOSTOR), shown)


def _missed(study: Study, pictures: Pictures) -> Iterator[Html]:
    if study.missed:
        share = PERCENT.plain(study.failure_to_enrol)
        yield p.paragraph(f"{len(study.missed):,} of {study.pictures:,} pictures: {share}.")
        yield from failures(study.missed, pictures)


def _method(study: Study, pictures: Pictures) -> Iterator[Html]:
    return method(study)


SECTIONS: dict[str, Section] = {
    "In plain words": _plainly,
    "The same person?": _verification,
    "Do the stated rates hold?": _reliability,
    "Who is it?": _identification,
    "Groups of people": _groups,
    "If it were fed wrongly": _traps,
    "The hardest pairs": _hardest,
    "Pictures that could not be used": _missed,
    "How it was measured": _method,
}
