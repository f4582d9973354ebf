"""The gallery's database: opened, brought to this mien's schema, read and written in whole transactions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

from sqlalchemy import URL, Connection, Engine, Row, Table, inspect, make_url, text
from sqlalchemy.exc import ArgumentError

from mien.errors import InputError, StoreError
from mien.gallery.store.refusals import FOREIGN, plainly
from mien.gallery.store.schema import HEAD, VERSIONS, metadata

__all__ = ["Connection", "Row", "Store", "Table", "migrate", "parse"]

FOLDER = Path(__file__).parents[1] / "migrations"


class Dialect(Protocol):
    """What differs between the databases."""

    name: str

    def exists(self) -> bool:
        """Whether there is something to open."""
        ...

    def create(self) -> None:
        """Make it."""
        ...

    def engine(self) -> Engine:
        """Connections to it."""
        ...

    def begin_reading(self, connection: Connection) -> None:
        """Begin a transaction that sees one state of everything."""
        ...

    def begin_writing(self, connection: Connection, *, ordered: bool) -> None:
        """Begin a transaction that writes. ordered: as the only one, in order of commits."""
        ...

    def require_sound(self, engine: Engine) -> None:
        """StoreError where it is damaged, as far as that can be seen."""
        ...

    def files(self) -> list[Path]:
        """The files on this machine that hold it, where it is files on this machine."""
        ...

    def contents(self, engine: Engine) -> Iterator[bytes] | None:
        """The bytes of all its files, piece by piece; None where they may not be read."""
        ...

    def texts(self, connection: Connection) -> list[str]:
        """Texts of the database's own in its files, in which a name may stand by chance."""
        ...

    def erase(self, engine: Engine, *, now: bool = False) -> bool:
        """Make what was deleted unreadable in its files; False where that must wait."""
        ...

    def rewrite(self, engine: Engine, *, now: bool = True) -> bool:
        """Write every file anew; False where that must wait."""
        ...


@dataclass(frozen=True, slots=True)
class Store:
    """A gallery's database. `where` names it in messages, without any password."""

    where: str
    dialect: Dialect
    engine: Engine

    @classmethod
    def open(cls, url: str, *, create: bool = True) -> Self:
        """The database of a file's path or a URL, brought to this mien's schema.

        create: make it where there is none; else StoreError. StoreError, too, where a newer mien wrote it, or
        where it cannot be opened.
        """
        parsed = parse(url)
        where = parsed.database or url if parsed.drivername == "sqlite" else _shown(parsed)
        with plainly(where):
            dialect = _dialect(parsed)
            if not dialect.exists():
                if not create:
                    raise StoreError(f"{where}: there is no gallery here; `mien enroll` makes one")
                dialect.create()
            store = cls(where, dialect, dialect.engine())
            try:
                store._prepare(create)
            except BaseException:
                store.close()
                raise
        return store

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view of everything."""
        with plainly(self.where), self.engine.connect() as connection:
            self.dialect.begin_reading(connection)
            yield connection

    @contextmanager
    def write(self, *, ordered: bool = True) -> Iterator[Connection]:
        """All of the block, or nothing of it. ordered: as the only writer, so that changes are in order."""
        with plainly(self.where), self.engine.connect() as connection:
            self.dialect.begin_writing(connection, ordered=ordered)
            yield connection
            connection.commit()

    def erase(self, *, now: bool = False) -> bool:
        """Make what was deleted unreadable in the files; False where that must wait. now: however long it
        takes.
        """
        with plainly(self.where):
            return self.dialect.erase(self.engine, now=now)

    def rewrite(self, *, now: bool = True) -> bool:
        """Write every file anew, without anything that was deleted; False where that must wait."""
        with plainly(self.where):
            return self.dialect.rewrite(self.engine, now=now)

    def contents(self) -> Iterator[bytes] | None:
        """The bytes of all its files; None where they may not be read."""
        with plainly(self.where):
            pieces = self.dialect.contents(self.engine)
        return None if pieces is None else self._plainly(pieces)

    def _plainly(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        with plainly(self.where):
            yield from pieces

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def _prepare(self, create: bool) -> None:
        version = self._version()
        if version is None and not create:
            raise StoreError(f"{self.where}: no gallery is in this database; `mien enroll` makes one")
        if version is not None and version > HEAD:
            raise StoreError(
                f"{self.where}: written by a newer mien (schema {version}, this one knows {HEAD}); update mien"
            )
        if version != HEAD:
            migrate(self)
        self.dialect.require_sound(self.engine)

    def _version(self) -> str | None:
        with self.engine.connect() as connection:
            tables = set(inspect(connection).get_table_names())
            if VERSIONS not in tables:
                if tables & set(metadata.tables):
                    raise StoreError(f"{self.where}: {FOREIGN}")
                return None
            return connection.execute(text(f"SELECT version_num FROM {VERSIONS}")).scalar()


def parse(url: str) -> URL:
    """A path → a SQLite URL, postgresql:// → psycopg's. InputError for other databases."""
    if "://" not in url:
        return URL.create("sqlite", database=url)
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:  # the latter for a port that is no number
        raise InputError(f"this is no database's URL: {url.split('@')[-1].split('?')[0]}") from error
    name = DRIVERS.get(parsed.drivername)
    if name is None:
        raise InputError(f"{parsed.drivername}: unknown; a gallery is a file's path or {', '.join(DRIVERS)}")
    return parsed.set(drivername=name)


def _shown(url: URL) -> str:
    """The URL without any password."""
    return url.difference_update_query(["password", "sslpassword"]).render_as_string()


DRIVERS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}


def _dialect(url: URL) -> Dialect:
    if url.drivername == "sqlite":
        from mien.gallery.store.sqlite import Sqlite

        return Sqlite(url)
    from mien.gallery.store.postgres import Postgres

    return Postgres(url)


def migrate(store: Store, target: str = "head") -> None:
    """Bring the tables to `target`, step by step, all or nothing."""
    # Alembic is slow to import and rarely needed.
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    script = ScriptDirectory.from_config(config)

    def steps(revision: Any, _: object) -> list[Any]:
        return script._upgrade_revs(target, revision)

    with store.write() as connection, EnvironmentContext(config, script, fn=steps) as environment:
        environment.configure(connection=connection, version_table=VERSIONS, transactional_ddl=False)
        environment.run_migrations()
