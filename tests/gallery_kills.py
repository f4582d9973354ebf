"""What a gallery must come through whose process is killed, however often, at any moment."""

from __future__ import annotations

import numpy as np
from galleries import of_person, opened
from gallery_workers import Nursery, held, name_of, populate, remains, require_sound

# Seconds to live, from the start and from the first word in turn: some people are done, or it is not even open.
LONGEST = {"sqlite": 0.2, "postgresql": 0.4}


def kind(database: str) -> str:
    """Which database it is."""
    return "postgresql" if database.startswith("postgres") else "sqlite"


def enrol_and_kill(database: str, kills: int, seed: int) -> int:
    """Enrol until killed, again and again: what was acknowledged is there. How many people it came to."""
    rng = np.random.default_rng(seed)
    sure: dict[str, int] = {}
    begun: set[str] = set()
    number = 0
    with Nursery() as nursery:
        for life in range(kills):
            nursery.start("enrol", url=database, start=number)
            for line in nursery.killed(rng.uniform(0, LONGEST[kind(database)]), at_work=life % 2 > 0):
                word, who, picture = line.split()
                begun.add(name_of(int(who)))
                number = int(who) + 1
                if word == "enrolled":
                    sure[name_of(int(who))] = int(picture) + 1
            with opened(database) as gallery:
                require_sound(gallery)
                there = held(gallery)
            lost = {name for name in sure if there.get(name, 0) < sure[name]}
            assert lost == set()
            # What was under way may be there, as a whole, or not.
            assert set(there) <= begun
            assert sum(there.values()) - sum(sure.values()) <= 1
            sure = there
    return len(sure)


def forget_and_kill(database: str, kills: int, seed: int) -> tuple[int, int]:
    """Forget until killed, again and again: nobody comes back. How many were forgotten, and how many erasures
    were interrupted.
    """
    rng = np.random.default_rng(seed)
    number, interrupted, everybody = 0, 0, range(8 * kills)
    with opened(database) as gallery:
        populate(gallery, everybody)
        assert remains(gallery, everybody[:3])  # the search does find them while they are there
    with Nursery() as nursery:
        for life in range(kills):
            nursery.start("forget", url=database, start=number, end=len(everybody))
            lines = nursery.killed(rng.uniform(0, LONGEST[kind(database)]), at_work=life % 2 > 0)
            said = [line.split() for line in lines]
            begun = {int(who) for _, who, *_ in said}
            forgotten = {int(line[1]) for line in said if line[0] == "forgotten"}
            with opened(database) as gallery:
                there = held(gallery)
                gone = {each for each in begun if name_of(each) not in there}
                assert forgotten <= gone
                for each in gone:
                    assert gallery.identify(of_person(each, 1))[0].person != name_of(each)
                completed = gallery.purge()
                # Perhaps the receipt was written, and only the word of it was not said any more.
                assert len(completed) <= len(gone - forgotten)
                interrupted += len(completed)
                assert remains(gallery, gone) == []
                require_sound(gallery)
                number = max(gone, default=number - 1) + 1
                assert set(there) == {name_of(each) for each in everybody[number:]}
    with opened(database) as gallery:
        assert remains(gallery, range(number)) == []
        assert [receipt.state for receipt in gallery.receipts()] == ["done"] * number
    return number, interrupted
