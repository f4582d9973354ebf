"""A training that was cut off goes on as if it never had been, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from made_training import (
    VARIED,
    CutError,
    Ear,
    Places,
    end,
    made_recipe,
    require_resumed,
    spoilt,
    tiny,
    unlike,
)

from mien.errors import InputError
from mien.files import write_whole
from mien.training.run import Measurement
from mien.training.trainer import resume
from mien.training.validation import Checks
from mien.training.with_torch import saved
from mien.training.with_torch.trainer import newest, train, weights_at

__all__ = ["tiny"]
pytestmark = pytest.mark.usefixtures("tiny")

WAYS = {
    "adaface": ("loss.name=adaface", *VARIED),
    "curricularface": ("loss.name=curricularface", *VARIED),
    "subcentre, adamw": ("loss.name=subcentre-arcface", "optimizer.name=adamw", "optimizer.lr=1e-3", *VARIED),
    "partial-fc": ("loss.sample=0.5", *VARIED),
    "triplet": ('loss={name="triplet"}', "batch.per_person=4", *VARIED),
    "siamese": ("few_shot.siamese=48", "few_shot.following=0.9", "batch.per_person=2", *VARIED),
    "imprint": ("few_shot.imprint=true", *VARIED),
    "frozen, steps": (
        'network.statistics="frozen"',
        'network.frozen=["trunk.0"]',
        "schedule.shape=steps",
        *VARIED,
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_resumed_run_is_the_same_bit_for_bit(places: Places, way: str) -> None:
    state = require_resumed(places.faces, places.others, places.runs, *WAYS[way])
    assert state["average"].keys() == state["state_dict"].keys()
    assert state["optimizer"]
    moved = unlike(state, saved.read(saved.path_of(places.runs / "whole" / "checkpoints", 4)))
    assert len(moved) > 10, "nothing was learnt between the checkpoints, so nothing was shown"


def test_so_is_one_with_a_teacher(places: Places, teacher: Path) -> None:
    taught = (f"distil.teacher={teacher}", "distil.mixed=0.5", "network.dimension=12")
    require_resumed(places.faces, places.others, places.runs, *taught, *VARIED)


def test_a_run_wants_a_folder_of_its_own(places: Places) -> None:
    out = places.runs / "run"
    out.mkdir()
    (out / "letter.txt").write_text("mine")
    with pytest.raises(InputError, match=r"something is there already.*--resume"):
        train(made_recipe(places.faces), out, Ear())
    assert [file.name for file in out.iterdir()] == ["letter.txt"]


def test_what_is_resumed_must_be_a_run_on_the_same_pictures(places: Places) -> None:
    with pytest.raises(InputError, match="no run of `mien train`"):
        resume(places.runs, Ear())
    root = spoilt(places)
    run = train(made_recipe(root), places.runs / "run", Ear())
    kept = end(run)
    (root / "p003" / "4.png").rename(root / "p003" / "other.png")
    with pytest.raises(InputError, match="these are not the pictures"):
        resume(run.folder, Ear())
    assert unlike(end(run), kept) == []


def test_a_finished_run_is_left_as_it_is(places: Places) -> None:
    run = train(made_recipe(places.faces, f"data.validation={places.others}"), places.runs / "run", Ear())
    before = {file: file.stat().st_mtime_ns for file in run.checkpoints.iterdir()}
    ear = Ear()
    resume(run.folder, ear)
    assert ear.heard == []
    assert {file: file.stat().st_mtime_ns for file in run.checkpoints.iterdir()} == before


def test_a_damaged_checkpoint_is_passed_over(places: Places) -> None:
    recipe = made_recipe(places.faces, *WAYS["adaface"])
    run = train(recipe, places.runs / "run", Ear())
    kept = end(run)
    last = saved.path_of(run.checkpoints, 7)
    whole = last.read_bytes()
    last.write_bytes(whole[: len(whole) // 2])
    (run.checkpoints / ".mien-half").write_bytes(whole[:100])  # what a cut-off write leaves
    state = newest(run)
    assert state is not None
    assert state["step"] == 4
    resume(run.folder, Ear())
    assert unlike(end(run), kept) == []
    assert not list(run.checkpoints.glob(".mien-*"))
    for file in saved.found(run.checkpoints):
        file.write_bytes(b"")
    with pytest.raises(InputError, match="not a checkpoint, or damaged"):
        resume(run.folder, Ear())


def test_a_run_cut_off_before_its_first_checkpoint_begins_anew(places: Places) -> None:
    recipe = made_recipe(places.faces, f"data.validation={places.others}", *WAYS["imprint"])
    whole = train(recipe, places.runs / "whole", Ear())
    with pytest.raises(CutError):
        train(recipe, places.runs / "cut", Ear(cut=0))
    cut = resume(places.runs / "cut", Ear())
    assert unlike(end(cut), end(whole)) == []
    assert cut.history() == whole.history()


def test_checkpoints_of_another_network_are_refused(places: Places) -> None:
    run = train(made_recipe(places.faces), places.runs / "run", Ear())
    saved.path_of(run.checkpoints, 7).unlink()
    text = run.recipe_file.read_text()
    write_whole(run.recipe_file, text.replace("dimension = 16", "dimension = 24").encode())
    with pytest.raises(InputError, match="another network or loss than the recipe's"):
        resume(run.folder, Ear())


def test_old_checkpoints_go(places: Places) -> None:
    run = train(
        made_recipe(places.faces, "machine.checkpoint_steps=1", "machine.keep=3"), places.runs / "run", Ear()
    )
    assert [file.name for file in saved.found(run.checkpoints)] == [f"step-{n:08}.ckpt" for n in (5, 6, 7)]


def figures(*eers: float) -> Callable[..., Measurement]:
    """Stands in for `Checks.measured`: so large errors, one after the other."""
    left = iter(eers)

    def measured(self: object, embed: object, settings: object, step: int, epoch: float) -> Measurement:
        return Measurement(
            step=step, epoch=epoch, eer=next(left), tar=None, fmr=0.01, weighting="pair", threshold=None
        )

    return measured


def test_a_training_ends_when_nothing_gets_better(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = ("schedule.steps=40", "batch.size=80", "validation.patience=3", "machine.checkpoint_steps=2")
    recipe = made_recipe(places.faces, f"data.validation={places.others}", "machine.ema=0.5", *changes)
    monkeypatch.setattr(Checks, "measured", figures(0.5, 0.4, 0.2, 0.3, 0.1, 0.2, 0.1, 0.3, 0.0))
    ear = Ear()
    run = train(recipe, places.runs / "run", ear)
    assert [each.step for each in ear.heard] == list(range(8))  # 0.1 at step 4, thrice no better
    best, last = saved.read(run.best), saved.read(saved.found(run.checkpoints)[-1])
    assert best["step"] == 4
    assert last["step"] == 7
    kept = saved.read(saved.path_of(run.checkpoints, 6))
    assert kept["watched"] == {"best": 4.0, "since": 2.0}
    assert unlike(best["state_dict"], kept["average"]) != []
    resume(run.folder, Ear(cut=8))  # it has ended: nothing is trained
    assert len(run.history()) == 8
    saved.path_of(run.checkpoints, 7).unlink()  # as if cut off during step 7
    monkeypatch.setattr(Checks, "measured", figures(0.3, 0.0))
    resume(run.folder, Ear(cut=8))
    assert [each.step for each in run.history()] == list(range(8))
    assert saved.read(run.best)["step"] == 4


def test_what_is_published_is_the_average_that_measured_best(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = (
        "schedule.steps=3",
        "batch.size=80",
        "machine.ema=0.5",
        "machine.checkpoint_steps=1",
        "machine.keep=9",
    )
    recipe = made_recipe(places.faces, f"data.validation={places.others}", "validation.settle=0", *changes)
    monkeypatch.setattr(Checks, "measured", figures(0.5, 0.4, 0.2, 0.3))
    run = train(recipe, places.runs / "run", Ear())
    second = saved.read(saved.path_of(run.checkpoints, 2))
    assert unlike(saved.read(run.best)["state_dict"], second["average"]) == []
    assert unlike(second["state_dict"], second["average"]) != []
    assert weights_at(run.folder) == run.best
    run.best.unlink()
    assert weights_at(run.folder) == saved.path_of(run.checkpoints, 3)
    for file in saved.found(run.checkpoints):
        file.unlink()
    with pytest.raises(InputError, match="no checkpoint yet"):
        weights_at(run.folder)


def test_a_run_begins_with_the_weights_of_another(places: Places) -> None:
    first = train(made_recipe(places.faces), places.runs / "first", Ear())
    recipe = made_recipe(
        places.faces, f"network.weights={first.folder}", "optimizer.lr=1e-9", "data.held_out=3"
    )
    second = train(recipe, places.runs / "second", Ear())
    begun, ended = end(first)["state_dict"], end(second)["state_dict"]
    for name in ("network.head.weight", "network.trunk.0.weight"):
        assert torch.allclose(begun[name], ended[name], atol=1e-6), name
    fresh = end(train(made_recipe(places.faces, "optimizer.lr=1e-9"), places.runs / "fresh", Ear()))
    assert not torch.allclose(
        begun["network.head.weight"], fresh["state_dict"]["network.head.weight"], atol=1e-3
    )


def test_frozen_parts_and_statistics_stay(places: Places) -> None:
    first = train(made_recipe(places.faces), places.runs / "first", Ear())
    frozen = ("network.statistics=frozen", 'network.frozen=["trunk.0"]', f"network.weights={first.folder}")
    run = train(made_recipe(places.faces, *frozen), places.runs / "second", Ear())
    moved = unlike(saved.read(first.best)["state_dict"], end(run)["state_dict"])
    assert ".network.trunk.3.weight" in moved
    assert ".network.trunk.1.weight" in moved
    still = ("trunk.0.weight", "running_mean", "running_var", "num_batches_tracked")
    assert [name for name in moved if name.endswith(still)] == []
