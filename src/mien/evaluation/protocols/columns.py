"""A user's protocol file: words about pictures (group, camera, age band …) as a table in CSV.

The first line heads the columns: the first one `picture`, `file` or `name`, the others as one likes. What
stands between them there, comma, semicolon or tab, stands between the cells of every line. UTF-8.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mien.errors import InputError
from mien.evaluation.protocols.pairs import read_text, wrong

MAX_BYTES = 256 << 20
MAX_VALUES = 1000
HEADS = ("picture", "file", "name")
HEAD = re.compile(rf"\s*\"?({'|'.join(HEADS)})\"?\s*([,;\t])", re.IGNORECASE)


@dataclass(frozen=True, slots=True, eq=False)
class Columns(Mapping[str, Mapping[str, str]]):
    """What a protocol file says: picture → column → word, "" for an empty cell.

    source: the file. headings: the columns without the pictures' own. cells: picture → its words, as many.
    Raises InputError where a line has more or fewer.
    """

    source: str
    headings: tuple[str, ...]
    cells: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        if not self.headings or len(set(self.headings)) != len(self.headings) or "" in self.headings:
            raise InputError(f"{self.source}: one or more columns, each with a name of its own, are wanted")
        if any(len(words) != len(self.headings) for words in self.cells.values()):
            raise InputError(f"{self.source}: {len(self.headings)} words a picture are wanted")

    def __getitem__(self, picture: str) -> Mapping[str, str]:
        return dict(zip(self.headings, self.cells[picture], strict=True))

    def __iter__(self) -> Iterator[str]:
        return iter(self.cells)

    def __len__(self) -> int:
        """How many pictures are listed."""
        return len(self.cells)


def read_columns(path: str | os.PathLike[str]) -> Columns:
    """A protocol file, at most 256 MiB. Raises InputError naming the file and the line."""
    file = Path(path)
    text = read_text(file, MAX_BYTES)
    head = HEAD.match(text)
    if head is None:
        found = text.split("\n", 1)[0]
        raise wrong(file, 1, found, f"`picture,…` ({' or '.join(HEADS)}; comma, semicolon or tab)")
    lines = table_lines(file, head.group(2), text)
    _, headings = next(lines)
    cells: dict[str, tuple[str, ...]] = {}
    for number, (name, *words) in lines:
        if len(words) != len(headings) - 1:
            raise wrong(file, number, " ".join((name, *words)), f"{len(headings)} cells, as in the first line,")
        if not _plain(name) or _plain(name) in cells:
            raise wrong(file, number, name, "a picture's path, each picture once,")
        cells[_plain(name)] = tuple(words)
    return Columns(str(file), tuple(headings[1:]), cells)


def table_lines(file: Path, delimiter: str, text: str) -> Iterator[tuple[int, list[str]]]:
    """The number and the cells of every line of a CSV text that is not blank. InputError where it is no CSV."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True)
    try:
        for words in reader:
            cells = [word.strip() for word in words]
            if any(cells):  # spreadsheets leave lines of nothing but delimiters
                yield reader.line_num, cells
    except csv.Error as error:
        raise InputError(f"{file}, line {reader.line_num}: {error}; save the table anew as CSV") from error


def _plain(name: str) -> str:
    """A path as lists write it: forward slashes, no ./ at the front."""
    return name.replace("\\", "/").removeprefix("./")


def labels(column_set: Columns, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Column → one word for each of `names`, "" where the file is silent; matched by the longest end of a path.

    Raises InputError where no name is matched, where a listed picture is the end of several names, and where a
    column holds more than 1000 different words: that tells pictures apart, not groups.
    """
    _require_groups(column_set)
    cells = column_set.cells
    keys = [_end(cells, name) for name in names]
    if not any(keys):
        here, there = next(iter(names), "no picture"), next(iter(cells), "no picture")
        raise InputError(
            f"{column_set.source}: none of its {len(cells)} pictures is among the {len(names)} in hand; it "
            f"says {there!r} where {here!r} is wanted, or the end of that path"
        )
    _require_one_each(column_set.source, names, keys)
    return {
        heading: tuple(cells[key][i] if key else "" for key in keys)
        for i, heading in enumerate(column_set.headings)
    }


def _end(cells: Mapping[str, tuple[str, ...]], name: str) -> str:
    """The longest listed end of a path, "" where there is none."""
    parts = _plain(name).split("/")
    ends = ("/".join(parts[start:]) for start in range(len(parts)))
    return next((end for end in ends if end in cells), "")


def _require_groups(column_set: Columns) -> None:
    for i, heading in enumerate(column_set.headings):
        count = len({words[i] for words in column_set.cells.values()})
        if count > MAX_VALUES:
            raise InputError(
                f"{column_set.source}: column {heading!r} holds {count} different words, at most {MAX_VALUES} "
                f"are wanted: groups, not names of single pictures; leave the column out"
            )


def _require_one_each(source: str, names: Sequence[str], keys: Sequence[str]) -> None:
    counts = Counter(key for _, key in set(zip(names, keys, strict=True)) if key)
    key, count = counts.most_common(1)[0]
    if count > 1:
        one, other = sorted({name for name, found in zip(names, keys, strict=True) if found == key})[:2]
        raise InputError(
            f"{source}: {key!r} is the end of {count} paths ({one}, {other} …); write more of the path"
        )
