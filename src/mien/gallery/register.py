"""The register of people: who is there; renamed, merged, split, and given to who asks for their own data."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any

import numpy as np

from mien.errors import InputError
from mien.gallery.answers import Person, clean
from mien.gallery.boxes import box_of
from mien.gallery.desk import Desk
from mien.gallery.enrol import add_person, name_values, require_free
from mien.gallery.log import Change
from mien.gallery.reviews import drop_overruled
from mien.gallery.store import audit, faces, people
from mien.gallery.store.schema import crops, marks, reviews, templates
from mien.gallery.store.store import Connection, Row, Table
from mien.gallery.vault import now


def listed(desk: Desk) -> list[Person]:
    """Everybody, oldest first."""
    with desk.read() as connection:
        return [desk.person(row) for row in people.every(connection)]


def one(desk: Desk, who: str) -> Person:
    """The person with this id, name or reference. UnknownPersonError."""
    with desk.read() as connection:
        return desk.person(desk.require(connection, who))


def holds(desk: Desk, name: str, sha256: str) -> bool:
    """Whether a picture is enrolled as this person already."""
    with desk.store.read() as connection:
        row = desk.find(connection, name)
        return row is not None and any(each.person == row.id for each in faces.from_picture(connection, sha256))


def held(desk: Desk, who: str) -> list[dict[str, Any]]:
    """Number, day, quality, allowed reasons and picture of each of a person's templates."""
    with desk.read() as connection:
        rows = faces.of_person(connection, templates, desk.require(connection, who).id)
    names = ("created", "quality", "reasons", "picture", "box", "bundle", "aligner")
    return [{"number": row.id, **{name: getattr(row, name) for name in names}} for row in rows]


def rename(desk: Desk, who: str, name: str) -> Person:
    """The same person under another name. InputError where somebody has it."""
    name = clean("name", name)
    with desk.change() as change:
        row = desk.require(change.connection, who)
        require_free(desk, change, name, row)
        values = name_values(desk, row.uid, name, desk.person(row).reference)
        people.change(change.connection, row.id, **values)
        faces.note_change(change.connection, row.id)
        change.record("rename", [row.uid])
        return desk.person(desk.require(change.connection, row.uid))


def merge(desk: Desk, into: str, other: str) -> Person:
    """Two entries that are one person: all of `other` goes to `into`, whose name, id and consent stay.

    The earlier of the two last days counts; kept crops go where the consent that stays does not allow them.
    """
    with desk.change() as change:
        mine, theirs = (desk.require(change.connection, who) for who in (into, other))
        if mine.id == theirs.id:
            raise InputError(f"{into} and {other} are the same entry; two are wanted")
        for table in (templates, marks):
            for row in faces.of_person(change.connection, table, theirs.id):
                _move(desk, change, table, row, theirs, mine)
        gone = faces.remove_of(change.connection, theirs.id)
        people.remove(change.connection, theirs.id)
        _settle(change, mine, theirs)
        drop_overruled(change, mine.id)
        for number in (mine.id, theirs.id):
            faces.note_change(change.connection, number)
        change.record("merge", [mine.uid, theirs.uid], 1 + gone["reviews"])
        return desk.person(desk.require(change.connection, mine.uid))


def split(desk: Desk, who: str, numbers: Iterable[int], name: str) -> Person:
    """One entry that is two people: these templates (by number) become a new person's. The consent is copied.

    InputError where a number is none of the person's, or where nothing would be left.
    """
    name, wanted = clean("name", name), set(numbers)
    with desk.change() as change:
        row = desk.require(change.connection, who)
        rows = faces.of_person(change.connection, templates, row.id)
        strange = sorted(wanted - {each.id for each in rows})
        if strange or not wanted or len(wanted) == len(rows):
            held = ", ".join(str(each.id) for each in rows)
            raise InputError(f"{who} has the templates {held}: name some of them, and not all")
        require_free(desk, change, name, None)
        new = _copied(desk, change, row, name)
        for each in rows:
            if each.id in wanted:
                _move(desk, change, templates, each, row, new)
        for number in (row.id, new.id):
            faces.note_change(change.connection, number)
        change.record("split", [row.uid, new.uid], len(wanted))
        return desk.person(desk.require(change.connection, new.uid))


