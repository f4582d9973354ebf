"""While a network learns: a bar for whoever waits, and events for TensorBoard."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.utils.tensorboard.writer import SummaryWriter

from mien.progress import Bar, bar
from mien.training.datasets.contract import CropContract
from mien.training.datasets.dataset import Dataset, decode
from mien.training.recipe import Recipe
from mien.training.run import Measurement
from mien.training.validation import Checks
from mien.training.with_torch.augment import Augment
from mien.training.with_torch.augment.examples import examples
from mien.training.with_torch.face_module import FaceModule
from mien.training.with_torch.keeping import module_of, stepped
from mien.training.with_torch.settling import settled
from mien.training.with_torch.vectors import vectors

PROJECTED = 500  # faces in the projector, which draws each of them
FLUSHED = 10  # seconds of events that a killed run loses at most


class Show(Callback):
    """A bar with loss, faces a second and the time that is left; on the first process alone."""

    def __init__(self, log_steps: int) -> None:
        self._every = log_steps
        self._stack = ExitStack()
        self._bar: Bar | None = None
        self._clock, self._from = 0.0, 0

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """The bar begins where the training does."""
        face = module_of(module)
        self._clock, self._from = time.perf_counter(), face.step
        if trainer.is_global_zero:
            self._bar = self._stack.enter_context(bar(face.steps.stop, "training"))

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *_: Any) -> None:
        """Every so many steps: reading the loss makes an accelerator wait."""
        face = module_of(module)
        if self._bar is not None and face.step % self._every == 0:
            self._bar(face.step, f"loss {float(face.loss):.3f}  {self.rate(face):.0f} faces/s")

    def rate(self, face: FaceModule) -> float:
        """Faces a second since this run began."""
        faces = (face.step - self._from) * face.recipe.batch.size
        return faces / max(time.perf_counter() - self._clock, 1e-9)

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """The bar goes."""
        self._stack.close()

    def on_exception(self, trainer: Trainer, module: LightningModule, exception: BaseException) -> None:
        """It goes on every way out."""
        self._stack.close()


class Events(Callback):
    """Scalars, a sheet of examples with their variations, and the vectors of the end for the projector."""

    def __init__(self, folder: Path, recipe: Recipe, contract: CropContract, checks: Checks | None) -> None:
        self._folder, self._recipe, self._contract, self._checks = folder, recipe, contract, checks
        self._writer: SummaryWriter | None = None
        self._clock, self._from = 0.0, 0

    def write(self, measurement: Measurement) -> None:
        """The figures of a measurement."""
        if self._writer is not None:
            for name in ("eer", "tar", "accuracy"):
                value = getattr(measurement, name)
                if value is not None:
                    self._writer.add_scalar(f"validation/{name}", value, measurement.step)

    def begin(self, dataset: Dataset, step: int) -> None:
        """Open the file; events of later steps, which a cut-off run left, are dropped by TensorBoard."""
        first = step + 1 if step else 0  # the examples are of step 0
        self._writer = SummaryWriter(str(self._folder), purge_step=first, flush_secs=FLUSHED)
        count = min(self._recipe.machine.examples, len(dataset))
        if count and step == 0:
            rows = np.linspace(0, len(dataset) - 1, count).astype(int)
            pixels = torch.from_numpy(np.stack([decode(dataset, int(row)) for row in rows]))
            augment = Augment(self._recipe.augment, self._contract.reference, self._contract.size)
            sheet = examples(augment, pixels.permute(0, 3, 1, 2), seed=self._recipe.machine.seed)
            self._writer.add_image("examples", sheet, 0, dataformats="HWC")

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """The clock of the throughput."""
        self._clock, self._from = time.perf_counter(), module_of(module).step

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *_: Any) -> None:
        """Scalars every so many steps."""
        face = module_of(module)
        if self._writer is None or not stepped(face, trainer) or face.step % self._recipe.machine.log_steps:
            return
        now = time.perf_counter()
        faces = (face.step - self._from) * self._recipe.batch.size
        scalars = {"loss": face.loss, "gradient norm": face.norm, **face.taught.logs}
        scalars["faces a second"] = torch.tensor(faces / max(now - self._clock, 1e-9))
        scalars["learning rate"] = torch.tensor(_rate(face))
        self._clock, self._from = now, face.step
        for name, value in scalars.items():
            self._writer.add_scalar(f"training/{name}", float(value), face.step)

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """What the network makes of the validation's faces, to be turned in the projector."""
        if self._writer is not None:
            self._project(module_of(module))
            self._writer.close()

    def on_exception(self, trainer: Trainer, module: LightningModule, exception: BaseException) -> None:
        """What led to a bad end is kept."""
        if self._writer is not None:
            self._writer.close()

    def _project(self, face: FaceModule) -> None:
        if self._writer is None or self._checks is None:
            return
        crops = self._checks.crops[:PROJECTED]
        with settled(face):
            found = vectors(face, crops)
        unit = found / np.linalg.norm(found, axis=1, keepdims=True).clip(1e-9)
        names = [self._checks.people[subject] for subject in self._checks.subjects[:PROJECTED]]
        sprites = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255
        small = torch.nn.functional.interpolate(sprites, size=(32, 32), mode="area")
        self._writer.add_embedding(torch.from_numpy(unit), names, small, face.step, "validation")


def _rate(face: FaceModule) -> float:
    optimizer = face.optimizers(use_pl_optimizer=False)
    return float(optimizer.param_groups[0]["lr"])  # type: ignore[union-attr]
