from __future__ import annotations

import pytest
import torch

from mien.training.with_torch.backbones.cost import cost
from mien.training.with_torch.backbones.ghostfacenet import Bottleneck, Ghost, GhostFaceNet, Row


def test_half_of_a_ghosts_channels_are_filters_of_the_other() -> None:
    torch.manual_seed(0)
    ghost = Ghost(6, 8, linear=True).eval()
    out = ghost(torch.randn(2, 6, 5, 5))
    assert out.shape == (2, 8, 5, 5)
    kernel = ghost.filtered.conv.weight
    by_hand = torch.nn.functional.conv2d(out[:, :4], kernel, padding=1, groups=4)
    torch.testing.assert_close(out[:, 4:], by_hand / (1 + 1e-5) ** 0.5)


def test_shortcut_is_a_filter_only_where_shapes_differ() -> None:
    assert isinstance(Bottleneck(16, Row(3, 16, 16, False, 1)).shortcut, torch.nn.Identity)
    wider = Bottleneck(16, Row(5, 48, 24, True, 2)).eval()
    assert wider(torch.randn(1, 16, 8, 8)).shape == (1, 24, 4, 4)


def test_the_paper_s_smaller_network() -> None:
    with torch.device("meta"):
        network = GhostFaceNet(2, 1.3, dimension=512, size=(112, 112), dropout=0.0)
    found = cost(network, (112, 112))
    # 60.3 million in the authors' plot_parameters.py, which counts 1.16 million normalised numbers as well.
    assert found.macs + 1_161_272 == pytest.approx(60.3e6, rel=0.01)
    assert network(torch.empty(2, 3, 112, 112, device="meta")).shape == (2, 512)
