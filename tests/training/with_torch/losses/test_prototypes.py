from __future__ import annotations

import pytest
import torch
from losses_by_hand import DIMENSION, WEIGHT

from mien.errors import InputError
from mien.training.loss_settings import ArcFace, SubCentreArcFace
from mien.training.with_torch.losses import build
from mien.training.with_torch.losses.prototypes import BLOCK, _first


@pytest.mark.parametrize("start", [0, 1, BLOCK - 1, BLOCK, BLOCK + 3])
def test_a_class_begins_the_same_whoever_holds_it(start: int) -> None:
    whole = _first(range(BLOCK + 10), 2, 3, seed=5)
    stop = min(start + BLOCK + 1, BLOCK + 10)
    assert torch.equal(_first(range(start, stop), 2, 3, seed=5), whole[2 * start : 2 * stop])


def test_the_first_weights_are_normal_and_follow_from_the_seed_alone() -> None:
    first = _first(range(2 * BLOCK), 1, 8, seed=5)
    assert first.shape == (2 * BLOCK, 8)
    assert first.std().item() == pytest.approx(0.01, rel=0.02)
    assert first.mean().item() == pytest.approx(0, abs=1e-4)
    assert not torch.equal(first[:BLOCK], first[BLOCK:])
    torch.manual_seed(1)
    weights = [build(ArcFace(), dimension=3, classes=4, seed=seed).state_dict()[WEIGHT] for seed in (6, 6, 7)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize(("settings", "centres"), [(ArcFace(), 1), (SubCentreArcFace(), 3)])
def test_imprinting_sets_the_mean_direction_of_unit_features(settings: ArcFace, centres: int) -> None:
    loss = build(settings, dimension=DIMENSION, classes=5)
    before = loss.state_dict()[WEIGHT].clone()
    features = torch.zeros(3, DIMENSION)
    features[0, 0], features[1, 1], features[2, 2] = 50, 2, 1
    loss.imprint(features, torch.tensor([4, 4, 1]))
    after = loss.state_dict()[WEIGHT]
    half = 0.5**0.5
    torch.testing.assert_close(after[4 * centres], torch.tensor([half, half, 0, 0, 0, 0]))
    torch.testing.assert_close(after[centres], torch.eye(DIMENSION)[2])
    others = [row for row in range(5 * centres) if row not in (centres, 4 * centres)]
    assert torch.equal(after[others], before[others])


def test_imprinted_people_are_recognised_at_once() -> None:
    loss = build(ArcFace(), dimension=DIMENSION, classes=5)
    faces, labels = torch.eye(DIMENSION)[:5] * 9, torch.arange(5)
    loss(faces, labels)
    assert abs(float(loss.logs["target cosine"])) < 0.9
    loss.imprint(faces, labels)
    loss(faces, labels)
    assert float(loss.logs["target cosine"]) == pytest.approx(1)


def test_weights_of_other_people_are_not_taken() -> None:
    state = build(ArcFace(), dimension=DIMENSION, classes=5).gathered_state()
    loss = build(ArcFace(), dimension=DIMENSION, classes=6)
    with pytest.raises(InputError, match="5 rows given, 6 wanted"):
        loss.load_gathered(state)


def test_a_gathered_state_comes_back() -> None:
    loss, other = (build(ArcFace(), dimension=DIMENSION, classes=5, seed=seed) for seed in (0, 1))
    other.load_gathered(loss.gathered_state())
    assert torch.equal(other.state_dict()[WEIGHT], loss.state_dict()[WEIGHT])
