"""Threads from quotas, settings from the environment."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from mien.bundle import runtime as runtime_module
from mien.bundle.runtime import Runtime, available_cores
from mien.errors import DeviceError, InputError

V1 = {"cpu/cpu.cfs_quota_us": "150000", "cpu/cpu.cfs_period_us": "100000"}


def cgroup(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + "\n")
    return root


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"cpu.max": "200000 100000"}, 2),
        ({"cpu.max": "50000 100000"}, 0.5),
        ({"cpu.max": "max 100000"}, math.inf),
        (V1, 1.5),
        ({**V1, "cpu/cpu.cfs_quota_us": "-1"}, math.inf),
        ({**V1, "cpu.max": "300000 100000"}, 3),
        ({"cpu.max": "max 100000", **V1}, 1.5),
        ({"cpu.max": ""}, math.inf),
        ({"cpu.max": "1 2 3"}, math.inf),
        ({"cpu.max": "100000 0"}, math.inf),
        ({}, math.inf),
    ],
)
def test_quotas_of_both_kinds(tmp_path: Path, files: dict[str, str], quota: float) -> None:
    assert runtime_module._cgroup_quota(cgroup(tmp_path, files), tmp_path / "own") == quota


@pytest.mark.parametrize(
    ("own", "files", "quota"),
    [
        ("0::/a.slice/b.service", {"a.slice/b.service/cpu.max": "150000 100000"}, 1.5),
        ("0::/a.slice/b.service", {"a.slice/cpu.max": "2 1", "a.slice/b.service/cpu.max": "max 1"}, 2),
        ("0::/a/b", {"cpu.max": "4 1", "a/cpu.max": "1 1", "a/b/cpu.max": "3 1"}, 1),
        ("0::/a", {"cpu.max": "1 1", "a/cpu.max": "3 1"}, 1),
        ("0::/a", {"a/b/cpu.max": "1 1"}, math.inf),
        ("0::/", {"cpu.max": "3 1"}, 3),
        ("0::/host/only", {"cpu.max": "3 1"}, 3),
        ("0::/../a", {"cpu.max": "3 1", "a/cpu.max": "1 1"}, 3),
        ("1:name=systemd:/b\n0::/a", {"a/cpu.max": "2 1", "b/cpu.max": "1 1"}, 2),
        ("4:cpu:/a", {"a/cpu.max": "1 1", **V1}, 1.5),
    ],
)
def test_the_tightest_quota_above_the_process_counts(
    tmp_path: Path, own: str, files: dict[str, str], quota: float
) -> None:
    cgroup(tmp_path, {"own": own})
    assert runtime_module._cgroup_quota(cgroup(tmp_path / "root", files), tmp_path / "own") == quota


@pytest.mark.parametrize(("quota", "cores"), [(0.1, 1), (1, 1), (1.5, 2), (3, 3), (math.inf, 8), (64, 8)])
def test_cores_are_the_quota_rounded_up_within_the_affinity(
    monkeypatch: pytest.MonkeyPatch, quota: float, cores: int
) -> None:
    monkeypatch.setattr(runtime_module, "_cgroup_quota", lambda *_: quota)
    monkeypatch.setattr(runtime_module.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert available_cores() == cores


def test_threads_follow_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MIEN_THREADS", raising=False)
    assert Runtime().threads == available_cores()
    monkeypatch.setenv("MIEN_THREADS", "3")
    assert Runtime().threads == 3
    assert Runtime(threads=5).threads == 5


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "1025", "9" * 30, "٣"])
def test_a_bad_setting_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("MIEN_THREADS", text)
    if text == "٣":  # an Arabic three is a decimal digit, and three
        assert Runtime().threads == 3
        return
    with pytest.raises(InputError, match=f"MIEN_THREADS='{text}': a whole number from 1 to 1024"):
        Runtime()


def test_settings_that_mean_nothing() -> None:
    with pytest.raises(DeviceError, match="device is empty"):
        Runtime(device="", threads=1)


@pytest.mark.parametrize("threads", [0, -1, 1025, 20_000, 2.5, 2.0, "2", True, None])
def test_threads_that_are_none(threads: int) -> None:
    with pytest.raises(InputError, match=f"threads={threads!r}: a whole number from 1 to 1024"):
        Runtime(threads=threads)


def test_the_most_threads_are_the_default_on_larger_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MIEN_THREADS", raising=False)
    monkeypatch.setattr(runtime_module, "available_cores", lambda: 2000)
    assert Runtime().threads == Runtime(threads=1024).threads == 1024


def test_who_shares_the_cores() -> None:
    assert Runtime(threads=1).on_cpu
    assert not Runtime(device="cuda:1", threads=1).on_cpu
