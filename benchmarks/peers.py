"""The environments of the peers: each made once beside mien's own, from a list of packages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def python(name: str = "peers") -> Path | None:
    """The interpreter of an environment made on first use of NAME.txt; None, with a line, where that fails.

    $MIEN_PEERS (the name in capitals) names an environment that is there already.
    """
    given, wanted = os.environ.get(f"MIEN_{name.upper()}"), HERE / f"{name}.txt"
    folder = Path(given) if given else HERE.parent / f".venv-{name.replace('_', '-')}"
    interpreter = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    ready = folder / ".peers"
    if given or (ready.is_file() and ready.read_text() == wanted.read_text()):
        return interpreter
    print(f"making {folder.name} from {wanted.name} (once)", file=sys.stderr)
    try:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([interpreter, "-m", "pip", "install", "-qq", "-r", wanted], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"no peers: {error}", file=sys.stderr)
        return None
    ready.write_text(wanted.read_text())
    return interpreter
