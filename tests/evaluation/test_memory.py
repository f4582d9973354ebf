"""Peak memory: what the system says, in MB, wherever it says it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mien.evaluation import memory
from mien.evaluation.memory import peak_mb

STATUS = "Name:\tpython\nVmPeak:\t  999999 kB\nVmHWM:\t   50000 kB\nVmRSS:\t   40000 kB\n"


def no_file(*_: Any, **__: Any) -> str:
    raise FileNotFoundError


def test_what_was_held_once_is_remembered() -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("needs /proc, absent here")
    block = np.ones(int((peak_mb() + 64) * 1e6 / 8))
    megabytes = block.nbytes / 1e6
    assert peak_mb() >= megabytes
    del block
    assert peak_mb() >= megabytes


def test_linux_counts_in_units_of_1024_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda _: STATUS)
    assert peak_mb() == pytest.approx(51.2)  # 50,000 · 1,024 bytes


def test_a_system_that_does_not_say_gives_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda _: "Name:\tpython\n")
    assert peak_mb() == 0


@pytest.mark.parametrize(("platform", "megabytes"), [("linux", 51.2), ("freebsd14", 51.2), ("darwin", 0.05)])
def test_without_proc_resource_is_asked(
    platform: str, megabytes: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = SimpleNamespace(RUSAGE_SELF=0, getrusage=lambda _: SimpleNamespace(ru_maxrss=50_000))
    monkeypatch.setattr(Path, "read_text", no_file)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setitem(sys.modules, "resource", usage)
    assert peak_mb() == pytest.approx(megabytes)


def test_without_either_it_is_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", no_file)
    monkeypatch.setitem(sys.modules, "resource", None)  # import_module then raises ImportError
    assert memory.peak_mb() == 0
