"""Where and how models run: the frozen settings that every session of a recogniser shares."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from pathlib import Path

from mien.errors import DeviceError, InputError

MAX_THREADS = 1024


def available_cores() -> int:
    """The cores this process may use: CPU affinity, and the cgroups' quota (v2 and v1) rounded up."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(cores, _cgroup_quota(Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")))))


def _cgroup_quota(root: Path, own: Path) -> float:
    """Cores by the tightest quota over the process; own: the file that names its cgroups."""
    group = _own_group(own)
    quota = min(_quota(root.joinpath(*group[:depth], "cpu.max")) for depth in range(len(group) + 1))
    if quota < math.inf:
        return quota
    return _quota(*(root / "cpu" / f"cpu.cfs_{part}_us" for part in ("quota", "period")))


def _own_group(own: Path) -> list[str]:
    try:
        found = [line[3:] for line in own.read_text().splitlines() if line.startswith("0::/")]  # v2's line
    except (OSError, ValueError):
        return []
    parts = [part for line in found for part in line.split("/") if part]
    return [] if ".." in parts else parts  # a group outside of what this process may see


def _quota(*files: Path) -> float:
    try:
        quota, period = (float(word) for file in files for word in file.read_text().split())
    except (OSError, ValueError):  # no such file, or "max": no quota
        return math.inf
    return quota / period if quota > 0 and period > 0 else math.inf


def _threads_setting() -> int:
    text = os.environ.get("MIEN_THREADS", "")
    if not text:
        return min(available_cores(), MAX_THREADS)
    if not text.isdecimal() or len(text) > 4 or not 1 <= int(text) <= MAX_THREADS:
        raise InputError(f"MIEN_THREADS={text[:40]!r}: a whole number from 1 to {MAX_THREADS} is wanted")
    return int(text)


@dataclass(frozen=True, slots=True)
class Runtime:
    """Engine, device, threads.

    device: "cpu", "cuda", "cuda:1" … as the engine names its providers; one that is missing is an
    error, never a silent fall back. threads: for one model run, 1 to 1024 (default: $MIEN_THREADS, else the
    cores this process may use). spinning: let threads burn their core while they wait for each other inside a
    run, which answers sooner; between runs they sleep, or they would take the cores from whatever comes next
    (see docs/performance.md).
    """

    device: str = "cpu"
    threads: int = field(default_factory=_threads_setting)
    spinning: bool = True
    engine: str = "onnxruntime"

    def __post_init__(self) -> None:
        """Refuse thread counts that are none and devices without a name."""
        if type(self.threads) is not int or not 1 <= self.threads <= MAX_THREADS:  # True is an int, too
            raise InputError(f"threads={self.threads!r}: a whole number from 1 to {MAX_THREADS} is wanted")
        if not self.device:
            raise DeviceError("device is empty; 'cpu' is always there")

    @property
    def on_cpu(self) -> bool:
        """Whether models share the cores with everything else."""
        return self.device == "cpu"
