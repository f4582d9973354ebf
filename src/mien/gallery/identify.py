"""The faces of a picture → who they are: what `Gallery.identify` and `Gallery.verify` answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from mien.bundle.calibration import DEFAULT_FMR
from mien.bundle.search import as_single, fused_note
from mien.errors import InputError
from mien.gallery.answers import Candidate, Match
from mien.gallery.desk import Desk
from mien.gallery.enrol import likeness, require_one_face, require_reading
from mien.gallery.index import Found
from mien.gallery.reviews import queue
from mien.gallery.search import (
    LIKEST,
    UNCALIBRATED,
    Judgement,
    Ranking,
    barred,
    joined,
    judge,
    rank,
    stands_on,
    without,
)
from mien.gallery.store import people
from mien.gallery.store.store import Row
from mien.values import Comparison, Reading

Rows = Mapping[int, Row[Any]]


@dataclass(frozen=True, slots=True)
class Search:
    """What is asked of a gallery: the rate, how many candidates to name, whether to queue what needs review."""

    fpir: float
    top: int = 0
    queue: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.fpir < 1:
            raise InputError(f"fpir={self.fpir}: a rate between 0 and 1 is wanted, like 1e-2")
        if self.top < 0:
            raise InputError(f"top={self.top}: how many candidates to name is 0 or more")


def identify(desk: Desk, reading: Reading, search: Search) -> list[Match]:
    """One match a face, in the reading's order."""
    require_reading(reading)
    with desk.read(searching=True) as connection:
        with desk.searcher.steady() as vault:
            vault.require(reading.embeddings)
            calibration = desk.calibration
            probes = vault.turned(reading.embeddings.vectors)
            point = partial(desk.point, fpir=search.fpir)
            ranking = rank(desk.searcher, connection, reading, probes, calibration, point, search.top)
        judged, rows = judge(ranking, reading, calibration), dict[int, Row[Any]]()
        # Memory may be ahead of this view of the database: who is not in it is nobody.
        while gone := (wanted := _shown(ranking, judged, search.top)) - set(rows):
            rows = {**rows, **people.by_numbers(connection, sorted(gone))}
            ranking = without(ranking, wanted - set(rows))
            judged = judge(ranking, reading, calibration)
    matches = [_match(desk, reading, i, ranking, each, rows, search) for i, each in enumerate(judged)]
    desk.log.record("identify", [match.id for match in matches if match.id], len(matches))
    if search.queue:
        queue(desk, reading, matches)
    return matches


def _shown(ranking: Ranking, judged: list[Judgement], top: int) -> set[int]:
    """The numbers of the people whose names are wanted."""
    chosen = [ranking.people[i, each.column] for i, each in enumerate(judged) if each.column >= 0]
    best = ranking.people[:, :top].ravel()
    return {int(number) for number in (*chosen, *best) if number >= 0}


def _match(
    desk: Desk, reading: Reading, face: int, ranking: Ranking, judged: Judgement, rows: Rows, search: Search
) -> Match:
    point = ranking.point
    who = rows.get(int(ranking.people[face, judged.column])) if judged.column >= 0 else None
    score = ranking.scores[face, max(judged.column, 0)] if ranking.scores.shape[1] else LIKEST
    seen = float(score) if np.isfinite(score) else None
    x1, y1, x2, y2 = (float(v) for v in reading.faces.boxes[face])
    return Match(
        face=face,
        box=(x1, y1, x2, y2),
        person=desk.name(who) if who is not None else None,
        id=who.uid if who is not None else None,
        verdict=judged.verdict,
        score=seen,
        fpir=search.fpir,
        score_fpir=point.fpir_at(seen) if point and seen is not None else None,
        basis=point.basis if point else "uncalibrated",
        fpir_high=point.fpir_high if point else None,
        candidates=_candidates(desk, ranking, face, rows, search.top),
        note=judged.note,
        basis_note=stands_on(ranking, face, judged.column, desk.calibration),
    )


def _candidates(desk: Desk, ranking: Ranking, face: int, rows: Rows, top: int) -> tuple[Candidate, ...]:
    best = zip(ranking.people[face, :top], ranking.scores[face, :top], strict=True)
    named = ((rows[int(number)], float(score)) for number, score in best if int(number) in rows)
    rate = ranking.point.fpir_at if ranking.point else lambda _: None
    return tuple(Candidate(desk.name(row), row.uid, score, rate(score)) for row, score in named)


def verify(desk: Desk, who: str, reading: Reading, fmr: float = DEFAULT_FMR) -> Comparison:
    """1:1 against an enrolled person: the reading of one face held against the mean of their templates.

    UnknownPersonError; InputError where it is not one face, or where the person has no template of this model.
    """
    require_one_face(reading)
    with desk.read(searching=True) as connection:
        desk.vault.require(reading.embeddings)
        row = desk.require(connection, who)
        probe = desk.vault.turned(reading.embeddings.vectors)
        similarity, count = likeness(desk, connection, probe, row.id)
        if not count:
            raise InputError(f"{who}: no template of the gallery's model is kept of this person")
        found = Found(np.array([[row.id]]), similarity.astype(np.float32))
        with desk.searcher.steady():
            marked = bool(barred(desk.searcher, connection, reading, probe, found, desk.calibration)[0, 0])
    desk.log.record("verify", [row.uid])
    return _compared(desk, float(similarity[0, 0]), count, reading, fmr, marked=marked)


def _compared(
    desk: Desk, similarity: float, count: int, reading: Reading, fmr: float, *, marked: bool
) -> Comparison:
    calibration, reasons = desk.calibration, reading.quality.reasons[0]
    weak = f"low quality: {', '.join(reasons)}" if reasons else ""
    if calibration is None:
        return Comparison(similarity, "uncalibrated", fmr, None, joined(UNCALIBRATED, weak))
    single = float(as_single(calibration, np.array([similarity], np.float32), np.array([count]))[0])
    answer = calibration.compare(single, fmr, note=joined(weak, fused_note(calibration, count)))
    if marked:
        return replace(
            answer, similarity=similarity, verdict="different", note="this face is marked as not them"
        )
    verdict = "review" if weak and answer.verdict == "same" else answer.verdict
    return Comparison(similarity, verdict, fmr, answer.score_fmr, answer.note)
