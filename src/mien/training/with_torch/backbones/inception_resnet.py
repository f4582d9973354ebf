"""Inception-ResNet v1, the network of FaceNet's public checkpoints: 160 × 160 pixels.

Szegedy et al., "Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning", AAAI 2017,
figures 9 to 14, with the numbers of D. Sandberg's facenet. Names of the state dict are those of
facenet-pytorch, so that its checkpoints load.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mien.errors import InputError
from mien.training.with_torch.backbones.backbone import Size

EPSILON = 1e-3
SMALLEST = 75  # pixels a side: below that nothing is left before the last pooling
Step = tuple[int, int | Size, int, int | Size]  # outer channels, kernel, stride, padding


class Convolution(nn.Module):
    """A convolution without bias, its normalisation, ReLU."""

    def __init__(self, inside: int, step: Step) -> None:
        super().__init__()
        outside, kernel, stride, padding = step
        self.conv = nn.Conv2d(inside, outside, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outside, eps=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        """(n,inside,h,w) → (n,outside,h',w')."""
        shaped: Tensor = torch.relu(self.bn(self.conv(x)))
        return shaped


class Residual(nn.Module):
    """Branches side by side, joined by a 1 × 1 convolution, scaled, added to what came in."""

    def __init__(self, inside: int, branches: tuple[tuple[Step, ...], ...], scale: float, linear: bool) -> None:
        super().__init__()
        self.scale, self.linear = scale, linear
        self.count = _add_branches(self, inside, branches)
        self.conv2d = nn.Conv2d(sum(steps[-1][0] for steps in branches), inside, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(n,inside,h,w) → the same shape."""
        joined = torch.cat([self.get_submodule(f"branch{i}")(x) for i in range(self.count)], 1)
        total: Tensor = self.conv2d(joined) * self.scale + x
        return total if self.linear else torch.relu(total)


class Reduction(nn.Module):
    """Branches that halve the map, and a pooling beside them, put together."""

    def __init__(self, inside: int, branches: tuple[tuple[Step, ...], ...]) -> None:
        super().__init__()
        self.count = _add_branches(self, inside, branches) + 1
        self.add_module(f"branch{len(branches)}", nn.MaxPool2d(3, stride=2))

    def forward(self, x: Tensor) -> Tensor:
        """(n,inside,h,w) → (n,more,h/2,w/2)."""
        return torch.cat([self.get_submodule(f"branch{i}")(x) for i in range(self.count)], 1)


# The residual blocks, named by their map's size at 299 pixels as in the paper, and the reductions between.
BLOCK35 = (
    ((32, 1, 1, 0),),
    ((32, 1, 1, 0), (32, 3, 1, 1)),
    ((32, 1, 1, 0), (32, 3, 1, 1), (32, 3, 1, 1)),
)
REDUCTION_A = (((384, 3, 2, 0),), ((192, 1, 1, 0), (192, 3, 1, 1), (256, 3, 2, 0)))
BLOCK17: tuple[tuple[Step, ...], ...] = (
    ((128, 1, 1, 0),),
    ((128, 1, 1, 0), (128, (1, 7), 1, (0, 3)), (128, (7, 1), 1, (3, 0))),
)
REDUCTION_B = (
    ((256, 1, 1, 0), (384, 3, 2, 0)),
    ((256, 1, 1, 0), (256, 3, 2, 0)),
    ((256, 1, 1, 0), (256, 3, 1, 1), (256, 3, 2, 0)),
)
BLOCK8: tuple[tuple[Step, ...], ...] = (
    ((192, 1, 1, 0),),
    ((192, 1, 1, 0), (192, (1, 3), 1, (0, 1)), (192, (3, 1), 1, (1, 0))),
)


class InceptionResnetV1(nn.Module):
    """The network. Begins with Xavier-uniform convolutions, as Sandberg's; the rest as torch has it."""

    def __init__(self, *, dimension: int, size: Size, dropout: float) -> None:
        super().__init__()
        if min(size) < SMALLEST:
            raise InputError(
                f"inception-resnet-v1: size {size} given, at least {SMALLEST} pixels a side wanted"
            )
        self.conv2d_1a = Convolution(3, (32, 3, 2, 0))
        self.conv2d_2a = Convolution(32, (32, 3, 1, 0))
        self.conv2d_2b = Convolution(32, (64, 3, 1, 1))
        self.maxpool_3a = nn.MaxPool2d(3, stride=2)
        self.conv2d_3b = Convolution(64, (80, 1, 1, 0))
        self.conv2d_4a = Convolution(80, (192, 3, 1, 0))
        self.conv2d_4b = Convolution(192, (256, 3, 2, 0))
        self.repeat_1 = nn.Sequential(*(Residual(256, BLOCK35, 0.17, False) for _ in range(5)))
        self.mixed_6a = Reduction(256, REDUCTION_A)
        self.repeat_2 = nn.Sequential(*(Residual(896, BLOCK17, 0.10, False) for _ in range(10)))
        self.mixed_7a = Reduction(896, REDUCTION_B)
        self.repeat_3 = nn.Sequential(*(Residual(1792, BLOCK8, 0.20, False) for _ in range(5)))
        self.block8 = Residual(1792, BLOCK8, 1.0, True)
        self.dropout = nn.Dropout(dropout)
        self.last_linear = nn.Linear(1792, dimension, bias=False)
        self.last_bn = nn.BatchNorm1d(dimension, eps=EPSILON)
        _begin(self)

    def forward(self, x: Tensor) -> Tensor:
        """(n,3,h,w) normalised pixels → (n,dimension) raw features."""
        x = self.maxpool_3a(self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(x))))
        x = self.conv2d_4b(self.conv2d_4a(self.conv2d_3b(x)))
        x = self.mixed_7a(self.repeat_2(self.mixed_6a(self.repeat_1(x))))
        x = self.block8(self.repeat_3(x)).mean((2, 3))
        features: Tensor = self.last_bn(self.last_linear(self.dropout(x)))
        return features


def _add_branches(block: nn.Module, inside: int, branches: tuple[tuple[Step, ...], ...]) -> int:
    """Hang the branches into a block by facenet-pytorch's names: one step stands alone. Returns how many."""
    for number, steps in enumerate(branches):
        widths = (inside, *(step[0] for step in steps))
        made = [Convolution(width, step) for width, step in zip(widths, steps, strict=False)]
        block.add_module(f"branch{number}", made[0] if len(made) == 1 else nn.Sequential(*made))
    return len(branches)


def _begin(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
