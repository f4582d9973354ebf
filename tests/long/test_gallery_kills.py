"""A gallery whose process is killed again and again at any moment: nothing is lost, nobody comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from galleries import opened
from gallery_kills import enrol_and_kill, forget_and_kill, kind
from gallery_workers import Nursery, held, name_of, populate, remains, require_sound
from sqlalchemy import Row, text

from mien.gallery.gallery import Gallery
from mien.gallery.protection.keys import MainKey
from mien.gallery.protection.scan import Search
from mien.gallery.rekey import BATCH

pytestmark = pytest.mark.long
KILLS = {"sqlite": 100, "postgresql": 25}


def test_what_is_acknowledged_is_there(database: str) -> None:
    kills = KILLS[kind(database)]
    people = enrol_and_kill(database, kills, seed=1)
    print(f"{kills} kills, {people} people enrolled")
    assert people > kills


def test_who_was_forgotten_does_not_come_back(database: str) -> None:
    kills = KILLS[kind(database)]
    forgotten, interrupted = forget_and_kill(database, kills, seed=2)
    print(f"{kills} kills, {forgotten} people forgotten, {interrupted} erasures interrupted")
    assert 0 < interrupted < forgotten
    assert forgotten > kills / 2


@pytest.mark.parametrize("before", ["plain", "encrypted"])
def test_a_rotation_of_ten_thousand_people_survives(tmp_path: Path, before: str) -> None:
    """Killed in the middle seven times, and gone on with; then nothing is left of the old key, or in plain."""
    rng, place, everybody = np.random.default_rng(3), str(tmp_path / "people.db"), range(10_000)
    key = MainKey.generate()
    with opened(place, key=key, encrypt=before == "encrypted") as gallery:
        populate(gallery, everybody)
        old = stored(gallery)
        assert (remains(gallery, everybody[:3]) != []) == (before == "plain")
    with Nursery() as nursery:
        lines: list[str] = []
        for _ in range(7):
            nursery.start("rotate", url=place, key=key.to_text())
            while nursery.hear() != f"sealed {BATCH}":
                pass
            lines = nursery.killed(rng.uniform(0, 0.4))
            assert "finished" not in lines
            with opened(place, key=key) as gallery:
                require_sound(gallery)
                assert len({row.data_key for row in keys(gallery)}) > 1  # it was in the middle
        nursery.start("rotate", url=place, key=key.to_text())
        lines = nursery.heard()
        assert lines[-1] == "finished"
    with opened(place, key=key) as gallery:
        require_sound(gallery)
        assert held(gallery) == {name_of(number): 1 for number in everybody}
        (used,) = keys(gallery)
        with gallery._desk.store.read() as connection:
            (secret,) = connection.execute(text("SELECT number FROM secrets WHERE purpose = 'data'")).all()
        assert (used.data_key, secret.number) == (gallery._desk.vault.data_key,) * 2
        assert remains(gallery, everybody) == []
        files = gallery._desk.store.dialect.files()
        assert [hit for file in files for hit in Search.of(old).file(file)] == []


def stored(gallery: Gallery) -> list[bytes]:
    """Vectors as they stand in the database."""
    with gallery._desk.store.read() as connection:
        return [bytes(row.vector) for row in connection.execute(text("SELECT vector FROM templates"))]


def keys(gallery: Gallery) -> list[Row[Any]]:
    """The data keys that rows are sealed with."""
    both = "SELECT data_key FROM people UNION SELECT data_key FROM templates"
    with gallery._desk.store.read() as connection:
        return list(connection.execute(text(both)))
