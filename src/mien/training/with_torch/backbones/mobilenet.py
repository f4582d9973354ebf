"""MobileNet v2 and v3 for faces: the published trunks with a stem that keeps the size, and a depthwise head.

Sandler et al., "MobileNetV2", CVPR 2018, table 2; Howard et al., "Searching for MobileNetV3", ICCV 2019, tables
1 and 2. The published stride of 32 would leave 4 × 4 places of a 112 × 112 face; with a stem of stride 1 the
7 × 7 places remain that 224 × 224 pixels left. Names of the trunk are torchvision's, so that its ImageNet
weights load.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from mien.training.with_torch.backbones.backbone import Size, halved
from mien.training.with_torch.backbones.convolution import DepthwiseHead, begin_kaiming, divisible

ROWS_THAT_STRIDE = 4  # in each of the three networks, beside the stem
Make = Callable[..., nn.Module]


@dataclass(frozen=True)
class Row:
    """One inverted residual: kernel, inner and outer channels, with squeeze or not, activation, stride."""

    kernel: int
    hidden: int
    outside: int
    squeeze: bool
    activation: Make
    stride: int


@dataclass(frozen=True)
class Plan:
    """A trunk: the stem's channels, the kind of block, its rows, the last map's channels, its activation."""

    stem: int
    block: Make
    rows: tuple[Row, ...]
    last: int
    activation: Make
    norm: Make


class Squeeze(nn.Module):
    """Each channel times a weight made of the means of all: Hu et al., 2018, with a hard sigmoid."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, hidden, 1)
        self.fc2 = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(n,channels,h,w) → the same shape."""
        weights = self.fc2(torch.relu(self.fc1(x.mean((2, 3), keepdim=True))))
        return x * nn.functional.hardsigmoid(weights)


class BlockV2(nn.Module):
    """The inverted residual of v2: expand where there is anything to expand, filter, project linearly."""

    def __init__(self, inside: int, row: Row, norm: Make) -> None:
        super().__init__()
        self.residual = row.stride == 1 and inside == row.outside
        projection = nn.Conv2d(row.hidden, row.outside, 1, bias=False)
        self.conv = nn.Sequential(*_filters(inside, row, norm), projection, norm(row.outside))

    def forward(self, x: Tensor) -> Tensor:
        """(n,inside,h,w) → (n,outside,h/stride,w/stride)."""
        shaped: Tensor = self.conv(x)
        return x + shaped if self.residual else shaped


class BlockV3(nn.Module):
    """The inverted residual of v3: as v2's, with channels weighed before the projection in some rows."""

    def __init__(self, inside: int, row: Row, norm: Make) -> None:
        super().__init__()
        self.residual = row.stride == 1 and inside == row.outside
        layers = _filters(inside, row, norm)
        if row.squeeze:
            layers.append(Squeeze(row.hidden, divisible(row.hidden / 4, 8)))
        layers.append(nn.Sequential(nn.Conv2d(row.hidden, row.outside, 1, bias=False), norm(row.outside)))
        self.block = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """(n,inside,h,w) → (n,outside,h/stride,w/stride)."""
        shaped: Tensor = self.block(x)
        return x + shaped if self.residual else shaped


def _rows_v2() -> tuple[Row, ...]:
    stages = (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    )
    made, inside = [], 32
    for expansion, outside, count, stride in stages:
        for number in range(count):
            first = stride if number == 0 else 1
            made.append(Row(3, inside * expansion, outside, False, nn.ReLU6, first))
            inside = outside
    return tuple(made)


NORM_V3 = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)
V2 = Plan(32, BlockV2, _rows_v2(), 1280, nn.ReLU6, nn.BatchNorm2d)
V3_SMALL = Plan(
    16,
    BlockV3,
    (
        Row(3, 16, 16, True, nn.ReLU, 2),
        Row(3, 72, 24, False, nn.ReLU, 2),
        Row(3, 88, 24, False, nn.ReLU, 1),
        Row(5, 96, 40, True, nn.Hardswish, 2),
        Row(5, 240, 40, True, nn.Hardswish, 1),
        Row(5, 240, 40, True, nn.Hardswish, 1),
        Row(5, 120, 48, True, nn.Hardswish, 1),
        Row(5, 144, 48, True, nn.Hardswish, 1),
        Row(5, 288, 96, True, nn.Hardswish, 2),
        Row(5, 576, 96, True, nn.Hardswish, 1),
        Row(5, 576, 96, True, nn.Hardswish, 1),
    ),
    576,
    nn.Hardswish,
    NORM_V3,
)
V3_LARGE = Plan(
    16,
    BlockV3,
    (
        Row(3, 16, 16, False, nn.ReLU, 1),
        Row(3, 64, 24, False, nn.ReLU, 2),
        Row(3, 72, 24, False, nn.ReLU, 1),
        Row(5, 72, 40, True, nn.ReLU, 2),
        Row(5, 120, 40, True, nn.ReLU, 1),
        Row(5, 120, 40, True, nn.ReLU, 1),
        Row(3, 240, 80, False, nn.Hardswish, 2),
        Row(3, 200, 80, False, nn.Hardswish, 1),
        Row(3, 184, 80, False, nn.Hardswish, 1),
        Row(3, 184, 80, False, nn.Hardswish, 1),
        Row(3, 480, 112, True, nn.Hardswish, 1),
        Row(3, 672, 112, True, nn.Hardswish, 1),
        Row(5, 672, 160, True, nn.Hardswish, 2),
        Row(5, 960, 160, True, nn.Hardswish, 1),
        Row(5, 960, 160, True, nn.Hardswish, 1),
    ),
    960,
    nn.Hardswish,
    NORM_V3,
)


class MobileNet(nn.Module):
    """A trunk and its head. Begins with Kaiming-normal convolutions (fan out)."""

    def __init__(self, plan: Plan, *, dimension: int, size: Size, dropout: float) -> None:
        super().__init__()
        self.features = trunk(plan, stride=1)
        self.head = DepthwiseHead(
            plan.last, halved(size, ROWS_THAT_STRIDE), dimension=dimension, dropout=dropout
        )
        begin_kaiming(self)

    def forward(self, x: Tensor) -> Tensor:
        """(n,3,h,w) normalised pixels → (n,dimension) raw features."""
        features: Tensor = self.head(self.features(x))
        return features


def trunk(plan: Plan, *, stride: int) -> nn.Sequential:
    """Everything before the head. stride: of the stem, 2 as published, 1 for small faces."""
    layers = [_layer(3, plan.stem, 3, stride=stride, groups=1, norm=plan.norm, activation=plan.activation)]
    inside = plan.stem
    for row in plan.rows:
        layers.append(plan.block(inside, row, plan.norm))
        inside = row.outside
    layers.append(_layer(inside, plan.last, 1, stride=1, groups=1, norm=plan.norm, activation=plan.activation))
    return nn.Sequential(*layers)


def _filters(inside: int, row: Row, norm: Make) -> list[nn.Module]:
    kind = {"norm": norm, "activation": row.activation}
    expand = _layer(inside, row.hidden, 1, stride=1, groups=1, **kind)
    filtering = _layer(row.hidden, row.hidden, row.kernel, stride=row.stride, groups=row.hidden, **kind)
    return [filtering] if row.hidden == inside else [expand, filtering]


def _layer(
    inside: int, outside: int, kernel: int, *, stride: int, groups: int, norm: Make, activation: Make
) -> nn.Module:
    conv = nn.Conv2d(inside, outside, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, norm(outside), activation())
