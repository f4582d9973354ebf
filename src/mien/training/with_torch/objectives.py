"""What a batch teaches: whose faces they are, or what a teacher makes of them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mien.training.with_torch.losses.face_loss import FaceLoss

LOSS = "loss."


class Objective(nn.Module):
    """From a network and a batch to one number to descend.

    `prepare` turns pixels (n,3,h,w) in 0..255, as the data have them, into what the network takes. `logs`:
    figures of the last call.
    """

    def __init__(self, prepare: nn.Module) -> None:
        super().__init__()
        self.prepare = prepare
        self.logs: dict[str, Tensor] = {}

    def forward(self, network: nn.Module, pixels: Tensor, labels: Tensor) -> Tensor:
        """The loss, 0-d, of pixels (n,3,h,w) float in 0..255 that show the people labels (n,)."""
        raise NotImplementedError

    def begin_step(self, seed: int, step: int) -> None:
        """Called before each step; what is drawn follows from both numbers."""

    def end_step(self, network: nn.Module) -> None:
        """Called when the network has moved."""

    def sharded_parameters(self) -> dict[str, nn.Parameter]:
        """Parameters, by name, of which each process has its own rows."""
        return {}

    def gathered_state(self) -> dict[str, Tensor]:
        """All that a resumed run needs, from whatever process holds it. Every process must call this."""
        return dict(self.state_dict())

    def load_gathered(self, state: Mapping[str, Tensor]) -> None:
        """Take a state that any number of processes gathered."""
        self.load_state_dict(state)

    def gather_rows(self, tensor: Tensor) -> Tensor:
        """What lies beside a sharded parameter, such as its momentum, whole."""
        return tensor

    def own_rows(self, tensor: Tensor) -> Tensor:
        """This process's part of what `gather_rows` made."""
        return tensor


class Recognition(Objective):
    """The people of a batch, by a loss of the shelf."""

    def __init__(self, prepare: nn.Module, loss: FaceLoss) -> None:
        super().__init__(prepare)
        self.loss = loss

    def forward(self, network: nn.Module, pixels: Tensor, labels: Tensor) -> Tensor:
        """See `Objective`."""
        value: Tensor = self.loss(network(self.prepare(pixels)), labels)
        self.logs = self.loss.logs
        return value

    def begin_step(self, seed: int, step: int) -> None:
        """See `Objective`."""
        self.loss.begin_step(seed, step)

    def sharded_parameters(self) -> dict[str, nn.Parameter]:
        """See `Objective`."""
        return {LOSS + name: parameter for name, parameter in self.loss.sharded_parameters().items()}

    def gathered_state(self) -> dict[str, Tensor]:
        """See `Objective`."""
        return {LOSS + name: tensor for name, tensor in self.loss.gathered_state().items()}

    def load_gathered(self, state: Mapping[str, Tensor]) -> None:
        """See `Objective`."""
        self.loss.load_gathered({name.removeprefix(LOSS): tensor for name, tensor in state.items()})

    def gather_rows(self, tensor: Tensor) -> Tensor:
        """See `Objective`."""
        return self.loss.gather_rows(tensor)

    def own_rows(self, tensor: Tensor) -> Tensor:
        """See `Objective`."""
        return self.loss.own_rows(tensor)

    @torch.no_grad()
    def imprint(self, features: Tensor, labels: Tensor) -> None:
        """Begin with each person's mean vector as their weight."""
        self.loss.imprint(features, labels)
