"""Open-set identification: who is it, and is it anybody we know?

A person's score is the cosine to the mean of their templates (`mien.fusion`), brought to the scale of one
template by the calibration (`mien.bundle.search`), so that people with one picture and with twenty are held
to one rate. The threshold is that of the false-positive identification rate asked for, for a gallery of this
size.

Within one picture a person can be one face only: faces and people are matched so that the evidence above the
review threshold is largest in sum (linear assignment). A face whose best candidate went to another face is at
most *review*.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Protocol

import lap
import numpy as np
from numpy.typing import NDArray

from mien.bundle.calibration import DEFAULT_FMR, Calibration
from mien.bundle.search import OperatingPoint, as_single, fused_note
from mien.gallery.answers import SearchVerdict
from mien.gallery.boxes import box_text, same_place
from mien.gallery.index import Found
from mien.gallery.roster import Numbers
from mien.gallery.store.store import Connection
from mien.gallery.vault import Vault
from mien.values import Floats, Reading

DEPTH = 32  # candidates looked at for each face, beyond those that are asked for
LIKEST = -np.inf
UNCALIBRATED = (
    "no calibration was measured for this bundle with this detector, so no threshold stands for an error rate; "
    "`mien calibrate FOLDER --write`, on people like yours, makes one"
)


class Searcher(Protocol):
    """Where people are looked for: in memory, or in the database."""

    def refresh(self, connection: Connection, vault: Vault) -> None:
        """Take in what changed."""
        ...

    def steady(self) -> AbstractContextManager[Vault]:
        """A while in which what is found does not change, and the vault of what is there. Not to be nested."""
        ...

    def size(self, connection: Connection) -> int:
        """How many people can be found."""
        ...

    def search(self, connection: Connection, probes: Floats, most: int) -> Found:
        """The people most like each probe, as raw cosines."""
        ...

    def templates_of(self, connection: Connection, numbers: Numbers) -> Numbers:
        """How many templates each of these people has."""
        ...

    def marks_of(self, connection: Connection, numbers: Sequence[int]) -> Mapping[int, Floats]:
        """Vectors of faces that are not the person, by person."""
        ...

    def places_of(
        self, connection: Connection, numbers: Sequence[int]
    ) -> Mapping[int, Sequence[tuple[str, str]]]:
        """Pictures and boxes of faces that are not the person, by person."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Candidates of every face of a picture, best first: people (f,k), scores (f,k) on the one-template
    scale.

    Where a face has fewer candidates, the person is −1 and the score −inf. templates (f,k): how many each of
    them has. point: the operating point; None when uncalibrated.
    """

    people: Numbers
    scores: Floats
    templates: Numbers
    size: int
    point: OperatingPoint | None


def rank(
    searcher: Searcher,
    connection: Connection,
    reading: Reading,
    probes: Floats,
    calibration: Calibration | None,
    point: Callable[[int], OperatingPoint | None],
    most: int,
) -> Ranking:
    """The candidates of a reading's faces, without those they are marked not to be.

    probes (f,d): the faces' vectors, turned as the gallery's are. point: the operating point for so many.
    most: candidates that are asked for.
    """
    size = searcher.size(connection)
    found = searcher.search(connection, probes, most + len(probes) + DEPTH)
    numbers, inverse = np.unique(found.keys, return_inverse=True)
    templates = searcher.templates_of(connection, numbers)[inverse].reshape(found.keys.shape)
    scores = _single(calibration, found.scores, templates)
    out = barred(searcher, connection, reading, probes, found, calibration)
    scores = np.where(out | (found.keys < 0) | (templates == 0), LIKEST, scores).astype(np.float32)
    order = np.lexsort((found.keys, -scores), axis=1)
    people, scores = np.take_along_axis(found.keys, order, axis=1), np.take_along_axis(scores, order, axis=1)
    people = np.where(np.isfinite(scores), people, -1)
    return Ranking(people, scores, np.take_along_axis(templates, order, axis=1), size, point(size))


def without(ranking: Ranking, gone: Collection[int]) -> Ranking:
    """The ranking without these people, who are not there any more."""
    if not gone:
        return ranking
    struck = np.where(np.isin(ranking.people, list(gone)), LIKEST, ranking.scores)
    order = np.argsort(-struck, axis=1, kind="stable")
    scores = np.take_along_axis(struck, order, axis=1).astype(np.float32)
    people = np.where(np.isfinite(scores), np.take_along_axis(ranking.people, order, axis=1), -1)
    templates = np.take_along_axis(ranking.templates, order, axis=1).astype(np.int64)
    return replace(ranking, people=people, scores=scores, templates=templates)


def assign(ranking: Ranking) -> NDArray[np.int64]:
    """(f,) which of its candidates each face is: a column, or −1 where it is nobody.

    Only candidates at or above the review threshold count; without a calibration, nobody is anybody.
    """
    chosen = np.full(len(ranking.scores), -1, np.int64)
    if ranking.point is None:
        return chosen
    gain = ranking.scores - ranking.point.review_similarity
    rows, columns = np.nonzero(gain >= 0)
    if not len(rows):
        return chosen
    people, which = np.unique(ranking.people[rows, columns], return_inverse=True)
    faces, row = np.unique(rows, return_inverse=True)
    # A little more than nothing, so that a face exactly at the threshold is still somebody.
    worth = np.zeros((len(faces), len(people) + len(faces)))
    worth[row, which] = gain[rows, columns] + 1e-6
    _, taken, _ = lap.lapjv(-worth, extend_cost=True)
    for face, person in zip(faces, taken, strict=True):
        if person < len(people):
            found = np.flatnonzero((ranking.people[face] == people[person]) & (gain[face] >= 0))
            chosen[face] = found[0] if len(found) else -1
    return chosen


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a face is. column: of its candidate in the ranking; −1 where it is nobody. note: what weakens it."""

    column: int
    verdict: SearchVerdict
    note: str


