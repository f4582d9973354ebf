"""Other projects' parameters → ours, where the two differ: names, and shapes that mean the same."""

from __future__ import annotations

import re

from torch import Tensor, nn

# insightface's mbf: `layers` holds the stem, the second convolution, then single bottlenecks and rows of them
# by turns. The first block that each stands for: there are 1 + 4 + 1 + 6 + 1 + 2.
FIRST_BLOCKS = {2: 0, 3: 1, 4: 5, 5: 6, 6: 12, 7: 13}
PARTS = ("conv", "bn", "prelu")
WHOLE = {
    "layers.0.layers": "conv1",
    "layers.1.layers": "dw_conv1",
    "conv_sep.layers": "conv2",
    "features.layers.0.layers": "linear7",
}
LAST = {"features.layers.2": "linear1.conv", "features.layers.3": "linear1.bn"}
CONVOLUTION = re.compile(rf"({'|'.join(map(re.escape, WHOLE))})\.([012])\.(.+)")
BOTTLENECK = re.compile(r"layers\.([2-7])(?:\.layers\.(\d+))?\.layers\.([012])\.layers\.([012])\.(.+)")
LINEAR = re.compile(rf"({'|'.join(map(re.escape, LAST))})\.(.+)")


def unchanged(name: str) -> str:
    """The names of a project that has ours."""
    return name


def insightface_name(name: str) -> str:
    """arcface_torch's names. Those of its IResNet and ViT are ours already; its mbf's are translated."""
    if found := CONVOLUTION.fullmatch(name):
        whole, part, rest = found.groups()
        return f"{WHOLE[whole]}.{PARTS[int(part)]}.{rest}"
    if found := BOTTLENECK.fullmatch(name):
        row, number, layer, part, rest = found.groups()
        block = FIRST_BLOCKS[int(row)] + int(number or 0)
        return f"blocks.{block}.conv.{3 * int(layer) + int(part)}.{rest}"
    if found := LINEAR.fullmatch(name):
        return f"{LAST[found.group(1)]}.{found.group(2)}"
    return name


def same_shape(tensor: Tensor, wanted: tuple[int, ...]) -> Tensor:
    """As it is, whatever is wanted."""
    return tensor


def linear_as_convolution(tensor: Tensor, wanted: tuple[int, ...]) -> Tensor:
    """A linear layer's (out, in) as the 1 × 1 convolution that computes the same."""
    return tensor[:, :, None, None] if wanted == (*tensor.shape, 1, 1) else tensor


def halved_patches(tensor: Tensor, wanted: tuple[int, ...]) -> Tensor:
    """A patch layer (out, in, 2h, 2w) as one of (h, w): its answer to the picture with every pixel doubled."""
    if tensor.dim() != 4 or tuple(tensor.shape) != (*wanted[:2], *(2 * side for side in wanted[2:])):
        return tensor
    return 4 * nn.functional.avg_pool2d(tensor, 2)
