"""What a row of the table of backbones says, and the checks that every network makes before it is built."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from mien.errors import InputError

Size = tuple[int, int]
LARGEST = 4096  # features, and pixels a side: past that it is a slip of the pen, not a face


@dataclass(frozen=True)
class Published:
    """What a network costs according to a published count, and which form of it was counted.

    source: where it stands. parameters: weights and biases. macs: multiply-accumulates of one picture. None:
    not stated. form: what was counted, where that is not what is built here; "" where it is. size: (h, w).
    """

    source: str
    parameters: float | None = None
    macs: float | None = None
    form: str = ""
    dimension: int = 512
    size: Size = (112, 112)


@dataclass(frozen=True)
class Backbone:
    """One network by name: how it is built, the size (h, w) it is meant for, its paper, its published cost.

    builder: called with dimension, size, dropout and the options by name. options: names of its own settings,
    each a number.
    """

    builder: Callable[..., nn.Module]
    paper: str
    published: Published | None = None
    size: Size = (112, 112)
    options: tuple[str, ...] = ()

    def build(self, dimension: int, size: Size | None, dropout: float, **options: float) -> nn.Module:
        """The network, freshly initialised from torch's generator. InputError for what does not fit."""
        unknown = ", ".join(sorted(options.keys() - set(self.options)))
        if unknown:
            known = ", ".join(self.options) or "none"
            raise InputError(f"backbone options not known: {unknown}; known here: {known}")
        wanted = self.size if size is None else size
        for name, value in (("dimension", dimension), ("height", wanted[0]), ("width", wanted[1])):
            require_whole(name, value)
        require_share("dropout", dropout)
        return self.builder(dimension=dimension, size=wanted, dropout=dropout, **options)


def require_whole(name: str, value: int) -> None:
    """InputError unless the value is a whole number in 1..LARGEST."""
    if not isinstance(value, int) or not 1 <= value <= LARGEST:
        raise InputError(f"{name}: {value!r} given, a whole number from 1 to {LARGEST} wanted")


def require_share(name: str, value: float) -> None:
    """InputError unless 0 ≤ value < 1."""
    if not 0 <= value < 1:
        raise InputError(f"{name}: {value!r} given, at least 0 and less than 1 wanted")


def halved(size: Size, times: int) -> Size:
    """What is left of (h, w) after that many stride-2 convolutions padded by half their kernel: rounded up."""
    height, width = (math.ceil(side / 2**times) for side in size)
    return height, width
