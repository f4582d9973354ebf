"""Galleries whose workers are killed: what must hold afterwards."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

from galleries import picture

from mien.gallery.gallery import Gallery
from mien.gallery.protection.scan import scan

HERE = Path(__file__).parent
LONGEST = 60.0  # seconds a worker may take to begin


def worker(work: str, url: str, first: int) -> subprocess.Popen[str]:
    """A process at work (see gallery_workers.py) that has opened the gallery."""
    command = [sys.executable, str(HERE / "gallery_workers.py"), work, url, str(first)]
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    running = subprocess.Popen(command, text=True, env=environment, **pipes)
    assert running.stdout is not None
    ready, _, _ = select.select([running.stdout], [], [], LONGEST)
    line = running.stdout.readline() if ready else ""
    assert line == "ready 0\n", line or running.communicate()[1]
    return running


def killed_after(running: subprocess.Popen[str], seconds: float) -> list[list[str]]:
    """Kill a worker after so long; what it had said by then, as words."""
    time.sleep(seconds)  # the moment is random, and nothing depends on which it is
    running.send_signal(signal.SIGKILL)
    out, error = running.communicate()
    assert running.returncode in (-signal.SIGKILL, 0), error
    # A line that was cut off was not acknowledged.
    return [line.split() for line in out.splitlines(keepends=True) if line.endswith("\n")]


def moment(random: Random, longest: float) -> float:
    """A random while."""
    return random.uniform(0.0, longest)


def require_held(gallery: Gallery, acknowledged: set[tuple[int, int]]) -> None:
    """Everything acknowledged is there: people with at least the templates that were said, and no torn ones."""
    held = {each.name: each.templates for each in gallery.people()}
    wanted: dict[str, int] = {}
    for number, _ in acknowledged:
        wanted[f"person {number}"] = wanted.get(f"person {number}", 0) + 1
    assert all(held.get(name, 0) >= count for name, count in wanted.items())
    assert all(count >= 1 for count in held.values())
    assert gallery.check_log() == []


def require_whole(gallery: Gallery) -> None:
    """The database says of itself that it is whole."""
    store = gallery._desk.store
    if store.dialect.name == "sqlite":
        with store.read() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []


def require_gone(gallery: Gallery, numbers: set[int]) -> None:
    """Nobody of these comes back, as rows or as bytes in the files."""
    names = {each.name for each in gallery.people()}
    assert not names & {f"person {number}" for number in numbers}
    files = gallery._desk.store.dialect.files()
    secrets = [picture(number, seed).tobytes() for number in numbers for seed in (0, 1)]
    words = [f"person {number}".encode() for number in numbers]
    allowed = [name.encode() for name in names]
    if files and secrets:
        assert [hit for hit in scan(files, secrets, words, allowed=allowed) if not hit.allowed] == []