def judge(ranking: Ranking, reading: Reading, calibration: Calibration | None) -> list[Judgement]:
    """The verdict on every face of a reading."""
    if not ranking.size:
        return [Judgement(-1, "unknown", "the gallery is empty")] * len(reading)
    if calibration is None or ranking.point is None:
        return [Judgement(-1, "uncalibrated", UNCALIBRATED)] * len(reading)
    return [
        _judged(ranking, ranking.point, face, int(column), reading.quality.reasons[face])
        for face, column in enumerate(assign(ranking))
    ]


def _judged(
    ranking: Ranking, point: OperatingPoint, face: int, column: int, reasons: tuple[str, ...]
) -> Judgement:
    if column < 0:
        taken = ranking.scores[face].max(initial=LIKEST) >= point.review_similarity
        return Judgement(-1, "unknown", "the best candidate is another face here" if taken else "")
    doubts = [f"low quality: {', '.join(reasons)}"] if reasons else []
    doubts += ["a second choice: the best candidate is another face here"] if column else []
    sure = ranking.scores[face, column] >= point.similarity and not doubts
    return Judgement(column, "known" if sure else "review", "; ".join(doubts))


def stands_on(ranking: Ranking, face: int, column: int, calibration: Calibration | None) -> str:
    """What has to be said of the threshold, and of the score of a face's candidate."""
    if calibration is None or ranking.point is None or not ranking.scores.shape[1]:
        return ""
    fused = fused_note(calibration, int(ranking.templates[face, max(column, 0)]))
    return joined(ranking.point.note, fused)


def joined(*notes: str) -> str:
    """The notes that say something, one after the other."""
    return "; ".join(note for note in notes if note)


def _single(calibration: Calibration | None, scores: Floats, templates: Numbers) -> Floats:
    if calibration is None or not scores.size:
        return scores
    flat = [as_single(calibration, row, counts) for row, counts in zip(scores, templates, strict=True)]
    return np.stack(flat).astype(np.float32)


def barred(
    searcher: Searcher,
    connection: Connection,
    reading: Reading,
    probes: Floats,
    found: Found,
    calibration: Calibration | None,
) -> NDArray[np.bool_]:
    """(f,k) which candidates a face is marked not to be."""
    out = _like_a_marked_face(searcher, connection, probes, found, calibration)
    return out | _marked_here(searcher, connection, reading, found)


def _like_a_marked_face(
    searcher: Searcher, connection: Connection, probes: Floats, found: Found, calibration: Calibration | None
) -> NDArray[np.bool_]:
    """Which candidates have a marked face that the face is alike, and more so than the person."""
    barred = np.zeros(found.keys.shape, np.bool_)
    level = calibration.threshold(DEFAULT_FMR) if calibration else LIKEST
    for number, vectors in searcher.marks_of(connection, _numbers(found)).items():
        rows, columns = np.nonzero(found.keys == number)
        likest = (probes[rows] @ vectors.T).max(axis=1)
        barred[rows, columns] = (likest >= level) & (likest >= found.scores[rows, columns])
    return barred


def _marked_here(
    searcher: Searcher, connection: Connection, reading: Reading, found: Found
) -> NDArray[np.bool_]:
    """Which candidates a face is marked not to be as this very face of this very picture."""
    barred = np.zeros(found.keys.shape, np.bool_)
    for number, places in searcher.places_of(connection, _numbers(found)).items():
        boxes = [box for picture, box in places if picture == reading.sha256]
        here = [any(same_place(box_text(each), box) for box in boxes) for each in reading.faces.boxes]
        barred |= (found.keys == number) & np.array(here, np.bool_)[:, None]
    return barred


def _numbers(found: Found) -> list[int]:
    return [int(number) for number in np.unique(found.keys) if number >= 0]
