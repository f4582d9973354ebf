from __future__ import annotations

import pytest
import torch

from mien.errors import InputError
from mien.training.with_torch.backbones import BACKBONES, build
from mien.training.with_torch.backbones.cost import cost
from mien.training.with_torch.backbones.frozen import freeze_statistics

# One of each family, at the smallest size that has all its layers at work: others differ in a table's numbers.
SMALL = {
    "ghostfacenet": (32, 32),
    "inception-resnet-v1": (80, 80),
    "iresnet18": (32, 32),
    "mbf": (32, 32),
    "mobilefacenet": (32, 32),
    "mobilenetv2": (32, 32),
    "mobilenetv3-small": (32, 32),
    "swin-tiny": (112, 112),
    "vit-tiny": (36, 36),
}
QUICK = sorted(set(SMALL) - {"swin-tiny"})  # its smallest size is its usual one


def small(name: str, seed: int = 0, **settings: float) -> torch.nn.Module:
    torch.manual_seed(seed)
    return build(name, dimension=64, size=SMALL[name], **settings)


def pictures(name: str, count: int = 2) -> torch.Tensor:
    return torch.rand(count, 3, *SMALL[name], generator=torch.Generator().manual_seed(5)) * 2 - 1


def meta(name: str, **settings: object) -> torch.nn.Module:
    """The network without data: nothing is initialised, so even the largest costs nothing."""
    with torch.device("meta"):
        return build(name, **settings)


@pytest.mark.parametrize(
    "name", [n for n, row in BACKBONES.items() if row.published and not row.published.form]
)
def test_cost_is_the_published_one(name: str) -> None:
    published = BACKBONES[name].published
    assert published is not None
    network = meta(name, dimension=published.dimension, size=published.size)
    found = cost(network, published.size)
    assert published.parameters or published.macs
    if published.parameters:
        assert found.parameters == pytest.approx(published.parameters, rel=0.01)
    if published.macs:
        assert found.macs == pytest.approx(published.macs, rel=0.01)


@pytest.mark.parametrize("name", BACKBONES)
def test_row_says_where_its_numbers_come_from(name: str) -> None:
    published = BACKBONES[name].published
    assert BACKBONES[name].paper
    assert published is not None
    assert published.source


@pytest.mark.parametrize("name", BACKBONES)
def test_shape_of_the_features(name: str) -> None:
    size = BACKBONES[name].size
    assert meta(name)(torch.empty(3, 3, *size, device="meta")).shape == (3, 512)
    assert meta(name, dimension=128).eval()(torch.empty(1, 3, *size, device="meta")).shape == (1, 128)


@pytest.mark.parametrize("name", sorted(set(BACKBONES) - {"swin-tiny"}))
def test_other_sizes_than_the_one_meant(name: str) -> None:
    network = meta(name, size=(128, 96)).eval()
    assert network(torch.empty(1, 3, 128, 96, device="meta")).shape == (1, 512)


@pytest.mark.parametrize("name", SMALL)
def test_every_parameter_learns(name: str) -> None:
    network = small(name).eval()  # in training a bias before a normalisation is rightly of no use
    features = network(pictures(name))
    (features * torch.randn_like(features)).sum().backward()
    dead = [
        key
        for key, parameter in network.named_parameters()
        if parameter.requires_grad and (parameter.grad is None or not parameter.grad.abs().sum() > 0)
    ]
    assert dead == []


@pytest.mark.parametrize("name", SMALL)
def test_training_looks_at_the_batch_and_evaluation_does_not(name: str) -> None:
    network = small(name).double()
    batch = pictures(name).double()
    with torch.no_grad():
        trained = network(batch)
    assert torch.isfinite(trained).all()
    network.eval().requires_grad_(False)
    alone = network(batch[:1])
    torch.testing.assert_close(network(batch)[:1], alone)
    assert not torch.allclose(trained[:1], alone, rtol=1e-3)


@pytest.mark.parametrize("name", QUICK)
def test_features_begin_as_long_as_their_normalisation_makes_them(name: str) -> None:
    features = small(name)(pictures(name, 6)).detach()
    assert features.square().mean() == pytest.approx(1, abs=0.1)
    torch.testing.assert_close(features.mean(0), torch.zeros(64), atol=1e-3, rtol=0)


@pytest.mark.parametrize("name", ["iresnet18", "mobilefacenet", "vit-tiny"])
def test_same_seed_same_network_same_step(name: str) -> None:
    def gradients(seed: int) -> dict[str, torch.Tensor]:
        network = small(name, seed, dropout=0.3)
        network(pictures(name, 4)).pow(3).mean().backward()
        return {key: value.grad for key, value in network.named_parameters() if value.grad is not None}

    first, second, other = gradients(11), gradients(11), gradients(12)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("name", QUICK)
def test_memory_order_changes_no_feature(name: str) -> None:
    network = small(name).double().eval()
    batch = pictures(name).double()
    usual = network(batch)
    ordered = network.to(memory_format=torch.channels_last)(batch.to(memory_format=torch.channels_last))
    torch.testing.assert_close(usual, ordered)


@pytest.mark.parametrize("name", QUICK)
def test_dropout_is_off_in_evaluation_only(name: str) -> None:
    network = small(name, dropout=0.5)
    freeze_statistics(network)
    batch = pictures(name)
    assert not torch.equal(network(batch), network(batch))
    network.eval()
    assert torch.equal(network(batch), network(batch))


@pytest.mark.parametrize("name", SMALL)
def test_half_precision_in_training(name: str) -> None:
    network = small(name)
    with torch.autocast("cpu", torch.bfloat16):
        features = network(pictures(name))
    features.float().pow(3).sum().backward()
    assert features.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(
        InputError, match=r"'resnet9' is not known; known are ghostfacenet, .*vit-tiny and timm:NAME"
    ):
        build("resnet9")


def test_unknown_option_lists_the_known() -> None:
    with pytest.raises(InputError, match="not known: masked; known here: mask_ratio, drop_path"):
        build("vit-tiny", masked=0.1)
    with pytest.raises(InputError, match="not known: mask_ratio; known here: none"):
        build("iresnet18", mask_ratio=0.1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dimension": 0}, "dimension: 0 given"),
        ({"size": (112, 0)}, "width: 0 given"),
        ({"size": (112.0, 112)}, "height: 112.0 given"),
        ({"dropout": 1.0}, "dropout: 1.0 given"),
        ({"dropout": -0.1}, "dropout: -0.1 given"),
    ],
)
def test_settings_out_of_range(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build("mobilefacenet", **settings)


@pytest.mark.parametrize(
    ("name", "size"), [("swin-tiny", (112, 96)), ("inception-resnet-v1", (64, 64)), ("vit-tiny", (8, 112))]
)
def test_sizes_that_an_architecture_cannot_take(name: str, size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="wanted"):
        build(name, size=size)
