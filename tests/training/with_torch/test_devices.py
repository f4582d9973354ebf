"""Where a training runs: what is here, what is not, and what Lightning is told."""

from __future__ import annotations

import logging
import warnings

import pytest
import torch
from lightning.pytorch.strategies import DDPStrategy

from mien.errors import DeviceError
from mien.training.recipe import Batch, Machine, Recipe
from mien.training.with_torch.devices import device_of, lightning_options, precision_of, quiet


@pytest.fixture(params=[0, 2])
def gpus(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: request.param > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: request.param)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: request.param > 0)
    return int(request.param)


def test_auto_takes_what_is_there(gpus: int) -> None:
    assert device_of(Machine()) == ("cuda" if gpus else "cpu")
    assert precision_of(Machine()) == ("bf16-mixed" if gpus else "32-true")
    assert device_of(Machine(device="cpu", devices=8)) == "cpu"
    assert precision_of(Machine(device="cpu")) == "32-true"
    assert precision_of(Machine(precision="32")) == "32-true"
    assert precision_of(Machine(precision="bf16")) == "bf16-mixed"


def test_what_is_not_here_is_said(gpus: int) -> None:
    with pytest.raises(DeviceError, match=f"machine.device: 3 GPUs wanted, {gpus} here"):
        device_of(Machine(device="cuda", devices=3))
    with pytest.raises(DeviceError, match="'mps' is unknown; known: auto, cpu, cuda"):
        device_of(Machine(device="mps"))
    if gpus:
        with pytest.raises(DeviceError, match="3 GPUs wanted, 2 here"):
            device_of(Machine(devices=3))
        assert device_of(Machine(device="cuda", devices=2)) == "cuda"


def test_lightning_leaves_alone_what_is_ours() -> None:
    options = lightning_options(Recipe(machine=Machine(device="cpu"), batch=Batch(size=8, accumulate=4)))
    assert options["strategy"] == "auto"
    assert options["accumulate_grad_batches"] == 4
    assert options["max_epochs"] == 1  # epochs are ours
    for theirs in ("logger", "enable_checkpointing", "enable_progress_bar", "use_distributed_sampler"):
        assert options[theirs] is False


@pytest.mark.parametrize(("device", "backend"), [("cpu", "gloo"), ("cuda", "nccl")])
def test_several_processes_talk(monkeypatch: pytest.MonkeyPatch, device: str, backend: str) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    options = lightning_options(Recipe(machine=Machine(device=device, devices=2, nodes=2, precision="32")))
    assert isinstance(options["strategy"], DDPStrategy)
    assert options["strategy"].process_group_backend == backend
    assert (options["devices"], options["num_nodes"]) == (2, 2)


def test_remarks_of_lightnings_are_kept_back_and_ours_are_not() -> None:
    logger = logging.getLogger("lightning.pytorch")
    before = logger.level
    with quiet():
        warnings.warn(
            "The 'train_dataloader' does not have many workers which may be a bottleneck", stacklevel=1
        )
        warnings.warn("Found 2 module(s) in eval mode at the start of training.", stacklevel=1)
        with pytest.raises(UserWarning, match="of ours"):
            warnings.warn("something of ours", stacklevel=1)
        assert logger.level == logging.ERROR
    assert logger.level == before
