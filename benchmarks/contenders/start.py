"""What starting costs."""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median

from clock import Measured


def statement(code: str, times: int) -> Measured:
    """Milliseconds of `python -c CODE`, the median, after one start that warms the disk's cache."""
    taken = []
    for _ in range(times + 1):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        taken.append(time.perf_counter() - start)
    return {"value": 1000 * median(taken[1:])}
