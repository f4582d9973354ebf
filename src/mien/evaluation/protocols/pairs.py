"""Pair lists: which pictures are compared, whether they show one person, and in which fold. LFW's own format.

LFW (Huang et al. 2007; README.txt of vis-www.cs.umass.edu/lfw, 3c): the first line gives the number of folds
and the number n of pairs of each kind in a fold; then come, fold by fold, n lines `name n1 n2` (one person) and
n lines `name1 n1 name2 n2` (two people). The development lists (pairsDevTrain.txt, pairsDevTest.txt) give n
alone: one fold. Picture 7 of Name is Name/Name_0007.jpg.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.errors import InputError
from mien.evaluation.samples import Numbers
from mien.files import read_bounded
from mien.images.files import SUFFIXES

LIST_BYTES = 64 << 20
FOLDS = 10
MAX_DIGITS = 6
Row = tuple[int, list[str]]
Pair = tuple[str, str, bool, int]  # two pictures, one person's?, the fold
Shelf = tuple[frozenset[str], Mapping[str, str]]


@dataclass(frozen=True, slots=True, eq=False)
class PairList:
    """What is compared with what.

    pictures: paths relative to the data set's folder, POSIX, each once. people: the person of each picture,
    None where the data name nobody. Of pair i: first[i], second[i] (k,) int32 numbers of its pictures, same[i]
    (k,) bool one person's, fold[i] (k,) int32 its fold, from 0. InputError where these do not fit together.
    """

    pictures: tuple[str, ...]
    people: tuple[str, ...] | None
    first: Numbers
    second: Numbers
    same: NDArray[np.bool_]
    fold: Numbers

    def __post_init__(self) -> None:
        n, k = len(self.pictures), len(np.atleast_1d(self.same))
        if not k:
            raise InputError("pairs: at least one is wanted, none given")
        if len(set(self.pictures)) != n:
            raise InputError("pictures: each is wanted once")
        if self.people is not None and len(self.people) != n:
            raise InputError(f"people: {n} are wanted, one a picture, {len(self.people)} given")
        outside = next((picture for picture in self.pictures if not stays_inside(picture)), None)
        if outside is not None:
            raise InputError(f"pictures: a path within the data set's folder is wanted, {outside!r} given")
        object.__setattr__(self, "first", frozen_numbers("first", self.first, k, below=n))
        object.__setattr__(self, "second", frozen_numbers("second", self.second, k, below=n))
        object.__setattr__(self, "fold", frozen_numbers("fold", self.fold, k))
        object.__setattr__(self, "same", frozen_marks("same", self.same, k))

    def __len__(self) -> int:
        """How many pairs there are."""
        return len(self.same)


def frozen_numbers(name: str, value: ArrayLike, length: int, *, below: int = 1 << 31) -> Numbers:
    """A read-only int32 array (length,) of numbers 0 to `below` − 1, or InputError naming `name`."""
    given = np.asarray(value)
    if given.shape != (length,) or given.dtype.kind not in "iu":
        raise InputError(f"{name}: {length} whole numbers are wanted, {given.shape} {given.dtype} given")
    if length and not 0 <= int(given.min()) <= int(given.max()) < below:
        raise InputError(f"{name}: 0 to {below - 1} is wanted, {given.min()} to {given.max()} given")
    array = np.array(given, np.int32)
    array.flags.writeable = False
    return array


def frozen_marks(name: str, value: ArrayLike, length: int) -> NDArray[np.bool_]:
    """A read-only bool array (length,), or InputError naming `name`."""
    array = np.array(value)
    if array.shape != (length,) or array.dtype != np.bool_:
        raise InputError(f"{name}: {length} truth values are wanted, {array.shape} {array.dtype} given")
    array.flags.writeable = False
    return array


def stays_inside(name: str) -> bool:
    """Whether a path out of a list is relative, POSIX, and never leaves the folder it is looked up in."""
    return not {"", ".", ".."} & set(name.split("/")) and "\0" not in name and "\\" not in name


def wrong(file: Path, line: int, found: object, wanted: str) -> InputError:
    """The error for one line of a list."""
    shown = repr(found)
    shown = shown if len(shown) <= 80 else f"{shown[:77]}…"
    return InputError(f"{file}, line {line}: {shown} found, {wanted} wanted")


def rows(file: Path, limit: int = LIST_BYTES) -> Iterator[Row]:
    """The number and the words of every line that is not blank. InputError where that is no text."""
    for number, line in enumerate(read_text(file, limit).split("\n"), 1):
        if words := line.split():
            yield number, words


def read_text(file: Path, limit: int = LIST_BYTES) -> str:
    """A text file's content, at most `limit` bytes of UTF-8, a byte-order mark left out; InputError else."""
    content = read_bounded(file, limit)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{file}, line {line}: text in UTF-8 is wanted; save the file anew as that") from error


