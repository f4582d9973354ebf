"""What is wrong with recipe or data is said before the first step, and before anything is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from made_datasets import picture
from made_training import Ear, Places, end, made_recipe, spoilt, tiny, write_faces

from mien.errors import DeviceError, InputError, MienError
from mien.training.datasets.contract import square
from mien.training.with_torch.plan import plan
from mien.training.with_torch.trainer import train

__all__ = ["tiny"]
pytestmark = pytest.mark.usefixtures("tiny")

Spoil = Callable[[Places], tuple[Path, tuple[str, ...]]]


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
    "a picture is none": (
        _unreadable,
        InputError,
        r"1 of 80 pictures cannot be trained on: p003/4.png: .*picture",
    ),
    "a picture is of another size": (_other_size, InputError, "p003/5.png: 40×40, crops of 32×32 are wanted"),
    "one person": (_one_person, InputError, "one person only, 'p000'"),
    "nobody says what the crops are": (
        _undeclared,
        InputError,
        "nobody says how its crops were made.*data.crops=",
    ),
    "nobody has two pictures": (_singles, InputError, "nobody has two pictures"),
    "a batch larger than the data": (changed("batch.size=96"), InputError, "a batch of 96 .* 80 pictures"),
    "nobody has enough": (changed("data.least_pictures=11"), InputError, "nobody has 11 pictures"),
    "all held out": (changed("data.held_out=8"), InputError, "8 of 8 people cannot be held out"),
    "validation is of other crops": (_other_validation, InputError, "24×24.*the network takes crops of 32×32"),
    "validation compares nothing": (_small_validation, InputError, "two people at least"),
    "validation is not there": (changed("data.validation=away"), InputError, "away: no data there"),
    "an unknown backbone": (
        changed("network.backbone=resnet"),
        InputError,
        "'resnet' is not known; known are.*iresnet18",
    ),
    "an unknown option": (changed("network.options={depth=2}"), InputError, "options not known: depth"),
    "an unknown crop": (changed("network.crops=dlib"), InputError, "'dlib' are unknown; known: arcface"),
    "a crop the data do not hold": (
        changed("network.crops=wide"),
        InputError,
        "show more of a face than the data",
    ),
    "an unknown part": (changed('network.frozen=["stem"]'), InputError, "'stem' is not in this network.*trunk"),
    "all is frozen": (
        changed('network.frozen=["trunk", "head"]', 'loss={name="triplet"}', "batch.per_person=2"),
        InputError,
        "nothing to learn",
    ),
    "no weights": (changed("network.weights=away.pt"), InputError, "away.pt"),
    "an unknown device": (
        changed("machine.device=tpu"),
        DeviceError,
        "'tpu' is unknown; known: auto, cpu, cuda",
    ),
    "no GPU": (changed("machine.device=cuda"), DeviceError, "1 GPUs wanted, 0 here"),
    "no teacher": (changed("distil.teacher=away"), MienError, "away"),
    "siamese without pairs": (changed("few_shot.siamese=8"), InputError, "batch.per_person=2"),
    "siamese without margin": (
        changed("few_shot.siamese=8", "batch.per_person=2", 'loss={name="triplet"}'),
        InputError,
        "wants a loss with a margin",
    ),
    "imprint without weights": (
        changed("few_shot.imprint=true", "batch.per_person=2", 'loss={name="triplet"}'),
        InputError,
        "imprint wants a loss",
    ),
}


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
    with pytest.raises(
        InputError, match=r"vectors have 12 numbers, the student's 16: set network.dimension=12"
    ):
        train(made_recipe(places.faces, f"distil.teacher={teacher}"), out, Ear())
    assert not out.exists()


def test_faces_for_a_teacher_need_no_names(places: Places, teacher: Path) -> None:
    one = write_faces(places.runs / "one", 1, 20)
    run = train(
        made_recipe(one, f"distil.teacher={teacher}", "network.dimension=12"), places.runs / "run", Ear()
    )
    assert end(run)["step"] == 7
