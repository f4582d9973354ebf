"""A network and what it is taught, as Lightning trains them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer as TorchOptimizer
from torch.utils.data import DataLoader

from mien.training.batches import Batches
from mien.training.datasets.dataset import Dataset
from mien.training.recipe import Recipe
from mien.training.with_torch.loader import Batch, Parts, loader
from mien.training.with_torch.objectives import Objective
from mien.training.with_torch.optimizers import Average, height, optimizer, set_rates

MakeObjective = Callable[[nn.Module], Objective]


@dataclass(frozen=True, slots=True)
class Steps:
    """The training's length: from step `start` to `stop`, `epoch` of them an epoch, `warmup` at the
    beginning.
    """

    stop: int
    epoch: int
    warmup: int
    start: int = 0


class FaceModule(LightningModule):
    """One step after the other, each a function of its number alone but for the state that it goes on from.

    teach: makes the objective, once processes know each other. Lightning sees a single epoch from
    `steps.start` to `steps.stop`; epochs, schedule and resuming are ours, so that a resumed run takes the
    very same steps.
    """

    def __init__(
        self,
        recipe: Recipe,
        dataset: Dataset,
        batches: Batches,
        network: nn.Module,
        view: nn.Module,
        teach: MakeObjective,
        steps: Steps,
    ) -> None:
        super().__init__()
        self.recipe, self.dataset, self.batches, self.steps = recipe, dataset, batches, steps
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.view = view
        self._teach = teach
        self.objective: Objective | None = None
        self.average: Average | None = None
        self.loss = self.norm = torch.zeros(())
        self.batch: Batch | None = None

    @property
    def step(self) -> int:
        """Steps that the training has taken, earlier runs included."""
        return self.steps.start + int(self.trainer.global_step)

    @property
    def taught(self) -> Objective:
        """The objective, which is there once Lightning has set up its processes."""
        if self.objective is None:
            self.configure_model()
        assert self.objective is not None  # configure_model has just made it
        return self.objective

    def configure_model(self) -> None:
        """Make what needs to know how many processes there are, and say what is shared out among them."""
        if self.objective is None:
            self.objective = self._teach(self.network)
            apart = [f"objective.{name}" for name in self.objective.sharded_parameters()]
            # What DDP reads is a list on the module; each process has rows of its own there.
            DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(self, apart)  # type: ignore[no-untyped-call]

    def configure_optimizers(self) -> TorchOptimizer:
        """Network and loss in one optimiser."""
        return optimizer(self.network, self.taught, self.recipe.optimizer, self.recipe.batch.size)

    def on_fit_start(self) -> None:
        """The average begins with the network on its device."""
        if self.recipe.machine.ema and self.average is None:
            self.average = Average(self.network, self.recipe.machine.ema)

    def train_dataloader(self) -> DataLoader[Batch]:
        """This process's parts of all batches to come."""
        machine = self.recipe.machine
        parts = Parts(
            self.batches,
            self.steps.start,
            self.steps.stop,
            self.recipe.batch.accumulate,
            self.trainer.global_rank,
            self.trainer.world_size,
        )
        return loader(self.dataset, parts, machine.seed, machine.workers, pin=self.device.type == "cuda")

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Pixels and labels; what is drawn and which pictures these are is asked on the CPU."""
        pixels, labels = (each.to(device, non_blocking=True) for each in (batch.pixels, batch.labels))
        return Batch(pixels, labels, batch.draws, batch.rows)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Learning rate and chance of this step."""
        part = batch_idx % self.recipe.batch.accumulate
        seed = self.recipe.machine.seed
        state = np.random.SeedSequence([seed, self.step, part, self.global_rank]).generate_state(1, np.uint64)[
            0
        ]
        torch.manual_seed(int(state) >> 1)
        self.taught.begin_step(seed, self.step)
        share = height(self.recipe.schedule, self.step, self.steps.stop, self.steps.warmup)
        set_rates(self.optimizers(use_pl_optimizer=False), share)  # type: ignore[arg-type]

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch."""
        self.batch = batch
        loss = self.taught(self.network, self.view(batch.pixels, batch.draws), batch.labels)
        self.loss = loss.detach()
        return loss  # type: ignore[no-any-return]

    def configure_gradient_clipping(self, optimizer: TorchOptimizer, *_: Any, **__: Any) -> None:
        """Shorten the network's gradient where it is longer than the recipe's `clip`; its length is kept."""
        limit = self.recipe.optimizer.clip or float("inf")
        self.norm = nn.utils.clip_grad_norm_(self.network.parameters(), limit)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """The step, and what follows the network, before anybody keeps or measures it."""
        super().optimizer_step(*args, **kwargs)
        self.taught.end_step(self.network)
        if self.average is not None:
            self.average.follow(self.network, self.step + 1)
