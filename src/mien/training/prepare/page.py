"""The review as a page: what was found, pictures side by side, with the reason and the numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

import mien.pages.page as p
from mien.errors import MienError
from mien.files import write_whole
from mien.images import encode_jpeg, load
from mien.training.prepare.findings import FINDINGS, Findings, Suggestion
from mien.training.prepare.journal import PRIVATE
from mien.training.prepare.prepared import Prepared, unusable
from mien.training.prepare.review import CSV, JSON
from mien.training.prepare.store import Store

PAGE = "review.html"
MOST = 150  # suggestions of one kind on the page, and rows of a table
BESIDE = 4  # pictures beside the one in question
SIDE = 96
LEAD = (
    "What may be wrong in these pictures. Edit the column “decision” of {} or {} (keep, drop, or move with a "
    "name in “to”) and run the same command with --apply-review. Nothing left this computer; this page holds "
    "small pictures of faces, so mind whom you give it to."
)
WORDS = {
    "same bytes": "Each is the very file of the picture beside it.",
    "copy": "Each shows the photograph beside it again: encoded anew, resized, recoloured or mirrored. The "
    "largest stays, with the person whose other pictures it fits.",
    "mislabelled": "Each is less like its person's others than strangers are, about one time in a hundred or "
    "less. Beside it stand two of these, then one of the person that it is most like. Dark, covered and turned "
    "faces stand here as well: look before you drop them.",
    "torn": "Of these people no two pictures agree, so which of them is wrong cannot be told.",
    "one person": "Two folders whose pictures are more alike than those of strangers are in so many "
    "comparisons. Siblings and twins stand here as well.",
    "poor": "Each has a reason to doubt that a network learns from it.",
}


def write_page(prepared: Prepared, findings: Findings, store: Store) -> None:
    """Write the page, for its owner's eyes only. InputError where it cannot be written."""
    document = build(prepared, findings, store)
    write_whole(prepared.page, document.encode("utf-8", "replace"), mode=PRIVATE)


def build(prepared: Prepared, findings: Findings, store: Store) -> p.Html:
    """The whole page."""
    shown = _shown(prepared.suggested)
    files = {each.looked.picture: store.crop(each.looked) for each in prepared.outcomes}
    names = dict.fromkeys(name for group in shown.values() for each in group for name in _pictures(each))
    ids = {name: f"p{i}" for i, name in enumerate(names)}
    pictures = {ids[name]: pixels for name in names if (pixels := _thumb(files[name])) is not None}
    return p.page(
        f"Review of {prepared.out.resolve().name}",
        LEAD.format(CSV, JSON),
        p.define(pictures),
        p.facts(_figures(prepared)),
        *(p.note(each) for each in (findings.note, *prepared.warnings) if each),
        *_left_out(prepared),
        *(_section(kind, group, prepared, ids) for kind, group in shown.items()),
        *_unusable(prepared),
        footer=_footer(prepared, findings),
    )


def _shown(suggested: Sequence[Suggestion]) -> dict[str, list[Suggestion]]:
    groups = {kind: [each for each in suggested if each.finding == kind] for kind in FINDINGS}
    return {kind: group[:MOST] for kind, group in groups.items() if group}


def _pictures(each: Suggestion) -> tuple[str, ...]:
    own = (each.picture,) if each.picture else ()
    return own + each.beside[:BESIDE]


def _thumb(file: Path) -> bytes | None:
    try:
        pixels = load(file).pixels
    except MienError:  # the page says less, the tables say all
        return None
    return encode_jpeg(cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.uint8), 80)


def _figures(prepared: Prepared) -> dict[str, str]:
    numbers = {
        "pictures": prepared.pictures,
        "people": prepared.people,
        "crops written": prepared.crops,
        "of people": prepared.kept_people,
        "left out": sum(prepared.dropped.values()),
    }
    numbers |= {FINDINGS[kind].lower(): prepared.found[kind] for kind in FINDINGS if kind in prepared.found}
    return {name: f"{number:,}" for name, number in numbers.items()}


def _left_out(prepared: Prepared) -> Iterator[p.Html]:
    if prepared.dropped:
        rows = [(FINDINGS.get(why, why), count) for why, count in prepared.dropped.items()]
        yield p.section("Left out", p.table(("why", "pictures"), rows))


def _section(kind: str, group: Sequence[Suggestion], prepared: Prepared, ids: Mapping[str, str]) -> p.Html:
    left = prepared.found[kind] - len(group)
    more = [p.tag("p", f"and {left:,} more in {CSV}", class_="muted")] if left else []
    figures = p.tag("div", *(_figure(each, ids) for each in group), class_="pairs")
    return p.section(f"{FINDINGS[kind]} · {prepared.found[kind]:,}", p.paragraph(WORDS[kind]), figures, *more)


def _figure(each: Suggestion, ids: Mapping[str, str]) -> p.Html:
    faces = (p.show(ids[name], name, SIDE) for name in _pictures(each))
    what = f"{each.do} to {each.to}" if each.to else each.do
    return p.figure(
        p.tag("div", *faces, class_="pair"),
        p.badge(what),
        " ",
        p.tag("strong", each.person),
        p.tag("div", each.picture, class_="file"),
        p.tag("div", each.why),
    )


def _unusable(prepared: Prepared) -> Iterator[p.Html]:
    rows = [(each.looked.picture, each.why) for each in unusable(prepared.outcomes)]
    if rows:
        left = [p.tag("p", f"and {len(rows) - MOST:,} more", class_="muted")] if len(rows) > MOST else []
        yield p.section(f"No face to use · {len(rows):,}", p.table(("picture", "why"), rows[:MOST]), *left)


def _footer(prepared: Prepared, findings: Findings) -> p.Html:
    measured = findings.calibration
    words = f"Made by mien. {prepared.contract.described[0].upper()}{prepared.contract.described[1:]}."
    return p.paragraph(f"{words} Thresholds: {measured.data}, {measured.date}." if measured else words)
