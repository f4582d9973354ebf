"""Semi-siamese training against a reckoning by hand (Du et al. 2020)."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from mien.errors import InputError
from mien.training.loss_settings import AnyLoss, ArcFace, CosFace, CurricularFace, Softmax
from mien.training.recipe import FewShot
from mien.training.with_torch import losses
from mien.training.with_torch.siamese import NOBODY, Siamese

SCALE, MARGIN, QUEUE = 8.0, 0.3, 5


def linear() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.BatchNorm1d(4))


def siamese(
    network: nn.Module, settings: AnyLoss | None = None, queue: int = QUEUE, following: float = 0.9
) -> Siamese:
    loss = losses.build(settings or CosFace(scale=SCALE, margin=MARGIN), dimension=4, classes=9)
    return Siamese(nn.Identity(), network, loss, FewShot(siamese=queue, following=following), 4)


def batch(seed: int, people: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randn(2 * people, 3, 2, 2, generator=generator)
    return pixels, torch.arange(people).repeat_interleave(2) + seed


def unit(vector: Tensor) -> Tensor:
    found: Tensor = vector / vector.norm()
    return found


def by_hand(fast: Tensor, slow: Tensor, labels: Tensor, queue: list[tuple[Tensor, int]]) -> float:
    """CosFace, s·(cos − m) for the own weight, face by face: the weight is the slow network's other picture."""
    total = 0.0
    for i in range(len(fast)):
        other = i + 1 if i % 2 == 0 else i - 1
        probe, who = unit(fast[i]), int(labels[i])
        own = SCALE * (float(probe @ unit(slow[other])) - MARGIN)
        strangers = [slow[j] for j in range(len(slow)) if j % 2 == other % 2 and int(labels[j]) != who]
        strangers += [vector for vector, person in queue if person != who]
        logits = [own] + [SCALE * float(probe @ unit(each)) for each in strangers]
        total += math.log(sum(math.exp(each) for each in logits)) - own
    return total / len(fast)


def test_the_loss_is_that_by_hand_while_the_queue_fills_and_turns_over() -> None:
    network = linear()
    objective = siamese(network).train()
    queue: list[tuple[Tensor, int]] = []
    for seed in range(6):  # people repeat: 0-2, 1-3, …
        pixels, labels = batch(seed)
        with torch.no_grad():
            fast, slow = copy.deepcopy(network).train()(pixels), copy.deepcopy(objective.slow).train()(pixels)
        expected = by_hand(fast, slow, labels, queue)
        value = objective(network, pixels, labels)
        assert value.item() == pytest.approx(expected, abs=1e-5)
        queue = [*queue, *((unit(vector), int(who)) for vector, who in zip(slow, labels, strict=True))][-QUEUE:]
        assert sorted(objective.people.tolist()) == sorted([who for _, who in queue])
        assert -1 <= objective.logs["target cosine"].item() <= 1


def test_what_was_never_filled_counts_for_nothing() -> None:
    network = linear()
    pixels, labels = batch(0)
    large, small = siamese(copy.deepcopy(network), queue=500), siamese(copy.deepcopy(network), queue=1)
    values = [objective(network, pixels, labels).item() for objective in (large, small)]
    assert values[0] == pytest.approx(values[1], abs=1e-6)
    assert (large.people == NOBODY).sum() == 500 - 6


def test_more_than_the_queue_holds_leaves_the_newest() -> None:
    network = linear()
    objective = siamese(network, queue=4)
    pixels, labels = batch(0)
    slow = copy.deepcopy(objective.slow).train()(pixels)
    objective(network, pixels, labels)
    expected = torch.stack([unit(row) for row in slow[-4:]])
    assert torch.allclose(objective.queue, expected, atol=1e-6)
    assert objective.people.tolist() == labels[-4:].tolist()


def test_only_the_fast_network_learns_and_the_slow_one_follows() -> None:
    network = linear()
    objective = siamese(network, following=0.75)
    pixels, labels = batch(0)
    objective(network, pixels, labels).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert [name for name, each in objective.named_parameters() if each.requires_grad] == []
    before = {name: each.detach().clone() for name, each in objective.slow.named_parameters()}
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1.0)
    objective.end_step(network)
    for name, parameter in objective.slow.named_parameters():
        assert torch.allclose(parameter, before[name] + 0.25, atol=1e-6)
    assert torch.equal(objective.slow[2].running_mean, network[2].running_mean)  # type: ignore[index]


def test_the_slow_network_begins_as_a_copy() -> None:
    network = linear()
    objective = siamese(network)
    for one, other in zip(network.parameters(), objective.slow.parameters(), strict=True):
        assert torch.equal(one, other)
        assert one.data_ptr() != other.data_ptr()


@pytest.mark.parametrize("settings", [ArcFace(scale=SCALE), CurricularFace(scale=SCALE)])
def test_other_margins_will_do(settings: AnyLoss) -> None:
    network = linear()
    objective = siamese(network, settings).train()
    pixels, labels = batch(0)
    value = objective(network, pixels, labels)
    value.backward()
    assert bool(torch.isfinite(value))
    plain = siamese(linear(), CosFace(scale=SCALE, margin=0.0))
    assert value.item() > plain(network, pixels, labels).item()  # a margin is a burden


def test_all_it_knows_is_in_its_state() -> None:
    network = linear()
    one, other = siamese(network), siamese(network)
    for seed in range(3):
        one(network, *batch(seed))
        one.end_step(network)
    other.load_gathered(one.gathered_state())
    pixels, labels = batch(7)
    assert torch.equal(one(network, pixels, labels), other(network, pixels, labels))
    assert torch.equal(one.queue, other.queue)


def test_what_does_not_fit_is_refused() -> None:
    network = linear()
    with pytest.raises(InputError, match="wants a loss with a margin over cosines"):
        siamese(network, Softmax())
    pixels, _ = batch(0)
    with pytest.raises(InputError, match=r"batch.per_person=2"):
        siamese(network)(network, pixels, torch.arange(6))