def export(desk: Desk, who: str) -> dict[str, Any]:
    """What the gallery holds of a person, as JSON has it (GDPR, articles 15 and 20).

    Faces that are marked as not theirs are somebody else's, so only their places are given. Vectors are as
    the model made them, without the gallery's secret turn; crops are JPEG files in base64.
    """
    with desk.read() as connection:
        row = desk.require(connection, who)
        person = desk.person(row)
        found = {
            "templates": [
                _exported(desk, each, row) for each in faces.of_person(connection, templates, row.id)
            ],
            "crops": _exported_crops(desk, connection, row),
            "not_this_person": [_place(each) for each in faces.of_person(connection, marks, row.id)],
            "in_review": [_reviewed(desk, each, row) for each in faces.of_person(connection, reviews, row.id)],
            "log": [_logged(each) for each in audit.about(connection, row.uid)],
        }
    desk.log.record("export", [row.uid])
    consent = {
        "basis": person.consent.basis,
        "keep_crops": person.consent.keep_crops,
        "until": person.consent.until.isoformat() if person.consent.until else None,
    }
    about = {"id": person.id, "name": person.name, "reference": person.reference, "created": person.created}
    return {"exported": now(), "gallery": desk.vault.uid, "person": {**about, "consent": consent}, **found}


def _exported(desk: Desk, row: Row[Any], owner: Row[Any]) -> dict[str, Any]:
    plain = desk.vault.value(row, "templates.vector", owner.uid)
    vector = np.frombuffer(plain, "<f4").astype(np.float32)
    if desk.vault.origin and (row.bundle, row.aligner) == desk.vault.origin.digests:
        vector = desk.vault.turned_back(vector[None])[0]
    made = {"bundle": row.bundle, "aligner": row.aligner, "quality": row.quality, "reasons": row.reasons}
    return {"number": row.id, **_place(row), **made, "vector": [round(float(v), 7) for v in vector]}


def _exported_crops(desk: Desk, connection: Connection, owner: Row[Any]) -> list[dict[str, Any]]:
    numbers = [row.id for row in faces.of_person(connection, templates, owner.id)]
    kept = faces.crops_of(connection, numbers)
    opened = {n: desk.vault.value(r, "crops.image", owner.uid) for n, r in kept.items()}
    return [{"template": number, "jpeg": base64.b64encode(image).decode()} for number, image in opened.items()]


def _reviewed(desk: Desk, row: Row[Any], owner: Row[Any]) -> dict[str, Any]:
    source = desk.vault.value(row, "reviews.source", owner.uid).decode()
    return {**_place(row), "source": source, "score": row.score, "fpir": row.fpir}


def _place(row: Row[Any]) -> dict[str, Any]:
    return {"picture_sha256": row.picture, "box": box_of(row.box), "created": row.created}


def _logged(row: Row[Any]) -> dict[str, Any]:
    return {"at": row.at, "action": row.action, "by": row.actor, "people": len(json.loads(row.people))}


def _move(desk: Desk, change: Change, table: Table, row: Row[Any], old: Row[Any], new: Row[Any]) -> None:
    """Give a template (with its crop) or a mark to another person: what is sealed is bound to its owner."""
    vault, place = desk.vault, f"{table.name}.vector"
    vector = vault.close(place, new.uid, vault.value(row, place, old.uid))
    faces.change(change.connection, table, row.id, person=new.id, vector=vector, data_key=vault.data_key)
    kept = faces.crops_of(change.connection, [row.id]) if table is templates else {}
    for crop in kept.values():
        if not new.keep_crops:
            faces.remove(change.connection, crops, row.id)
            continue
        image = vault.value(crop, "crops.image", old.uid)
        sealed = vault.close("crops.image", new.uid, image)
        faces.change(change.connection, crops, row.id, image=sealed, data_key=vault.data_key)


def _settle(change: Change, mine: Row[Any], theirs: Row[Any]) -> None:
    days = [day for day in (mine.until, theirs.until) if day is not None]
    people.change(change.connection, mine.id, until=min(days, default=None))


def _copied(desk: Desk, change: Change, row: Row[Any], name: str) -> Row[Any]:
    number, _ = add_person(desk, change, name, None, desk.person(row).consent)
    return people.by_numbers(change.connection, [number])[number]
