"""The part of a report with pictures: the pairs that were hardest, and the pictures that could not be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import mien.pages.page as p
from mien.evaluation.report.words import SIMILARITY, score_rate
from mien.evaluation.study import HardPair, Missed
from mien.pages.page import Picture

PAIRS, FAILURES = 24, 60  # shown at most

Det = tuple[tuple[float, float, float], ...]
Pictures = Mapping[str, Picture]


def pairs_gallery(pairs: Sequence[HardPair], pictures: Pictures, det: Det) -> p.Html:
    """Pairs side by side, with their people, their similarity and how often strangers score so high."""
    figures = (_pair(pair, pictures, det) for pair in pairs[:PAIRS])
    return p.tag("div", *figures, class_="pairs")


def _pair(pair: HardPair, pictures: Pictures, det: Det) -> p.Html:
    shown = p.tag("div", _face(pair.first, pictures), _face(pair.second, pictures), class_="pair")
    people = " · ".join(dict.fromkeys(pair.people))
    rate = score_rate(det, pair.similarity)
    return p.figure(
        shown,
        p.tag("strong", SIMILARITY.text(pair.similarity)),
        f" · {rate}" if rate else "",
        p.tag("div", people),
        _file(pair.first, pair.people[0]),
        _file(pair.second, pair.people[1]),
    )


def _file(name: str, person: str) -> p.Html:
    """The picture's name, without the folder where that is the person's."""
    return p.tag("div", name.removeprefix(f"{person}/"), title=name, class_="file")


def _face(name: str, pictures: Pictures) -> p.Html:
    if name not in pictures:
        return p.tag("span", name, class_="unseen")
    return p.image(pictures[name], name)


def failures(missed: Sequence[Missed], pictures: Pictures) -> Iterator[p.Html]:
    """Pictures that could not be enrolled, each with its reason; beyond the first ones, only counted."""
    reasons = Counter(each.why for each in missed)
    if 1 < len(reasons) <= 8 and len(missed) > len(reasons):
        yield p.tag("ul", *(p.tag("li", f"{count:,} pictures: {why}") for why, count in reasons.most_common()))
    shown = missed[:FAILURES]
    yield p.gallery(*(_failure(each, pictures) for each in shown if each.picture in pictures))
    unseen = [(each.picture, each.why) for each in shown if each.picture not in pictures]
    if unseen:
        yield p.table(("picture", "why"), unseen)
    if len(missed) > len(shown):
        yield p.paragraph(f"… and {len(missed) - len(shown):,} more.")


def _failure(each: Missed, pictures: Pictures) -> p.Html:
    return p.figure(
        p.image(pictures[each.picture], each.picture),
        p.tag("div", each.why),
        p.tag("div", each.picture, class_="file"),
    )
