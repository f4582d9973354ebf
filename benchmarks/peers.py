"""The environment of the peers: made once beside mien's own, from peers.txt."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parent / ".venv-peers"
LIST = HERE / "peers.txt"


def python() -> Path | None:
    """The peers' interpreter, its environment made on first use; None, with a line, where that fails.

    $MIEN_PEERS names an environment that is there already.
    """
    given = os.environ.get("MIEN_PEERS")
    folder = Path(given) if given else FOLDER
    interpreter = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    ready = folder / ".peers"
    if given or (ready.is_file() and ready.read_text() == LIST.read_text()):
        return interpreter
    print(f"making {folder.name} from {LIST.name} (once)", file=sys.stderr)
    try:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([interpreter, "-m", "pip", "install", "-qq", "-r", LIST], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"no peers: {error}", file=sys.stderr)
        return None
    ready.write_text(LIST.read_text())
    return interpreter
