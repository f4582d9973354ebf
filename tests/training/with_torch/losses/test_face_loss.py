from __future__ import annotations

import pytest
import torch

from mien.errors import InputError
from mien.training import loss_settings
from mien.training.loss_settings import ArcFace, LossSettings, Softmax, SupCon, Triplet
from mien.training.with_torch.losses import LOSSES, build
from mien.training.with_torch.losses.face_loss import require_batch


def test_every_settings_type_has_its_loss() -> None:
    assert set(LOSSES) == set(loss_settings.AnyLoss.__args__)


def test_an_unknown_loss_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"LossSettings is no known loss; known: Softmax, .*ArcFace"):
        build(LossSettings(), dimension=4, classes=2)


@pytest.mark.parametrize(("dimension", "classes"), [(0, 5), (4, 0)])
def test_losses_of_nothing_are_refused(dimension: int, classes: int) -> None:
    with pytest.raises(InputError, match="1 or more"):
        build(ArcFace(), dimension=dimension, classes=classes)


@pytest.mark.parametrize("settings", [kind() for kind in LOSSES], ids=lambda s: type(s).__name__)
def test_a_step_lowers_every_loss_and_leaves_figures_without_gradient(settings: LossSettings) -> None:
    loss = build(settings, dimension=4, classes=3)
    features = torch.randn(9, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    labels = torch.tensor([0, 1, 2] * 3)
    before = loss(features, labels)
    before.backward()
    assert features.grad is not None
    loss.eval()
    after = loss(features.detach() - 1e-3 * features.grad / features.grad.norm(), labels)
    assert after < before
    assert loss.logs
    assert all(figure.ndim == 0 and not figure.requires_grad for figure in loss.logs.values())


@pytest.mark.parametrize(
    "settings", [Softmax(), ArcFace(), Triplet(), SupCon()], ids=lambda s: type(s).__name__
)
def test_alone_nothing_is_sharded_and_the_state_is_the_module_s(settings: LossSettings) -> None:
    loss = build(settings, dimension=4, classes=3)
    assert loss.sharded_parameters() == {}
    assert loss.gathered_state().keys() == loss.state_dict().keys()
    loss.load_gathered(loss.gathered_state())
    rows = torch.ones(3, 4)
    assert torch.equal(loss.own_rows(loss.gather_rows(rows)), rows)


def test_ddp_is_told_of_sparse_gradients() -> None:
    assert list(build(ArcFace(sample=0.5), dimension=4, classes=3).sharded_parameters()) == [
        "prototypes.weight"
    ]


@pytest.mark.parametrize("settings", [Softmax(), ArcFace()])
@pytest.mark.parametrize("labels", [[0, 3], [-1, 0]])
def test_people_whom_nobody_knows_are_refused(settings: LossSettings, labels: list[int]) -> None:
    loss = build(settings, dimension=4, classes=3)
    with pytest.raises(InputError, match="labels: 0 to 2 are wanted"):
        loss(torch.ones(2, 4), torch.tensor(labels))


@pytest.mark.parametrize(
    ("features", "labels"), [((2, 4), (3,)), ((2, 4, 1), (2,)), ((4,), (4,)), ((2, 4), (2, 1))]
)
def test_batches_of_other_shapes_are_refused(features: tuple[int, ...], labels: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"\(n,d\) and labels \(n,\) are wanted"):
        require_batch(torch.ones(features), torch.zeros(labels, dtype=torch.int64))


def test_losses_without_weights_a_person_imprint_nothing() -> None:
    with pytest.raises(InputError, match="TripletLoss has no weights"):
        build(Triplet(), dimension=4, classes=3).imprint(torch.ones(1, 4), torch.tensor([0]))
