"""What the verbs share in answering: exit codes, JSON lines, tables."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

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
