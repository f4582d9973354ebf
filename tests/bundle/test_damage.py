"""A small run of the damage that tests/long/test_fuzz_bundles.py does at full size."""

from __future__ import annotations

from pathlib import Path

from broken_bundles import damaged, outcomes, use, whole_bundles


def test_whole_bundles_work(tmp_path: Path) -> None:
    for number, parts in enumerate(whole_bundles()):
        assert use(tmp_path / str(number), parts) == "works"


def test_damage_is_the_same_for_the_same_seed() -> None:
    bundles = whole_bundles()
    assert damaged(7, bundles) == damaged(7, bundles)
    assert len({tuple(damaged(seed, bundles).values()) for seed in range(50)}) > 45


def test_damaged_bundles_are_refused_or_run() -> None:
    ended = outcomes(0, 200, patience=120)
    assert ended.total() == 200
    assert {"works", "CardError", "GraphError"} <= set(ended)
