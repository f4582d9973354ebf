"""A state as a file: what is in it, what is refused."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from made_training import Ear, made_recipe, tiny, unlike, write_faces

from mien.errors import InputError
from mien.training.run import Run
from mien.training.with_torch import saved
from mien.training.with_torch.checkpoints import load_weights
from mien.training.with_torch.trainer import network_of, train

__all__ = ["tiny"]
CHANGES = ("machine.ema=0.9", "loss.name=adaface", "optimizer.name=adamw", "optimizer.lr=1e-3")


@pytest.fixture
def run(tmp_path: Path, tiny: None) -> Run:
    return train(made_recipe(write_faces(tmp_path / "faces"), *CHANGES), tmp_path / "run", Ear())


def test_all_that_the_next_step_depends_on_is_there(run: Run) -> None:
    state = saved.read(saved.path_of(run.checkpoints, 7))
    assert (state["format"], state["step"]) == (1, 7)
    assert state["watched"] == {"best": -1.0, "since": 0.0}
    names = set(state["state_dict"])
    assert {"network.trunk.0.weight", "network.trunk.1.running_mean", "network.head.bias"} <= names
    assert set(state["average"]) == names
    assert unlike(state["average"], state["state_dict"]) != []
    assert set(state["objective"]) == {"loss.prototypes.weight", "loss.margin.mean", "loss.margin.deviation"}
    moments = state["optimizer"]
    parameters = {name for name in names if "running" not in name and "num_batches" not in name}
    assert set(moments) == parameters | {"objective.loss.prototypes.weight"}
    for name, moment in moments.items():
        assert set(moment) == {"step", "exp_avg", "exp_avg_sq"}, name
        assert float(moment["step"]) == 7
        assert moment["exp_avg"].any(), name


def test_a_checkpoint_can_be_begun_from(run: Run) -> None:
    network = network_of(run.recipe(), (32, 32), start=False)
    found = load_weights(network, saved.path_of(run.checkpoints, 7))
    assert found.form == "mien"
    state = saved.read(saved.path_of(run.checkpoints, 7))["state_dict"]
    assert torch.equal(network.state_dict()["head.weight"], state["network.head.weight"])


def test_checkpoints_are_found_oldest_first_and_nothing_else(tmp_path: Path) -> None:
    for step in (100, 9, 12345678, 123456789):
        saved.path_of(tmp_path, step).touch()
    for other in ("best.ckpt", "step-1.txt", ".mien-abc"):
        (tmp_path / other).touch()
    assert [saved.path_of(tmp_path, step) for step in (9, 100, 12345678, 123456789)] == saved.found(tmp_path)


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("evil",)


@pytest.mark.parametrize(
    "damage", ["empty", "half", "text", "evil", "evil zip", "a list", "of tomorrow", "missing"]
)
def test_what_is_no_state_is_refused_and_never_run(
    tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "step-00000001.ckpt"
    torch.save({"format": saved.FORMAT, "step": 1, "state": torch.ones(1000)}, file)
    whole = file.read_bytes()
    content = {
        "empty": b"",
        "half": whole[: len(whole) // 2],
        "text": b"hello",
        "evil": pickle.dumps(Evil()),
        "missing": None,
    }
    objects = {"evil zip": {"format": 1, "x": Evil()}, "a list": [1, 2], "of tomorrow": {"format": 2}}
    if damage in objects:
        torch.save(objects[damage], file)
    elif content[damage] is None:
        file.unlink()
    else:
        file.write_bytes(content[damage] or b"")
    with pytest.raises(InputError, match=r"step-00000001.ckpt: not a checkpoint"):
        saved.read(file)
    assert not (tmp_path / "evil").exists()


def test_a_write_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    file = saved.path_of(tmp_path, 1)
    saved.write(file, {"format": saved.FORMAT, "step": 1})
    with pytest.raises(Exception, match="pickle"):
        saved.write(file, {"format": saved.FORMAT, "step": (each for each in "generators cannot be kept")})
    assert saved.read(file)["step"] == 1
    assert list(tmp_path.iterdir()) == [file]
    with pytest.raises(InputError, match="cannot be written"):
        saved.write(tmp_path / "away" / "x.ckpt", {})
