"""The demo's page about a folder: groups, similarities, every face, and what went wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

import mien.pages.page as p
from mien.bundle.calibration import Calibration
from mien.demo.album import Album, Face, grouping_fmr
from mien.demo.parts import answer_words, footer, rate_words, rule_words, together
from mien.pages.plots import matrix
from mien.recognition.compare import similarities
from mien.recognition.recognizer import Recognizer

MATRIX = 60  # faces at most: beyond that nobody can read it
SMALL, LARGE = 40, 96  # pixels


def build(recognizer: Recognizer, folder: Path, album: Album) -> p.Html:
    """The whole page."""
    calibration = recognizer.calibration
    return p.page(
        f"The faces in “{folder.resolve().name or folder}”",
        "Every face that was found, and who looks like whom. Nothing left this computer; this page holds small "
        "pictures of the faces, so mind whom you give it to.",
        p.define({f"p{i}": face.thumb for i, face in enumerate(album.faces)}),
        p.facts(_figures(album)),
        rule_words(calibration),
        *_groups(album, calibration),
        *_matrix(album, calibration),
        *_faces(album, calibration),
        *_troubles(album),
        footer=footer(recognizer),
    )


def _figures(album: Album) -> dict[str, str]:
    numbers = {
        "pictures": album.pictures,
        "faces": len(album.faces),
        "groups": len(album.groups),
        "low quality": sum(bool(face.reasons) for face in album.faces),
        "without a face": len(album.empty),
        "failed": len(album.failures),
    }
    return {name: f"{number:,}" for name, number in numbers.items()}


def _groups(album: Album, calibration: Calibration | None) -> Iterator[p.Html]:
    if calibration is None or not album.faces:
        return
    grouped = {i for group in album.groups for i in group}
    alone = [i for i, face in enumerate(album.faces) if i not in grouped and not face.reasons]
    poor = [i for i, face in enumerate(album.faces) if face.reasons]
    parts = [
        p.part(f"Group {n} · {len(group)} faces", _thumbs(album, group))
        for n, group in enumerate(album.groups, 1)
    ]
    pairs = sum(len(group) == 2 for group in album.groups)
    large = len(parts) - pairs
    rate = rate_words(grouping_fmr(album.faces, calibration), calibration)
    words = (
        f"The faces of a group are alike on average, at a false-match rate of {rate}: stricter than for one "
        "pair, since every face meets every other here. Faces of low quality join no group: they would glue "
        "strangers together."
    )
    yield p.section(
        "Who is who",
        p.paragraph(words),
        *parts[:large],
        p.columns(*parts[large:]),
        *([p.part(f"Like nobody else here · {len(alone)}", _thumbs(album, alone))] if alone else []),
        *([p.part(f"Too poor to group · {len(poor)}", _thumbs(album, poor))] if poor else []),
    )


def _thumbs(album: Album, numbers: Sequence[int]) -> p.Html:
    return p.gallery(*(p.figure(_linked(album.faces[i], i, LARGE), album.faces[i].name) for i in numbers))


def _linked(face: Face, number: int, size: int) -> p.Html:
    return p.tag("a", p.show(f"p{number}", face.name, size), href=f"#f{number}")


def _matrix(album: Album, calibration: Calibration | None) -> Iterator[p.Html]:
    if not 2 <= len(album.faces) <= MATRIX:
        return
    grouped = [i for group in album.groups for i in group]
    order = grouped + [i for i in range(len(album.faces)) if i not in set(grouped)]
    vectors = together([album.faces[i].reading for i in order])
    values = similarities(vectors, vectors)
    low = calibration.thresholds[0].similarity if calibration else float(np.median(values))
    words = "Each face with each other: the stronger, the more alike. The faces of a group stand together."
    names = [album.faces[i].name for i in order]
    drawn = matrix(values, names, low, 1, ids=[f"p{i}" for i in order])
    yield p.section("Who looks like whom", p.paragraph(words), p.figure(drawn))


def _faces(album: Album, calibration: Calibration | None) -> Iterator[p.Html]:
    if not album.faces:
        return
    rows = [
        (_linked(face, i, LARGE), _about(face), _nearest(album, i, calibration))
        for i, face in enumerate(album.faces)
    ]
    ids = [f"f{i}" for i in range(len(rows))]
    yield p.section("Every face", p.table(("face", "picture and quality", "most like"), rows, ids=ids))


def _about(face: Face) -> p.Html:
    value = float(face.reading.quality.values[0])
    quality = p.badge("low quality", "review") if face.reasons else p.badge("good quality", "same")
    words = f" {value:.2f}" + (f": {', '.join(face.reasons)}" if face.reasons else "")
    return p.join([p.tag("div", face.name), quality, p.tag("span", words, class_="muted")])


def _nearest(album: Album, number: int, calibration: Calibration | None) -> p.Html:
    figures = (
        p.figure(_linked(album.faces[j], j, SMALL), *answer_words(answer, calibration))
        for j, answer in album.nearest[number]
    )
    return p.tag("div", *figures, class_="near")


def _troubles(album: Album) -> Iterator[p.Html]:
    if album.failures:
        rows = [(failure.source, str(failure.error)) for failure in album.failures]
        yield p.section("Could not be read", p.table(("picture", "why"), rows))
    if album.empty:
        names = (p.tag("li", name) for name in album.empty)
        yield p.section("No face found", p.tag("ul", *names))
