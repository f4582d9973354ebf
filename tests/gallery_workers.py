"""Processes that use a gallery and may be killed at any moment, and what they leave behind.

Run as a script, this is a nursery: for each order on its standard input it forks a child that carries the order
out and says on the common standard output what is done, line by line, once it is done. Forked children start in
a millisecond, where an interpreter takes a second.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, Self

from galleries import of_person, opened, picture
from sqlalchemy import insert, text

from mien.errors import StoreError
from mien.gallery.enrol import name_values, template_values
from mien.gallery.gallery import Gallery
from mien.gallery.protection.keys import MainKey
from mien.gallery.protection.scan import Search
from mien.gallery.store import faces, people
from mien.gallery.store.schema import changes, templates
from mien.gallery.vault import Origin

READY, GONE, FAILED = "ready", "gone", "failed"
NOBODY = 65534  # a user without rights
LET_PASS = ("looks-like-another", "unlike")  # among so many made people, some are


def name_of(number: int) -> str:
    """A name that is part of no other."""
    return f"Quirin-{number:05}-Abendroth"


class Nursery:
    """The parent's side: one child at a time."""

    def __init__(self) -> None:
        settings = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen([sys.executable, __file__], text=True, env=settings, **pipes)
        self._child = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            if self._child:
                os.kill(self._child, signal.SIGKILL)
        self._process.communicate(timeout=60)

    def start(self, task: str, **settings: Any) -> None:
        """Fork a child for a task."""
        self.say({"task": task, **settings})
        word, pid = self.hear().split()
        assert word == READY
        self._child = int(pid)

    def say(self, order: dict[str, Any]) -> None:
        """A line for the child."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def hear(self) -> str:
        """The child's next line; GONE when it has ended. AssertionError where it failed."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        assert line, "the nursery has ended"
        assert not line.startswith(FAILED), line.replace(" | ", "\n")
        return line

    def heard(self) -> list[str]:
        """All lines of the child, to its end."""
        lines = list(iter(self.hear, GONE))
        self._child = 0
        return lines

    def killed(self, after: float, *, at_work: bool = False) -> list[str]:
        """Kill the child after so many seconds, as `kill -9` does: what it had said before. at_work: they count
        from its first word.
        """
        first = [self.hear()] if at_work else []
        if first == [GONE]:
            self._child = 0
            return []
        time.sleep(after)
        with suppress(ProcessLookupError):  # it had nothing left to do
            os.kill(self._child, signal.SIGKILL)
        return first + self.heard()


def enrol(url: str, start: int, key: str = "") -> Iterator[str]:
    """Enrol people with two pictures each, from this number on."""
    with opened(url, key=_key(key)) as gallery:
        for number in range(start, start + 1_000_000):
            for seed in range(2):
                yield f"begun {number} {seed}"
                gallery.enroll(name_of(number), of_person(number, seed), allow=LET_PASS)
                yield f"enrolled {number} {seed}"


def forget(url: str, start: int, end: int, key: str = "") -> Iterator[str]:
    """Forget people, one after the other."""
    with opened(url, key=_key(key)) as gallery:
        for number in range(start, end):
            yield f"begun {number}"
            receipt = gallery.forget(name_of(number))
            yield f"forgotten {number} {receipt.state}"


def rotate(url: str, key: str) -> Iterator[str]:
    """Seal everything with a new data key."""
    with opened(url, key=_key(key)) as gallery:
        for rows in gallery.rotate():
            yield f"sealed {rows}"
        yield "finished"


def come_and_go(url: str, start: int, people: int, key: str = "") -> Iterator[str]:
    """Enrol people and forget each as soon as somebody is told to have seen them."""
    window = 4
    with opened(url, key=_key(key)) as gallery:
        for number in range(start, start + people + window):
            if number < start + people:
                gallery.enroll(name_of(number), of_person(number), allow=LET_PASS)
                yield f"enrolled {number}"
            if number >= start + window:
                seen = json.loads(sys.stdin.readline())["seen"]
                gallery.forget(name_of(seen))
                yield f"forgotten {seen}"


def search(url: str, key: str = "") -> Iterator[str]:
    """Say whom each picture asked for shows, until nobody is asked for."""
    with opened(url, key=_key(key)) as gallery:
        yield "open"
        while (number := json.loads(sys.stdin.readline())["find"]) is not None:
            (match,) = gallery.identify(of_person(number, 77))
            yield match.person or match.verdict


def create(url: str) -> Iterator[str]:
    """Make a gallery, or find one there; whose it is."""
    sys.stdin.readline()
    with opened(url) as gallery:
        yield gallery.info()["id"]


