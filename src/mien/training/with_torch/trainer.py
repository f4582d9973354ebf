"""A recipe, trained with Lightning."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer, seed_everything
from torch import nn

from mien.bundle.catalog import find_bundle
from mien.bundle.runtime import Runtime
from mien.errors import InputError
from mien.training.material import Material, gather
from mien.training.recipe import Recipe
from mien.training.run import Measurement, Run, about, first_process
from mien.training.with_torch import backbones, losses, saved
from mien.training.with_torch.backbones.frozen import freeze, freeze_statistics, group_norm
from mien.training.with_torch.checkpoints import load_weights
from mien.training.with_torch.devices import device_of, lightning_options, quiet
from mien.training.with_torch.face_module import FaceModule, Steps
from mien.training.with_torch.imprinting import Imprint, Introduce
from mien.training.with_torch.keeping import Guard, Keep, Measure, Resume, Told
from mien.training.with_torch.objectives import Objective, Recognition
from mien.training.with_torch.optimizers import optimizer
from mien.training.with_torch.showing import Events, Show
from mien.training.with_torch.siamese import Siamese
from mien.training.with_torch.teaching import Teacher, Teaching
from mien.training.with_torch.view import Normal, View, recrop


def train(recipe: Recipe, folder: Path, told: Told) -> Run:
    """Train as the recipe says, from the beginning, into a new folder. `told` hears every measurement.

    InputError, before the first step, for whatever is wrong with recipe or data; TrainingError where the loss
    is no number any more.
    """
    material = gather(recipe)
    job = Job.of(recipe, material)
    job.rehearse()
    run = Run.begin(folder, recipe, about(material.train, material.network)) if first_process() else Run(folder)
    _fit(job, run, None, told)
    return run


def resume(recipe: Recipe, folder: Path, told: Told) -> Run:
    """Go on with a run of this recipe from its newest whole checkpoint, as if it had never stopped.

    InputError where all it has are damaged, or its data are not what they were.
    """
    run = Run.open(folder)
    material = gather(recipe)
    if material.train.digest != run.about().digest:
        raise InputError(f"{recipe.data.train}: these are not the pictures that {folder} was trained on so far")
    state = newest(run)
    job = Job.of(recipe, material, start=int(state["step"]) if state else 0)
    job.rehearse()
    if first_process():
        saved.tidy(run.checkpoints, job.steps.start)
    if job.steps.start < job.steps.stop and not ended_early(recipe, state):
        _fit(job, run, state, told)
    return run


def ended_early(recipe: Recipe, state: saved.State | None) -> bool:
    """Whether a training ended before its time, as no measurement was better for so long."""
    patience = recipe.validation.patience
    return state is not None and 0 < patience <= state["watched"]["since"]


def newest(run: Run) -> saved.State | None:
    """The newest checkpoint that is whole; None where there is none. InputError where all are damaged."""
    files = saved.found(run.checkpoints)
    for file in reversed(files):
        try:
            return saved.read(file)
        except InputError:
            if file == files[0]:
                raise
    return None


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A recipe, its material, a network to begin with, and how many steps there are."""

    recipe: Recipe
    material: Material
    network: nn.Module
    steps: Steps

    @classmethod
    def of(cls, recipe: Recipe, material: Material, start: int = 0) -> Job:
        """Everything that is built before processes are. InputError for what does not fit."""
        seed_everything(recipe.machine.seed, verbose=False)
        network = network_of(recipe, material.network.size, start=True, loaded=start > 0)
        epoch = material.batches.steps
        stop = recipe.schedule.steps or recipe.schedule.epochs * epoch
        warmup = min(round(recipe.schedule.warmup_epochs * epoch), stop)
        return cls(recipe, material, network, Steps(stop, epoch, warmup, start))

    def rehearse(self) -> None:
        """Build once, in little, what is built where processes are: whatever is wrong with it is said now."""
        device_of(self.recipe.machine)
        objective = self.teach(self.network, people=2)
        optimizer(self.network, objective, self.recipe.optimizer, self.recipe.batch.size)

    def teach(self, network: nn.Module, people: int = 0) -> Objective:
        """The objective, built where the process group stands; of so many people, 0 for the data's."""
        recipe, material = self.recipe, self.material
        eyes = nn.Sequential(
            recrop(material.contract, material.network), Normal(recipe.network.mean, recipe.network.scale)
        )
        dimension = recipe.network.dimension
        if recipe.distil.teacher:
            teacher = Teacher(find_bundle(recipe.distil.teacher), material.contract, Runtime())
            return Teaching(eyes, teacher, recipe.distil, dimension)
        loss = losses.build(
            recipe.loss,
            dimension=dimension,
            classes=people or len(material.train.people),
            seed=recipe.machine.seed,
        )
        if recipe.few_shot.siamese:
            return Siamese(eyes, network, loss, recipe.few_shot, dimension)
        return Recognition(eyes, loss)

    def module(self) -> FaceModule:
        """What Lightning trains."""
        material = self.material
        view = View(self.recipe.augment, material.contract)
        return FaceModule(
            self.recipe, material.train, material.batches, self.network, view, self.teach, self.steps
        )


