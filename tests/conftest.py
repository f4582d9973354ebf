"""What every test may ask for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mien.recognition.recognizer import Recognizer
from mien.values import Pixels

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real pictures and weights beside the project; tests that want them skip where they are absent."""
    if not SHARED.is_dir():
        pytest.skip("needs the shared data folder (../shared/data), absent here")
    return SHARED


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Starter bundles are built anew for each run of the tests, and the user's own cache is left alone."""
    before = os.environ.get("MIEN_CACHE")
    os.environ["MIEN_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    os.environ.pop("MIEN_CACHE")
    if before is not None:
        os.environ["MIEN_CACHE"] = before


@pytest.fixture(scope="session", autouse=True)
def _own_keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Galleries' signing keys of the tests go away with them; no key of the user's is looked at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIEN_KEYS", str(tmp_path_factory.mktemp("keys")))
        for name in ("MIEN_GALLERY", "MIEN_GALLERY_KEY", "MIEN_GALLERY_KEY_FILE"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a real PostgreSQL server, which carries pgvector."""
    from databases import postgres_server

    with postgres_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The place of an empty gallery, once in a SQLite file and once in PostgreSQL."""
    if request.param == "sqlite":
        return str(tmp_path / "people.db")
    from databases import new_database

    return new_database(request.getfixturevalue("postgres"))


@pytest.fixture(scope="session")
def portrait() -> Pixels:
    """The public-domain portrait that scikit-image carries: one face, (512,512,3) uint8 RGB."""
    from skimage.data import astronaut

    pixels: Pixels = astronaut()
    return pixels


@pytest.fixture(scope="session")
def recognizer() -> Recognizer:
    """The starter road, on two threads."""
    return Recognizer.load(threads=2)


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """Eight people with four picture files each, a folder a person; people.py says what they are good for."""
    from people import write_people

    return write_people(tmp_path_factory.mktemp("people"))
