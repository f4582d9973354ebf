"""Two processes learn what one learns from the same batches; one launch looks at everything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from two_processes import together

from mien.training.distillation_settings import (
    Cosine,
    DistillationSettings,
    RelationalAngle,
    RelationalDistance,
    SimilarityPreserving,
    UnitMse,
)
from mien.training.loss_settings import (
    AdaFace,
    ArcFace,
    CombinedMargin,
    CosFace,
    CurricularFace,
    LossSettings,
    MagFace,
    NormFace,
    Softmax,
    SphereFace,
    SubCentreArcFace,
    SupCon,
    Triplet,
)
from mien.training.with_torch.losses import FaceLoss, build, ranks
from mien.training.with_torch.losses.distillation import distilled
from mien.training.with_torch.losses.partial_fc import drawn_classes, generator_for
from mien.training.with_torch.losses.row_sgd import RowSGD

CLASSES, DIMENSION, STEPS = 7, 6, 3  # seven people are shared out as three and four
ALL = 0.999  # a rate that draws everybody, on the sparse road
WEIGHT = "prototypes.weight"
MARGINS = [
    NormFace,
    ArcFace,
    SubCentreArcFace,
    CosFace,
    SphereFace,
    CombinedMargin,
    CurricularFace,
    AdaFace,
    MagFace,
]
# Each loss as several processes have it, and as one has it that must learn the same.
EVERY: dict[str, tuple[LossSettings, LossSettings]] = {
    **{kind.__name__: (kind(), kind()) for kind in (Softmax, Triplet, SupCon, *MARGINS)},
    **{f"{kind.__name__} sharded": (kind(shard=True), kind()) for kind in MARGINS},
    **{f"{kind.__name__} of all, drawn": (kind(sample=ALL), kind()) for kind in MARGINS},
    "hard triplet": (Triplet(mining="hard", soft=True, squared=False),) * 2,
}
DISTILLED = {
    type(each).__name__: each
    for each in (
        Cosine(),
        UnitMse(),
        RelationalDistance(weight=1),
        RelationalAngle(weight=1),
        SimilarityPreserving(weight=1),
    )
}
HALF = ArcFace(sample=0.5)


class Learner(nn.Module):
    """A small network and its loss, as the trainer's module has them."""

    def __init__(self, loss: FaceLoss) -> None:
        super().__init__()
        torch.manual_seed(0)
        # Long features of many lengths, so that MagFace's margin and AdaFace's quality have something to see.
        self.net = nn.Sequential(nn.Linear(10, 16), nn.Tanh(), nn.Linear(16, DIMENSION))
        with torch.no_grad():
            self.net[2].weight.mul_(60)
        self.loss = loss

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        value: Tensor = self.loss(self.net(x), labels)
        return value


class Student(nn.Module):
    """A small network that learns from a teacher's features."""

    def __init__(self, settings: DistillationSettings) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net, self.settings = nn.Linear(10, DIMENSION), settings

    def forward(self, x: Tensor, teacher: Tensor) -> Tensor:
        return distilled(self.settings, self.net(x), teacher)


def batch(step: int) -> tuple[Tensor, Tensor]:
    """The part of this process of a global batch: pictures (n,10), labels (n,)."""
    generator = torch.Generator().manual_seed(step)
    x = torch.randn(12, 10, dtype=torch.float64, generator=generator)
    labels = torch.randint(0, CLASSES, (12,), generator=generator)
    here, count = ranks.number(), ranks.count()
    return x.chunk(count)[here], labels.chunk(count)[here]


def spread(module: nn.Module) -> nn.Module:
    """Under DDP where there are several processes; what is sharded is left alone, as the trainer does."""
    if ranks.count() == 1:
        return module
    if isinstance(module, Learner):
        apart = [f"loss.{name}" for name in module.loss.sharded_parameters()]
        DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(module, apart)
    return DistributedDataParallel(module)


def learned(settings: LossSettings, steps: int = STEPS) -> dict[str, Any]:
    """What a few steps make of network and classifier, its momentum, and the losses on the way."""
    learner = Learner(build(settings, dimension=DIMENSION, classes=CLASSES, seed=1)).double()
    optimiser = RowSGD(learner.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-3)
    network, values = spread(learner), []
    for step in range(steps):
        learner.loss.begin_step(5, step)
        optimiser.zero_grad()
        value = network(*batch(step))
        value.backward()
        optimiser.step()
        values.append(ranks.total(value) / ranks.count())
    found = {**learner.net.state_dict(), "losses": torch.stack(values)}
    found |= {f"state {name}": each for name, each in learner.loss.gathered_state().items()}
    for name, parameter in learner.loss.named_parameters():
        found[f"momentum {name}"] = learner.loss.gather_rows(optimiser.state[parameter]["momentum_buffer"])
    learner.eval()
    value = learner(*batch(99))
    found["looked at"] = ranks.total(value) / ranks.count()
    return {name: tensor.detach().clone() for name, tensor in found.items()}


def taught(settings: DistillationSettings) -> dict[str, Any]:
    """What a few steps of distillation make of a student."""
    student = Student(settings).double()
    network = spread(student)
    optimiser = torch.optim.SGD(student.parameters(), lr=0.1)
    for step in range(STEPS):
        x, _ = batch(step)
        optimiser.zero_grad()
        network(x, x[:, :DIMENSION].sin()).backward()
        optimiser.step()
    return {name: tensor.detach().clone() for name, tensor in student.net.state_dict().items()}


