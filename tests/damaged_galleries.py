"""Galleries' files cut off and damaged in many ways, and what reading them comes to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from galleries import of_person, opened, picture, reading
from numpy.random import Generator

from mien.errors import KeyingError, OriginError, StoreError
from mien.gallery.protection.keys import MainKey

PAGE, SECTOR = 4096, 512  # bytes
PEOPLE = 60


def outcomes(folder: Path, numbers: Iterable[int], key: MainKey | None) -> Counter[tuple[str, str]]:
    """How reading ended, by way of damage: "right", "wrong", or the error of the gallery; others are raised.

    With a key the gallery is encrypted.
    """
    place = folder / "people.db"
    with opened(place, key=key, encrypt=key is not None) as gallery:
        for number in range(PEOPLE):
            gallery.enroll(f"person {number}", of_person(number), reference=f"book {number}")
    whole, truth = place.read_bytes(), _read(place, key)
    ended: Counter[tuple[str, str]] = Counter()
    for number in numbers:
        way = WAYS[number % len(WAYS)]
        damaged = folder / "damaged.db"
        for file in folder.glob("damaged.db*"):
            file.unlink()
        damaged.write_bytes(way(whole, np.random.default_rng(number)))
        try:
            found = "right" if _read(damaged, key) == truth else "wrong"
        except (StoreError, KeyingError, OriginError) as error:
            found = type(error).__name__
        except Exception as error:
            error.add_note(f"number {number}: {way.__name__}")
            raise
        ended[way.__name__, found] += 1
    return ended


def _read(place: Path, key: MainKey | None) -> list[Any]:
    """What somebody would ask of a gallery."""
    with opened(place, key=key, create=False) as gallery:
        numbers = range(0, PEOPLE, 3)
        matches = gallery.identify(reading(*(picture(number, 3) for number in numbers)))
        people = [(each.name, each.reference, each.templates) for each in gallery.people()]
        found = [gallery.person(f"book {number}").name for number in range(0, PEOPLE, 7)]
        return [people, found, [(match.person, match.verdict, round(match.score or 0, 4)) for match in matches]]


def cut(whole: bytes, random: Generator) -> bytes:
    return whole[: random.integers(len(whole))]


def flipped(whole: bytes, random: Generator) -> bytes:
    at = int(random.integers(len(whole)))
    return whole[:at] + bytes([whole[at] ^ 1 << int(random.integers(8))]) + whole[at + 1 :]


def zeroed(whole: bytes, random: Generator) -> bytes:
    return _put(whole, PAGE, int(random.integers(len(whole) // PAGE)), bytes(PAGE))


def sector_zeroed(whole: bytes, random: Generator) -> bytes:
    return _put(whole, SECTOR, int(random.integers(len(whole) // SECTOR)), bytes(SECTOR))


def sector_garbled(whole: bytes, random: Generator) -> bytes:
    return _put(whole, SECTOR, int(random.integers(len(whole) // SECTOR)), random.bytes(SECTOR))


def swapped(whole: bytes, random: Generator) -> bytes:
    """Two pages in each other's place."""
    one, two = (int(each) for each in random.choice(len(whole) // PAGE, 2, replace=False))
    first, second = (whole[at * PAGE : (at + 1) * PAGE] for at in (one, two))
    return _put(_put(whole, PAGE, one, second), PAGE, two, first)


def _put(whole: bytes, size: int, at: int, piece: bytes) -> bytes:
    return whole[: at * size] + piece + whole[(at + 1) * size :]


Way = Callable[[bytes, Generator], bytes]
WAYS: tuple[Way, ...] = (cut, flipped, zeroed, sector_zeroed, sector_garbled, swapped)
STRUCTURAL = ("cut", "zeroed", "swapped")  # damage that SQLite's own structure shows
