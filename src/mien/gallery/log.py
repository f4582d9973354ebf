"""The audit log: who did what, when, with how many results. One hash chain a writer, signed at its head.

A row's hash is the SHA-256 of the hash before it and of everything it says, so that a row changed, removed,
added or moved breaks the chain. The head of each chain is signed (Ed25519) with a key that does not stand in
the database. Rows name people by their random ids, never by name; there is no vector in them.

Searches are written in batches from a thread of its own, so that none waits for the database: a process that
is killed may lose its last second of them. Changes stand in the log in the same transaction as what they did.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import secrets
import threading
import weakref
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from mien.errors import StoreError
from mien.gallery.protection.signing import Signer, verify
from mien.gallery.store import audit
from mien.gallery.store.store import Connection, Row, Store
from mien.gallery.vault import now

PAUSE = 1.0  # seconds between batches
MOST_WAITING = 10_000  # rows; beyond that nothing is done that could not be written down
Entry = dict[str, Any]


@dataclass(slots=True)
class Change:
    """A transaction under way, and what of it goes into the log."""

    connection: Connection
    entries: list[Entry] = field(default_factory=list)

    def record(self, action: str, people: Sequence[str] = (), results: int = 1) -> None:
        """Say what was done. people: their ids."""
        self.entries.append(_entry(action, people, results))


class AuditLog:
    """The chain of one writer: this gallery object in this process."""

    def __init__(self, store: Store, uid: str, signer: Signer, actor: str | None = None) -> None:
        self._store, self._uid, self._signer, self._actor = store, uid, signer, actor or _user()
        self._begin()
        self._waiting: deque[Entry] = deque()
        self._lock = threading.RLock()
        self._wake, self._thread = threading.Event(), None  # type: threading.Event, threading.Thread | None
        self._finish = weakref.finalize(self, _stop, self._wake)

    def record(self, action: str, people: Sequence[str] = (), results: int = 1) -> None:
        """Note something to be written soon. StoreError where too much waits that could not be written."""
        if len(self._waiting) >= MOST_WAITING:
            raise StoreError(
                f"{len(self._waiting)} rows of the audit log could not be written; is the disk full?"
            )
        self._waiting.append(_entry(action, people, results))
        if self._thread is None:
            self._start()

    @contextmanager
    def change(self) -> Iterator[Change]:
        """A transaction as the only writer, with its rows of the log and those that wait."""
        with self._lock, self._written(ordered=True) as change:
            yield change

    def flush(self) -> None:
        """Write what waits. StoreError where the database refuses; then it goes on waiting."""
        with self._lock:
            if self._waiting:
                with self._written(ordered=False):
                    pass

    @contextmanager
    def _written(self, *, ordered: bool) -> Iterator[Change]:
        """A transaction, with its rows and those that wait at its end. Where it fails, they wait on."""
        waiting: list[Entry] = []
        end: tuple[int, bytes] | None = None
        try:
            with self._store.write(ordered=ordered) as connection:
                change = Change(connection)
                yield change
                waiting = self._taken()
                end = self._chained(connection, [*waiting, *change.entries])
        except BaseException:
            self._waiting.extendleft(reversed(waiting))
            if end is not None:  # perhaps it was written, and only the answer was lost: this chain is left
                self._begin()
            raise
        self._seq, self._hash = end or (self._seq, self._hash)

    def _begin(self) -> None:
        """A new chain."""
        self.writer = secrets.token_hex(16)
        self._seq, self._hash = 0, _first(self._uid, self.writer)

    def close(self) -> None:
        """Write what waits, and end."""
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        self.flush()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                work = (weakref.ref(self), self._wake)
                self._thread = threading.Thread(target=_write_on, args=work, name="mien-audit", daemon=True)
                self._thread.start()

    def _taken(self) -> list[Entry]:
        return [self._waiting.popleft() for _ in range(len(self._waiting))]

    def _chained(self, connection: Connection, entries: Sequence[Entry]) -> tuple[int, bytes]:
        seq, last, rows = self._seq, self._hash, []
        for entry in entries:
            seq += 1
            row = {"writer": self.writer, "seq": seq, "actor": self._actor, **entry}
            last = row_hash(last, row)
            rows.append({**row, "hash": last})
        if rows:
            signed = {"signature": self._signer.sign(_head(self.writer, seq, last))}
            head = {"writer": self.writer, "seq": seq, "hash": last, "signed_by": self._signer.public_text}
            audit.append(connection, rows, {**head, **signed})
        return seq, last


def _write_on(log: weakref.ref[AuditLog], wake: threading.Event) -> None:
    """Write what waits, again and again, for as long as there is a log."""
    stop = False
    while not stop:
        stop = wake.wait(PAUSE)
        there = log()
        if there is None:
            return
        with suppress(StoreError):  # it waits, and is said when too much does, or at the end
            there.flush()
        del there


def _stop(wake: threading.Event) -> None:
    wake.set()


def row_hash(previous: bytes, row: Mapping[str, Any]) -> bytes:
    """SHA-256 of the hash before and of what the row says."""
    words = [row[name] for name in ("writer", "seq", "at", "actor", "action", "people", "results")]
    return hashlib.sha256(previous + json.dumps(words, ensure_ascii=True).encode()).digest()


def check(uid: str, rows: Iterator[Row[Any]], heads: Sequence[Row[Any]], trusted: Collection[str]) -> list[str]:
    """What is wrong with a gallery's log, in words; empty where every chain is whole and its head is signed.

    trusted: the public keys whose signatures count; who can write to the database can sign with one of his own.
    """
    wanted = {head.writer: head for head in heads}
    ends: dict[str, tuple[int, bytes]] = {}
    wrong: list[str] = []
    for row in rows:
        seq, last = ends.get(row.writer, (0, _first(uid, row.writer)))
        found = row_hash(last, dict(row._mapping))
        if row.seq != seq + 1:
            wrong.append(f"chain {row.writer[:8]}: row {seq + 1} is missing")
        elif found != bytes(row.hash):
            wrong.append(f"chain {row.writer[:8]}: row {row.seq} was changed, or one before it was")
        ends[row.writer] = row.seq, bytes(row.hash)
    wrong += [problem for head in heads if (problem := _head_problem(head, ends.get(head.writer), trusted))]
    wrong += [f"chain {writer[:8]}: nobody signed it" for writer in ends if writer not in wanted]
    return wrong


def _head_problem(head: Row[Any], end: tuple[int, bytes] | None, trusted: Collection[str]) -> str:
    name = f"chain {head.writer[:8]}"
    if not verify(head.signed_by, _head(head.writer, head.seq, bytes(head.hash)), bytes(head.signature)):
        return f"{name}: its head was changed; the signature does not fit"
    if head.signed_by not in trusted:
        return f"{name}: signed by another key, {head.signed_by}; name it (--signed-by) if it is yours"
    if end is None or end[0] < head.seq:
        return f"{name}: rows after {end[0] if end else 0} are missing; {head.seq} were signed"
    if end != (head.seq, bytes(head.hash)):
        return f"{name}: its last row is not the one that was signed"
    return ""


def _first(uid: str, writer: str) -> bytes:
    """What the first row of a chain is bound to: its gallery and its writer."""
    return hashlib.sha256(f"{uid}/{writer}".encode()).digest()


def _head(writer: str, seq: int, last: bytes) -> bytes:
    return f"{writer}/{seq}/{last.hex()}".encode()


def _entry(action: str, people: Sequence[str], results: int) -> Entry:
    return {"at": now(), "action": action, "people": json.dumps(sorted(set(people))), "results": results}


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container without a name for its user
        return "unknown"


def state(heads: Sequence[Row[Any]]) -> dict[str, Any]:
    """How many chains and rows there are, and a digest over all heads."""
    whole = hashlib.sha256()
    for head in heads:
        whole.update(_head(head.writer, head.seq, bytes(head.hash)) + b"\n")
    return {"chains": len(heads), "rows": sum(head.seq for head in heads), "state": whole.hexdigest()}


def shown(row: Row[Any]) -> dict[str, Any]:
    """A row as people and programs read it."""
    names = ("at", "actor", "action", "results", "writer", "seq")
    return {**{name: getattr(row, name) for name in names}, "people": json.loads(row.people)}
