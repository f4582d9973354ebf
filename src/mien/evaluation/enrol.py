"""Pictures → `Samples`: read each picture once, or take it from the cache, and choose its face."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.errors import FaceCountError, InputError
from mien.evaluation.cache import ReadingCache
from mien.evaluation.samples import Numbers, Samples
from mien.evaluation.study import Missed
from mien.files import read_bounded
from mien.images import find_pictures
from mien.images.picture import MAX_BYTES
from mien.progress import progress
from mien.values import FaceChoice, Failure, Floats, Reading, frozen_array

Source = Path | bytes
ReadMany = Callable[[Iterable[Source]], Iterator[Reading | Failure]]
Same = list[list[int]]  # rows of pictures whose bytes are the same

HASHERS = 4  # threads; most of their time is the disk's
HASH_TOGETHER = 64  # pictures a thread takes at a time, so that a hundred thousand make no queue


@dataclass(frozen=True, slots=True)
class Entry:
    """A picture to enrol: its name in the study, whose it is (None: nobody says), and where it comes from.

    Bytes of a file name that are no UTF-8 are written as \\udcXX in both, since a study is UTF-8.
    """

    name: str
    person: str | None
    source: Source

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", printable(self.name))
        if self.person is not None:
            object.__setattr__(self, "person", printable(self.person))


@dataclass(frozen=True, slots=True, eq=False)
class Enrolment:
    """What became of the pictures; row i of every array is one picture.

    boxes (n,4) float32: of the chosen face, pixels of the full picture; zeros where none was enrolled.
    low_quality: for each picture the reasons to doubt that face, worst first, empty where there is none.
    embedded, cached: different pictures read anew, and taken from the cache. identical: the names of pictures
    whose bytes are the same, which were read once. seconds: of it all.
    """

    samples: Samples
    boxes: Floats
    low_quality: tuple[tuple[str, ...], ...]
    embedded: int
    cached: int
    identical: tuple[tuple[str, ...], ...]
    seconds: float

    def __post_init__(self) -> None:
        n = len(self.samples)
        object.__setattr__(self, "boxes", frozen_array("boxes", self.boxes, n, 4))
        if len(self.low_quality) != n:
            raise InputError(f"{n} pictures want reasons each, not {len(self.low_quality)}")


def enrol(
    entries: Sequence[Entry],
    read_many: ReadMany,
    *,
    face: FaceChoice,
    bundle: str,
    aligner: str,
    dimension: int,
    cache: ReadingCache | None = None,
) -> Enrolment:
    """The vectors of the entries' pictures, in their order.

    read_many: a recogniser's, whose digests are `bundle` and `aligner` and whose vectors have `dimension`
    numbers. face: which one of several in a picture; with "only", such pictures are missed. Where no entry
    names a person, every picture is somebody of its own. InputError where only some name one, or where
    readings come from another model.
    """
    started = time.perf_counter()
    rows = _Rows(entries, dimension, face, (bundle, aligner))
    digests = _digests([entry.source for entry in entries])
    same = _same(digests)
    unread = _take_kept(cache, digests, same, rows)
    embedded = _read_anew(read_many, unread, rows, cache)
    return Enrolment(
        rows.samples(),
        rows.boxes,
        tuple(rows.reasons),
        embedded,
        len(same) - len(unread),
        tuple(tuple(entries[row].name for row in each) for each in same if len(each) > 1),
        time.perf_counter() - started,
    )


def people_in(folder: Path) -> list[Entry]:
    """The pictures in a folder of folders, one a person, sorted by name; deeper folders are that person's too.

    Hidden ones are left out, and so are pictures in the folder itself, which belong to nobody. InputError
    where there are fewer than two people.
    """
    named = sorted((path.relative_to(folder).as_posix(), path) for path in find_pictures([folder]))
    entries = [Entry(name, name.split("/")[0], path) for name, path in named if "/" in name]
    people = {entry.person for entry in entries}
    if not people:
        raise InputError(
            f"{folder}: the pictures lie directly in it; one folder a person is wanted, {folder}/Ann/1.jpg say"
        )
    if len(people) < 2:
        raise InputError(
            f"{folder}: all pictures are in the folder of one person, {entries[0].person!r}; "
            f"two people at least are wanted, a folder each"
        )
    return entries


def numbered(entries: Sequence[Entry]) -> tuple[Numbers, tuple[str, ...], bool]:
    """Each entry's person as a number, the people in that numbering, and whether the entries name people.

    People are sorted. InputError where some entries name a person and some do not.
    """
    named = [entry.person for entry in entries if entry.person is not None]
    if not named:
        return np.arange(len(entries), dtype=np.int32), tuple(entry.name for entry in entries), False
    if len(named) < len(entries):
        nobody = next(entry.name for entry in entries if entry.person is None)
        raise InputError(f"{nobody}: whose picture is it? Either every picture names its person, or none does")
    people = tuple(sorted(set(named)))
    numbers = {person: number for number, person in enumerate(people)}
    return np.array([numbers[person] for person in named], np.int32), people, True


def printable(text: str) -> str:
    """The text with what is no UTF-8 (bytes of an odd file name) spelt out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _digests(sources: Sequence[Source]) -> list[str | None]:
    batches = [sources[start : start + HASH_TOGETHER] for start in range(0, len(sources), HASH_TOGETHER)]
    with ThreadPoolExecutor(HASHERS, thread_name_prefix="mien") as pool:
        hashed = pool.map(lambda batch: [_digest(source) for source in batch], batches)
        return [digest for batch in hashed for digest in batch]


