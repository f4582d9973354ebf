"""How much memory this process has held."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path


def peak_mb() -> float:
    """The most memory that this process ever held, in MB (10^6 bytes); 0 where the system does not say."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return _by_usage()
    found = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(found[0]) * 1024 / 1e6 if found else 0.0


def _by_usage() -> float:
    try:
        resource = importlib.import_module("resource")  # not on Windows
    except ImportError:
        return 0.0
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)
