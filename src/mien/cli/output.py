"""What the verbs share in answering: exit codes, JSON lines, tables, progress."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec
from rich.console import Console
from rich.progress import track
from rich.table import Table

T = TypeVar("T")

YES, NO, BAD_INPUT, REVIEW = 0, 1, 2, 3


def print_json(value: Any) -> None:
    """One JSON value on a line of its own, written at once."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()


def print_table(headers: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    """A table for people: as wide as the terminal, or as its text when it goes into a file."""
    table = Table(*headers, box=None, header_style="bold", pad_edge=False)
    for line in lines:
        table.add_row(*line)
    width = None if sys.stdout.isatty() else 240
    Console(width=width, highlight=False, markup=False).print(table)


def complain(line: str) -> None:
    """One line on standard error."""
    print(f"mien: {line}", file=sys.stderr)


def progress(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """The items, with a bar on standard error while they pass; silent where that is no terminal."""
    console = Console(stderr=True)
    return iter(
        track(items, what, total=total, console=console, transient=True, disable=not console.is_terminal)
    )