def _digest(source: Source) -> str | None:
    """SHA-256 of a picture's bytes; None where they cannot be had, which the recogniser will explain."""
    try:
        data = source if isinstance(source, bytes) else read_bounded(source, MAX_BYTES)
    except (InputError, ValueError):  # ValueError: a name that no file can have
        return None
    return hashlib.sha256(data).hexdigest()


def _same(digests: Sequence[str | None]) -> Same:
    rows: dict[str | int, list[int]] = {}
    for row, digest in enumerate(digests):
        rows.setdefault(digest or row, []).append(row)
    return list(rows.values())


def _take_kept(cache: ReadingCache | None, digests: Sequence[str | None], same: Same, rows: _Rows) -> Same:
    """Fill in what the cache holds; the rest is returned."""
    unread: Same = []
    for each in same:
        digest = digests[each[0]]
        kept = None if cache is None or digest is None else cache.get(digest, digest)
        if kept is None:
            unread.append(each)
        else:
            rows.fill(each, kept)
    return unread


def _read_anew(read_many: ReadMany, unread: Same, rows: _Rows, cache: ReadingCache | None) -> int:
    """Read each picture once, fill in its rows and keep its reading; how many could be read."""
    if not unread:
        return 0
    readings = 0
    sources = [rows.entries[each[0]].source for each in unread]
    results = progress(read_many(sources), len(sources), "embedding")
    with nullcontext() if cache is None else cache:
        for each, found in zip(unread, results, strict=True):
            rows.fill(each, found)
            if isinstance(found, Reading):
                readings += 1
                if cache is not None:
                    cache.put(found)
    return readings


class _Rows:
    """What is known of the entries while they are read."""

    def __init__(
        self, entries: Sequence[Entry], dimension: int, face: FaceChoice, origin: tuple[str, str]
    ) -> None:
        self.entries, self._face, self._origin = entries, face, origin
        self._subjects, self._people, self._known = numbered(entries)
        n = len(entries)
        self._vectors = np.zeros((n, dimension), np.float32)
        self.boxes = np.zeros((n, 4), np.float32)
        self._enrolled = np.zeros(n, np.bool_)
        self.reasons: list[tuple[str, ...]] = [()] * n
        self._missed: dict[int, str] = {}
        self._several = 0

    def fill(self, rows: list[int], found: Reading | Failure) -> None:
        """Enrol these rows, or note why not."""
        if isinstance(found, Failure):
            # The picture is named beside the reason; its path is nobody's business.
            self._miss(rows, printable(str(found.error).removeprefix(f"{found.source}: ")))
        elif (found.embeddings.bundle, found.embeddings.aligner) != self._origin:
            raise InputError("readings of another bundle or aligner than the one evaluated; make a new cache")
        else:
            self._choose(rows, found)

    def samples(self) -> Samples:
        """The rows as they now are."""
        names = tuple(entry.name for entry in self.entries)
        return Samples(
            names=names,
            subjects=self._subjects,
            people=self._people,
            vectors=self._vectors,
            enrolled=self._enrolled,
            bundle=self._origin[0],
            aligner=self._origin[1],
            missed=tuple(Missed(picture=names[row], why=why) for row, why in sorted(self._missed.items())),
            several=self._several,
            known=self._known,
        )

    def _choose(self, rows: list[int], reading: Reading) -> None:
        try:
            chosen = reading.choose(self._face)
        except FaceCountError as error:
            several = f"{error.count} faces found where one is wanted"
            self._miss(rows, several if error.count else "no face found")
            return
        self._vectors[rows], self.boxes[rows] = chosen.embeddings.vectors[0], chosen.faces.boxes[0]
        self._enrolled[rows] = True
        self._several += len(rows) if len(reading) > 1 else 0
        for row in rows:
            self.reasons[row] = chosen.quality.reasons[0]

    def _miss(self, rows: list[int], why: str) -> None:
        self._missed.update(dict.fromkeys(rows, why))
