"""What a training would be, without doing it: everything is built and one batch goes through."""

from __future__ import annotations

import torch
from torch import nn

from mien.training.material import gather
from mien.training.recipe import Recipe
from mien.training.with_torch.backbones.cost import cost
from mien.training.with_torch.devices import device_of, precision_of
from mien.training.with_torch.loader import Decoded, Parts, suggested_workers
from mien.training.with_torch.trainer import Job, length
from mien.training.with_torch.view import View


def plan(recipe: Recipe) -> dict[str, str]:
    """The resolved numbers in words, by name. Raises what `train` would raise before its first step."""
    material = gather(recipe)
    job = Job.of(recipe, material)
    job.rehearse()
    train, machine = material.train, recipe.machine
    spent = cost(job.network, material.network.size)
    processes = machine.devices * machine.nodes
    each = recipe.batch.size // processes // recipe.batch.accumulate
    checks = material.checks
    told = "no validation: the last network is published without figures"
    if checks is not None:
        kind = f"{len(checks.pairs)} pairs" if checks.pairs is not None else "all pairs"
        told = f"{kind} of {len(checks.crops)} crops of {len(checks.people)} people"
    workers = suggested_workers() if machine.workers < 0 else machine.workers
    return {
        "data": f"{train.name}: {len(train):,} pictures of {len(train.people):,} people",
        "crops": material.contract.described,
        "validation": told,
        "network": f"{recipe.network.backbone}: {spent.parameters / 1e6:.2f} M parameters, "
        f"{spent.macs / 1e6:,.0f} M multiply-accumulates a face",
        "taught by": recipe.distil.teacher or _name(recipe),
        "batch": f"{recipe.batch.size} faces: {processes} processes × {recipe.batch.accumulate} parts × {each}",
        "length": length(job),
        "learning rate": f"{recipe.optimizer.rate(recipe.batch.size):g} at its height "
        f"({recipe.optimizer.lr:g} per {recipe.optimizer.lr_batch} faces)",
        "machine": f"{device_of(machine)}, {precision_of(machine)}, {workers} processes that decode",
        "first batch": f"loss {_first_loss(job):.4f}",
    }


def _name(recipe: Recipe) -> str:
    return f"people's names: {recipe.loss.__struct_config__.tag}"


@torch.no_grad()
def _first_loss(job: Job) -> float:
    """The loss of a small first batch on the CPU, so that shapes are known to fit."""
    recipe, material = job.recipe, job.material
    parts = Parts(job.material.batches, 0, 1, 1, 0, _pieces(recipe))
    batch = Decoded(material.train, recipe.machine.seed)[next(iter(parts))]
    objective = job.teach(job.network)
    objective.begin_step(recipe.machine.seed, 0)
    pixels = View(recipe.augment, material.contract)(batch.pixels, batch.draws)
    network: nn.Module = job.network.train()
    return float(objective(network, pixels, batch.labels))


def _pieces(recipe: Recipe) -> int:
    """How often a batch divides in halves that keep people whole and leave at least eight faces."""
    unit, pieces = max(recipe.batch.per_person, 1), 1
    while recipe.batch.size % (2 * pieces * unit) == 0 and recipe.batch.size // (2 * pieces) >= 8:
        pieces *= 2
    return pieces
