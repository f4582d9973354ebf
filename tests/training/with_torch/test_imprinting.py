"""Weights that begin as what the network makes of the people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from made_training import Ear, Tiny, made_recipe, person, tiny, write_faces
from torch import nn

from mien.training.material import gather
from mien.training.with_torch import saved
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
