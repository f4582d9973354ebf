"""Several processes on one gallery: two enrol and forget, a third searches, and no answer is ever stale."""

from __future__ import annotations

import threading
from queue import Queue

import pytest
from galleries import opened
from gallery_workers import FAILED, GONE, Nursery, held, name_of, populate, remains, require_sound

pytestmark = pytest.mark.long
RESIDENTS = range(90_000, 90_050)  # who is there all the time
PEOPLE = {"sqlite": 400, "postgresql": 100}  # who come and go, of each process


def test_no_search_is_stale_while_two_enrol_and_forget(database: str) -> None:
    count = PEOPLE["postgresql" if database.startswith("postgres") else "sqlite"]
    with opened(database) as gallery:
        populate(gallery, RESIDENTS)
    said: Queue[tuple[Nursery, str]] = Queue()
    with Nursery() as one, Nursery() as two, Nursery() as searcher:
        searcher.start("search", url=database)
        assert searcher.hear() == "open"
        for start, nursery in ((0, one), (10_000, two)):
            nursery.start("come_and_go", url=database, start=start, people=count)
            threading.Thread(target=listen, args=(nursery, said), daemon=True).start()
        wrong, seen = [], 0
        while seen < 4 * count:
            nursery, line = said.get(timeout=60)
            assert not line.startswith(FAILED), line
            if line == GONE:
                continue
            word, number = line.split()[0], int(line.split()[1])
            found = asked(searcher, number)
            if (found == name_of(number)) != (word == "enrolled"):
                wrong.append(f"{line}, but {found}")
            if word == "enrolled":
                nursery.say({"seen": number})
            resident = RESIDENTS[seen % len(RESIDENTS)]
            if asked(searcher, resident) != name_of(resident):
                wrong.append(f"resident {resident} not found")
            seen += 1
        searcher.say({"find": None})
        assert searcher.heard() == []
    assert wrong == []
    with opened(database) as gallery:
        gallery.purge()
        require_sound(gallery)
        assert set(held(gallery)) == {name_of(number) for number in RESIDENTS}
        assert remains(gallery, [*range(count), *range(10_000, 10_000 + count)]) == []
        assert len(gallery.receipts()) == 2 * count


def listen(nursery: Nursery, said: Queue[tuple[Nursery, str]]) -> None:
    line = ""
    while line != GONE:
        try:
            line = nursery.hear()
        except AssertionError as error:
            line = f"{FAILED}: {error}"
        said.put((nursery, line))
        if line.startswith(FAILED):
            return


def asked(searcher: Nursery, number: int) -> str:
    searcher.say({"find": number})
    return searcher.hear()
