"""What every loss promises the trainer."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from mien.errors import InputError


class FaceLoss(nn.Module):
    """From raw features and their people to one number to descend.

    Several processes: all call it together, in validation too, each with its own part of the batch, all of one
    size, and DDP averages gradients. The value's average over the processes is the loss of the global batch,
    and so is its gradient's.
    `logs` holds figures of the last call, detached 0-d tensors by name.
    """

    def __init__(self) -> None:
        super().__init__()
        self.logs: dict[str, Tensor] = {}

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """The loss, 0-d, of features (n,d), of any length and dtype, whose people are labels (n,) int64."""
        raise NotImplementedError

    def begin_step(self, seed: int, step: int) -> None:
        """Called before each step: what it draws follows from both numbers, so a resumed run repeats it."""

    def sharded_parameters(self) -> dict[str, nn.Parameter]:
        """Parameters, by name, that DDP must leave alone: rows differ by process, or gradients are sparse.

        Their gradient is already that of the global batch's loss.
        """
        return {}

    def gathered_state(self) -> dict[str, Tensor]:
        """The state with every class's weights, whatever process holds them. Every process must call this."""
        return dict(self.state_dict())

    def load_gathered(self, state: Mapping[str, Tensor]) -> None:
        """Take a state that any number of processes gathered; a process keeps its own classes."""
        self.load_state_dict(state)

    def gather_rows(self, tensor: Tensor) -> Tensor:
        """(own rows, …) beside a sharded parameter, such as its momentum → all rows, on every process's CPU."""
        return tensor

    def own_rows(self, tensor: Tensor) -> Tensor:
        """All rows of what `gather_rows` made → those of this process."""
        return tensor

    def imprint(self, features: Tensor, labels: Tensor) -> None:
        """Set the weights of these people to the mean of their unit features (Qi et al. 2018).

        features (n,d), labels (n,): the same on every process. Other people's weights stay.
        """
        raise InputError(f"{type(self).__name__} has no weights a person, so there is nothing to imprint")


def require_batch(features: Tensor, labels: Tensor, classes: int | None = None) -> None:
    """InputError unless features are (n,d) and labels (n,) of 0..classes − 1.

    The labels' values are looked at on the CPU only: on an accelerator the look would make it wait.
    """
    if features.ndim != 2 or labels.shape != features.shape[:1]:
        raise InputError(
            f"features (n,d) and labels (n,) are wanted; {tuple(features.shape)}, {tuple(labels.shape)} given"
        )
    if classes is None or labels.is_cuda or not len(labels):
        return
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise InputError(f"labels: 0 to {classes - 1} are wanted, {low} to {high} given")
