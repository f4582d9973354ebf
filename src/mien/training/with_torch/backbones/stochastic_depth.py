"""Residual branches left out at random, a picture at a time."""

from __future__ import annotations

from torch import Tensor, nn


class StochasticDepth(nn.Module):
    """In training, zero with probability `share` for each picture, else what came in over 1 − share.

    Huang et al., "Deep Networks with Stochastic Depth", ECCV 2016. The first axis counts the pictures.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """(n,...) → the same shape."""
        if not self.training or self.share == 0:
            return x
        keep = x.new_empty((len(x), *(1,) * (x.dim() - 1))).bernoulli_(1 - self.share)
        return x * keep / (1 - self.share)


def rising(share: float, depth: int) -> list[StochasticDepth]:
    """One for each of `depth` branches: from 0 at the first, evenly, to `share` at the last."""
    return [StochasticDepth(share * number / max(depth - 1, 1)) for number in range(depth)]
