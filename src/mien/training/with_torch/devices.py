"""Where a training runs, and with which numbers."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from lightning.pytorch.strategies import DDPStrategy

from mien.errors import DeviceError
from mien.training.recipe import Machine, Recipe

Precision = Literal["32-true", "bf16-mixed"]
NUMBERS: dict[str, Precision] = {"32": "32-true", "bf16": "bf16-mixed"}
DEVICES = ("cpu", "cuda")


def device_of(machine: Machine) -> str:
    """ "cpu" or "cuda". DeviceError where it is unknown or not here."""
    wanted = machine.device
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    if wanted not in DEVICES:
        raise DeviceError(f"machine.device: {wanted!r} is unknown; known: auto, {', '.join(DEVICES)}")
    if wanted == "cuda" and torch.cuda.device_count() < machine.devices:
        raise DeviceError(f"machine.device: {machine.devices} GPUs wanted, {torch.cuda.device_count()} here")
    return wanted


def precision_of(machine: Machine) -> Precision:
    """bf16 on GPUs that have it. CPUs with AMX gain a tenth from it (docs/training.md): 32 bits."""
    if machine.precision == "auto":
        fast = device_of(machine) == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return NUMBERS["bf16" if fast else "32"]
    return NUMBERS[machine.precision]


def lightning_options(recipe: Recipe) -> dict[str, Any]:
    """What Lightning is told: devices, numbers, and to leave alone what is ours."""
    machine, device = recipe.machine, device_of(recipe.machine)
    several = machine.devices * machine.nodes > 1
    backend = "gloo" if device == "cpu" else "nccl"
    return {
        "accelerator": "cpu" if device == "cpu" else "gpu",
        "devices": machine.devices,
        "num_nodes": machine.nodes,
        "strategy": DDPStrategy(process_group_backend=backend) if several else "auto",
        "precision": precision_of(machine),
        "accumulate_grad_batches": recipe.batch.accumulate,
        "max_epochs": 1,
        "num_sanity_val_steps": 0,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "use_distributed_sampler": False,
    }


@contextmanager
def quiet() -> Iterator[None]:
    """What Lightning says to people who write their own loops."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for said in REMARKS:
                warnings.filterwarnings("ignore", message=said)
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


REMARKS = (
    ".*does not have many workers",  # few cores: decoding in the same process is quicker
    ".*The number of training batches",  # it would log every 50 steps
    ".*GPU available but not used",
    ".*You defined a `validation_step`",
    ".*LeafSpec",  # Lightning and torch's own tree of arguments, in a form that torch deprecates
    r".*module\(s\) in eval mode",  # frozen on purpose
)
