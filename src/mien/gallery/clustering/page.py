"""The page of groups: who is in the pictures, the people seen most often first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

import mien.pages.page as p
from mien.bundle.calibration import Calibration
from mien.gallery.clustering.groups import Groups
from mien.values import rate_text

SHOWN = 24  # faces of one group on the page
MOST = 3000  # faces on the page
SIZE = 96  # pixels of a small picture
WORDS = (
    "The faces of a group are alike as a whole, at a false-match rate of {rate}: {count} faces meet each other "
    "here, so it is stricter than for one pair. Faces of low quality bring no groups together; each joins the "
    "group that it is most like, if any. A group may still mix two people, and a person may be in two groups: "
    "look before you rely on it."
)


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A heading, the faces below it that are shown, and how many it stands for."""

    heading: str
    faces: Sequence[int]
    count: int


def build(title: str, groups: Groups, calibration: Calibration, failures: Mapping[str, str]) -> p.Html:
    """The whole page. failures: pictures that could not be read, and why."""
    several, alone, poor = _several(groups), _alone(groups), _poor(groups)
    shown = _within([*several, *alone, *poor], MOST)
    large, small = shown[: len(several)], shown[len(several) :]
    faces = [i for each in shown for i in each.faces]
    rate = rate_text(groups.rate(calibration))
    return p.page(
        title,
        "Who is in these pictures. Nothing left this computer; this page holds small pictures of the faces, so "
        "mind whom you give it to.",
        p.define({f"p{i}": groups.faces.thumbs[i] for i in faces}),
        p.facts(_figures(groups, len(several))),
        p.paragraph(WORDS.format(rate=rate, count=f"{len(groups.faces):,}")),
        *_people(large, groups),
        *(_folded(each, groups) for each in small),
        *_failed(failures),
        footer=_footer(groups, calibration),
    )


def _several(groups: Groups) -> list[Shown]:
    return [
        _headed(groups, number, rows)
        for number, rows in groups.members().items()
        if len(rows) > 1 or number in groups.names
    ]


def _headed(groups: Groups, number: int, rows: Sequence[int]) -> Shown:
    name = groups.names.get(number)
    words = "1 face" if len(rows) == 1 else f"{len(rows):,} faces"
    heading = f"{name} · group {number} · {words}" if name else f"Group {number} · {words}"
    return Shown(heading, rows[:SHOWN], len(rows))


def _alone(groups: Groups) -> list[Shown]:
    members = groups.members().items()
    faces = [rows[0] for number, rows in members if len(rows) == 1 and number not in groups.names]
    return [Shown(f"Seen once · {len(faces):,}", faces, len(faces))] if faces else []


def _poor(groups: Groups) -> list[Shown]:
    faces = groups.left_over()
    return [Shown(f"Too poor to group · {len(faces):,}", faces, len(faces))] if faces else []


def _within(parts: Sequence[Shown], most: int) -> list[Shown]:
    """The parts with as many faces as still fit on the page, taken in order."""
    before = np.cumsum([0, *(len(each.faces) for each in parts)])
    return [
        Shown(each.heading, each.faces[: max(most - int(start), 0)], each.count)
        for each, start in zip(parts, before, strict=False)
    ]


def _people(shown: Sequence[Shown], groups: Groups) -> Iterator[p.Html]:
    """Every group; those of one or two faces stand beside each other."""
    parts = [p.part(each.heading, *_faces(each, groups)) for each in shown]
    wide = sum(each.count > 2 for each in shown)
    if shown:
        yield p.section("People", *parts[:wide], p.columns(*parts[wide:]))


def _folded(shown: Shown, groups: Groups) -> p.Html:
    summary = p.tag("summary", p.tag("strong", shown.heading))
    return p.tag("section", p.tag("details", summary, *_faces(shown, groups)))


def _faces(shown: Shown, groups: Groups) -> Iterator[p.Html]:
    names = ((i, groups.faces.name(i)) for i in shown.faces)
    yield p.gallery(*(p.figure(p.show(f"p{i}", name, SIZE), name) for i, name in names))
    left = shown.count - len(shown.faces)
    if left:
        yield p.tag("p", f"and {left:,} more", class_="muted")


def _figures(groups: Groups, several: int) -> dict[str, str]:
    numbers = {
        "pictures": len(groups.seen),
        "faces": len(groups.faces),
        "groups": several,
        "seen once": sum(each.count for each in _alone(groups)),
        "too poor to group": len(groups.left_over()),
    }
    return {name: f"{number:,}" for name, number in numbers.items()}


def _failed(failures: Mapping[str, str]) -> Iterator[p.Html]:
    if failures:
        yield p.section("Could not be read", p.table(("picture", "why"), list(failures.items())))


def _footer(groups: Groups, calibration: Calibration) -> p.Html:
    made = groups.faces.embeddings
    return p.paragraph(
        f"Made by mien. Bundle {made.bundle[:12]}, aligner {made.aligner[:12]}. Thresholds measured on "
        f"{calibration.data}, {calibration.date}."
    )
