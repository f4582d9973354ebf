"""Where and how models run: the frozen settings that every session of a recogniser shares."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from pathlib import Path

from mien.errors import DeviceError, InputError


def available_cores() -> int:
    """The cores this process may use: CPU affinity, and the cgroup's quota (v2 and v1) rounded up."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(cores, _cgroup_quota(Path("/sys/fs/cgroup")))))


def _cgroup_quota(root: Path) -> float:
    v1 = [root / "cpu" / f"cpu.cfs_{part}_us" for part in ("quota", "period")]
    for files in ([root / "cpu.max"], v1):
        try:
            quota, period = (float(word) for file in files for word in file.read_text().split())
        except (OSError, ValueError):  # no such file, or "max": no quota
            continue
        if quota > 0 and period > 0:
            return quota / period
    return math.inf


def _threads_setting() -> int:
    text = os.environ.get("MIEN_THREADS", "")
    if not text:
        return available_cores()
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise InputError(f"MIEN_THREADS={text!r}: a whole number from 1 to 1024 is wanted")
    return int(text)


@dataclass(frozen=True, slots=True)
class Runtime:
    """Engine, device, threads.

    device: "cpu", "cuda", "cuda:1" … as the engine names its providers; one that is missing is an
    error, never a silent fall back. threads: for one model run (default: $MIEN_THREADS, else the cores
    this process may use). spinning: let threads burn their core while they wait for each other inside a
    run, which answers sooner; between runs they sleep, or they would take the cores from whatever comes next
    (see docs/performance.md).
    """

    device: str = "cpu"
    threads: int = field(default_factory=_threads_setting)
    spinning: bool = True
    engine: str = "onnxruntime"

    def __post_init__(self) -> None:
        """Refuse thread counts below one and devices without a name."""
        if self.threads < 1:
            raise InputError(f"threads={self.threads}: at least 1 is wanted")
        if not self.device:
            raise DeviceError("device is empty; 'cpu' is always there")

    @property
    def on_cpu(self) -> bool:
        """Whether models share the cores with everything else."""
        return self.device == "cpu"
