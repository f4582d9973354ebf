"""Trainings as they are started from a shell: killed at any moment, and on several processes at once."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from made_training import VARIED, end, made_recipe, require_resumed, unlike, write_faces

from mien.training.recipe_file import write_recipe
from mien.training.run import Run
from mien.training.with_torch import saved

pytestmark = pytest.mark.long

MIEN = Path(sys.executable).with_name("mien")
ALONE = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
LONGEST = 240.0  # seconds until what hangs is ended
NETWORK = {"backbone": "mobilenetv3-small", "dimension": 32}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write_faces(tmp_path / "faces")
    write_faces(tmp_path / "others", 5, 4, first=50)
    return tmp_path


def started(place: Path, *words: object) -> subprocess.Popen[str]:
    """`mien …` in a group of its own, so that its processes can be killed together."""
    return subprocess.Popen(
        [str(MIEN), *map(str, words)],
        cwd=place, env=ALONE, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def told(place: Path, *words: object, code: int = 0) -> tuple[str, str]:
    """What `mien …` said on standard output and on standard error."""
    process = started(place, *words)
    try:
        out, err = process.communicate(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        killed(process)
        raise
    assert process.returncode == code, (out, err)
    return out, err


def killed(process: subprocess.Popen[str]) -> None:
    """kill -9, which nothing can prepare for."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def waited(process: subprocess.Popen[str], run: Run, since: int) -> None:
    """Until a checkpoint after step `since` stands, or the process has ended."""
    late = time.monotonic() + LONGEST
    while process.poll() is None and time.monotonic() < late:
        if any(int(file.stem[5:]) > since for file in saved.found(run.checkpoints)):
            return
        time.sleep(0.005)


def in_the_middle_of_writing(process: subprocess.Popen[str], run: Run) -> bool:
    """Waits until a checkpoint is half written; False where the process ended before."""
    while process.poll() is None:
        if any(file.stat().st_size for file in run.checkpoints.glob(".mien-*") if file.exists()):
            return True
    return False


@pytest.mark.parametrize("seed", [0])
def test_a_run_that_is_killed_again_and_again_ends_as_if_it_never_had_been(place: Path, seed: int) -> None:
    recipe = made_recipe(
        Path("faces"), "data.validation=others", *VARIED, "schedule.steps=30", "loss.name=adaface",
        "machine.checkpoint_steps=1", "optimizer.lr=0.01", "batch.size=8", network={**NETWORK, "dropout": 0.3},
    )  # fmt: skip
    write_recipe(place / "made.toml", recipe)
    _, said = told(place, "train", "made.toml", "--out", "whole", "--no-publish", "--json")
    assert said == ""  # no terminal, no bar
    whole, cut = Run(place / "whole"), Run(place / "cut")
    chance = random.Random(seed)
    words: tuple[object, ...] = ("train", "made.toml", "--out", "cut", "--no-publish", "--json")
    kills, halves, last = 0, 0, 0
    for attempt in range(6):
        process = started(place, *words)
        waited(process, cut, last)
        if attempt % 2:
            halves += in_the_middle_of_writing(process, cut)
        else:
            time.sleep(chance.uniform(0, 0.6))
        if process.poll() is None:
            kills += 1
        killed(process)
        kept = saved.found(cut.checkpoints)
        assert kept
        for file in kept:
            saved.read(file)  # each is whole
        last = int(kept[-1].stem[5:])
        words = ("train", "--resume", "cut", "--no-publish", "--json")
        if last == 30:
            break
    assert kills >= 3
    assert halves >= 1
    told(place, *words)
    assert unlike(end(cut, 30), end(whole, 30)) == []
    assert unlike(saved.read(cut.best), saved.read(whole.best)) == []
    assert cut.history() == whole.history()
    assert not list(cut.checkpoints.glob(".mien-*"))


def apart(one: Any, other: Any, place: str = "") -> dict[str, tuple[float, float]]:
    """The largest difference in every tensor of two nested states of the same names, and its largest number."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), place
        found: dict[str, tuple[float, float]] = {}
        for key in one:
            found |= apart(one[key], other[key], f"{place}.{key}")
        return found
    if isinstance(one, torch.Tensor):
        assert one.shape == other.shape, place
        return {place: (float((one.double() - other.double()).abs().max()), float(one.double().abs().max()))}
    assert one == other, place
    return {}


def require_alike(one: saved.State, other: saved.State) -> None:
    """Weights to 1e-5; momenta, where one activation that tips over is a gradient's worth, to a hundredth."""
    for name, (difference, largest) in apart(one, other).items():
        allowed = 0.01 * largest if name.startswith(".optimizer") else 1e-5
        assert difference <= allowed, (name, difference, largest)


def test_several_processes_learn_what_one_does_and_hand_over_to_each_other(place: Path) -> None:
    recipe = made_recipe(
        Path("faces"), *VARIED, "network.dropout=0", "schedule.steps=6", "machine.checkpoint_steps=3",
        "loss.name=adaface", "loss.shard=true", "optimizer.lr=0.01", "optimizer.momentum=0.5", "batch.size=16",
        network={**NETWORK, "statistics": "group"},
    )  # fmt: skip
    write_recipe(place / "made.toml", recipe)
    quiet = ("--no-publish", "--json")
    told(place, "train", "made.toml", "--out", "one", *quiet)
    out, err = told(place, "train", "made.toml", "--out", "two", "--devices", "2", *quiet)
    assert json.loads(out)["run"] == "two"  # one process speaks
    assert err == ""
    one, two = end(Run(place / "one"), 6), end(Run(place / "two"), 6)
    assert one["objective"]["loss.prototypes.weight"].shape == (8, 32)
    require_alike(one, two)
    moved = apart(one["state_dict"], end(Run(place / "one"), 3)["state_dict"])
    assert max(difference for difference, _ in moved.values()) > 1e-3
    for run in ("one", "two"):
        saved.path_of(Run(place / run).checkpoints, 6).unlink()
    told(place, "train", "--resume", "two", "--devices", "1", *quiet)
    told(place, "train", "--resume", "one", "--devices", "2", *quiet)
    for run in ("one", "two"):
        require_alike(end(Run(place / run), 6), one)


def test_several_processes_end_together_when_a_number_is_none(place: Path) -> None:
    recipe = made_recipe(
        Path("faces"), "optimizer.lr=1e30", "optimizer.clip=0", "schedule.warmup_epochs=0",
        "machine.checkpoint_steps=1", "schedule.steps=20", network=NETWORK,
    )  # fmt: skip
    write_recipe(place / "made.toml", recipe)
    _, err = told(place, "train", "made.toml", "--out", "run", "--devices", "2", "--no-publish", code=2)
    assert "not finite" in err
    assert "lower optimizer.lr" in err


def test_a_transformer_that_masks_patches_is_resumed_bit_for_bit(place: Path) -> None:
    changes = (
        "network.backbone=vit-tiny", "network.options={mask_ratio=0.3, drop_path=0.2}", "optimizer.name=adamw",
        "optimizer.lr=1e-4",
    )  # fmt: skip
    state = require_resumed(place / "faces", place / "others", place, *changes, *VARIED)
    assert state["optimizer"]["network.mask_token"]["exp_avg"].any()
