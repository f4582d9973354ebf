"""The trainer's benchmark runs, on patterns made here. Its figures are not looked at."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def test_everybody_trains_the_same_crops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import training

    monkeypatch.setattr(training, "PEOPLE", 3)
    monkeypatch.setattr(training, "PICTURES", 6)
    settings = {"crops": str(training.write_crops(tmp_path / "crops")), "network": "mobilenetv3-small"}
    for call in ("training_ours:run", "training_minimal:run", "training_minimal:run_channels_last"):
        figures = training.one(call, {**settings, "steps": 1, "batch": 4})
        assert figures["value"] > 0
        assert figures["cpu_ms"] > 0


def test_a_part_of_the_people_wants_less_memory() -> None:
    if sys.platform != "linux":
        pytest.skip("the peak is read from Linux's /proc")
    import training

    whole, part = (
        training.one("training_classes:run", {"classes": 60_000, "rate": rate}) for rate in (1.0, 0.1)
    )
    assert part["value"] < 0.8 * whole["value"]


def test_the_page_has_a_place_for_every_table() -> None:
    import training

    text = training.PAGE.read_text("utf-8")
    assert all(f"<!-- bench:{name} -->" in text for name in training.TABLES)
