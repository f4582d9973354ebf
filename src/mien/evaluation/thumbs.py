"""Small pictures of what a report shows: hard pairs, and what could not be enrolled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mien.errors import MienError
from mien.evaluation.enrol import Enrolment, Entry
from mien.evaluation.study import Study
from mien.images import load, shrink
from mien.values import Floats, Pixels

SIDE = 112  # pixels
MARGIN = 0.35  # of the face's box, on every side
MOST_MISSED = 60


def thumbnails(study: Study, entries: Sequence[Entry], enrolment: Enrolment | None) -> dict[str, Pixels]:
    """The pictures that the study names, by name: the face where one was enrolled, else the whole picture.

    A picture that cannot be read again is left out.
    """
    pairs = [name for pair in (*study.hard_genuine, *study.hard_impostor) for name in (pair.first, pair.second)]
    wanted = {*pairs, *(missed.picture for missed in study.missed[:MOST_MISSED])}
    boxes = _boxes(enrolment)
    small = {
        entry.name: _thumbnail(entry.source, boxes.get(entry.name)) for entry in entries if entry.name in wanted
    }
    return {name: pixels for name, pixels in small.items() if pixels is not None}


def _boxes(enrolment: Enrolment | None) -> Mapping[str, Floats]:
    if enrolment is None:
        return {}
    rows = np.flatnonzero(enrolment.samples.enrolled)
    return {enrolment.samples.names[row]: enrolment.boxes[row] for row in rows}


def _thumbnail(source: Path | bytes, box: Floats | None) -> Pixels | None:
    try:
        picture = load(source).pixels
    except MienError:
        return None
    return shrink(picture if box is None else _around(picture, box), SIDE)[0]


def _around(picture: Pixels, box: Floats) -> Pixels:
    """The square around a face, as far as the picture goes."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    reach = (0.5 + MARGIN) * max(box[2] - box[0], box[3] - box[1])
    height, width = picture.shape[:2]
    left, right = np.clip([x - reach, x + reach], 0, width).astype(int)
    top, bottom = np.clip([y - reach, y + reach], 0, height).astype(int)
    return picture[top:bottom, left:right] if right > left and bottom > top else picture
