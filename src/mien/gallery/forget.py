"""Forgetting: a person's data removed from every table and every file, with a signed receipt that says so.

1. One transaction removes every row of the person, and notes that an erasure is under way. From here on
nobody finds them. An erasure that is interrupted here is completed by `purge`, or by the next one; since what
to look for went with the process, everything is then written anew.

2. The database is made to let go of the bytes: SQLite overwrites what is deleted and its log is emptied;
PostgreSQL's tables are rewritten.

3. The files are searched for what was removed. What is found after all leads to a rewrite of the whole file.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mien.errors import StoreError
from mien.gallery.answers import Receipt
from mien.gallery.boxes import same_place
from mien.gallery.desk import Desk
from mien.gallery.log import Change
from mien.gallery.protection.scan import SHORTEST, Search
from mien.gallery.protection.signing import sign_document
from mien.gallery.store import audit, erasures, faces, people
from mien.gallery.store.schema import marks, reviews, templates
from mien.gallery.store.store import Row
from mien.gallery.vault import now

INTERRUPTED = "what to look for went with an interruption; the whole database was written anew instead"
ABANDONED = datetime.timedelta(minutes=1)  # an erasure without a receipt for so long: its process has ended
PIECE, VARIED = 64, 40  # bytes of a kept picture looked for at a time; of which so many must differ
BEYOND = {
    "sqlite": ("copies and backups made before", "blocks that the disk has let go of, and its snapshots"),
    "postgresql": (
        "the write-ahead log until it is recycled",
        "copies, replicas and backups made before",
        "blocks that the disk has let go of, and its snapshots",
    ),
}


@dataclass(slots=True)
class Erasure:
    """One person's removal: how many rows of each kind went, and what to look for afterwards."""

    uid: str
    removed: dict[str, int]
    secrets: list[bytes] = field(default_factory=list, repr=False)
    words: list[bytes] = field(default_factory=list, repr=False)


def forget(desk: Desk, whom: Sequence[str]) -> list[Receipt]:
    """Forget these people (ids, names or references). UnknownPersonError, and nothing done, if one is
    unknown.
    """
    with desk.change() as change:
        rows = [desk.require(change.connection, who) for who in dict.fromkeys(whom)]
        gone = [_removed(desk, change, row) for row in {row.id: row for row in rows}.values()]
    with desk.read():
        pass  # the index lets go of their vectors now, not at the next search
    receipts = _completed(desk, gone)
    began = datetime.datetime.now(datetime.UTC) - ABANDONED
    with suppress(StoreError):  # what cannot be completed now waits on, and these people are forgotten
        complete(desk, interrupted=began.isoformat(timespec="microseconds"))
    return receipts


def purge(desk: Desk, today: datetime.date) -> list[Receipt]:
    """Forget everybody whose last day has passed, and complete what was interrupted."""
    with desk.read() as connection:
        past = [row.uid for row in people.past(connection, today)]
    return [*complete(desk), *(forget(desk, past) if past else [])]


def complete(desk: Desk, *, interrupted: str | None = None) -> list[Receipt]:
    """Finish erasures that were interrupted, or that had to wait for a rewrite of large tables; `interrupted`:
    the former only, begun before then, and again without such a rewrite.
    """
    with desk.read() as connection:
        rows = erasures.waiting(connection, interrupted=interrupted)
    gone = [Erasure(row.uid, json.loads(row.removed)) for row in rows]
    return _completed(desk, gone, at_once=interrupted is None, own=False) if gone else []


def receipts(desk: Desk) -> list[Receipt]:
    """Every receipt on record, oldest first."""
    with desk.read() as connection:
        rows = erasures.every(connection)
    return [_receipt(row.uid, json.loads(row.receipt)) for row in rows if row.receipt]


def _removed(desk: Desk, change: Change, row: Row[Any]) -> Erasure:
    erasure = Erasure(row.uid, {})
    _remember(desk, change, row, erasure)
    removed = _same_faces(change, row)
    for kind, count in faces.remove_of(change.connection, row.id).items():
        removed[kind] = removed.get(kind, 0) + count
    people.remove(change.connection, row.id)
    faces.note_change(change.connection, row.id)
    erasure.removed = {"people": 1, **removed}
    erasures.start(change.connection, row.uid, now(), json.dumps(erasure.removed))
    change.record("forget", [row.uid], sum(erasure.removed.values()))
    return erasure


def _remember(desk: Desk, change: Change, row: Row[Any], erasure: Erasure) -> None:
    """What must be in no file afterwards: vectors, crops and names, as they are and as they are stored."""
    vault = desk.vault
    for table in (templates, marks, reviews):
        for each in faces.of_person(change.connection, table, row.id):
            plain = vault.value(each, f"{table.name}.vector", row.uid)
            erasure.secrets += [plain, bytes(each.vector), *_as_made(desk, each, plain)]
    numbers = [each.id for each in faces.of_person(change.connection, templates, row.id)]
    for crop in faces.crops_of(change.connection, numbers).values():
        image = vault.value(crop, "crops.image", row.uid)
        erasure.secrets += [piece for whole in (image, bytes(crop.image)) for piece in _telling(whole)]
    person = desk.person(row)
    words = [person.name.encode(), (person.reference or "").encode(), bytes(row.name_index)]
    erasure.words += [word for word in words if len(word) >= SHORTEST]


