"""The search inside the database beside the one in memory: recall, milliseconds a query, seconds to build.

    python benchmarks/gallery_pgvector.py [--people 10000] [--dimension 128] [--queries 300] [--server URL]

A PostgreSQL with pgvector (the package pgserver's, unless a server is named: a database is made on it and
stays) gets made people like faces (gallery_people.py) with one template each. The truth is the exact cosine,
taken in memory. A query is one probe; all ways search it in turns, so that what else the machine does falls on
all alike. The graph is made however few people there are. Prints its figures; nothing is written.
"""

from __future__ import annotations

import argparse
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median

import gallery_people
import numpy as np
from gallery_people import Array
from sqlalchemy import create_engine, insert

from mien.gallery import in_database
from mien.gallery.gallery import Gallery
from mien.gallery.in_database import InDatabase
from mien.gallery.index import Found, open_index
from mien.gallery.roster import Roster
from mien.gallery.store import faces, pgvector
from mien.gallery.store.schema import changes, people, templates
from mien.gallery.store.store import Connection, Store
from mien.gallery.vault import Origin, Vault, now

ORIGIN = ("b" * 64, "a" * 64)
TOP = 33  # candidates of a search for one face (mien.gallery.search.DEPTH)


@contextmanager
def server() -> Iterator[str]:
    """pgserver's PostgreSQL, for as long as it is wanted."""
    import pgserver

    with tempfile.TemporaryDirectory(prefix="mien-pgvector-") as folder:
        running = pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            yield running.get_uri()
        finally:
            running.cleanup()


def database(url: str) -> str:
    """A new, empty database on a server."""
    name = f"mien{secrets.token_hex(4)}"
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return url.replace("/postgres?", f"/{name}?")


def fill(url: str, vectors: Array) -> None:
    """Everybody enrolled at once: rows as `Gallery.enroll` writes them, without its gate."""
    made = {"bundle": ORIGIN[0], "aligner": ORIGIN[1], "transform": 0, "quality": 1.0, "reasons": ""}
    plain = {"created": now(), "data_key": 0}
    where = {"picture": "0" * 64, "box": "0 0 9 9"}
    bare = {"consent": "", "keep_crops": False, **plain}
    persons, faces_of = [], []
    for number, vector in enumerate(vectors, 1):
        name = b"%d" % number
        persons.append({"id": number, "uid": f"p_{number}", "name": name, "name_index": name, **bare})
        faces_of.append({"person": number, "vector": vector.tobytes(), **made, **where, **plain})
    with Gallery.open(url) as gallery, gallery._desk.store.write() as connection:
        gallery._desk.vault.bound(connection, Origin(*ORIGIN, vectors.shape[1]))
        connection.execute(insert(people), persons)
        connection.execute(insert(templates), faces_of)
        connection.execute(insert(changes), [{"person": each["id"]} for each in persons])


def timed(work: Callable[[], object]) -> float:
    """Seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_memory(connection: Connection, vault: Vault, kind: str) -> Roster:
    """The index in memory, as a gallery holds it."""
    roster = Roster(lambda size, count: open_index(kind, size, people=count), vault)
    roster.refresh(connection, vault)
    return roster


def measure(store: Store, probes: Array) -> None:
    """Fill and build, then every way in turn."""
    with store.read() as connection:
        vault = Vault.open(connection)
    assert vault is not None
    held: list[InDatabase] = []
    print(f"made ready, graph included {timed(lambda: held.append(InDatabase.open(store, vault))):.2f} s")
    with store.read() as connection:
        exact, auto = (in_memory(connection, vault, kind) for kind in ("exact", "auto"))
        ways = {
            "in memory, exact": partial(exact.search, connection),
            f"in memory, {auto.held.index.name if auto.held else ''}": partial(auto.search, connection),
            "in the database": partial(held[0].search, connection),
        }
        report(ways, parts(connection), probes)
    print(f"rewritten after somebody was forgotten {timed(store.rewrite):.2f} s")


def parts(connection: Connection) -> dict[str, Callable[[Array], object]]:
    """What a search in the database is made of, and the way without the graph."""
    return {
        "  candidates by the graph": lambda probe: pgvector.nearest(connection, probe, TOP),
        "  candidates by looking at all": partial(by_all, connection),
        "  the newest change": lambda _: faces.newest_change(connection),
        "  who waits": lambda _: pgvector.waiting(connection),
        "  how many there are (once a change)": lambda _: pgvector.size(connection, ORIGIN),
    }


def by_all(connection: Connection, probe: Array) -> object:
    query = pgvector._nearest(pgvector.BY_ALL, probe.shape[1])
    return connection.execute(query, {"probes": [pgvector._written(probe[0])], "most": TOP}).all()


def report(
    ways: Mapping[str, Callable[..., Found]],
    steps: Mapping[str, Callable[[Array], object]],
    probes: Array,
) -> None:
    """Milliseconds of each, taken in turns; and what the first and the last of the ways found."""
    searches: dict[str, Callable[[Array], object]] = dict(steps)
    searches = {name: partial(search, most=TOP) for name, search in ways.items()} | searches
    spent: dict[str, list[float]] = {name: [] for name in searches}
    right = []
    for probe in np.split(probes, len(probes)):
        for name, search in searches.items():
            spent[name].append(1000 * timed(partial(search, probe)))
        truth, *_, found = (search(probe, TOP) for search in ways.values())
        same = np.isin(truth.keys[0], found.keys[0])
        right.append((same[0], same[:10].mean(), truth.scores[0, 0] == found.scores[0, 0]))
    for name, each in spent.items():
        print(f"{name:38}{median(each):8.2f} ms, quickest {min(each):.2f}")
    first, ten, bits = np.mean(right, axis=0)
    print(f"recall@1 {first:.4f}, recall@10 {ten:.4f}; best score the same to the last bit {bits:.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--dimension", type=int, default=128)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--server", metavar="URL")
    given = parser.parse_args()
    in_database.INDEXED = 0
    with tempfile.TemporaryDirectory(prefix="mien-people-") as folder:
        made = gallery_people.make(Path(folder) / "people", given.people, given.dimension)
        vectors, probes = np.load(made.folder / "vectors.npy"), np.load(made.folder / "probes.npy")
        if given.server:
            run(given.server, vectors, probes[: given.queries])
        else:
            with server() as url:
                run(url, vectors, probes[: given.queries])


def run(url: str, vectors: Array, probes: Array) -> None:
    place = database(url)
    fill(place, vectors)
    store = Store.open(place)
    try:
        print(f"{len(vectors):,} people × {vectors.shape[1]}, {len(probes)} probes")
        measure(store, probes)
    finally:
        store.close()


if __name__ == "__main__":
    main()