def network_of(recipe: Recipe, size: tuple[int, int], *, start: bool, loaded: bool = False) -> nn.Module:
    """The recipe's network. start: with the weights that it begins with, and its frozen parts frozen.

    loaded: other weights will be loaded into it, so those that it began with need not be there any more.
    """
    settings = recipe.network
    network = backbones.build(
        settings.backbone,
        dimension=settings.dimension,
        size=size,
        dropout=settings.dropout,
        **settings.options,
    )
    if start and settings.weights and not loaded:
        load_weights(network, weights_at(Path(settings.weights)), form=settings.form or None)
    STATISTICS[settings.statistics](network)
    if start:
        freeze(network, settings.frozen)
    return network


STATISTICS: dict[str, Any] = {
    "trained": lambda network: None,
    "frozen": freeze_statistics,
    "group": group_norm,
}


def weights_at(path: Path) -> Path:
    """A file of weights, or the best network of a run's folder."""
    if not path.is_dir():
        return path
    run = Run.open(path)
    files = [run.best] if run.best.is_file() else saved.found(run.checkpoints)[-1:]
    if not files:
        raise InputError(f"{path}: this run has no checkpoint yet")
    return files[0]


def _fit(job: Job, run: Run, state: saved.State | None, told: Told) -> None:
    recipe, material = job.recipe, job.material
    if device_of(recipe.machine) == "cpu" and recipe.machine.devices > 1:
        torch.set_num_threads(max(torch.get_num_threads() // recipe.machine.devices, 1))
    guard = Guard()
    events = Events(run.events, recipe, material.contract, material.checks)

    def tell(measurement: Measurement) -> None:
        events.write(measurement)
        told(measurement)

    measure = Measure(recipe, run, material.checks, tell)
    starting = [Resume(state, measure)] if state else beginning(recipe, material)
    callbacks = [
        *starting,
        guard,
        events,
        measure,
        Keep(recipe, run, measure, guard),
        Show(recipe.machine.log_steps),
    ]
    if first_process():
        events.begin(material.train, job.steps.start)
    with quiet():
        Trainer(callbacks=callbacks, **lightning_options(recipe)).fit(job.module())


def beginning(recipe: Recipe, material: Material) -> list[Callback]:
    """What a new training begins with, beside its weights."""
    if recipe.distil.teacher:
        return [] if recipe.network.weights else [Introduce(material)]
    return [Imprint(material)] if recipe.few_shot.imprint else []


def length(job: Job) -> str:
    """How long it will be, in words."""
    epochs = math.ceil(job.steps.stop / job.steps.epoch)
    return (
        f"{job.steps.stop} steps of {job.recipe.batch.size} faces, {job.steps.epoch} an epoch, {epochs} epochs"
    )
