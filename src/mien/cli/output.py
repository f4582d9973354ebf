"""What the verbs share in answering: exit codes, JSON lines, tables."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Column, Table

from mien.errors import InputError
from mien.files import require_replaceable

YES, NO, BAD_INPUT, REVIEW, INTERRUPTED = 0, 1, 2, 3, 130


def print_json(value: Any) -> None:
    """One JSON value on a line of its own, written at once."""
    try:
        text = msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        # A file name that is no UTF-8: JSON's own escapes carry its bytes (and Python's json reads them back).
        text = json.dumps(msgspec.to_builtins(value), separators=(",", ":"))
    _write(text + "\n")


def require_place(out: Path) -> None:
    """Raise InputError where the file `out` could not be written: before any work is done, not after."""
    folder = out.absolute().parent
    try:
        if out.is_dir():
            raise InputError(f"{out}: a folder, where a file is to be written; name the file")
        require_replaceable(out)
        if not folder.is_dir():
            raise InputError(f"{out}: its folder does not exist; make it first, or name another place")
        if not os.access(folder, os.W_OK):
            raise InputError(f"{out}: its folder cannot be written to; name another place")
        with suppress(FileNotFoundError):
            out.lstat()
    except OSError as error:  # a name too long, say
        raise InputError(f"{out}: cannot be written ({error.strerror})") from error


def require_folder(out: Path) -> None:
    """Raise InputError where the folder `out` could not be made or written into: before any work is done."""
    if not str(out) or out == Path():
        raise InputError("--out: the name of a folder is wanted")
    try:
        nearest = next(place for place in (out.absolute(), *out.absolute().parents) if place.exists())
    except OSError as error:  # a name too long, say
        raise InputError(f"{out}: cannot be made a folder ({error.strerror})") from error
    if not nearest.is_dir():
        raise InputError(f"{out}: {nearest} is a file, where a folder is to be; name another place")
    if not os.access(nearest, os.W_OK):
        raise InputError(f"{out}: {nearest} cannot be written to; name another place")


def print_table(headers: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """A table for people: as wide as the terminal, or as its text when it goes into a file."""
    if not lines:
        return
    table = Table(*(Column(header, overflow="fold") for header in headers), box=None, pad_edge=False)
    for line in lines:
        table.add_row(*map(plain, line))
    console = Console(width=None if sys.stdout.isatty() else 240, highlight=False, markup=False)
    with console.capture() as text:
        console.print(table)
    _write(text.get())


def complain(line: str) -> None:
    """One line on standard error."""
    print(f"mien: {plain(line)}", file=sys.stderr)


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads our output has enough (`mien detect … | head`); Python must not flush the rest either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(YES)


def plain(text: str) -> str:
    """`text` as one line that no terminal obeys: control characters and half characters are written out.

    File names may hold anything: line breaks, escape sequences, bytes that are no UTF-8.
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text
    )
