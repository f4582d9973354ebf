"""The queue of faces that were perhaps somebody: shown, confirmed or rejected by a person who looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mien.errors import InputError
from mien.gallery.answers import Match, Review
from mien.gallery.boxes import box_of, same_place
from mien.gallery.desk import Desk
from mien.gallery.enrol import require_one_face, template_values
from mien.gallery.log import Change
from mien.gallery.store import faces, people
from mien.gallery.store.schema import marks, reviews, templates
from mien.gallery.store.store import Row
from mien.values import Reading

MARKED = ("person", "bundle", "aligner", "transform", "picture", "box", "created")
ENROLLED = (*MARKED, "quality")


def queue(desk: Desk, reading: Reading, matches: Sequence[Match]) -> int:
    """Keep the faces whose verdict is *review* for somebody to look at; how many were new to the queue."""
    waiting = [match for match in matches if match.verdict == "review" and match.id]
    if not waiting:
        return 0
    with desk.change() as change:
        added = sum(_queued(desk, change, reading, match) for match in waiting)
        change.record("queue", [match.id for match in waiting if match.id], added)
    return added


def _queued(desk: Desk, change: Change, reading: Reading, match: Match) -> int:
    row = desk.find(change.connection, match.id or "")
    if row is None:  # forgotten meanwhile
        return 0
    one = reading[match.face]
    values = template_values(desk, row.id, row.uid, one, one.quality.reasons[0], "reviews.vector")
    if faces.waits(change.connection, row.id, values["picture"], values["box"]):
        return 0
    source = desk.vault.close("reviews.source", row.uid, reading.source.encode("utf-8", "replace"))
    faces.add(
        change.connection, reviews, {**values, "score": match.score, "fpir": match.score_fpir, "source": source}
    )
    return 1


def waiting(desk: Desk) -> list[Review]:
    """Everything in the queue, oldest first."""
    with desk.read() as connection:
        rows = faces.every(connection, reviews)
        owners = people.by_numbers(connection, sorted({row.person for row in rows}))
    return [_review(desk, row, owners[row.person]) for row in rows]


def _review(desk: Desk, row: Row[Any], owner: Row[Any]) -> Review:
    source = desk.vault.value(row, "reviews.source", owner.uid).decode()
    return Review(
        number=row.id,
        person=desk.name(owner),
        id=owner.uid,
        score=row.score,
        fpir=row.fpir,
        source=source,
        picture=row.picture,
        box=box_of(row.box),
        created=row.created,
    )


def confirm(desk: Desk, number: int) -> None:
    """It is that person: the face becomes one more of their templates."""
    with desk.change() as change:
        row, owner = _taken(desk, change, number)
        if desk.vault.origin is None or (row.bundle, row.aligner) != desk.vault.origin.digests:
            raise InputError(f"review {number}: of the model before this one; reject it, and search anew")
        moved = _resealed(desk, row, owner, "templates.vector")
        kept = {name: getattr(row, name) for name in ENROLLED}
        faces.add(change.connection, templates, {**kept, "reasons": row.reasons, **moved})
        drop_overruled(change, row.person)
        faces.note_change(change.connection, row.person)
        change.record("confirm", [owner.uid])


def drop_overruled(change: Change, number: int) -> None:
    """Marks that a person is not a face which is now one of their own templates."""
    mine = faces.of_person(change.connection, templates, number)
    for each in faces.of_person(change.connection, marks, number):
        if any(own.picture == each.picture and same_place(own.box, each.box) for own in mine):
            faces.remove(change.connection, marks, each.id)


def reject(desk: Desk, number: int) -> None:
    """It is not that person: the face is marked so, and will not be taken for them again."""
    with desk.change() as change:
        row, owner = _taken(desk, change, number)
        kept = {name: getattr(row, name) for name in MARKED}
        faces.add(change.connection, marks, {**kept, **_resealed(desk, row, owner, "marks.vector")})
        faces.note_change(change.connection, row.person)
        change.record("reject", [owner.uid])


def mark(desk: Desk, who: str, reading: Reading) -> None:
    """The one face of a reading is not this person, however alike. UnknownPersonError; InputError for
    several.
    """
    require_one_face(reading)
    with desk.change() as change:
        desk.vault.require(reading.embeddings)
        row = desk.require(change.connection, who)
        values = template_values(desk, row.id, row.uid, reading, (), "marks.vector")
        faces.add(
            change.connection, marks, {k: v for k, v in values.items() if k not in ("quality", "reasons")}
        )
        faces.note_change(change.connection, row.id)
        change.record("mark", [row.uid])


def _taken(desk: Desk, change: Change, number: int) -> tuple[Row[Any], Row[Any]]:
    """A row of the queue, which leaves it, and the person it may be."""
    row = faces.one(change.connection, reviews, number)
    if row is None:
        raise InputError(f"review {number}: nothing with this number waits; `mien review list` shows what does")
    faces.remove(change.connection, reviews, number)
    return row, people.by_numbers(change.connection, [row.person])[row.person]


def _resealed(desk: Desk, row: Row[Any], owner: Row[Any], place: str) -> dict[str, Any]:
    plain = desk.vault.value(row, "reviews.vector", owner.uid)
    return {"vector": desk.vault.close(place, owner.uid, plain), "data_key": desk.vault.data_key}
