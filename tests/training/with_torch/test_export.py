"""The exported graph is the network, whatever the batch, and carries nothing of the machine it was made on."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from mien.bundle import bundle as bundle_module
from mien.bundle.engines import open_engine
from mien.bundle.runtime import Runtime
from mien.errors import BundleError
from mien.training.with_torch.backbones import build
from mien.training.with_torch.export import REGISTRY, to_onnx

SIZE = (32, 24)


class Small(nn.Module):
    """Every kind of layer that behaves differently in training."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.act = nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.PReLU(8)
        self.drop, self.last, self.features = nn.Dropout(0.5), nn.Linear(8 * 16 * 12, 6), nn.BatchNorm1d(6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act(self.norm(self.conv(x)))
        out: torch.Tensor = self.features(self.last(self.drop(x.flatten(1))))
        return out


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def small(seed: int = 0) -> Small:
    """A network whose running statistics have seen something."""
    torch.manual_seed(seed)
    network = Small()
    network(torch.randn(16, 3, *SIZE))
    return network


def require_same(network: nn.Module, graph: bytes, size: tuple[int, int]) -> None:
    """The graph returns what the network does in evaluation, for one picture and for several."""
    engine = open_engine(graph, Runtime(threads=1))
    assert engine.input_shape == (None, 3, *size)
    assert engine.output_names == ("embedding",)
    for count in (1, 2, 7):
        pictures = torch.randn(count, 3, *size, generator=torch.Generator().manual_seed(count))
        with torch.inference_mode():
            want = network.eval()(pictures).numpy()
        (have,) = engine.run(pictures.numpy())
        assert have.shape == want.shape
        np.testing.assert_allclose(have, want, rtol=0, atol=2e-5 * np.sqrt((want**2).mean()))


def test_a_backbone_exports() -> None:
    """The rest of the shelf takes minutes: tests/long/test_export.py."""
    torch.manual_seed(0)
    network = build("mobilenetv3-small", dimension=64)
    require_same(network, to_onnx(network, (112, 112)), (112, 112))


def test_slopes_are_written_as_engines_run_them_fast() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.PReLU(4), nn.PReLU(), nn.Flatten(), nn.Linear(4 * 14 * 14, 5), nn.PReLU(5)
    )
    for module in (network[1], network[2], network[5]):
        nn.init.uniform_(module.weight, -2, 2)  # steeper than 1 and falling, too
    graph = to_onnx(network, (16, 16))
    require_same(network, graph, (16, 16))
    assert "PRelu" not in {node.op_type for node in onnx.load_from_string(graph).graph.node}
    assert type(network[1]) is nn.PReLU


def test_the_graph_is_the_network_in_evaluation() -> None:
    network = small()
    graph = to_onnx(network, SIZE)
    require_same(network, graph, SIZE)
    assert onnx.load_from_string(graph).opset_import[0].version == 18
    assert "Dropout" not in {node.op_type for node in onnx.load_from_string(graph).graph.node}


def test_a_network_in_training_stays_as_it_is() -> None:
    """Frozen layers too: their mode is not that of the whole."""
    network = small().double()
    network.norm.eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    to_onnx(network, SIZE)
    assert [module.training for module in network.modules()] == modes
    assert modes.count(False) == 1
    assert all(parameter.requires_grad for parameter in network.parameters())
    for name, tensor in network.state_dict().items():
        assert tensor.dtype == before[name].dtype
        assert torch.equal(tensor, before[name])


def test_equal_weights_give_equal_bytes() -> None:
    assert to_onnx(small(), SIZE) == to_onnx(small(), SIZE) != to_onnx(small(seed=1), SIZE)


def test_nothing_of_this_machine_is_in_the_file() -> None:
    graph = to_onnx(small(), SIZE)
    for trace in (str(Path(__file__).parent), sys.prefix, "site-packages", "stack_trace", ".py", "Small"):
        assert trace.encode() not in graph, trace
    model = onnx.load_from_string(graph)
    values = [*model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.initializer]
    assert not any(value.metadata_props for value in values)


def test_it_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """Warnings are errors in these tests; what is printed or logged is looked at here."""
    level = logging.getLogger(REGISTRY).level
    to_onnx(small(), SIZE)
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger(REGISTRY).level == level


def test_a_network_too_large_for_one_file_is_refused() -> None:
    with torch.device("meta"):
        network = nn.Linear(1 << 15, 1 << 14)  # 2 GiB of weights, none of them in memory
    assert bundle_module.MAX_FILE_BYTES == 2 << 30
    with pytest.raises(
        BundleError, match=r"holds 2\.0 GiB of weights, and one ONNX file holds less than 2 GiB"
    ):
        to_onnx(network, SIZE)
