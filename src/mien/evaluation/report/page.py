"""A study as one HTML page: for whoever reads biometric reports every day, and for whoever never has."""

from __future__ import annotations

from collections.abc import Mapping

import mien.pages.page as p
from mien.evaluation.report.sections import SECTIONS
from mien.evaluation.report.words import FINE, HEADLINES, PERCENT, UNSTATED, WEIGHTINGS, day, main, measured
from mien.evaluation.study import Figure, Study
from mien.pages.page import Html, Picture
from mien.values import rate_text


def build(study: Study, pictures: Mapping[str, Picture]) -> Html:
    """The whole page. pictures: those of hard pairs and failures, small, by their names; the rest are text."""
    sections = {heading: list(parts(study, pictures)) for heading, parts in SECTIONS.items()}
    filled = {heading: parts for heading, parts in sections.items() if parts}
    return p.page(
        f"{study.system.name} on {study.data}",
        f"How well this system tells whether pictures show one person: {study.people:,} people in "
        f"{study.pictures:,} pictures, by the protocol “{study.protocol}”, {day(study.date)}.",
        p.facts(_results(study)),
        p.facts(_sizes(study)),
        _contents(filled),
        *(_section(i, heading, parts) for i, (heading, parts) in enumerate(filled.items())),
        footer=_footer(study, pictures),
    )


def _section(number: int, heading: str, parts: list[Html]) -> Html:
    return p.tag("section", p.tag("h2", heading), *parts, id=f"part{number}")


def _contents(headings: Mapping[str, object]) -> Html:
    links = (p.tag("a", heading, href=f"#part{i}") for i, heading in enumerate(headings))
    return p.tag("nav", *links, class_="contents")


def _results(study: Study) -> dict[str, str]:
    """The figures that a reader looks for first."""
    found: dict[str, str] = {}
    if study.accuracy is not None:
        spread = p.tag("small", f"± {FINE.bare(study.accuracy.deviation, 2)}", class_="interval")
        found[f"accuracy over {len(study.accuracy.folds)} folds"] = p.join(
            [FINE.text(study.accuracy.mean), " ", spread]
        )
    best = main(study)
    if best is not None:
        wanted = [point for point in best.points if point.fmr in HEADLINES]
        stated = [point for point in wanted if point.tar.value is not None]
        for point in stated[-2:] or wanted[-1:]:
            found |= _fact(f"TAR at FMR {rate_text(point.fmr)}, {WEIGHTINGS[best.weighting]}", point.tar)
        found |= _fact("equal error rate", best.eer)
    return found


def _fact(name: str, figure: Figure) -> dict[str, str]:
    if figure.value is None:
        return {f"{name}: {figure.why or UNSTATED}": p.tag("span", UNSTATED, class_="refused")}
    return {name: measured(figure, PERCENT)}


def _sizes(study: Study) -> dict[str, str]:
    counts = {
        "people": study.people,
        "pictures": study.pictures,
        "genuine comparisons": study.genuine_pairs,
        "impostor comparisons": study.impostor_pairs,
    }
    written: dict[str, str] = {name: f"{count:,}" for name, count in counts.items()}
    return written | _fact("failures to enrol", study.failure_to_enrol)


def _footer(study: Study, pictures: Mapping[str, Picture]) -> str:
    mind = " It holds small pictures of faces, so mind whom you give it to." if pictures else ""
    return f"Written by mien {study.version}. This page needs no network and runs no script.{mind}"
