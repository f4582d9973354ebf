"""What watches a training: numbers that are none, what was best so far."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule
from made_training import Ear, Places, end, made_recipe, tiny, unlike, write_faces

from mien.errors import TrainingError
from mien.training.batches import Batches
from mien.training.datasets import open_dataset
from mien.training.material import gather
from mien.training.run import Measurement, Run
from mien.training.trainer import resume
from mien.training.with_torch import saved
from mien.training.with_torch.face_module import FaceModule
from mien.training.with_torch.keeping import Guard, Measure, module_of, require_finite
from mien.training.with_torch.losses.margin_softmax import MarginSoftmax
from mien.training.with_torch.trainer import Job, train

__all__ = ["tiny"]
ANY: Any = None


class OnGpu(FaceModule):
    """Says that it is on an accelerator, where nobody waits for a number."""

    @property
    def device(self) -> torch.device:
        return torch.device("cuda")


@pytest.fixture
def face(tmp_path: Path, tiny: None) -> FaceModule:
    recipe = made_recipe(write_faces(tmp_path / "faces"))
    module = Job.of(recipe, gather(recipe)).module()
    module.__class__ = OnGpu
    module.batch = SimpleNamespace(rows=torch.tensor([11, 3]))  # type: ignore[assignment]
    module.trainer = SimpleNamespace(global_step=6)  # type: ignore[assignment]
    return module


@pytest.mark.parametrize("what", ["loss", "norm"])
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_an_accelerators_step_is_looked_at_when_the_next_begins(
    face: FaceModule, what: str, number: float
) -> None:
    guard = Guard()
    guard.on_train_batch_end(ANY, face)
    setattr(face, what, torch.tensor(number))
    guard.on_train_batch_end(ANY, face)  # nobody has looked yet
    with pytest.raises(TrainingError, match=r"step 6: .*The batch began with p001/1.png, p000/3.png\. Look"):
        guard.look()
    guard.look()  # said once


def test_the_next_batch_looks_at_the_one_before(face: FaceModule) -> None:
    guard = Guard()
    face.loss = torch.tensor(float("nan"))
    guard.on_train_batch_end(ANY, face)
    face.loss = torch.tensor(1.0)
    with pytest.raises(TrainingError, match="not finite"):
        guard.on_train_batch_end(ANY, face)


def test_weights_that_are_none_are_counted_and_the_first_is_named() -> None:
    good = {"a": torch.ones(3), "count": torch.zeros((), dtype=torch.int64)}
    require_finite(3, good)
    bad = {"b": torch.tensor([1.0, float("inf")]), "c": torch.tensor(float("nan"))}
    with pytest.raises(TrainingError, match=r"step 3: 2 weights are not finite, b first: lower optimizer.lr"):
        require_finite(3, good | bad)


def test_only_our_module_is_watched() -> None:
    with pytest.raises(TypeError, match="a FaceModule is wanted, LightningModule given"):
        module_of(LightningModule())


def measurement(step: int) -> Measurement:
    return Measurement(step=step, epoch=0, eer=0.1, tar=None, fmr=0.01, weighting="pair", threshold=None)


def test_the_best_is_remembered_by_its_step(tmp_path: Path) -> None:
    run = Run(tmp_path)
    for step in (0, 5, 10):
        run.add(measurement(step))
    measure = Measure(made_recipe(tmp_path), run, None, Ear())
    assert measure.watched() == {"best": -1.0, "since": 0.0}
    measure.recall({"best": 5.0, "since": 1.0})
    assert measure.best.measurement == measurement(5)
    assert measure.watched() == {"best": 5.0, "since": 1.0}
    measure.recall({})
    assert measure.watched() == {"best": -1.0, "since": 0.0}


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("changes", "steps"),
    [
        (("machine.checkpoint_steps=0", "machine.keep=9", "schedule.steps=0", "schedule.epochs=2"), [5, 10]),
        (("machine.checkpoint_steps=3", "machine.keep=9"), [3, 6, 7]),
        (("machine.checkpoint_steps=3", "machine.keep=9", "batch.accumulate=2"), [3, 6, 7]),
        (("machine.checkpoint_steps=100",), [7]),
        (("machine.checkpoint_steps=2", "machine.keep=1"), [7]),
    ],
)
def test_checkpoints_come_when_they_are_due(tmp_path: Path, changes: tuple[str, ...], steps: list[int]) -> None:
    run = train(made_recipe(write_faces(tmp_path / "faces"), *changes), tmp_path / "run", Ear())
    assert [saved.read(file)["step"] for file in saved.found(run.checkpoints)] == steps
    assert not list(run.checkpoints.glob(".mien-*"))


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(("every", "steps"), [(1, [0, 5, 10, 12]), (2, [0, 10, 12]), (3, [0, 12])])
def test_it_is_measured_every_so_many_epochs_and_at_both_ends(
    tmp_path: Path, every: int, steps: list[int]
) -> None:
    faces, others = write_faces(tmp_path / "faces"), write_faces(tmp_path / "others", 4, 3, first=50)
    ear = Ear()
    changes = (
        f"data.validation={others}",
        f"validation.every={every}",
        "schedule.steps=12",
        "batch.accumulate=2",
    )
    run = train(made_recipe(faces, *changes), tmp_path / "run", ear)
    assert [each.step for each in ear.heard] == steps
    assert run.history() == ear.heard
    assert [each.epoch for each in ear.heard] == [step / 5 for step in steps]
    assert ear.heard[0].loss is None
    assert all(each.loss is not None for each in ear.heard[1:])


ABSURD = (
    "optimizer.lr=3e38",
    "optimizer.lr_batch=80",
    "machine.checkpoint_steps=1",
    "optimizer.clip=0",
    "schedule.warmup_epochs=0",
)


def require_kept(run: Run, steps: list[int]) -> None:
    """The run has the checkpoints of these steps, and all their numbers are some."""
    assert [saved.read(file)["step"] for file in saved.found(run.checkpoints)] == steps
    for file in (*saved.found(run.checkpoints), *[run.best] * run.best.is_file()):
        state = saved.read(file)
        numbers = {**state["state_dict"], **state.get("objective", {})}
        assert all(bool(torch.isfinite(tensor).all()) for tensor in numbers.values()), file


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("measured", [False, True])
def test_weights_that_are_no_numbers_are_not_kept(places: Places, measured: bool) -> None:
    changes = (f"data.validation={places.others}", "data.held_out=0") if measured else ()
    run = Run(places.runs / "run")
    ear = Ear()
    with pytest.raises(TrainingError, match=r"step 1: \d+ weights are not finite, .*lower optimizer.lr"):
        train(made_recipe(places.faces, *ABSURD, "batch.size=80", *changes), run.folder, ear)
    require_kept(run, [])
    assert len(ear.heard) == measured


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_loss_that_is_no_number_ends_the_training_and_names_its_batch(
    places: Places, monkeypatch: pytest.MonkeyPatch, accumulate: int
) -> None:
    changes = (f"batch.accumulate={accumulate}", "machine.checkpoint_steps=1", "batch.size=16")
    recipe = made_recipe(places.faces, *changes)
    batches = Batches(open_dataset(places.faces).labels, 16)
    chosen = next(batches.since(5)).part(accumulate - 1, accumulate)
    names = [open_dataset(places.faces).names[row] for row in chosen.rows[:2]]
    forward, calls = MarginSoftmax.forward, iter(range(1000))

    def spoilt_forward(self: MarginSoftmax, features: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        value = forward(self, features, labels)
        return value * float("nan") if next(calls) == 6 * accumulate - 1 else value

    monkeypatch.setattr(MarginSoftmax, "forward", spoilt_forward)
    run = Run(places.runs / "run")
    with pytest.raises(TrainingError, match=f"not finite. The batch began with {', '.join(names)}"):
        train(recipe, run.folder, Ear())
    require_kept(run, [4, 5])
    monkeypatch.setattr(MarginSoftmax, "forward", forward)
    resume(run.folder, Ear())
    whole = train(recipe, places.runs / "whole", Ear())
    assert unlike(end(run), end(whole)) == []
