"""Swin transformer (tiny) for faces of 112 × 112: patches of 2 pixels, so that every window of 7 × 7 is full.

Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", ICCV 2021. Published with
224 pixels and patches of 4. FaceX-Zoo scales faces up to 224 for it; here the patch is halved instead: the maps
are the published 56, 28, 14 and 7, and no pixel is invented. Names and shapes beyond the patch layer are
torchvision's, so that its ImageNet weights load.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mien.errors import InputError
from mien.training.with_torch.backbones.backbone import Size, require_share
from mien.training.with_torch.backbones.stochastic_depth import StochasticDepth, rising

WINDOW, PATCH, WIDTH = 7, 2, 96
DEPTHS, HEADS = (2, 2, 6, 2), (3, 6, 12, 24)
EXPANSION = 4
SPREAD = 0.02  # of the normal distribution that weights begin with
EPSILON = 1e-5


class ToLast(nn.Module):
    """Channels to the last axis."""

    def forward(self, x: Tensor) -> Tensor:
        """(n,c,h,w) → (n,h,w,c)."""
        return x.permute(0, 2, 3, 1)


class WindowAttention(nn.Module):
    """Each place looks at those of its window. shift: how far windows are moved, 0 or half of one."""

    offsets: Tensor
    mask: Tensor

    def __init__(self, width: int, heads: int, size: Size, shift: int) -> None:
        super().__init__()
        self.heads = heads
        self.shift = shift if min(size) > WINDOW else 0  # a map of one window has nothing to shift
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.relative_position_bias_table = nn.Parameter(torch.empty((2 * WINDOW - 1) ** 2, heads))
        self.register_buffer("offsets", _offsets(), persistent=False)
        self.register_buffer("mask", _mask(size, self.shift), persistent=False)
        nn.init.trunc_normal_(self.relative_position_bias_table, std=SPREAD)

    def forward(self, x: Tensor) -> Tensor:
        """(n,h,w,width) → the same shape."""
        windows = _windows(x.roll((-self.shift, -self.shift), (1, 2)))
        count, many, places, width = windows.shape
        parts = self.qkv(windows).view(count, many, places, 3, self.heads, width // self.heads)
        # (3, n, windows·heads, places, width/heads): the biases are the same for every picture, and not copied.
        parts = parts.permute(3, 0, 1, 4, 2, 5).flatten(2, 3)
        seen = nn.functional.scaled_dot_product_attention(parts[0], parts[1], parts[2], self._bias())
        seen = seen.view(count, many, self.heads, places, -1).transpose(2, 3).reshape(windows.shape)
        return _unwindowed(self.proj(seen), x.shape).roll((self.shift, self.shift), (1, 2))

    def _bias(self) -> Tensor:
        """(windows·heads, places, places): by where a look goes; −∞ where the shift joined far edges."""
        table = self.relative_position_bias_table[self.offsets]
        bias = table.view(WINDOW**2, WINDOW**2, self.heads).permute(2, 0, 1)
        return (bias + self.mask[:, None]).flatten(0, 1)


class Block(nn.Module):
    """Attention within windows, then a perceptron; each normalised before and added to what came in."""

    def __init__(self, width: int, attention: WindowAttention, depth: StochasticDepth) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, EPSILON), nn.LayerNorm(width, EPSILON)
        self.attn, self.stochastic_depth = attention, depth
        hidden = EXPANSION * width
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Identity(), nn.Linear(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        """(n,h,w,width) → the same shape."""
        x = x + self.stochastic_depth(self.attn(self.norm1(x)))
        total: Tensor = x + self.stochastic_depth(self.mlp(self.norm2(x)))
        return total


class Merging(nn.Module):
    """Four neighbours become one place of twice the channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)
        self.norm = nn.LayerNorm(4 * width, EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        """(n,h,w,width) → (n,h/2,w/2,2·width)."""
        corners = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        merged: Tensor = self.reduction(self.norm(torch.cat(corners, -1)))
        return merged


class Swin(nn.Module):
    """The network. drop_path: share of branches left out at the deepest block (0.2 as published; 0 here).

    Begins: linear layers and position biases normal(0, 0.02) within two deviations, biases zero. The mean
    over all places is followed by a linear layer and a normalisation, which the classifier's place takes.
    """

    def __init__(self, *, dimension: int, size: Size, dropout: float, drop_path: float = 0.0) -> None:
        super().__init__()
        require_share("drop_path", drop_path)
        step = WINDOW * PATCH * 2 ** (len(DEPTHS) - 1)
        if size[0] % step or size[1] % step:
            raise InputError(f"swin-tiny: size {size} given, multiples of {step} wanted")
        stem = nn.Sequential(nn.Conv2d(3, WIDTH, PATCH, PATCH), ToLast(), nn.LayerNorm(WIDTH, EPSILON))
        self.features = nn.Sequential(stem, *_stages(size, rising(drop_path, sum(DEPTHS))))
        width = WIDTH * 2 ** (len(DEPTHS) - 1)
        self.norm = nn.LayerNorm(width, EPSILON)
        self.head = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(width, dimension, bias=False), nn.BatchNorm1d(dimension)
        )
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=SPREAD)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(n,3,h,w) normalised pixels → (n,dimension) raw features."""
        features: Tensor = self.head(self.norm(self.features(x)).mean((1, 2)))
        return features


def _stages(size: Size, depths: list[StochasticDepth]) -> list[nn.Module]:
    """Four stages of blocks, every second one shifted, with mergings between."""
    layers: list[nn.Module] = []
    remaining = iter(depths)
    for stage, (count, heads) in enumerate(zip(DEPTHS, HEADS, strict=True)):
        width, scale = WIDTH * 2**stage, PATCH * 2**stage
        left = (size[0] // scale, size[1] // scale)
        shifts = [WINDOW // 2 * (number % 2) for number in range(count)]
        attentions = [WindowAttention(width, heads, left, shift) for shift in shifts]
        layers.append(nn.Sequential(*(Block(width, one, next(remaining)) for one in attentions)))
        if stage + 1 < len(DEPTHS):
            layers.append(Merging(width))
    return layers


def _windows(x: Tensor) -> Tensor:
    """(n,h,w,c) → (n, windows, places of a window, c)."""
    count, height, width, channels = x.shape
    x = x.reshape(count, height // WINDOW, WINDOW, width // WINDOW, WINDOW, channels)
    return x.transpose(2, 3).reshape(count, -1, WINDOW**2, channels)


def _unwindowed(windows: Tensor, shape: torch.Size) -> Tensor:
    """What `_windows` did, undone."""
    count, height, width, channels = shape
    x = windows.view(count, height // WINDOW, width // WINDOW, WINDOW, WINDOW, channels)
    return x.transpose(2, 3).reshape(shape)


def _offsets() -> Tensor:
    """(places²,): for each pair of places of a window, the number of their offset in the table of biases."""
    rows, columns = torch.meshgrid(torch.arange(WINDOW), torch.arange(WINDOW), indexing="ij")
    places = torch.stack((rows.flatten(), columns.flatten()))
    offsets = places[:, :, None] - places[:, None, :] + WINDOW - 1
    return (offsets[0] * (2 * WINDOW - 1) + offsets[1]).flatten()


def _mask(size: Size, shift: int) -> Tensor:
    """(windows, places, places): 0 where two places of a shifted window are neighbours in truth, else −∞."""
    region = torch.zeros(1, *size, 1)
    for number, cut in enumerate((slice(-WINDOW, -shift), slice(-shift, None)) if shift else (), start=1):
        region[:, cut] += 3 * number
        region[:, :, cut] += number
    windows = _windows(region)[0, :, :, 0]
    apart = windows[:, None] != windows[:, :, None]
    return torch.zeros(apart.shape).masked_fill(apart, -torch.inf)