def _as_made(desk: Desk, row: Row[Any], plain: bytes) -> list[bytes]:
    """The vector as the model made it, where the gallery's secret turn is known: it stood so before a
    renewal.
    """
    origin = desk.vault.origin
    if origin is None or (row.bundle, row.aligner) != origin.digests or row.transform != desk.vault.transform:
        return []
    vector = np.frombuffer(plain, "<f4")[None].astype(np.float32)
    return [desk.vault.turned_back(vector).astype("<f4").tobytes()]


def _telling(image: bytes) -> list[bytes]:
    """The parts of a file that no other has: not its head, nor the even places of a picture."""
    pieces = (image[start : start + PIECE] for start in range(0, len(image) - PIECE, PIECE))
    return [piece for piece in pieces if len(set(piece)) >= VARIED]


def _same_faces(change: Change, row: Row[Any]) -> dict[str, int]:
    """The person's own faces where they stand with others: as marks, or waiting for review."""
    removed: dict[str, int] = {}
    for mine in faces.of_person(change.connection, templates, row.id):
        for table in (marks, reviews):
            for other in faces.of_picture(change.connection, table, mine.picture):
                if other.person != row.id and same_place(mine.box, other.box):
                    removed[table.name] = removed.get(table.name, 0) + faces.remove(
                        change.connection, table, other.id
                    )
                    faces.note_change(change.connection, other.person)
    return removed


def _completed(
    desk: Desk, gone: Sequence[Erasure], *, at_once: bool = False, own: bool = True
) -> list[Receipt]:
    """The files emptied and searched, and the receipts. own: this process began these erasures."""
    store = desk.store
    known = any(erasure.secrets or erasure.words for erasure in gone)
    emptied = store.erase(now=at_once) if known else store.rewrite(now=at_once)
    searched = _searched(desk, gone) if emptied else {}
    if searched.get("found"):
        store.rewrite()
        searched = {**_searched(desk, gone), "rewritten": True}
    done = emptied and not searched.get("found")
    signed = [_signed(desk, erasure, searched, done=done, own=own) for erasure in gone]
    return [receipt for receipt in signed if receipt is not None]


def _searched(desk: Desk, gone: Sequence[Erasure]) -> dict[str, Any]:
    """What a search of every file for what was removed came to."""
    secrets = [secret for erasure in gone for secret in erasure.secrets]
    words = [word for erasure in gone for word in erasure.words]
    if not secrets and not words:
        return {"searched": False, "rewritten": True, "why": INTERRUPTED}
    pieces = desk.store.contents()
    if pieces is None:
        return {"searched": False, "why": "the database's role may not read the server's files"}
    counted = _Counted()
    hits = Search.of(secrets, words, allowed=_other_words(desk, words)).stream("database", counted.each(pieces))
    found = [hit for hit in hits if not hit.allowed]
    return {
        "searched": True,
        "bytes": counted.total,
        "values": len(secrets),
        "words": len(words),
        "found": len(found),
        "within_other_words": len(hits) - len(found),
    }


class _Counted:
    """How many bytes went by."""

    def __init__(self) -> None:
        self.total = 0

    def each(self, pieces: Any) -> Any:
        for piece in pieces:
            self.total += len(piece)
            yield piece


def _other_words(desk: Desk, words: Sequence[bytes]) -> list[bytes]:
    """What may be there and holds one of the words: other people's names, the log's words, the tables' own."""
    if not words:
        return []
    with desk.read() as connection:
        persons = [desk.person(row) for row in people.every(connection)]
        others = [*audit.words(connection), *erasures.texts(connection), *desk.store.dialect.texts(connection)]
    for each in persons:
        others += [text for text in (each.name, each.reference, each.consent.basis) if text]
    held = [text.encode() for text in others]
    return [text for text in held if any(word in text for word in words)]


def _signed(desk: Desk, erasure: Erasure, searched: dict[str, Any], *, done: bool, own: bool) -> Receipt | None:
    """The receipt, on record. None where the process that began the erasure has meanwhile come to its end."""
    name = desk.store.dialect.name
    bare = {
        "receipt": "erasure",
        "gallery": desk.vault.uid,
        "person": erasure.uid,
        "at": now(),
        "state": "done" if done else "pending",
        "removed": erasure.removed,
        "database": name,
        "check": searched,
        "out_of_reach": list(BEYOND[name]),
    }
    if not done:
        bare["to_do"] = "run `mien gallery purge` when nobody uses the gallery"
    document = sign_document(bare, desk.signer)
    with desk.log.change() as change:
        stands = erasures.finish(change.connection, erasure.uid, json.dumps(document), done=done, instead=own)
    return _receipt(erasure.uid, document) if stands else None


def _receipt(uid: str, document: dict[str, Any]) -> Receipt:
    return Receipt(uid, document["state"], document)
