"""A training that was cut off goes on as if it never had been; what is wrong is said before anything is written."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from made_datasets import picture
from made_training import (
    VARIED,
    CutError,
    Ear,
    end,
    made_recipe,
    made_teacher,
    require_resumed,
    tiny,
    unlike,
    write_faces,
)

from mien.errors import DeviceError, InputError, MienError, TrainingError
from mien.files import write_whole
from mien.training.batches import Batches
from mien.training.datasets import open_dataset
from mien.training.datasets.contract import square
from mien.training.run import Measurement, Run
from mien.training.validation import Checks
from mien.training.with_torch import saved
from mien.training.with_torch.losses.margin_softmax import MarginSoftmax
from mien.training.with_torch.plan import plan
from mien.training.trainer import resume
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
    "frozen, steps": ('network.statistics="frozen"', 'network.frozen=["trunk.0"]', "schedule.shape=steps", *VARIED),
}


@dataclass(frozen=True)
class Places:
    """What is trained on, what is measured on, and room for runs."""

    faces: Path
    others: Path
    runs: Path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    write_faces(root / "faces")
    write_faces(root / "others", 5, 5, first=100)
    return root


@pytest.fixture
def places(data: Path, tmp_path: Path) -> Places:
    return Places(data / "faces", data / "others", tmp_path)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_teacher(tmp_path_factory.mktemp("teachers") / "teacher", square(24), 12)


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


Spoil = Callable[[Places], tuple[Path, tuple[str, ...]]]


def spoilt(places: Places) -> Path:
    """Faces of one's own, to be spoilt."""
    root = places.runs / "faces"
    shutil.copytree(places.faces, root)
    return root


def changed(*changes: str) -> Spoil:
    return lambda places: (places.faces, changes)


def _empty_person(places: Places) -> tuple[Path, tuple[str, ...]]:
    root = spoilt(places)
    (root / "nobody").mkdir()
    return root, ()


def _unreadable(places: Places) -> tuple[Path, tuple[str, ...]]:
    root = spoilt(places)
    (root / "p003" / "4.png").write_bytes(b"no picture at all")
    return root, ()


def _other_size(places: Places) -> tuple[Path, tuple[str, ...]]:
    root = spoilt(places)
    shutil.copyfile(write_faces(places.runs / "large", 1, 1) / "p000" / "0.png", root / "p003" / "4.png")
    (root / "p003" / "5.png").write_bytes(picture(1, 40))
    return root, ()


def _one_person(places: Places) -> tuple[Path, tuple[str, ...]]:
    return write_faces(places.runs / "one", 1, 20), ()


def _undeclared(places: Places) -> tuple[Path, tuple[str, ...]]:
    return write_faces(places.runs / "bare", contract=None), ()


def _singles(places: Places) -> tuple[Path, tuple[str, ...]]:
    return write_faces(places.runs / "singles", 20, 1), ('loss={name="triplet"}', "batch.per_person=2")


def _other_validation(places: Places) -> tuple[Path, tuple[str, ...]]:
    other = write_faces(places.runs / "other", contract=square(24))
    return places.faces, (f"data.validation={other}",)


def _small_validation(places: Places) -> tuple[Path, tuple[str, ...]]:
    return places.faces, (f"data.validation={write_faces(places.runs / 'small', 2, 1)}",)