def everything() -> dict[str, Any]:
    """Run by each process."""
    found: dict[str, Any] = {name: learned(both[0]) for name, both in EVERY.items()}
    found |= {name: taught(settings) for name, settings in DISTILLED.items()}
    found["half"], found["half again"] = learned(HALF), learned(HALF)
    found["half, one step"] = learned(HALF, 1)
    loss = build(ArcFace(shard=True), dimension=DIMENSION, classes=CLASSES, seed=1)
    rows = torch.arange(float(len(loss.get_parameter(WEIGHT)))) + 100 * ranks.number()
    whole = loss.gather_rows(rows)
    found["rows"] = {"joined": whole, "own": loss.own_rows(whole), "were": rows}
    loss.imprint(torch.eye(DIMENSION)[:3], torch.tensor([0, 6, 0]))
    found["imprinted"] = {"weights": loss.gathered_state()[WEIGHT]}
    found["too few"] = {"refused": refusal()}
    return found


def refusal() -> str:
    try:
        build(ArcFace(shard=True), dimension=2, classes=1)
    except Exception as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return together(everything, Path(tmp_path_factory.mktemp("ranks")))


def untrained() -> dict[str, Tensor]:
    return Learner(build(Triplet(), dimension=DIMENSION, classes=CLASSES)).double().net.state_dict()


def same(one: dict[str, Any], other: dict[str, Any], tolerance: float) -> None:
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", EVERY)
def test_two_processes_learn_what_one_does(name: str, both: list[dict[str, Any]]) -> None:
    alone = learned(EVERY[name][1])
    assert (alone["2.weight"] - untrained()["2.weight"]).abs().max() > 1e-3, "there must be something to learn"
    for found in both:
        same(found[name], alone, 1e-8)


@pytest.mark.parametrize("name", DISTILLED)
def test_two_processes_are_taught_what_one_is(name: str, both: list[dict[str, Any]]) -> None:
    for found in both:
        same(found[name], taught(DISTILLED[name]), 1e-8)


def test_a_drawn_part_is_learned_alike_by_both_and_again(both: list[dict[str, Any]]) -> None:
    first, second = both
    same(first["half"], second["half"], 0)
    same(first["half"], first["half again"], 0)


def test_a_drawn_part_is_the_softmax_over_what_both_drew(both: list[dict[str, Any]]) -> None:
    """One process that looks at the union of both processes' classes, and at no others, learns the same."""
    x, labels = batch(0)
    classes = []
    for rank, held in enumerate((range(3), range(3, 7))):
        inside = torch.tensor(
            [int(label) - held.start if int(label) in held else len(held) for label in labels]
        )
        drawn = drawn_classes(inside, len(held), 0.5, generator_for(5, 0, rank))
        classes += (drawn + held.start).tolist()
    assert len(classes) < CLASSES
    learner = Learner(build(ArcFace(), dimension=DIMENSION, classes=CLASSES, seed=1)).double()
    before = learner.loss.gathered_state()[WEIGHT].clone()
    part = build(ArcFace(), dimension=DIMENSION, classes=len(classes)).double()
    part.load_gathered({WEIGHT: before[classes]})
    learner.loss = part
    optimiser = torch.optim.SGD(learner.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-3)
    places = torch.tensor([classes.index(int(label)) for label in labels])
    learner(x, places).backward()
    optimiser.step()
    found = both[0]["half, one step"]
    same({name: found[name] for name in learner.net.state_dict()}, dict(learner.net.state_dict()), 1e-10)
    wanted = before.clone()
    wanted[classes] = part.gathered_state()[WEIGHT]
    torch.testing.assert_close(found[f"state {WEIGHT}"], wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", ["half", "CurricularFace sharded", "SubCentreArcFace sharded"])
def test_one_process_goes_on_from_what_two_gathered(name: str, both: list[dict[str, Any]]) -> None:
    """The loss of the same batch is the same, from state and weights alone."""
    found = both[0][name]
    settings = HALF if name == "half" else EVERY[name][1]
    learner = Learner(build(settings, dimension=DIMENSION, classes=CLASSES)).double().eval()
    learner.net.load_state_dict({key: found[key] for key in learner.net.state_dict()})
    learner.loss.load_gathered({key[6:]: each for key, each in found.items() if key.startswith("state ")})
    torch.testing.assert_close(learner(*batch(99)), found["looked at"])


def test_rows_are_joined_in_order_and_each_process_finds_its_own(both: list[dict[str, Any]]) -> None:
    for found in both:
        assert found["rows"]["joined"].tolist() == [0, 1, 2, 100, 101, 102, 103]
        assert torch.equal(found["rows"]["own"], found["rows"]["were"])


def test_people_are_imprinted_where_they_are_held(both: list[dict[str, Any]]) -> None:
    before = build(ArcFace(), dimension=DIMENSION, classes=CLASSES, seed=1).gathered_state()[WEIGHT]
    for found in both:
        weights = found["imprinted"]["weights"]
        torch.testing.assert_close(weights[0], (torch.eye(DIMENSION)[0] + torch.eye(DIMENSION)[2]) / 2**0.5)
        torch.testing.assert_close(weights[6], torch.eye(DIMENSION)[1])
        assert torch.equal(weights[1:6], before[1:6])


def test_fewer_people_than_processes_are_not_shared_out(both: list[dict[str, Any]]) -> None:
    assert "1 people cannot be shared out among 2 processes" in both[0]["too few"]["refused"]
