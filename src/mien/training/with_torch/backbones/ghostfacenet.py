"""GhostFaceNet v1: half of each layer's channels are computed, the other half are cheap filters of them.

Alansari et al., "GhostFaceNets: Lightweight Face Recognition Model From Cheap Operations", IEEE Access 2023
(GhostFaceNetV1-1.3-1: width 1.3, a stem of stride 1); Han et al., "GhostNet", CVPR 2020, table 1. Differs from
the authors' Keras code in one thing: the hard sigmoid is GhostNet's own, relu6(x + 3) / 6.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mien.training.with_torch.backbones.backbone import Size, halved
from mien.training.with_torch.backbones.convolution import (
    Convolution,
    DepthwiseHead,
    begin_kaiming,
    divisible,
)

STEM, LAST = 16, 512  # channels before the width


@dataclass(frozen=True)
class Row:
    """One bottleneck, before the width: kernel, inner and outer channels, with squeeze or not, stride."""

    kernel: int
    hidden: int
    outside: int
    squeeze: bool
    stride: int


ROWS = (
    Row(3, 16, 16, False, 1),
    Row(3, 48, 24, False, 2),
    Row(3, 72, 24, False, 1),
    Row(5, 72, 40, True, 2),
    Row(5, 120, 40, True, 1),
    Row(3, 240, 80, False, 2),
    Row(3, 200, 80, False, 1),
    Row(3, 184, 80, False, 1),
    Row(3, 184, 80, False, 1),
    Row(3, 480, 112, True, 1),
    Row(3, 672, 112, True, 1),
    Row(5, 672, 160, True, 2),
    Row(5, 960, 160, False, 1),
    Row(5, 960, 160, True, 1),
    Row(5, 960, 160, False, 1),
    Row(5, 512, 160, True, 1),
)


class Ghost(nn.Module):
    """A convolution to half the channels, and beside them a 3 × 3 filter of each: GhostNet's equation 5."""

    def __init__(self, inside: int, outside: int, *, linear: bool = False) -> None:
        super().__init__()
        half = outside // 2
        self.computed = Convolution(inside, half, linear=linear)
        self.filtered = Convolution(half, half, 3, groups=half, linear=linear)

    def forward(self, x: Tensor) -> Tensor:
        """(n,inside,h,w) → (n,outside,h,w)."""
        computed = self.computed(x)
        return torch.cat((computed, self.filtered(computed)), 1)


class Squeeze(nn.Module):
    """Each channel times a weight made of the means of all: Hu et al., 2018, with a hard sigmoid."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = divisible(channels / 4, 4)
        self.reduce = nn.Conv2d(channels, hidden, 1)
        self.slope = nn.PReLU(hidden)
        self.expand = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(n,channels,h,w) → the same shape."""
        weights = self.expand(self.slope(self.reduce(x.mean((2, 3), keepdim=True))))
        return x * nn.functional.hardsigmoid(weights)


class Bottleneck(nn.Module):
    """Ghost, filter where it strides, squeeze in some, linear ghost; added to what came in or its filter."""

    def __init__(self, inside: int, row: Row) -> None:
        super().__init__()
        hidden, outside, kernel = row.hidden, row.outside, row.kernel
        layers: list[nn.Module] = [Ghost(inside, hidden)]
        if row.stride > 1:
            layers.append(Convolution(hidden, hidden, kernel, stride=row.stride, groups=hidden, linear=True))
        if row.squeeze:
            layers.append(Squeeze(hidden))
        layers.append(Ghost(hidden, outside, linear=True))
        self.layers = nn.Sequential(*layers)
        self.shortcut: nn.Module = nn.Identity()
        if row.stride > 1 or inside != outside:
            filtering = Convolution(inside, inside, kernel, stride=row.stride, groups=inside, linear=True)
            self.shortcut = nn.Sequential(filtering, Convolution(inside, outside, linear=True))

    def forward(self, x: Tensor) -> Tensor:
        """(n,inside,h,w) → (n,outside,h/stride,w/stride)."""
        total: Tensor = self.layers(x) + self.shortcut(x)
        return total


class GhostFaceNet(nn.Module):
    """The network, by its stem's stride and its width. Begins with Kaiming-normal convolutions (fan out)."""

    def __init__(self, stride: int, width: float, *, dimension: int, size: Size, dropout: float) -> None:
        super().__init__()
        inside = divisible(STEM * width, 4)
        self.stem = Convolution(3, inside, 3, stride=stride)
        blocks = []
        for row in ROWS:
            wide = _widened(row, width)
            blocks.append(Bottleneck(inside, wide))
            inside = wide.outside
        last = divisible(LAST * width, 4)
        self.blocks = nn.Sequential(*blocks)
        self.last = Convolution(inside, last)
        left = halved(size, 4 + stride - 1)
        self.head = DepthwiseHead(last, left, dimension=dimension, dropout=dropout)
        begin_kaiming(self)

    def forward(self, x: Tensor) -> Tensor:
        """(n,3,h,w) normalised pixels → (n,dimension) raw features."""
        features: Tensor = self.head(self.last(self.blocks(self.stem(x))))
        return features


def _widened(row: Row, width: float) -> Row:
    hidden, outside = divisible(row.hidden * width, 4), divisible(row.outside * width, 4)
    return Row(row.kernel, hidden, outside, row.squeeze, row.stride)
