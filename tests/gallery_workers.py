"""Processes that work on a gallery until they are killed: python gallery_workers.py WORK URL FIRST [SEED]

What a worker has done it says on a line of its own, after the call returned: from then on it must hold.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from galleries import of_person, opened

from mien.gallery.gallery import Gallery

MANY = 100_000


def enrol(gallery: Gallery, first: int) -> None:
    """One new person after the other, with two pictures each."""
    for number in range(first, first + MANY):
        for seed in (0, 1):
            gallery.enroll(f"person {number}", of_person(number, seed), allow=["looks-like-another", "unlike"])
            say(f"enrolled {number} {seed}")


def forget(gallery: Gallery, first: int) -> None:
    """One person after the other, by name."""
    for number in range(first, first + MANY):
        if f"person {number}" not in gallery:
            return
        gallery.forget(f"person {number}")
        say(f"forgotten {number}")


def come_and_go(gallery: Gallery, first: int) -> None:
    """Somebody new, and gone again after three more; ends when told to."""
    for turn in range(MANY):
        gallery.enroll(f"person {first + turn}", of_person(first + turn))
        say(f"enrolled {first + turn}")
        if not sys.stdin.readline():
            return
        if turn >= 3:
            gallery.forget(f"person {first + turn - 3}")
            say(f"forgotten {first + turn - 3}")
            if not sys.stdin.readline():
                return


def rotate(gallery: Gallery, _: int) -> None:
    """Seal everything anew, saying after each batch how many rows."""
    for rows in gallery.rotate():
        say(f"sealed {rows}")
    say("done 0")


WORK: dict[str, Callable[[Gallery, int], None]] = {
    "enrol": enrol,
    "forget": forget,
    "come-and-go": come_and_go,
    "rotate": rotate,
}


def say(line: str) -> None:
    """A line that is out before anything else happens."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    work, url, start = sys.argv[1:4]
    with opened(url) as held:
        say("ready 0")
        WORK[work](held, int(start))
