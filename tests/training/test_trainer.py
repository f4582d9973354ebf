"""The door to training: which framework, and that it is there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mien.errors import InputError, MissingExtraError
from mien.training import trainer
from mien.training.recipe import Machine, Recipe


def framework(name: str) -> Recipe:
    return Recipe(machine=Machine(framework=name))


def test_an_unknown_framework_is_refused_by_name(tmp_path: Path) -> None:
    for asked in (lambda recipe: trainer.train(recipe, tmp_path / "run", print), trainer.plan):
        with pytest.raises(InputError, match=r"machine.framework: 'jax' is unknown; known: torch"):
            asked(framework("jax"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", ["torch", "lightning"])
def test_a_framework_that_is_not_installed_is_named_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    for name in [name for name in sys.modules if name.startswith("mien.training.with_torch")]:
        monkeypatch.delitem(sys.modules, name)
    # A module that is None in sys.modules cannot be imported, as one that is not installed.
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setitem(sys.modules, f"{package}.pytorch", None)
    with pytest.raises(MissingExtraError, match=rf"{package}.*pip install 'mien\[train\]'"):
        trainer.plan(Recipe())


def test_a_fault_of_ours_is_no_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "TRAINERS", {"torch": "mien.training.nowhere"})
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        trainer.plan(Recipe())


def test_what_is_no_run_is_neither_resumed_nor_published(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run of `mien train`"):
        trainer.resume(tmp_path, print)
    with pytest.raises(InputError, match="no run of `mien train`"):
        trainer.publish_run(tmp_path, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change", ["optimizer.lr=1", "machine.seed=3", "data.train=x"])
def test_what_is_learnt_cannot_change_on_the_way(tmp_path: Path, change: str) -> None:
    with pytest.raises(InputError, match=r"a run goes on with its own recipe; machine.device, machine.devices"):
        trainer.resume(tmp_path, print, [change])


def test_data_are_asked_for() -> None:
    with pytest.raises(InputError, match=r"data.train: name the folder"):
        trainer.plan(Recipe())
