"""Vectors of a network in training, and statistics that belong to the weights that are measured."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from made_training import Tiny, made_recipe, person, tiny, write_faces
from torch import nn

from mien.training.material import gather
from mien.training.with_torch.face_module import FaceModule
from mien.training.with_torch.optimizers import Average
from mien.training.with_torch.settling import follows, settled
from mien.training.with_torch.trainer import Job
from mien.training.with_torch.vectors import TOGETHER, embedded, vectors
from mien.training.with_torch.view import Normal

__all__ = ["tiny"]
NORMAL = Normal(127.5, 1 / 127.5)
CROPS = np.concatenate([person(number, 10) for number in range(8)])


def network() -> Tiny:
    torch.manual_seed(0)
    return Tiny(dimension=16, size=(32, 32), dropout=0.5)


def module(tmp_path: Path, *changes: str) -> FaceModule:
    recipe = made_recipe(write_faces(tmp_path / "faces"), *changes)
    face = Job.of(recipe, gather(recipe)).module()
    face.trainer = SimpleNamespace(global_step=0, world_size=1)  # type: ignore[assignment]
    face.configure_model()
    return face


def test_they_do_not_depend_on_who_else_is_looked_at() -> None:
    assert len(CROPS) > TOGETHER
    net = network().train()
    whole = embedded(net, NORMAL, CROPS)
    assert whole.shape == (80, 16)
    assert whole.dtype == np.float32
    alone = np.concatenate([embedded(net, NORMAL, CROPS[i : i + 1]) for i in range(80)])
    assert np.allclose(whole, alone, atol=1e-5)
    assert net.training
    embedded(net.eval(), NORMAL, CROPS[:1])
    assert not net.training
    with torch.no_grad():
        planes = torch.from_numpy(CROPS[:5]).permute(0, 3, 1, 2).float()
        assert np.allclose(net((planes - 127.5) / 127.5).numpy(), whole[:5], atol=1e-5)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("mirror", [True, False])
def test_mirrored_as_the_bundle_will(tmp_path: Path, mirror: bool) -> None:
    face = module(tmp_path, f"network.mirror={str(mirror).lower()}")
    plain = embedded(face.network, NORMAL, CROPS)
    turned = embedded(face.network, NORMAL, CROPS[:, :, ::-1].copy())
    expected = (plain + turned) / 2 if mirror else plain
    assert np.allclose(vectors(face, CROPS), expected, atol=1e-6)
    assert not np.allclose(plain, turned, atol=1e-2)


@pytest.mark.usefixtures("tiny")
def test_settled_statistics_are_those_of_the_training_pictures(tmp_path: Path) -> None:
    face = module(tmp_path, "validation.settle=80", "augment.mirror=0", "network.dropout=0")
    before = {name: each.clone() for name, each in face.network.state_dict().items()}
    face.network.train()
    planes = torch.from_numpy(CROPS).permute(0, 3, 1, 2).float()
    first = face.network.trunk[0]
    with torch.no_grad():
        seen = first((planes - 127.5) / 127.5)
    with settled(face):
        norm = face.network.trunk[1]
        assert torch.allclose(norm.running_mean, seen.mean((0, 2, 3)), atol=1e-4)
        assert face.network.training
    after = face.network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert norm.momentum == 0.1


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("settle", [0, 32])
def test_within_it_the_weights_are_the_averaged_ones_and_afterwards_its_own(
    tmp_path: Path, settle: int
) -> None:
    face = module(tmp_path, f"validation.settle={settle}")
    face.average = Average(face.network, 0.5)
    own = face.network.get_parameter("head.weight")
    with torch.no_grad():
        own.add_(1.0)
    kept = own.detach().clone()
    with settled(face):
        assert torch.allclose(own, kept - 1, atol=1e-6)
    assert torch.equal(own, kept)

    def failing() -> None:
        with settled(face):
            raise RuntimeError("within")

    with pytest.raises(RuntimeError, match="within"):
        failing()
    assert torch.equal(own, kept)


def test_frozen_statistics_are_left_alone() -> None:
    from mien.training.with_torch.backbones.frozen import freeze_statistics, group_norm

    assert [follows(each) for each in network().modules()].count(True) == 2
    frozen, grouped = network(), network()
    freeze_statistics(frozen)
    group_norm(grouped)
    for net in (frozen, grouped):
        assert not any(map(follows, net.modules()))
    assert not follows(nn.BatchNorm2d(3, track_running_stats=False))
