"""The benchmarks run, on pictures made here. Their figures are not looked at."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_training import SIDE, tiny, write_faces

from mien.training.datasets import open_dataset
from mien.training.datasets.dataset import decode

__all__ = ["tiny"]
BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


@pytest.fixture
def material(tmp_path: Path) -> Any:
    from material import MODELS, Material, made_parties, made_portraits, write_chips

    portraits = made_portraits(tmp_path / "portraits", 3)
    return Material(
        portraits=[str(path) for path in portraits],
        parties=[str(path) for path in made_parties(tmp_path / "parties")],
        pictures="made",
        chips=write_chips(tmp_path / "chips.npy", portraits),
        big={"jpg": "big.jpg", "png": "big.png"},
        models=dict.fromkeys(MODELS, "model.onnx"),
        bundles=dict.fromkeys(MODELS, "bundle"),
        insightface_root="root",
        quick=True,
    )


def contend(call: str, **settings: Any) -> dict[str, Any]:
    order = json.dumps({"call": call, "settings": settings})
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "contend.py"], input=order, capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_every_contender_exists_and_takes_its_settings(material: Any) -> None:
    from groups import GROUPS

    for make, _ in GROUPS.values():
        group = make(material)
        names = [contender.name for contender in group.contenders]
        assert len(set(names)) == len(names)
        assert {group.reference, *(limit.of for limit in group.limits)} <= {*names, ""}
        assert all({target.of, *target.than} <= set(names) for target in group.targets)
        for contender in group.contenders:
            module, function = contender.call.split(":")
            # The peers' own libraries are imported by no other contender, nor here where they are absent.
            called = getattr(import_module(f"contenders.{module}"), function)
            inspect.signature(called).bind(**contender.settings)


def test_ours_and_the_models_alone_go_through_made_pictures(material: Any) -> None:
    starter = {"pictures": material.portraits, "bundle": "dlib-resnet", "detector": "mtcnn"}
    ours = contend("ours:read", **starter)
    assert ours["faces"] == len(material.portraits)
    assert ours["value"] > 0
    assert ours["peak_mb"] > 20
    for arrangement in ("callers", "threads"):
        assert contend(f"alone:{arrangement}", **starter)["value"] > 0


def test_the_raw_graph_is_measured_on_chips(material: Any) -> None:
    assert contend("ours:embed", chips=material.chips, batch=2, threads=1)["value"] > 0


def test_a_table_gives_the_median_the_spread_and_our_ratio() -> None:
    from groups import Contender, Group, Limit, Target
    from tables import table, verdicts

    contenders = [Contender("mien", "", {}), Contender("other", "", {}), Contender("absent", "", {})]
    targets = [Target("mien", ("other", "absent"), 1.5)]
    group = Group("t", "images/s", "more", contenders, "mien", targets, [Limit("mien", 50.0)])
    results = {
        "mien": [{"value": value, "peak_mb": 10.0, "faces": 3} for value in (40.0, 60.0, 50.0)],
        "other": [{"value": value, "peak_mb": 20.0} for value in (20.0, 25.0, 40.0)],
    }
    assert table(group, results) == [
        "|  | images/s | rounds | mien is × as fast | peak MB | faces |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| mien | 50.0 | 40.0–60.0 | 1.00 | 10 | 3 |",
        "| other | 25.0 | 20.0–40.0 | 2.00 | 20 |  |",
        "| absent | not measured |  |  |  |  |",
    ]
    assert verdicts(group, results) == [
        "mien: 1.25 × the best round of other; at least 1.5 wanted: MISSED",
        "mien: 60 images/s; under 50 wanted: MISSED",
    ]


def test_where_less_is_better_the_ratio_is_turned_over() -> None:
    from groups import Contender, Group, Target
    from tables import verdicts

    contenders = [Contender("mien", "", {}), Contender("other", "", {})]
    group = Group("t", "ms", "less", contenders, "mien", [Target("mien", ("other",), 2.0)])
    results = {"mien": [{"value": 10.0}], "other": [{"value": 40.0}, {"value": 30.0}]}
    assert verdicts(group, results) == ["mien: 3.00 × the best round of other; at least 2 wanted: met"]


def test_a_page_keeps_what_stands_outside_the_markers(tmp_path: Path) -> None:
    from tables import rewrite

    page = tmp_path / "page.md"
    page.write_text("a\n<!-- bench:x -->\nold\n<!-- /bench -->\nb\n<!-- bench:y -->\nkept\n<!-- /bench -->\n")
    rewrite(page, "x", ["new \\1", "rows"])
    assert page.read_text() == (
        "a\n<!-- bench:x -->\nnew \\1\nrows\n<!-- /bench -->\nb\n<!-- bench:y -->\nkept\n<!-- /bench -->\n"
    )
    with pytest.raises(SystemExit, match="bench:z"):
        rewrite(page, "z", ["rows"])


def test_the_page_has_a_place_for_every_group() -> None:
    from groups import GROUPS
    from run import PAGE

    text = PAGE.read_text("utf-8")
    assert all(f"<!-- bench:{name} -->" in text for name in GROUPS)


def test_networks_are_trained_and_fine_tuned_on_little_data(
    tmp_path: Path, tiny: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import orl
    from orl_pictures import shots

    quick = {
        "network": {"backbone": "tiny", "dimension": 16},
        "schedule": {"epochs": 2},
        "validation": {"every": 1000, "settle": 32},
        "batch": {"size": 16, "per_person": 4},
        "machine": {**orl.COMMON["machine"], "examples": 0},
    }
    monkeypatch.setattr(orl, "COMMON", {**orl.COMMON, **quick})
    for name, value in {"HELD_OUT": 2, "SIDE": SIDE, "RATES": (1e-3, 2e-3)}.items():
        monkeypatch.setattr(orl, name, value)
    place = orl.Place(tmp_path, 0)
    write_faces(place.crops, people=18)

    rows = [row for loss in orl.LOSSES for row in orl.with_loss(place, loss)]
    assert [(row.what, row.when) for row in rows] == [(x, y) for x in orl.LOSSES for y in ("before", "after")]
    assert (
        len({row.figures.eer for row in rows if row.when == "before"}) == 1
    )  # the same network, the same people
    assert {row.rate for row in rows} <= {1e-3, 2e-3}

    rows = orl.from_ours(place)
    assert [row.when for row in rows] == ["before", *orl.FINE_TUNING]
    assert all(row.figures.eer.value is not None and row.figures.rank1 is not None for row in rows)
    _, unseen = open_dataset(place.crops).split_people(10, 0)
    known, asked = shots(unseen, 0)
    assert list(known.counts) == [5] * 10
    assert list(asked.counts) == [5] * 10
    assert set(known.names) | set(asked.names) == set(unseen.names)
    assert orl.table(rows).count("of 30 people |") == 3


def test_a_coarse_picture_is_flat_within_its_few_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import orl_pictures

    monkeypatch.setattr(orl_pictures, "COARSE", 1)
    sharp = write_faces(tmp_path / "sharp", people=2, pictures=2)
    orl_pictures.make_coarse(sharp, tmp_path / "coarse")
    before, after = open_dataset(sharp), open_dataset(tmp_path / "coarse")
    assert after.contract == before.contract
    for row in range(len(before)):
        flat = decode(after, row)
        assert np.ptp(flat, axis=(0, 1)).max() == 0
        np.testing.assert_allclose(flat[0, 0], decode(before, row).mean((0, 1)), atol=1)
