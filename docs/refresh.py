"""Write docs/cli.md anew from every verb's `--help`. Run by `make docs`; a test fails where they differ.

python docs/refresh.py [--check]
"""

from __future__ import annotations

import sys
from pathlib import Path

from typer.testing import CliRunner

from mien.cli import build_app

PAGE = Path(__file__).with_name("cli.md")
VERBS = (
    *("demo", "detect", "embed", "compare"),
    *("enroll", "identify", "forget", "cluster"),
    *(f"people {verb}" for verb in ("list", "show", "rename", "merge", "split", "mark", "export")),
    *("review list", "review confirm", "review reject"),
    *(f"gallery {verb}" for verb in ("create", "info", "audit", "purge", "rotate", "renew", "migrate")),
    *("gallery backup", "gallery restore", "gallery receipt"),
    *("evaluate pairs", "evaluate bin", "evaluate folder", "evaluate ijb", "evaluate diff", "calibrate"),
    *("prepare", "train", "distil", "publish"),
    *("models list", "models show", "models verify", "models import"),
)
HEAD = """# The command line

Made from `--help` by `make docs`. Exit codes: 0 yes (*same*; all *known*; a face in every picture), 1 no,
3 *review* or *uncalibrated*, 2 bad input, said in one line on standard error. With `--json`, machines read one
object a line from standard output.
"""


def main() -> int:
    text = HEAD + "".join(section(verb) for verb in VERBS)
    if "--check" in sys.argv:
        return 0 if PAGE.read_text("utf-8") == text else 1
    PAGE.write_text(text, "utf-8")
    return 0


def section(verb: str) -> str:
    runner = CliRunner(env={"TERMINAL_WIDTH": "100", "COLUMNS": "100", "MIEN_THREADS": ""})
    shown = runner.invoke(build_app(), [*verb.split(), "--help"], prog_name="mien").stdout
    return f"\n## mien {verb}\n\n```text\n{shown.strip()}\n```\n"


if __name__ == "__main__":
    sys.exit(main())