BAD: dict[str, tuple[Spoil, type[MienError], str]] = {
    "no data": (changed('data.train=""'), InputError, "data.train: name the folder"),
    "no folder": (lambda places: (places.runs / "away", ()), InputError, "away: no data there"),
    "a person's folder is empty": (_empty_person, InputError, "nobody"),
    "a picture is none": (_unreadable, InputError, r"1 of 80 pictures cannot be trained on: p003/4.png: .*picture"),
    "a picture is of another size": (_other_size, InputError, "p003/5.png: 40×40, crops of 32×32 are wanted"),
    "one person": (_one_person, InputError, "one person only, 'p000'"),
    "nobody says what the crops are": (_undeclared, InputError, "nobody says how its crops were made.*data.crops="),
    "nobody has two pictures": (_singles, InputError, "nobody has two pictures"),
    "a batch larger than the data": (changed("batch.size=96"), InputError, "a batch of 96 .* 80 pictures"),
    "nobody has enough": (changed("data.least_pictures=11"), InputError, "nobody has 11 pictures"),
    "all held out": (changed("data.held_out=8"), InputError, "8 of 8 people cannot be held out"),
    "validation is of other crops": (_other_validation, InputError, "24×24.*the network takes crops of 32×32"),
    "validation compares nothing": (_small_validation, InputError, "two people at least"),
    "validation is not there": (changed("data.validation=away"), InputError, "away: no data there"),
    "an unknown backbone": (changed("network.backbone=resnet"), InputError, "'resnet' is not known; known are.*iresnet18"),
    "an unknown option": (changed("network.options={depth=2}"), InputError, "options not known: depth"),
    "an unknown crop": (changed("network.crops=dlib"), InputError, "'dlib' are unknown; known: arcface"),
    "a crop the data do not hold": (changed("network.crops=wide"), InputError, "show more of a face than the data"),
    "an unknown part": (changed('network.frozen=["stem"]'), InputError, "'stem' is not in this network.*trunk"),
    "all is frozen": (changed('network.frozen=["trunk", "head"]', 'loss={name="triplet"}', "batch.per_person=2"),
                      InputError, "nothing to learn"),
    "no weights": (changed("network.weights=away.pt"), InputError, "away.pt"),
    "an unknown device": (changed("machine.device=tpu"), DeviceError, "'tpu' is unknown; known: auto, cpu, cuda"),
    "no GPU": (changed("machine.device=cuda"), DeviceError, "1 GPUs wanted, 0 here"),
    "no teacher": (changed("distil.teacher=away"), MienError, "away"),
    "siamese without pairs": (changed("few_shot.siamese=8"), InputError, "batch.per_person=2"),
    "siamese without margin": (
        changed("few_shot.siamese=8", "batch.per_person=2", 'loss={name="triplet"}'), InputError, "wants a loss with a margin"
    ),
    "imprint without weights": (
        changed("few_shot.imprint=true", "batch.per_person=2", 'loss={name="triplet"}'), InputError, "imprint wants a loss"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_said_before_anything_is_written(
    places: Places, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    spoil, kind, words = BAD[case]
    faces, changes = spoil(places)
    out = places.runs / "run"
    with pytest.raises(kind, match=words):
        train(made_recipe(faces, *changes), out, Ear())
    assert not out.exists()
    with pytest.raises(kind, match=words):  # the plan says the same
        plan(made_recipe(faces, *changes))


def test_a_teacher_must_fit_the_student(places: Places, teacher: Path) -> None:
    out = places.runs / "run"
    with pytest.raises(InputError, match=r"vectors have 12 numbers, the student's 16: set network.dimension=12"):
        train(made_recipe(places.faces, f"distil.teacher={teacher}"), out, Ear())
    small = write_faces(places.runs / "small", contract=square(20))
    for _ in range(2):
        Path(small / "p000" / "0.png").write_bytes(picture(1, 20))
    assert not out.exists()


def test_faces_for_a_teacher_need_no_names(places: Places, teacher: Path) -> None:
    one = write_faces(places.runs / "one", 1, 20)
    run = train(
        made_recipe(one, f"distil.teacher={teacher}", "network.dimension=12"), places.runs / "run", Ear()
    )
    assert end(run)["step"] == 7


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
    run = train(made_recipe(places.faces, "machine.checkpoint_steps=1", "machine.keep=3"), places.runs / "run", Ear())
    assert [file.name for file in saved.found(run.checkpoints)] == [f"step-{n:08}.ckpt" for n in (5, 6, 7)]


ABSURD = ("optimizer.lr=3e38", "optimizer.lr_batch=80", "machine.checkpoint_steps=1", "optimizer.clip=0", "schedule.warmup_epochs=0")


def require_finite(run: Run, steps: list[int]) -> None:
    """The run has the checkpoints of these steps, and all their numbers are some."""
    assert [saved.read(file)["step"] for file in saved.found(run.checkpoints)] == steps
    for file in (*saved.found(run.checkpoints), *[run.best] * run.best.is_file()):
        state = saved.read(file)
        numbers = {**state["state_dict"], **state.get("objective", {})}
        assert all(bool(torch.isfinite(tensor).all()) for tensor in numbers.values()), file


@pytest.mark.parametrize("measured", [False, True])
def test_weights_that_are_no_numbers_are_not_kept(places: Places, measured: bool) -> None:
    changes = (f"data.validation={places.others}", "data.held_out=0") if measured else ()
    run = Run(places.runs / "run")
    ear = Ear()
    with pytest.raises(TrainingError, match=r"step 1: \d+ weights are not finite, .*lower optimizer.lr"):
        train(made_recipe(places.faces, *ABSURD, "batch.size=80", *changes), run.folder, ear)
    require_finite(run, [])
    assert len(ear.heard) == measured


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_loss_that_is_no_number_ends_the_training_and_names_its_batch(
    places: Places, monkeypatch: pytest.MonkeyPatch, accumulate: int
) -> None:
    changes = ("batch.accumulate=%d" % accumulate, "machine.checkpoint_steps=1", "batch.size=16")
    recipe = made_recipe(places.faces, *changes)
    batches = Batches(open_dataset(places.faces).labels, 16)
    chosen = next(batches.since(5)).part(accumulate - 1, accumulate)
    names = [open_dataset(places.faces).names[row] for row in chosen.rows[:2]]
    forward, calls = MarginSoftmax.forward, iter(range(1000))

    def spoilt_forward(self: MarginSoftmax, features: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        value = forward(self, features, labels)
        return value * float("nan") if next(calls) == 6 * accumulate - 1 else value

    monkeypatch.setattr(MarginSoftmax, "forward", spoilt_forward)
    run = Run(places.runs / "run")
    with pytest.raises(TrainingError, match=f"not finite. The batch began with {', '.join(names)}"):
        train(recipe, run.folder, Ear())
    require_finite(run, [4, 5])
    monkeypatch.setattr(MarginSoftmax, "forward", forward)
    resume(run.folder, Ear())
    whole = train(recipe, places.runs / "whole", Ear())
    assert unlike(end(run), end(whole)) == []


def figures(*eers: float) -> Callable[..., Measurement]:
    """Stands in for `Checks.measured`: so large errors, one after the other."""
    left = iter(eers)

    def measured(self: object, embed: object, settings: object, step: int, epoch: float) -> Measurement:
        return Measurement(step=step, epoch=epoch, eer=next(left), tar=None, fmr=0.01, weighting="pair", threshold=None)

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
    changes = ("schedule.steps=3", "batch.size=80", "machine.ema=0.5", "machine.checkpoint_steps=1", "machine.keep=9")
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
    recipe = made_recipe(places.faces, f"network.weights={first.folder}", "optimizer.lr=1e-9", "data.held_out=3")
    second = train(recipe, places.runs / "second", Ear())
    begun, ended = end(first)["state_dict"], end(second)["state_dict"]
    for name in ("network.head.weight", "network.trunk.0.weight"):
        assert torch.allclose(begun[name], ended[name], atol=1e-6), name
    fresh = end(train(made_recipe(places.faces, "optimizer.lr=1e-9"), places.runs / "fresh", Ear()))
    assert not torch.allclose(begun["network.head.weight"], fresh["state_dict"]["network.head.weight"], atol=1e-3)


def test_frozen_parts_and_statistics_stay(places: Places) -> None:
    first = train(made_recipe(places.faces), places.runs / "first", Ear())
    frozen = ("network.statistics=frozen", 'network.frozen=["trunk.0"]', f"network.weights={first.folder}")
    run = train(made_recipe(places.faces, *frozen), places.runs / "second", Ear())
    moved = unlike(saved.read(first.best)["state_dict"], end(run)["state_dict"])
    assert ".network.trunk.3.weight" in moved
    assert ".network.trunk.1.weight" in moved
    still = ("trunk.0.weight", "running_mean", "running_var", "num_batches_tracked")
    assert [name for name in moved if name.endswith(still)] == []
