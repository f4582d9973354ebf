"""A real PostgreSQL for tests: one server a session, an empty database for each test that asks."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine


@contextmanager
def postgres_server() -> Iterator[str]:
    """The URL of a running server; skips, by name, where pgserver is absent.

    Its files are in a folder of their own: as root it runs as another user, whom pytest's folders keep out.
    """
    folder = Path(tempfile.mkdtemp(prefix="mien-postgres-"))
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    pgserver = pytest.importorskip(
        "pgserver", reason="needs the package pgserver (PostgreSQL 16 with pgvector)"
    )
    server = pgserver.get_server(folder / "data", cleanup_mode="delete")
    try:
        # The power does not fail during a test.
        server.psql("ALTER SYSTEM SET fsync = off; ALTER SYSTEM SET full_page_writes = off;")
        server.psql("SELECT pg_reload_conf();")
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def new_database(server: str) -> str:
    """The URL of an empty database on the server."""
    name = f"t{secrets.token_hex(6)}"
    engine = create_engine(driven(server), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return server.replace("/postgres?", f"/{name}?")


def driven(url: str) -> str:
    """The URL with the driver that is tested."""
    return url.replace("postgresql://", "postgresql+psycopg://")
