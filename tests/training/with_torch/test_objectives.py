"""The people of a batch, as a loss of the shelf sees them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mien.training.loss_settings import AdaFace, AnyLoss, ArcFace, CurricularFace, Softmax
from mien.training.with_torch import losses
from mien.training.with_torch.objectives import Objective, Recognition
from mien.training.with_torch.view import Normal

NORMAL = Normal(127.5, 1 / 127.5)


def recognition(settings: AnyLoss) -> Recognition:
    return Recognition(NORMAL, losses.build(settings, dimension=8, classes=6, seed=2))


def faces() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return 255 * torch.rand(10, 3, 4, 4, generator=generator), torch.randint(0, 6, (10,), generator=generator)


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(48, 8))


def test_it_is_the_loss_of_the_networks_features() -> None:
    pixels, labels = faces()
    objective, net = recognition(ArcFace()), network()
    value = objective(net, pixels, labels)
    features = net((pixels - 127.5) / 127.5)
    expected = losses.build(ArcFace(), dimension=8, classes=6, seed=2)(features, labels)
    assert torch.allclose(value, expected)
    assert objective.logs.keys() == {"target cosine", "norm"}


@pytest.mark.parametrize("settings", [AdaFace(), CurricularFace(), Softmax(), ArcFace(sample=0.5)])
def test_its_state_is_all_that_it_goes_on_from(settings: AnyLoss) -> None:
    pixels, labels = faces()
    one, other, net = recognition(settings), recognition(settings), network()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1)
    for step in range(3):
        one.begin_step(0, step)
        one(net, pixels, labels)
    state = one.gathered_state()
    assert all(name.startswith("loss.") for name in state)
    other.load_gathered(state)
    for each in (one, other):
        each.begin_step(0, 3)
    assert torch.equal(one(net, pixels, labels), other(net, pixels, labels))
    shared = other.sharded_parameters()
    assert shared.keys() <= dict(other.named_parameters()).keys()
    assert bool(shared) == (getattr(settings, "sample", 1) < 1)


def test_chance_follows_from_seed_and_step() -> None:
    pixels, labels = faces()
    objective, net = recognition(ArcFace(sample=0.34)), network()

    def value(seed: int, step: int) -> float:
        objective.begin_step(seed, step)
        found: torch.Tensor = objective(net, pixels[:2], labels[:2])
        return found.item()

    values = {(seed, step): value(seed, step) for seed in range(3) for step in range(3)}
    assert values == {(seed, step): value(seed, step) for seed, step in values}
    assert len(set(values.values())) > 1


def test_each_persons_weight_begins_as_their_mean() -> None:
    objective = recognition(ArcFace())
    features = torch.randn(9, 8, generator=torch.Generator().manual_seed(4))
    labels = torch.tensor([0, 0, 0, 2, 2, 3, 4, 5, 5])
    before = objective.loss.get_parameter("prototypes.weight").detach().clone()
    objective.imprint(features, labels)
    weight = objective.loss.get_parameter("prototypes.weight").detach()
    unit = nn.functional.normalize(features, dim=1)
    for person in (0, 2, 3, 4, 5):
        mean = unit[labels == person].mean(0)
        assert float(nn.functional.cosine_similarity(weight[person], mean, dim=0)) == pytest.approx(1, abs=1e-6)
    assert torch.equal(weight[1], before[1])


def test_an_objective_without_a_loss_has_nothing_to_share() -> None:
    plain = Objective(nn.Identity())
    plain.begin_step(0, 0)
    plain.end_step(nn.Identity())
    assert plain.sharded_parameters() == {}
    assert plain.gathered_state() == {}
    plain.load_gathered({})
    rows = torch.ones(3, 2)
    assert plain.gather_rows(rows) is rows
    assert plain.own_rows(rows) is rows
    with pytest.raises(NotImplementedError):
        plain(nn.Identity(), rows, rows)
