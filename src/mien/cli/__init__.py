"""The command line: one file per wing; each verb imports its wing when it is called."""

from __future__ import annotations

import sys

import typer

from mien.cli import demo, models, recognition
from mien.cli.output import BAD_INPUT
from mien.errors import MienError

HELP = """Face recognition you own from end to end: detect, align, embed, compare.

Exit codes: 0 yes (same, all found), 1 no (different, a picture without a face), 3 review, 2 bad input."""


def build_app() -> typer.Typer:
    """The command line with every wing's verbs."""
    app = typer.Typer(
        help=HELP, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None, name="mien"
    )
    for wing in (demo, recognition, models):
        wing.register(app)
    return app


def main() -> None:
    """Run the command line; what was wrong with the input is said in one line, without a traceback."""
    try:
        build_app()()
    except MienError as error:
        print(f"mien: {error}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    except BrokenPipeError:
        # Whoever read our output has enough (`mien detect … | head`).
        sys.stderr.close()
        sys.exit(0)
