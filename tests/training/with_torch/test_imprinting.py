"""Weights that begin as what the network makes of the people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from made_training import CONTRACT, Ear, Tiny, made_recipe, made_teacher, person, tiny, write_faces
from torch import nn

from mien.bundle.bundle import Bundle
from mien.bundle.runtime import Runtime
from mien.training.datasets.contract import square
from mien.training.material import gather
from mien.training.with_torch import backbones, saved
from mien.training.with_torch.backbones.backbone import Backbone
from mien.training.with_torch.imprinting import last_norm
from mien.training.with_torch.teaching import Teacher
from mien.training.with_torch.trainer import Job, train

__all__ = ["tiny"]
pytestmark = pytest.mark.usefixtures("tiny")
STILL = ("optimizer.lr=1e-9", "schedule.steps=1", "machine.checkpoint_steps=1", "network.statistics=frozen")


def test_every_person_begins_as_their_mean_vector(tmp_path: Path) -> None:
    recipe = made_recipe(write_faces(tmp_path / "faces"), "few_shot.imprint=true", *STILL)
    run = train(recipe, tmp_path / "run", Ear())
    weight = saved.read(saved.path_of(run.checkpoints, 1))["objective"]["loss.prototypes.weight"]
    network: nn.Module = Job.of(recipe, gather(recipe)).network.eval()
    assert isinstance(network, Tiny)
    for number in range(8):
        pixels = torch.from_numpy(person(number, 10)).permute(0, 3, 1, 2).float()
        with torch.no_grad():
            mean = nn.functional.normalize(network((pixels - 127.5) / 127.5), dim=1).mean(0)
        cosine = float(nn.functional.cosine_similarity(weight[number], mean, dim=0))
        assert cosine == pytest.approx(1, abs=1e-5), number
    plain = train(made_recipe(tmp_path / "faces", *STILL), tmp_path / "plain", Ear())
    other = saved.read(saved.path_of(plain.checkpoints, 1))["objective"]["loss.prototypes.weight"]
    cosines = nn.functional.cosine_similarity(weight, other, dim=1).abs().numpy()
    assert np.max(cosines) < 0.95


def test_a_resumed_run_is_not_imprinted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mien.training.with_torch import trainer

    recipe = made_recipe(write_faces(tmp_path / "faces"), "few_shot.imprint=true")
    run = train(recipe, tmp_path / "run", Ear())
    saved.path_of(run.checkpoints, 7).unlink()

    def never(material: object) -> None:
        raise AssertionError("imprinted again")

    monkeypatch.setattr(trainer, "Imprint", never)
    trainer.resume(recipe, run.folder, Ear())
    assert saved.path_of(run.checkpoints, 7).is_file()


class Ending(Tiny):
    """Ends in a batch norm, as the shelf's networks do."""

    def __init__(self, *, dimension: int, size: tuple[int, int], dropout: float) -> None:
        super().__init__(dimension=dimension, size=size, dropout=dropout)
        self.head: nn.Module = nn.Sequential(self.head, nn.BatchNorm1d(dimension))


def test_a_student_begins_where_its_teachers_vectors_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backbones, "BACKBONES", {"tiny": Backbone(Ending, "tests")})
    folder = made_teacher(tmp_path / "teacher", square(24), 12)
    faces = write_faces(tmp_path / "faces")
    changes = (f'distil.teacher="{folder}"', "network.dimension=12", "machine.ema=0.9", *STILL[:3])
    run = train(made_recipe(faces, *changes), tmp_path / "run", Ear())
    kept = saved.read(saved.path_of(run.checkpoints, 1))
    teacher = Teacher(Bundle.open(folder), CONTRACT, Runtime())
    pixels = torch.from_numpy(np.concatenate([person(number, 10) for number in range(8)])).permute(0, 3, 1, 2)
    taught = teacher(pixels.float())
    for state in (kept["state_dict"], kept["average"]):
        assert torch.allclose(state["network.head.1.bias"], taught.mean(0), atol=1e-4)
        assert torch.allclose(state["network.head.1.weight"], taught.std(0), atol=1e-4)


def test_the_last_norm_is_found_where_there_is_one() -> None:
    norm = nn.BatchNorm1d(4)
    assert last_norm(nn.Sequential(nn.Linear(3, 4), norm)) is norm
    assert last_norm(nn.Sequential(norm, nn.Linear(4, 3))) is None
    assert last_norm(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, affine=False))) is None
