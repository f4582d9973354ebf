"""What TensorBoard reads back of a run, and a bar that is silent where nobody looks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_training import CutError, Ear, made_recipe, tiny, write_faces
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

from mien.errors import TrainingError
from mien.training.run import Run
from mien.training.trainer import resume
from mien.training.with_torch.trainer import train

__all__ = ["tiny"]
pytestmark = pytest.mark.usefixtures("tiny")


def read(run: Run) -> EventAccumulator:
    found = EventAccumulator(str(run.events))
    found.Reload()
    return found


def steps(found: EventAccumulator, name: str) -> list[int]:
    return [each.step for each in found.Scalars(name)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    write_faces(root / "faces")
    write_faces(root / "others", 6, 5, first=100)
    return root


def test_scalars_examples_and_faces_are_there(
    data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    recipe = made_recipe(data / "faces", f"data.validation={data / 'others'}", "batch.accumulate=2")
    ear = Ear()
    run = train(recipe, tmp_path / "run", ear)
    found = read(run)
    scalars = set(found.Tags()["scalars"])
    wanted = {"loss", "gradient norm", "faces a second", "learning rate", "target cosine", "norm"}
    assert {f"training/{name}" for name in wanted} <= scalars
    assert {"validation/eer", "validation/tar"} <= scalars
    assert steps(found, "training/loss") == [1, 2, 3, 4, 5, 6, 7]
    assert steps(found, "validation/eer") == [0, 5, 7]
    eers = [each.value for each in found.Scalars("validation/eer")]
    assert eers == pytest.approx([each.eer for each in ear.heard])
    assert [each.value for each in found.Scalars("training/learning rate")][:3] == pytest.approx(
        [0.025, 0.05, 0.05]
    )
    assert all(each.value > 0 for each in found.Scalars("training/faces a second"))
    sheet = found.Images("examples")
    assert len(sheet) == 1
    assert sheet[0].height > 32
    assert sheet[0].width > 32
    projected = next(run.events.glob("*/validation"))
    vectors = np.loadtxt(projected / "tensors.tsv", delimiter="\t")
    assert vectors.shape == (30, 16)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    names = (projected / "metadata.tsv").read_text().split()
    assert names == [f"p{number:03}" for number in range(100, 106) for _ in range(5)]
    with Image.open(projected / "sprite.png") as sprite:
        assert sprite.size == (192, 192)
    assert "tensors.tsv" in (run.events / "projector_config.pbtxt").read_text()
    assert capfd.readouterr() == ("", "")  # no terminal, no bar; and nobody else speaks


def test_a_resumed_run_goes_on_in_the_same_curves(data: Path, tmp_path: Path) -> None:
    recipe = made_recipe(data / "faces", f"data.validation={data / 'others'}")
    with pytest.raises(CutError):
        train(recipe, tmp_path / "run", Ear(cut=5))
    run = Run(tmp_path / "run")
    assert 5 in steps(read(run), "training/loss")
    resume(run.folder, Ear())
    found = read(run)
    assert steps(found, "training/loss") == [1, 2, 3, 4, 5, 6, 7]  # each once
    assert steps(found, "validation/eer") == [0, 5, 7]
    assert len(found.Images("examples")) == 1


def test_a_run_that_begins_anew_has_one_curve(data: Path, tmp_path: Path) -> None:
    recipe = made_recipe(data / "faces", f"data.validation={data / 'others'}", "machine.checkpoint_steps=6")
    with pytest.raises(CutError):
        train(recipe, tmp_path / "run", Ear(cut=5))
    run = resume(tmp_path / "run", Ear())
    assert steps(read(run), "training/loss") == [1, 2, 3, 4, 5, 6, 7]


def test_what_led_to_a_bad_end_can_be_looked_at(data: Path, tmp_path: Path) -> None:
    recipe = made_recipe(data / "faces", "optimizer.lr=3e38", "optimizer.clip=0", "schedule.warmup_epochs=0")
    with pytest.raises(TrainingError):
        train(recipe, tmp_path / "run", Ear())
    assert steps(read(Run(tmp_path / "run")), "training/loss") == [1]


def test_a_run_without_validation_has_no_faces_to_show(data: Path, tmp_path: Path) -> None:
    run = train(
        made_recipe(data / "faces", "machine.examples=0", "machine.log_steps=3"), tmp_path / "run", Ear()
    )
    found = read(run)
    assert steps(found, "training/loss") == [3, 6]
    assert found.Tags()["images"] == []
    assert list(run.events.glob("*/validation")) == []
