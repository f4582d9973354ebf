from __future__ import annotations

import torch
from torch import nn

from mien.training.with_torch.backbones.cost import cost


def test_layers_counted_by_hand() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),  # 8·5·6 places of 3·9 products
        nn.BatchNorm2d(8),  # not counted, but 16 parameters
        nn.Conv2d(8, 8, 3, padding=1, groups=8),  # 8·5·6 places of 9 products; 80 parameters
        nn.Flatten(),
        nn.Linear(240, 7),
    )
    found = cost(network, (10, 12))
    assert found.macs == 240 * 27 + 240 * 9 + 240 * 7
    assert found.parameters == 8 * 27 + 16 + 80 + 240 * 7 + 7


class Looking(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        heads = x.reshape(1, 3, 20, 4)
        return nn.functional.scaled_dot_product_attention(heads, heads, heads)


def test_attention_is_two_products() -> None:
    assert cost(Looking(), (8, 10)).macs == 2 * 3 * 20 * 20 * 4


def test_the_network_is_left_alone() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    cost(network, (8, 8))
    assert network.training
    assert next(network.parameters()).device.type == "cpu"
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
