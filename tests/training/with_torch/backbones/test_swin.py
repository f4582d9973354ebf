from __future__ import annotations

import pytest
import torch
from torch import nn

from mien.training.with_torch.backbones import BACKBONES, build
from mien.training.with_torch.backbones.cost import cost
from mien.training.with_torch.backbones.swin import WINDOW, Merging, WindowAttention, _windows


def test_cost_is_the_published_one_but_for_patches_and_head() -> None:
    published = BACKBONES["swin-tiny"].published
    assert published is not None
    with torch.device("meta"):
        network = build("swin-tiny")
    patches = 96 * 3 * (4 * 4 - 2 * 2)
    classifier = 768 * 1000 + 1000
    head = sum(parameter.numel() for parameter in network.head.parameters())
    found = cost(network, (112, 112))
    assert found.parameters - head + classifier + patches == published.parameters
    assert found.macs == pytest.approx(published.macs, rel=0.01)


def test_maps_are_the_published_56_28_14_and_7() -> None:
    with torch.device("meta"):
        network = build("swin-tiny")
        x, sides = torch.empty(1, 3, 112, 112), []
        for stage in network.features:
            x = stage(x)
            sides.append(x.shape[1])
    assert sides == [56, 56, 28, 28, 14, 14, 7, 7]


def test_shifted_windows_by_hand() -> None:
    """Each place looks at those of its shifted window that are its neighbours in the map, at no others."""
    torch.manual_seed(0)
    attention = WindowAttention(6, 2, (14, 14), WINDOW // 2).eval()
    nn.init.normal_(attention.relative_position_bias_table)
    x = torch.randn(1, 14, 14, 6)
    got = attention(x)
    table = attention.relative_position_bias_table
    for row, column in ((0, 0), (5, 3), (13, 13), (12, 1), (8, 8)):
        cells = [(r, c) for r in range(14) for c in range(14) if together((row, column), (r, c))]
        flat = torch.stack([x[0, r, c] for r, c in cells])
        query = attention.qkv(x[0, row, column])[:6].view(2, 3)
        keys, values = (attention.qkv(flat)[:, at : at + 6].view(-1, 2, 3) for at in (6, 12))
        offsets = [(row - r + 6) * 13 + column - c + 6 for r, c in cells]
        looks = torch.einsum("hd,khd->kh", query, keys) / 3**0.5 + table[offsets]
        seen = torch.einsum("kh,khd->hd", looks.softmax(0), values).flatten()
        torch.testing.assert_close(got[0, row, column], attention.proj(seen), rtol=1e-4, atol=1e-5)


def together(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Windows of 7, moved by 3, and not round the edge: 0..2, 3..9, 10..13."""
    band = (0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2)
    return all(band[a] == band[b] for a, b in zip(one, other, strict=True))


def test_a_map_of_one_window_is_not_shifted() -> None:
    assert WindowAttention(6, 2, (7, 7), 3).shift == 0


def test_windows_hold_neighbours() -> None:
    x = torch.arange(2 * 14 * 21).reshape(2, 14, 21, 1)
    windows = _windows(x)
    assert windows.shape == (2, 6, 49, 1)
    assert torch.equal(windows[1, 4, :, 0].reshape(7, 7), x[1, 7:14, 7:14, 0])


def test_merging_takes_neighbours_in_torchvisions_order() -> None:
    merging = Merging(1)
    merging.norm, merging.reduction = nn.Identity(), nn.Identity()
    x = torch.arange(4.0).reshape(1, 2, 2, 1)  # rows 0 1 / 2 3
    assert merging(x).flatten().tolist() == [0, 2, 1, 3]


def test_names_beyond_the_patches_are_torchvisions() -> None:
    with torch.device("meta"):
        names = set(build("swin-tiny").state_dict())
    attention = ("relative_position_bias_table", "qkv.weight", "qkv.bias", "proj.weight", "proj.bias")
    block = {f"attn.{part}" for part in attention}
    block |= {
        f"{layer}.{part}" for layer in ("norm1", "norm2", "mlp.0", "mlp.3") for part in ("weight", "bias")
    }
    expected = {f"features.0.{layer}.{part}" for layer in (0, 2) for part in ("weight", "bias")}
    for stage, count in zip((1, 3, 5, 7), (2, 2, 6, 2), strict=True):
        expected |= {f"features.{stage}.{number}.{part}" for number in range(count) for part in block}
    for merging in (2, 4, 6):
        expected |= {f"features.{merging}.{part}" for part in ("reduction.weight", "norm.weight", "norm.bias")}
    assert {name for name in names if not name.startswith("head.")} == expected | {"norm.weight", "norm.bias"}