def fill(url: str, limit: int) -> Iterator[str]:
    """Enrol people until the database refuses, in files of so many bytes at most."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    with suppress(StoreError), opened(url) as gallery:
        for number in range(1_000_000):
            try:
                gallery.enroll(name_of(number), of_person(number), allow=LET_PASS)
            except StoreError as error:
                yield f"refused {error}"
                return
            yield f"enrolled {number}"


def as_nobody(url: str, keys: str) -> Iterator[str]:
    """Search and enrol as a user who has no rights of its own."""
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    os.environ["MIEN_KEYS"] = keys
    try:
        with opened(url, create=False) as gallery:
            yield f"found {gallery.identify(of_person(1, 77))[0].person}"
            try:
                gallery.enroll("new", of_person(50))
                yield "enrolled new"
            except StoreError as error:
                yield f"refused {error}"
    except StoreError as error:
        yield f"closed {error}"


TASKS: dict[str, Callable[..., Iterable[str]]] = {
    each.__name__: each for each in (enrol, forget, rotate, come_and_go, search, create, fill, as_nobody)
}


def _key(text: str) -> MainKey | None:
    return MainKey.from_text(text) if text else None


def main() -> None:
    for module in ("sqlite.pysqlite", "postgresql.psycopg"):  # loaded once, for every child
        with suppress(ImportError):
            import_module(f"sqlalchemy.dialects.{module}").dialect.import_dbapi()
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if not child:
            _say(f"{READY} {os.getpid()}")
            _work(**order)
        os.waitpid(child, 0)
        _say(GONE)


def _work(task: str, **settings: Any) -> NoReturn:
    try:
        for said in TASKS[task](**settings):
            _say(said)
    except BaseException:
        _say(f"{FAILED} {' | '.join(traceback.format_exc().splitlines())}")
    finally:
        os._exit(0)


def _say(line: str) -> None:
    """A line, whole: written at once."""
    os.write(sys.stdout.fileno(), f"{line}\n".encode())


def populate(gallery: Gallery, numbers: Sequence[int]) -> None:
    """Enrol these people with one picture each, in one transaction and without the gate."""
    desk = gallery._desk
    with desk.change() as change:
        readings = {number: of_person(number) for number in numbers}
        if desk.vault.origin is None:
            desk.vault = desk.vault.bound(change.connection, Origin.of(readings[numbers[0]].embeddings))
        about = {"consent": "unstated", "keep_crops": False, "created": "2026-01-01T00:00:00"}
        vectors = []
        for number, each in readings.items():
            uid = f"p_{number:016x}"
            named = {"uid": uid, **name_values(desk, uid, name_of(number), None), **about}
            vectors.append(template_values(desk, people.add(change.connection, named), uid, each, ()))
        change.connection.execute(insert(templates), vectors)
        change.connection.execute(insert(changes), [{"person": row["person"]} for row in vectors])
        change.record("populate", results=len(vectors))


def held(gallery: Gallery) -> dict[str, int]:
    """How many templates everybody has, by name, once every vector is seen to be the right one."""
    counts: dict[str, int] = {}
    desk = gallery._desk
    with desk.read() as connection:
        names = {row.id: desk.name(row) for row in connection.execute(text("SELECT * FROM people"))}
        for some in faces.vectors(
            connection, templates, desk.vault.origin.digests if desk.vault.origin else ("", "")
        ):
            vectors = desk.vault.turned_back(desk.vault.vectors("templates.vector", some))
            for row, vector in zip(some, vectors, strict=True):
                name = names[row.person]
                counts[name] = counts.get(name, 0) + 1
                wanted = picture(int(name.split("-")[1]), counts[name] - 1)
                assert abs(float(vector @ wanted) - 1) < 1e-5, name
    assert set(counts) == set(names.values())
    return counts


def require_sound(gallery: Gallery) -> None:
    """The database is whole, by its own check, and so is the audit log."""
    if gallery._desk.store.dialect.name == "sqlite":
        with closing(sqlite3.connect(gallery._desk.store.where)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    assert gallery.check_log() == []


def remains(gallery: Gallery, numbers: Iterable[int], pictures: int = 1) -> list[object]:
    """Where names or vectors of these people, as the model made them, stand in the database's files."""
    numbers = list(numbers)
    if not numbers:
        return []
    secrets = [picture(number, seed).tobytes() for number in numbers for seed in range(pictures)]
    search = Search.of(secrets, [name_of(number).encode() for number in numbers])
    return [hit for file in _files(gallery) for hit in search.file(file)]


def _files(gallery: Gallery) -> list[Path]:
    store = gallery._desk.store
    if files := store.dialect.files():
        return files
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CHECKPOINT"))
        base = Path(connection.execute(text("SHOW data_directory")).scalar_one()) / "base"
        number = connection.execute(text("SELECT oid FROM pg_database WHERE datname = current_database()"))
        return sorted((base / str(number.scalar_one())).iterdir())


if __name__ == "__main__":
    main()
