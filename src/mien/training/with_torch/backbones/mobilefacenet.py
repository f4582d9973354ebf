"""MobileFaceNet: inverted residuals with PReLU, ending in a depthwise convolution as large as the map.

Chen et al., "MobileFaceNets: Efficient CNNs for Accurate Real-Time Face Verification on Mobile Devices", CCBR
2018, table 1; and "mbf", insightface's wider cousin. Names of the state dict are those of Xiaoccer's
PyTorch form of the paper; `key_maps` turns insightface's into them.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from mien.training.with_torch.backbones.backbone import Size, halved
from mien.training.with_torch.backbones.convolution import Convolution, Whole, begin_kaiming

LAST = 512  # channels of the map before the head


@dataclass(frozen=True)
class Row:
    """Equal bottlenecks in a row: their inner and outer channels, how many, the first one's stride."""

    hidden: int
    outside: int
    count: int
    stride: int


@dataclass(frozen=True)
class Plan:
    """A whole network: channels of the stem, groups of the second convolution, then the rows."""

    stem: int
    groups: int
    rows: tuple[Row, ...]


PAPER = Plan(
    stem=64,
    groups=64,
    rows=(
        Row(128, 64, 5, 2),
        Row(256, 128, 1, 2),
        Row(256, 128, 6, 1),
        Row(512, 128, 1, 2),
        Row(256, 128, 2, 1),
    ),
)
MBF = Plan(  # twice the outer channels, the same inner ones; the second convolution mixes channels in pairs
    stem=128,
    groups=64,
    rows=(
        Row(128, 128, 5, 2),
        Row(256, 256, 1, 2),
        Row(256, 256, 6, 1),
        Row(512, 256, 1, 2),
        Row(256, 256, 2, 1),
    ),
)


class Bottleneck(nn.Module):
    """Expand, filter each channel, project without activation; added to what came in where the shapes agree."""

    def __init__(self, inside: int, row: Row, stride: int) -> None:
        super().__init__()
        hidden = row.hidden
        self.residual = stride == 1 and inside == row.outside
        self.conv = nn.Sequential(
            nn.Conv2d(inside, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.PReLU(hidden),
            nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.PReLU(hidden),
            nn.Conv2d(hidden, row.outside, 1, bias=False),
            nn.BatchNorm2d(row.outside),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n,inside,h,w) → (n,outside,h/stride,w/stride)."""
        shaped: Tensor = self.conv(x)
        return x + shaped if self.residual else shaped


class MobileFaceNet(nn.Module):
    """The network of a plan. Begins with Kaiming-normal convolutions (fan out), PReLU slopes of a quarter."""

    def __init__(self, plan: Plan, *, dimension: int, size: Size, dropout: float) -> None:
        super().__init__()
        self.conv1 = Convolution(3, plan.stem, 3, stride=2)
        self.dw_conv1 = Convolution(plan.stem, plan.stem, 3, groups=plan.groups)
        self.blocks = nn.Sequential(*_bottlenecks(plan))
        self.conv2 = Convolution(plan.rows[-1].outside, LAST)
        self.linear7 = Whole(LAST, LAST, halved(size, 4), groups=LAST)
        self.dropout = nn.Dropout(dropout)
        self.linear1 = Whole(LAST, dimension, (1, 1))
        begin_kaiming(self)

    def forward(self, x: Tensor) -> Tensor:
        """(n,3,h,w) normalised pixels → (n,dimension) raw features."""
        x = self.conv2(self.blocks(self.dw_conv1(self.conv1(x))))
        features: Tensor = self.linear1(self.dropout(self.linear7(x)))
        return features.flatten(1)


def _bottlenecks(plan: Plan) -> list[Bottleneck]:
    made, inside = [], plan.stem
    for row in plan.rows:
        for number in range(row.count):
            made.append(Bottleneck(inside, row, row.stride if number == 0 else 1))
            inside = row.outside
    return made
