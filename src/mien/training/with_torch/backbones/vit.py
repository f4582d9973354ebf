"""Vision transformers for faces, as insightface trains them: patches of 9 pixels, every patch in the vector.

Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021, in the form of insightface's arcface_torch: the
first 108 × 108 of 112 × 112 pixels make 12 × 12 patches; no class token, all patches feed the head; ReLU6; no
bias in the attention. Names and shapes of the state dict are arcface_torch's, so that its checkpoints load.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mien.errors import InputError
from mien.training.with_torch.backbones.backbone import Size, require_share
from mien.training.with_torch.backbones.stochastic_depth import StochasticDepth, rising

PATCH, HEADS, EXPANSION = 9, 8, 4
SPREAD = 0.02  # of the normal distribution that weights begin with
EPSILON = 2e-5  # of the head's normalisations


class Patches(nn.Module):
    """Each patch of 9 × 9 pixels by one linear layer; pixels left over at the right and below are not seen."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, PATCH, PATCH)

    def forward(self, x: Tensor) -> Tensor:
        """(n,3,h,w) → (n,patches,width)."""
        patches: Tensor = self.proj(x).flatten(2).transpose(1, 2)
        return patches


class Attention(nn.Module):
    """Every patch looks at every patch, with eight heads."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(n,patches,width) → the same shape."""
        count, patches, width = x.shape
        parts = self.qkv(x).view(count, patches, 3, HEADS, width // HEADS).permute(2, 0, 3, 1, 4)
        seen = nn.functional.scaled_dot_product_attention(parts[0], parts[1], parts[2])
        mixed: Tensor = self.proj(seen.transpose(1, 2).reshape(count, patches, width))
        return mixed


class Perceptron(nn.Module):
    """Two linear layers with ReLU6 between."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, EXPANSION * width)
        self.fc2 = nn.Linear(EXPANSION * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(n,patches,width) → the same shape."""
        shaped: Tensor = self.fc2(nn.functional.relu6(self.fc1(x)))
        return shaped


class Block(nn.Module):
    """Attention, then the perceptron; each normalised before and added to what came in."""

    def __init__(self, width: int, depth: StochasticDepth) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn, self.mlp, self.drop_path = Attention(width), Perceptron(width), depth

    def forward(self, x: Tensor) -> Tensor:
        """(n,patches,width) → the same shape."""
        x = x + self.drop_path(self.attn(self.norm1(x)))
        total: Tensor = x + self.drop_path(self.mlp(self.norm2(x)))
        return total


class VisionTransformer(nn.Module):
    """The network, by its width and depth.

    mask_ratio: share of the patches that the blocks do not see in training; a learned token stands in for them
    before the head (He et al., "Masked Autoencoders", 2022). drop_path: share of branches left out at the
    deepest block. arcface_torch has 0.1 for both, 0 to 0.05 for WebFace42M; here they are 0 unless asked for.
    Begins: linear layers and positions normal(0, 0.02) within two deviations, the patch layer as torch has it.
    """

    def __init__(
        self,
        width: int,
        depth: int,
        *,
        dimension: int,
        size: Size,
        dropout: float,
        mask_ratio: float = 0.0,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        require_share("mask_ratio", mask_ratio)
        require_share("drop_path", drop_path)
        if min(size) < PATCH:
            raise InputError(f"vit: size {size} given, at least {PATCH} pixels a side wanted")
        count = (size[0] // PATCH) * (size[1] // PATCH)
        self.mask_ratio = mask_ratio
        self.patch_embed = Patches(width)
        self.pos_embed = nn.Parameter(torch.empty(1, count, width))
        self.mask_token = nn.Parameter(torch.empty(1, 1, width))
        self.blocks = nn.Sequential(*(Block(width, one) for one in rising(drop_path, depth)))
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.feature = nn.Sequential(
            nn.Linear(width * count, width, bias=False),
            nn.BatchNorm1d(width, eps=EPSILON),
            nn.Linear(width, dimension, bias=False),
            nn.BatchNorm1d(dimension, eps=EPSILON),
        )
        self.mask_token.requires_grad = (
            mask_ratio > 0
        )  # else nothing would ever move it, and DDP would wait for it
        _begin(self)

    def forward(self, x: Tensor) -> Tensor:
        """(n,3,h,w) normalised pixels → (n,dimension) raw features."""
        x = self.patch_embed(x) + self.pos_embed
        x = self._masked(x) if self.training and self.mask_ratio > 0 else self.norm(self.blocks(x))
        features: Tensor = self.feature(self.dropout(x.flatten(1)))
        return features

    def _masked(self, x: Tensor) -> Tensor:
        """The blocks over patches chosen at random, put back; the token in the other places."""
        count, patches, width = x.shape
        keep = max(int(patches * (1 - self.mask_ratio)), 1)
        chosen = torch.rand(count, patches, device=x.device).argsort(1)[:, :keep, None].expand(-1, -1, width)
        seen = self.norm(self.blocks(x.gather(1, chosen)))
        return self.mask_token.to(seen.dtype).repeat(count, patches, 1).scatter(1, chosen, seen)


def _begin(network: VisionTransformer) -> None:
    nn.init.trunc_normal_(network.pos_embed, std=SPREAD)
    nn.init.normal_(network.mask_token, std=SPREAD)
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=SPREAD)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
