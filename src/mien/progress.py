"""A bar on the terminal while many things are done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import track

T = TypeVar("T")


def progress(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """The items, with a bar on standard error while they pass; silent where that is no terminal."""
    console = Console(stderr=True)
    return iter(
        track(items, what, total=total, console=console, transient=True, disable=not console.is_terminal)
    )
