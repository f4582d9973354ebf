"""A run becomes a bundle that says what the network says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_training import Ear, made_recipe, person, tiny, write_faces

from mien.bundle.bundle import Bundle
from mien.bundle.card import EmbedCard
from mien.bundle.runtime import Runtime
from mien.errors import BundleError, InputError
from mien.evaluation.measure import measure
from mien.evaluation.metrics import Trial
from mien.recognition.embed import Embedder
from mien.training import trainer as door
from mien.training.material import gather
from mien.training.with_torch import publishing, saved
from mien.training.with_torch.publishing import crops
from mien.training.with_torch.trainer import network_of, train

__all__ = ["tiny"]
pytestmark = pytest.mark.usefixtures("tiny")


def test_a_run_is_published_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[Trial] = []

    def noted(trial: Trial, *given: Any, **named: Any) -> Any:
        reported.append(trial)
        return measure(trial, *given, **named)

    monkeypatch.setattr(publishing, "measure", noted)
    faces, others = write_faces(tmp_path / "faces"), write_faces(tmp_path / "others", 6, 5, first=50)
    recipe = made_recipe(faces, f"data.validation={others}", "machine.ema=0.8", "schedule.steps=20")
    run = train(recipe, tmp_path / "run", Ear())
    out = tmp_path / "bundles" / "mine"
    published = door.publish_run(run.folder, out, licence="Apache-2.0")
    bundle = Bundle.open(out)
    card = bundle.card
    assert isinstance(card, EmbedCard)
    assert published.bundle == bundle
    assert (card.name, card.dimension, card.mirror, card.input.size) == ("mine", 16, True, (32, 32))
    assert card.provenance.licence == "Apache-2.0"
    assert card.provenance.recipe.startswith("made: tiny, resolved recipe ")
    assert run.about().digest in card.provenance.data
    assert "80 pictures of 8 people" in card.provenance.data
    assert published.proof.pictures == 80
    assert published.found.measured[0].data == "others"
    assert run.report.is_file()
    # The best network's vectors, by its checkpoint and by the bundle.
    network = network_of(recipe, (32, 32), start=False).eval()
    state = saved.read(run.best)["state_dict"]
    network.load_state_dict({name.removeprefix("network."): tensor for name, tensor in state.items()})
    seen = np.concatenate([person(number, 5) for number in range(50, 56)])
    with torch.no_grad():
        pixels = (torch.from_numpy(seen).permute(0, 3, 1, 2).float() - 127.5) / 127.5
        expected = torch.nn.functional.normalize(network(pixels) + network(pixels.flip(3))).numpy()
    assert np.abs(Embedder(bundle, Runtime())(seen)[0] - expected).max() < 1e-5
    assert np.abs(reported[0].samples.vectors - expected).max() < 1e-5  # the page tells of the bundle
    with pytest.raises(BundleError, match="exists already"):
        door.publish_run(run.folder, out)


def test_a_run_without_validation_is_published_without_figures(tmp_path: Path) -> None:
    run = train(made_recipe(write_faces(tmp_path / "faces")), tmp_path / "run", Ear())
    published = door.publish_run(run.folder, tmp_path / "out", name="plain")
    assert published.bundle.card.name == "plain"
    assert published.found.measured == ()
    assert published.found.notes[0].startswith("no labelled crops")
    assert not run.report.exists()


def test_the_crops_it_is_proved_on_are_the_networks(tmp_path: Path) -> None:
    faces = write_faces(tmp_path / "faces")
    plain = crops(gather(made_recipe(faces)))
    assert plain.shape == (80, 32, 32, 3)
    assert np.array_equal(plain[13], person(1, 10)[3])
    wider = crops(gather(made_recipe(faces, "network.crops=arcface")))
    assert wider.shape == (80, 112, 112, 3)
    assert wider.dtype == np.uint8
    assert abs(float(wider.mean()) - float(plain.mean())) < 5


def test_few_pictures_are_varied_until_they_are_enough(tmp_path: Path) -> None:
    recipe = made_recipe(write_faces(tmp_path / "faces", 3, 7))
    found = crops(gather(recipe))
    assert len(found) == 84
    assert np.array_equal(found[8], person(1, 7)[1])
    assert len({crop.tobytes() for crop in found}) == 84
    run = train(recipe, tmp_path / "run", Ear())
    assert door.publish_run(run.folder, tmp_path / "out").proof.pictures == 84


def test_a_run_that_has_kept_nothing_cannot_be_published(tmp_path: Path) -> None:
    run = train(made_recipe(write_faces(tmp_path / "faces")), tmp_path / "run", Ear())
    for file in run.checkpoints.iterdir():
        file.unlink()
    with pytest.raises(InputError, match="no checkpoint yet"):
        door.publish_run(run.folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()
