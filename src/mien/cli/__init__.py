"""The command line: one file per wing."""

from __future__ import annotations

import os
import sys
from typing import Any

import typer

from mien.cli import (
    cluster,
    demo,
    enrolment,
    evaluation,
    gallery,
    gallery_upkeep,
    models,
    people,
    prepare,
    recognition,
    training,
)
from mien.cli.output import BAD_INPUT, INTERRUPTED, complain
from mien.errors import MienError

USAGE_ERROR: Any = typer.BadParameter.__mro__[1]  # its base, which typer does not name
HELP = """Face recognition you own from end to end: detect, align, embed, compare.

Exit codes: 0 yes (same, all found, all known), 1 no (different, unknown, no face), 3 review, 2 bad input."""


def build_app() -> typer.Typer:
    """The command line with every wing's verbs."""
    app = typer.Typer(
        help=HELP, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None, name="mien"
    )
    of_people = (enrolment, gallery, people, gallery_upkeep, cluster)
    for wing in (demo, recognition, *of_people, evaluation, prepare, training, models):
        wing.register(app)
    return app


def main() -> None:
    """Run the command line; what went wrong is said in one line, without a traceback, and exits with 2.

    MIEN_TRACEBACK=1 shows the traceback of an error that mien did not foresee.
    """
    try:
        code = build_app()(standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except Exception as error:
        code = _told(error)
    sys.exit(code)


def _told(error: Exception) -> int:
    if isinstance(error, MienError):
        complain(str(error))
    elif isinstance(error, USAGE_ERROR):
        message = error.format_message()
        # Without a verb it is the whole help.
        print(message) if "\n" in message else complain(f"{message} (mien --help says how)")
    elif os.environ.get("MIEN_TRACEBACK"):
        raise error
    else:
        complain(f"{type(error).__name__}: {error} (unforeseen; MIEN_TRACEBACK=1 shows where)")
    return BAD_INPUT
