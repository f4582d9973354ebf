"""The gallery's benchmark runs, on few made people. Its figures are not looked at."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def test_made_people_are_spread_as_faces_are(tmp_path: Path) -> None:
    from gallery_people import GENUINE, make

    people = make(tmp_path / "faces", 1500, 128)
    vectors, probes, truth = (np.load(people.folder / f"{name}.npy") for name in ("vectors", "probes", "truth"))
    strangers = (vectors @ vectors.T)[np.triu_indices(1500, 1)]
    assert strangers.std() == pytest.approx(0.104, abs=0.015)
    assert strangers.mean() == pytest.approx(0.016, abs=0.01)
    np.testing.assert_allclose((probes * vectors[truth[:, 0]]).sum(1), GENUINE, atol=1e-5)
    np.testing.assert_array_equal(truth[:50], np.argsort(-(probes[:50] @ vectors.T), axis=1)[:, :10])


def test_contenders_build_once_and_take_turns(tmp_path: Path) -> None:
    from gallery import Running, take_turns
    from gallery_people import make

    people = make(tmp_path / "people", 300, 32, like_faces=False)
    calls: dict[str, dict[str, str]] = {"index": {"kind": "int8"}, "plain": {}, "product": {}}
    running = {
        call: Running(
            Path(sys.executable), {"call": f"gallery_ours:{call}", "settings": people.settings | settings}
        )
        for call, settings in calls.items()
    }
    results = take_turns(running, 2)
    for contender in running.values():
        contender.__exit__()
    for rounds in results.values():
        assert len(rounds) == 2
        assert all(each["rate"] > 0 and each["alone_ms"] > 0 for each in rounds)
        assert rounds[0].get("first", 1.0) == rounds[0].get("ten", 1.0) == 1.0


def test_a_contender_that_fails_is_said_to(capfd: pytest.CaptureFixture[str]) -> None:
    from gallery import Running

    with pytest.raises(EOFError):
        Running(Path(sys.executable), {"call": "gallery_ours:index", "settings": {}})
    assert "missing 3 required" in capfd.readouterr().err


def test_tables_and_plot_hold_what_was_measured() -> None:
    from gallery import growth_table, panels, table, verdicts
    from gallery_plot import drawing

    results: Any = {
        "mien, exact": [{"alone_ms": 4.0, "rate": 70.0, "mb": 2.0, "first": 1.0, "ten": 1.0}],
        "mien, int8": [{"alone_ms": 1.0, "rate": 140.0, "mb": 2.5, "first": 1.0, "ten": 1.0}],
        "product alone": [{"alone_ms": 3.0, "rate": 100.0, "mb": 2.0}],
    }
    lines = list(table(results))
    assert lines[2] == "| mien, exact | 4.00 | 4.00–4.00 | 70.0 | 70.0–70.0 | 2 | 1.0000 | 1.0000 |"
    assert lines[4].endswith("| 2 |  |  |")
    said = "\n".join(verdicts(results))
    assert "mien, exact: 0.70 × the rate of product alone, in batches; at least 0.65 wanted: met" in said
    assert "mien, int8: 2.00 × the rate of mien, exact, in batches; at least 2.5 wanted: MISSED" in said
    grown = {1000: results, 100_000: results}
    assert list(growth_table(grown))[2].startswith("| 1,000 | 4.00 / 70.0 / 2.00 |")
    picture = ElementTree.fromstring(drawing(panels(grown)))
    curves = [each for each in picture.iter() if each.tag.endswith("polyline")]
    assert len(curves) == 3 * 2
