"""One step of a training, seen from outside: its rate, its gradient, and what follows the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from made_training import made_recipe, tiny, write_faces

from mien.training.material import gather
from mien.training.recipe import Recipe
from mien.training.with_torch.devices import lightning_options, quiet
from mien.training.with_torch.face_module import FaceModule
from mien.training.with_torch.keeping import module_of, stepped
from mien.training.with_torch.objectives import Recognition
from mien.training.with_torch.optimizers import height
from mien.training.with_torch.trainer import Job

__all__ = ["tiny"]
pytestmark = pytest.mark.usefixtures("tiny")


class Watch(Callback):
    """Notes what every batch was like."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.norms: list[float] = []
        self.steps: list[int] = []
        self.rows: list[list[int]] = []
        self.weights: list[torch.Tensor] = []
        self.losses: list[float] = []

    def on_train_batch_end(self, trainer: Trainer, module: Any, *_: Any) -> None:
        face = module_of(module)
        assert face.batch is not None
        self.rows.append(face.batch.rows.tolist())
        self.losses.append(float(face.loss))
        if stepped(face, trainer):
            self.rates.append(float(trainer.optimizers[0].param_groups[0]["lr"]))
            self.norms.append(float(face.norm))
            self.steps.append(face.step)
            self.weights.append(face.network.get_parameter("head.weight").detach().clone())


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_faces(tmp_path_factory.mktemp("data") / "faces")


def fitted(recipe: Recipe, start: int = 0) -> tuple[FaceModule, Watch]:
    job, watch = Job.of(recipe, gather(recipe), start), Watch()
    module = job.module()
    with quiet():
        Trainer(callbacks=[watch], **lightning_options(recipe)).fit(module)
    return module, watch


def test_steps_rates_and_batches_are_those_of_the_recipe(faces: Path) -> None:
    recipe = made_recipe(faces, "schedule.steps=12", "schedule.warmup_epochs=0.6", "optimizer.lr_batch=8")
    module, watch = fitted(recipe)
    assert watch.steps == list(range(1, 13))
    assert watch.rates == pytest.approx([0.1 * height(recipe.schedule, step, 12, 3) for step in range(12)])
    assert watch.rates[:3] == pytest.approx([0.1 / 3, 0.2 / 3, 0.1])
    for epoch in (watch.rows[:5], watch.rows[5:10]):
        assert sorted(row for rows in epoch for row in rows) == list(range(80))
    assert module.average is None


def test_a_later_start_sees_the_later_batches_at_the_later_rates(faces: Path) -> None:
    recipe = made_recipe(faces, "schedule.steps=12")
    whole, later = fitted(recipe)[1], fitted(recipe, 7)[1]
    assert later.steps == [8, 9, 10, 11, 12]
    assert later.rows == whole.rows[7:]
    assert later.rates == pytest.approx(whole.rates[7:])


def test_parts_are_one_step_with_the_mean_of_their_gradients(faces: Path) -> None:
    # Without statistics of a batch, a step in parts is the very same step.
    alike = ("network.statistics=group", "schedule.steps=4")
    one, two = (fitted(made_recipe(faces, f"batch.accumulate={n}", *alike))[1] for n in (1, 4))
    assert one.steps == two.steps == [1, 2, 3, 4]
    assert [row for rows in one.rows for row in rows] == [row for rows in two.rows for row in rows]
    assert two.norms == pytest.approx(one.norms, rel=1e-4)
    assert torch.allclose(one.weights[-1], two.weights[-1], atol=1e-6)


def test_a_long_gradient_is_shortened(faces: Path) -> None:
    free = fitted(made_recipe(faces, "optimizer.clip=0"))[1]
    bound = fitted(made_recipe(faces, "optimizer.clip=0.01"))[1]
    assert min(free.norms) > 0.01
    assert bound.norms[0] == pytest.approx(free.norms[0], rel=1e-5)  # what is told is the length it had
    rate = bound.rates[0]
    moved = (bound.weights[1] - bound.weights[0]).norm()
    decay = 5e-4 * bound.weights[0].norm()
    assert moved <= 2 * (bound.rates[1] + rate) * (0.01 + decay)
    assert (free.weights[1] - free.weights[0]).norm() > 5 * moved


def test_the_average_is_there_and_follows(faces: Path) -> None:
    module, watch = fitted(made_recipe(faces, "machine.ema=0.5"))
    assert module.average is not None
    begun = Job.of(module.recipe, gather(module.recipe)).network.get_parameter("head.weight").detach()
    expected = begun.clone()
    for step, weight in enumerate(watch.weights, 1):
        keep = min(0.5, (1 + step) / (10 + step))
        expected = keep * expected + (1 - keep) * weight
    assert torch.allclose(module.average.state["head.weight"], expected, atol=1e-6)


def test_dropout_of_a_step_does_not_depend_on_what_was_before(faces: Path) -> None:
    still = ("optimizer.lr=1e-12", "augment.mirror=0", "network.statistics=frozen", "network.dropout=0.5")
    torch.manual_seed(1)
    one = fitted(made_recipe(faces, *still))[1]
    torch.manual_seed(2)
    torch.rand(100)
    assert fitted(made_recipe(faces, *still))[1].losses == one.losses
    assert fitted(made_recipe(faces, *still, "machine.seed=1"))[1].losses != one.losses


@pytest.mark.parametrize("start", [0, 4])
def test_the_objective_hears_of_every_step(faces: Path, monkeypatch: pytest.MonkeyPatch, start: int) -> None:
    heard: list[tuple[str, int]] = []
    begin = Recognition.begin_step

    def begun(self: Recognition, seed: int, step: int) -> None:
        assert seed == 9
        heard.append(("begin", step))
        begin(self, seed, step)

    def ended(self: Recognition, network: torch.nn.Module) -> None:
        heard.append(("end", int(network.trunk[1].num_batches_tracked)))  # type: ignore[index, union-attr]

    monkeypatch.setattr(Recognition, "begin_step", begun)
    monkeypatch.setattr(Recognition, "end_step", ended)
    fitted(made_recipe(faces, "batch.accumulate=2", "machine.seed=9"), start)
    expected = [
        each
        for step in range(start, 7)
        for each in (("begin", step), ("begin", step), ("end", 2 * (step - start + 1)))
    ]
    assert heard == expected
