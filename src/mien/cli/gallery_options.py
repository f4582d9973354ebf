"""The options that every verb of the gallery takes, and how one is opened from them."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from mien.bundle.calibration import Calibration
from mien.cli.output import complain, print_json
from mien.errors import InputError, KeyingError
from mien.gallery.gallery import Gallery
from mien.gallery.protection.keys import MainKey, key_of_environment, new_key_file

GalleryOption = Annotated[
    str,
    typer.Option(
        "--gallery",
        envvar="MIEN_GALLERY",
        metavar="URL",
        help="A file, or postgresql://USER@HOST/DATABASE.",
    ),
]
IndexOption = Annotated[
    Literal["auto", "exact", "float16", "int8", "int8-compact", "hnsw", "pgvector"],
    typer.Option("--index", help="How people are searched for: docs/gallery.md."),
]
Who = Annotated[str, typer.Argument(metavar="PERSON", help="A name, an id, or your reference.")]
KeyFile = Annotated[
    Path | None,
    typer.Option("--key-file", help="A new file for the key, 0600; then name it in $MIEN_GALLERY_KEY_FILE."),
]
Passphrase = Annotated[bool, typer.Option("--passphrase", help="Ask for a passphrase to make the key from.")]
DEFAULT_GALLERY = "people.db"


@contextmanager
def opened(
    url: str, *, create: bool = False, calibration: Calibration | None = None, **settings: Any
) -> Iterator[Gallery]:
    """The gallery, closed at the end. Asks for its passphrase where it needs one and somebody is there to
    ask.
    """
    try:
        gallery = Gallery.open(url, create=create, calibration=calibration, **settings)
    except KeyingError:
        if key_of_environment() is not None or not sys.stdin.isatty():
            raise
        words = typer.prompt("passphrase", hide_input=True, err=True)
        gallery = Gallery.open(url, create=create, calibration=calibration, **{**settings, "key": words})
    with gallery:
        yield gallery


def asked_passphrase() -> str:
    """A new passphrase, typed twice."""
    if not sys.stdin.isatty():
        raise InputError("--passphrase asks for it at a terminal; elsewhere set $MIEN_GALLERY_KEY or _KEY_FILE")
    words: str = typer.prompt("new passphrase", hide_input=True, confirmation_prompt=True, err=True)
    return words


def day(option: str, text: str | None, today: datetime.date | None = None) -> datetime.date | None:
    """A last day: 2027-12-31, or so many days from now (365d). InputError naming the option."""
    if text is None:
        return None
    try:
        if text.endswith("d"):
            return (today or datetime.date.today()) + datetime.timedelta(days=int(text[:-1]))
        return datetime.date.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{option} {text!r}: a day like 2027-12-31, or a number of days like 365d") from error


def tell(json: bool, line: str, **values: Any) -> None:
    """What was done: one line for people, or one JSON object."""
    if json:
        print_json(values)
    else:
        print(line)


def surely(question: str, yes: bool) -> None:
    """Ask before what cannot be undone; --yes answers. InputError where nobody is there to ask."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise InputError(f"{question} cannot be undone: say --yes")
    complain(f"{question} cannot be undone")
    typer.confirm("go on?", abort=True, err=True)


def new_key(key_file: Path | None, passphrase: bool) -> MainKey | str | None:
    """The key that the options ask for; None: what the environment names."""
    if key_file is not None and passphrase:
        raise InputError("--key-file or --passphrase: one of them")
    if passphrase:
        return asked_passphrase()
    return new_key_file(key_file) if key_file is not None else None
