"""The pages made from the code are what the code says today."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_command_line_page_is_fresh() -> None:
    command = [sys.executable, str(ROOT / "docs" / "refresh.py"), "--check"]
    assert subprocess.run(command, check=False).returncode == 0, "run `make docs`"
