"""IResNet, the residual network of ArcFace: every block begins and ends with a normalisation.

He et al., "Deep Residual Learning", 2016; Deng et al., "ArcFace", CVPR 2019, section 3.1 (the stem without
pooling, the BN-Dropout-FC-BN head); Duta et al., "Improved Residual Networks", 2020. Names and shapes of the
state dict are those of insightface's arcface_torch, so that its checkpoints load.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from mien.training.with_torch.backbones.backbone import Size, halved

WIDTHS = (64, 128, 256, 512)
SPREAD = 0.1  # of the normal distribution that convolutions begin with, as arcface_torch has it


class Block(nn.Module):
    """BN, convolution, BN, PReLU, convolution (which strides), BN; added to what came in."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inside)
        self.conv1 = nn.Conv2d(inside, outside, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        self.prelu = nn.PReLU(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(outside)
        self.downsample = _shortcut(inside, outside, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(n,inside,h,w) → (n,outside,h/stride,w/stride)."""
        inner = self.prelu(self.bn2(self.conv1(self.bn1(x))))
        identity = x if self.downsample is None else self.downsample(x)
        total: Tensor = self.bn3(self.conv2(inner)) + identity
        return total


class IResNet(nn.Module):
    """The network, by its blocks in each of four stages.

    Begins: convolutions normal(0, 0.1), normalisations at one and zero, the linear layer as torch has it.
    The last normalisation's scale stays one for ever: the loss divides by the length anyway.
    """

    def __init__(
        self, blocks: tuple[int, int, int, int], *, dimension: int, size: Size, dropout: float
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, WIDTHS[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        self.prelu = nn.PReLU(WIDTHS[0])
        self.layer1 = _stage(WIDTHS[0], WIDTHS[0], blocks[0])
        self.layer2 = _stage(WIDTHS[0], WIDTHS[1], blocks[1])
        self.layer3 = _stage(WIDTHS[1], WIDTHS[2], blocks[2])
        self.layer4 = _stage(WIDTHS[2], WIDTHS[3], blocks[3])
        self.bn2 = nn.BatchNorm2d(WIDTHS[-1])
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(WIDTHS[-1] * math.prod(halved(size, 4)), dimension)
        self.features = nn.BatchNorm1d(dimension)
        self.features.weight.requires_grad = False
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0, SPREAD)

    def forward(self, x: Tensor) -> Tensor:
        """(n,3,h,w) normalised pixels → (n,dimension) raw features."""
        x = self.prelu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        features: Tensor = self.features(self.fc(self.dropout(self.bn2(x).flatten(1))))
        return features


def _shortcut(inside: int, outside: int, stride: int) -> nn.Module | None:
    if stride == 1 and inside == outside:
        return None
    return nn.Sequential(nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside))


def _stage(inside: int, outside: int, count: int) -> nn.Sequential:
    first = Block(inside, outside, stride=2)
    return nn.Sequential(first, *(Block(outside, outside, stride=1) for _ in range(count - 1)))
