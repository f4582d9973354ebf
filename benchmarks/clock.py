"""What every contender reports, and what a process can say of its own memory. Standard library only."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict


class Measured(TypedDict, total=False):
    """value: in the unit of the group. cpu_ms: of all cores together, for one picture.

    faces: found on the way, so that the work can be compared. marks: MB held at even steps of a long run.
    """

    value: float
    cpu_ms: float
    faces: int
    marks: list[float]
    peak_mb: float


def rated(work: Callable[[], int], pictures: int) -> Measured:
    """Pictures a second, and the processor time of each, of `work`, which returns how many faces it found."""
    wall, processor = time.perf_counter(), time.process_time()
    faces = work()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    return {"value": pictures / wall, "cpu_ms": 1000 * processor / pictures, "faces": faces}


def peak_mb() -> float:
    """The most memory that this process ever held, in MB (10^6 bytes)."""
    # ru_maxrss would count the parent's memory at the fork as this process's own.
    return _status("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RUSAGE_UNIT / 1e6


def rss_mb() -> float:
    """The memory that this process holds now, in MB; 0 where the system does not say."""
    return _status("VmRSS")


_RUSAGE_UNIT = 1 if sys.platform == "darwin" else 1024


def _status(key: str) -> float:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0.0
    found = [line.split() for line in lines if line.startswith(f"{key}:")]
    return int(found[0][1]) * 1024 / 1e6 if found else 0.0