def gathered(pairs: Iterable[Pair], person: Callable[[str], str] | None = None) -> PairList:
    """The pair list of pairs in their order, pictures numbered as they come. person: whom a picture shows."""
    given = list(pairs)
    numbers: dict[str, int] = {}
    for one, other, *_ in given:
        numbers.setdefault(one, len(numbers))
        numbers.setdefault(other, len(numbers))
    return PairList(
        pictures=tuple(numbers),
        people=tuple(map(person, numbers)) if person else None,
        first=np.array([numbers[pair[0]] for pair in given], np.int32),
        second=np.array([numbers[pair[1]] for pair in given], np.int32),
        same=np.array([pair[2] for pair in given], np.bool_),
        fold=np.array([pair[3] for pair in given], np.int32),
    )


def folds_of(count: int) -> Numbers:
    """The folds of `count` pairs in their order: ten, as equal as can be (fewer pairs: one each), (count,)."""
    return np.array(np.arange(count) * min(FOLDS, count) // max(count, 1), np.int32)


def read_lfw(pairs_file: str | os.PathLike[str], suffix: str = ".jpg") -> PairList:
    """A list in LFW's own format. suffix: of the pictures. Raises InputError naming file and line."""
    file = Path(pairs_file)
    lines = list(rows(file))
    if not lines:
        raise InputError(f"{file}: empty; LFW's first line is wanted: `folds n`, or `n` alone")
    folds, n = _header(file, *lines[0])
    pairs = []
    for i, (number, words) in enumerate(lines[1:]):
        fold, place = divmod(i, 2 * n)
        if fold == folds:
            raise wrong(file, number, " ".join(words), f"the end, after {2 * n * folds} pairs,")
        pairs.append((*_pictures(file, number, words, place < n, suffix), place < n, fold))
    if len(pairs) < 2 * n * folds:
        raise InputError(
            f"{file}: {len(pairs)} pairs found, {2 * n * folds} wanted by its first line: "
            f"{folds} folds of {n} pairs of one person and {n} of two; fetch the whole list anew"
        )
    return gathered(pairs, lambda picture: PurePosixPath(picture).parent.name)


def _header(file: Path, line: int, words: list[str]) -> tuple[int, int]:
    counts = [number_in(word) for word in words]
    if len(counts) not in (1, 2) or not all(counts):
        raise wrong(file, line, " ".join(words), "`folds n` or `n`, numbers from 1,")
    *folds, n = (count or 0 for count in counts)
    return (folds[0] if folds else 1), n


def number_in(word: str, digits: int = MAX_DIGITS) -> int | None:
    """The number from 0 that a word of a list writes in so many digits at most, else None."""
    return int(word) if word.isascii() and word.isdigit() and len(word) <= digits else None


def _pictures(file: Path, line: int, words: list[str], same: bool, suffix: str) -> tuple[str, str]:
    full = [*words[:2], words[0], *words[2:]] if same else words
    if len(full) == 4 and (full[0] == full[2]) == same:
        one, other = _picture(full[0], full[1], suffix), _picture(full[2], full[3], suffix)
        if one and other and one != other:
            return one, other
    wanted = "`name n1 n2`, two pictures of one person," if same else "`name1 n1 name2 n2`, two people,"
    raise wrong(file, line, " ".join(words), wanted)


def _picture(name: str, number: str, suffix: str) -> str | None:
    count = number_in(number)
    plain = "/" not in name and stays_inside(name)
    return f"{name}/{name}_{count:04d}{suffix}" if plain and count is not None else None


def locate(folder: str | os.PathLike[str], pictures: Iterable[str]) -> list[Path]:
    """Where each listed picture lies in the folder: as named, else by its stem with another picture suffix.

    Raises InputError that counts the missing ones and names the first three.
    """
    root, listed = Path(folder), list(pictures)
    shelves: dict[Path, Shelf] = {}
    places = [(picture, _place(root, picture, shelves)) for picture in listed]
    missing = [picture for picture, place in places if place is None]
    if missing:
        shown = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
        raise InputError(
            f"{root}: {len(missing)} of {len(listed)} listed pictures are not there: {shown}; wanted is "
            f"{root / missing[0]}, or the same with another suffix (.png …); name the folder they start from"
        )
    return [place for _, place in places if place is not None]


def _place(root: Path, picture: str, shelves: dict[Path, Shelf]) -> Path | None:
    if not stays_inside(picture):
        return None
    place = root / picture
    if place.parent not in shelves:
        shelves[place.parent] = _shelf(place.parent)
    names, stems = shelves[place.parent]
    name = place.name if place.name in names else stems.get(place.stem)
    return place.with_name(name) if name else None


def _shelf(folder: Path) -> Shelf:
    """Of one folder: its names, and its pictures by stem, where two have one stem by the order of SUFFIXES."""
    try:
        names = [entry.name for entry in folder.iterdir()]
    except OSError:  # no such folder: its pictures are missing, which the caller says
        names = []
    ranked = [
        (SUFFIXES.index(suffix), name) for name in names if (suffix := Path(name).suffix.lower()) in SUFFIXES
    ]
    return frozenset(names), {Path(name).stem: name for _, name in sorted(ranked, reverse=True)}
