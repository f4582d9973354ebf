"""Convolutions with their normalisations, and the head of the light networks that is made of two."""

from __future__ import annotations

from torch import Tensor, nn

from mien.training.with_torch.backbones.backbone import Size


class Convolution(nn.Module):
    """A convolution padded by half its kernel, its normalisation and, unless linear, a PReLU."""

    def __init__(
        self,
        inside: int,
        outside: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        groups: int = 1,
        linear: bool = False,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inside, outside, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outside)
        self.prelu = nn.Identity() if linear else nn.PReLU(outside)

    def forward(self, x: Tensor) -> Tensor:
        """(n,inside,h,w) → (n,outside,h/stride,w/stride)."""
        shaped: Tensor = self.prelu(self.bn(self.conv(x)))
        return shaped


class Whole(nn.Module):
    """A linear convolution as large as its map, and its normalisation, which is a vector's."""

    def __init__(self, inside: int, outside: int, size: Size, *, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inside, outside, size, groups=groups, bias=False)
        self.bn = nn.BatchNorm1d(outside)

    def forward(self, x: Tensor) -> Tensor:
        """(n,inside,*size) → (n,outside,1,1)."""
        vectors: Tensor = self.bn(self.conv(x).flatten(1))
        return vectors[:, :, None, None]


class DepthwiseHead(nn.Module):
    """A depthwise convolution as large as the map, then a linear one: every place has its own weight.

    Chen et al., MobileFaceNets, 2018, section 3.2: a mean over the map would give corners the centre's weight.
    """

    def __init__(self, inside: int, size: Size, *, dimension: int, dropout: float) -> None:
        super().__init__()
        self.places = Whole(inside, inside, size, groups=inside)
        self.dropout = nn.Dropout(dropout)
        self.linear = Whole(inside, dimension, (1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(n,inside,*size) → (n,dimension)."""
        features: Tensor = self.linear(self.dropout(self.places(x)))
        return features.flatten(1)


def begin_kaiming(network: nn.Module) -> None:
    """Convolutions and linear layers begin Kaiming-normal by fan out, their biases at zero."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def divisible(channels: float, divisor: int) -> int:
    """The nearest multiple of the divisor, at least nine tenths of what was asked: MobileNet's rounding."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded
