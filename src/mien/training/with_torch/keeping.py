"""While a network learns: its state is kept, its numbers are watched, it is measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from mien.errors import TrainingError
from mien.training.recipe import Recipe
from mien.training.run import Measurement, Run
from mien.training.validation import Checks, better
from mien.training.with_torch import saved
from mien.training.with_torch.face_module import FaceModule
from mien.training.with_torch.settling import settled
from mien.training.with_torch.vectors import vectors

Told = Callable[[Measurement], None]
SHOWN = 5  # pictures of a bad batch that are named
REMEDY = "lower optimizer.lr or raise schedule.warmup_epochs; the last checkpoint is good"


def module_of(module: LightningModule) -> FaceModule:
    """The module that mien trains. TypeError for any other."""
    if not isinstance(module, FaceModule):
        raise TypeError(f"a FaceModule is wanted, {type(module).__name__} given")
    return module


class Guard(Callback):
    """Stops a training whose loss or gradient is not finite, before its state is kept, and names the batch.

    On an accelerator a step is looked at when the next one begins, so that nobody waits for it.
    """

    def __init__(self) -> None:
        self._pending: tuple[Tensor, int, list[str]] | None = None

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *_: Any) -> None:
        """Remember what to look at; look at once where that costs nothing."""
        face = module_of(module)
        self.look()
        finite = torch.isfinite(face.loss) & torch.isfinite(face.norm.to(face.loss.device))
        rows = face.batch.rows.tolist() if face.batch is not None else []
        self._pending = (finite, face.step, [str(face.dataset.names[row]) for row in rows[:SHOWN]])
        if face.device.type == "cpu":
            self.look()

    def look(self) -> None:
        """TrainingError where the last step was not finite."""
        pending, self._pending = self._pending, None
        if pending is not None and not bool(pending[0]):
            _, step, names = pending
            raise TrainingError(
                f"step {step}: loss or gradient is not finite. The batch began with {', '.join(names)}. "
                f"Look at these pictures, {REMEDY}"
            )


def require_finite(step: int, weights: Mapping[str, Tensor]) -> None:
    """TrainingError where a step led to weights that are no numbers, though its loss and gradient were."""
    bad = [name for name, tensor in weights.items() if not bool(torch.isfinite(tensor).all())]
    if bad:
        raise TrainingError(f"step {step}: {len(bad)} weights are not finite, {bad[0]} first: {REMEDY}")


@dataclass
class Best:
    """The best measurement so far, and how many came since."""

    measurement: Measurement | None = None
    since: int = 0


class Measure(Callback):
    """Measures the network at the beginning and every so many epochs, keeps the best one, stops when told to.

    Only the first process measures; the others wait for its word.
    """

    def __init__(self, recipe: Recipe, run: Run | None, checks: Checks | None, told: Told) -> None:
        self._recipe, self._run, self._checks, self._told = recipe, run, checks, told
        self.best = Best()

    def recall(self, watched: dict[str, float]) -> None:
        """Go on from what a checkpoint knows of the measurements so far."""
        history = self._run.history() if self._run is not None else []
        step = watched.get("best", -1)
        self.best = Best(
            next((each for each in history if each.step == step), None), int(watched.get("since", 0))
        )

    def watched(self) -> dict[str, float]:
        """What a checkpoint must know to go on measuring."""
        best = self.best.measurement
        return {"best": float(best.step if best is not None else -1), "since": float(self.best.since)}

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Before the first step: what the training begins with."""
        if module_of(module).step == 0:
            self._measure(trainer, module_of(module))

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *_: Any) -> None:
        """At the end of an epoch that is to be measured, and of the training."""
        face = module_of(module)
        due = face.step % (face.steps.epoch * self._recipe.validation.every) == 0
        if stepped(face, trainer) and (due or face.step == face.steps.stop):
            self._measure(trainer, face)

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """With nothing to measure on, the last network is the best there is."""
        if self._checks is None and trainer.is_global_zero and self._run is not None:
            face = module_of(module)
            with settled(face):
                saved.write(self._run.best, light(face))

    def _measure(self, trainer: Trainer, face: FaceModule) -> None:
        if self._checks is None:
            return
        require_finite(face.step, dict(face.network.named_parameters()))
        if trainer.is_global_zero:
            self._judge(face, self._checks)
        patience = self._recipe.validation.patience
        enough = bool(patience and self.best.since >= patience)
        if trainer.strategy.broadcast(enough):
            trainer.should_stop = True

    def _judge(self, face: FaceModule, checks: Checks) -> None:
        settings = self._recipe.validation
        epoch = face.step / face.steps.epoch
        with settled(face):
            found = checks.measured(lambda crops: vectors(face, crops), settings, face.step, epoch)
            found = msgspec.structs.replace(found, loss=_loss(face))
            self._told(found)
            if self._run is not None:
                self._run.add(found)
            self._compare(face, found)

    def _compare(self, face: FaceModule, found: Measurement) -> None:
        """Keep the network where it is the best so far; one that has learnt nothing yet never is."""
        if face.step == 0 and not self._recipe.network.weights:
            return
        if better(self._recipe.validation.figure, found, self.best.measurement):
            self.best = Best(found)
            if self._run is not None:
                saved.write(self._run.best, light(face))
        else:
            self.best.since += 1


def _loss(face: FaceModule) -> float | None:
    loss = float(face.loss)
    return loss if face.step and math.isfinite(loss) else None


def light(face: FaceModule) -> saved.State:
    """The network alone as it is now, in the form that `load_weights` reads."""
    network = {saved.NETWORK + name: tensor for name, tensor in face.network.state_dict().items()}
    return {"format": saved.FORMAT, "step": face.step, "state_dict": network}


def stepped(face: FaceModule, trainer: Trainer) -> bool:
    """Whether this batch was the last part of a step."""
    parts = face.recipe.batch.accumulate
    return bool(trainer.fit_loop.epoch_loop.batch_idx % parts == parts - 1)


class Keep(Callback):
    """Writes the state every so many steps and at the end, and removes old ones. Comes after `Measure`."""

    def __init__(self, recipe: Recipe, run: Run, measure: Measure, guard: Guard) -> None:
        self._recipe, self._run, self._measure, self._guard = recipe, run, measure, guard
        self._last = -1

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *_: Any) -> None:
        """Where a checkpoint is due."""
        face = module_of(module)
        every = self._recipe.machine.checkpoint_steps or face.steps.epoch
        if stepped(face, trainer) and (face.step % every == 0 or face.step == face.steps.stop):
            self._keep(trainer, face)

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """What an early end left."""
        if module_of(module).step != self._last:
            self._keep(trainer, module_of(module))

    def _keep(self, trainer: Trainer, face: FaceModule) -> None:
        self._guard.look()
        self._last = face.step
        state = saved.state_of(face, trainer.strategy.broadcast(self._measure.watched()))
        require_finite(face.step, dict(face.network.named_parameters()) | state["objective"])
        if trainer.is_global_zero:
            saved.write(saved.path_of(self._run.checkpoints, face.step), state)
            for old in saved.found(self._run.checkpoints)[: -self._recipe.machine.keep]:
                old.unlink()
        trainer.strategy.barrier()


class Resume(Callback):
    """Puts a kept state into place once processes and optimiser stand."""

    def __init__(self, state: saved.State, measure: Measure) -> None:
        self._state, self._measure = state, measure

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Before the first step."""
        saved.restore(module_of(module), self._state)
        self._measure.recall(self._state["watched"])
