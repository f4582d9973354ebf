"""A bar on the terminal while many things are done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn, track

T = TypeVar("T")


def progress(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """The items, with a bar on standard error while they pass; silent where that is no terminal."""
    console = Console(stderr=True)
    return iter(
        track(items, what, total=total, console=console, transient=True, disable=not console.is_terminal)
    )


class Bar(Protocol):
    """A bar that is moved by whoever does the work."""

    def __call__(self, done: int, words: str, /) -> None:
        """Say how much is done of it all, and a few words beside."""
        ...


@contextmanager
def bar(total: int, what: str) -> Iterator[Bar]:
    """A bar with the time that is left, as `progress`; what is printed meanwhile stands above it."""
    console = Console(stderr=True)
    start, end = TextColumn("{task.description}"), TextColumn("{task.fields[words]}")
    columns = (start, BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), end)
    shown = Progress(*columns, console=console, disable=not console.is_terminal)
    with shown:
        task = shown.add_task(what, total=total, words="")
        yield lambda done, words: shown.update(task, completed=done, words=words)
