"""What a recipe trains on, looked over before the first step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_datasets import picture
from made_training import CONTRACT, made_recipe, write_faces

from mien.errors import InputError
from mien.training import material as whole
from mien.training.datasets import open_dataset
from mien.training.datasets.contract import named_contract, square
from mien.training.material import complaint, gather, require_readable


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    return write_faces(tmp_path / "faces")


def test_everything_is_opened(faces: Path) -> None:
    found = gather(made_recipe(faces))
    assert (len(found.train), len(found.train.people)) == (80, 8)
    assert found.contract == found.network == CONTRACT
    assert (found.batches.size, found.batches.steps) == (16, 5)
    assert found.checks is None


def test_people_are_held_out_by_the_seed(faces: Path) -> None:
    one, again, other = (
        gather(made_recipe(faces, "data.held_out=3", f"machine.seed={seed}")) for seed in (0, 0, 1)
    )
    assert one.checks is not None
    assert again.checks is not None
    assert other.checks is not None
    assert len(one.train.people) == 5
    assert set(one.train.people) | set(one.checks.people) == set(open_dataset(faces).people)
    assert one.checks.people == again.checks.people != other.checks.people
    assert np.array_equal(np.unique(one.batches.labels), np.arange(5))


def test_people_with_too_few_pictures_are_left_out(faces: Path) -> None:
    for i in range(7):
        (faces / "p002" / f"{i}.png").unlink()
    found = gather(made_recipe(faces, "data.least_pictures=4"))
    assert len(found.train.people) == 7
    assert "p002" not in found.train.people
    assert len(gather(made_recipe(faces)).train.people) == 8


def test_crops_are_declared_where_nobody_says(tmp_path: Path) -> None:
    root = tmp_path / "bare"
    for i in range(4):
        (root / f"p{i // 2}").mkdir(parents=True, exist_ok=True)
        (root / f"p{i // 2}" / f"{i}.png").write_bytes(picture(i, 112))
    found = gather(made_recipe(root, "data.crops=arcface", "batch.size=4"))
    assert found.contract == named_contract("arcface")
    with pytest.raises(
        InputError, match=r"mien prepare .*bare OUT. makes crops.*--set data.crops=arcface or facenet"
    ):
        gather(made_recipe(root, "batch.size=4"))
    with pytest.raises(InputError, match="'dlib' are unknown; known: arcface"):
        gather(made_recipe(root, "data.crops=dlib"))


def test_what_is_declared_must_be_what_the_data_say(faces: Path) -> None:
    with pytest.raises(InputError, match="32×32"):
        gather(made_recipe(faces, "data.crops=arcface"))


def test_a_network_may_have_crops_of_its_own(faces: Path) -> None:
    found = gather(made_recipe(faces, "network.crops=arcface"))
    assert found.contract == CONTRACT
    assert found.network == named_contract("arcface")


def test_the_first_bad_pictures_are_named_and_all_are_counted(faces: Path) -> None:
    for i in range(5):
        (faces / "p001" / f"{i}.png").write_bytes(b"" if i % 2 else picture(i, 40))
    with pytest.raises(InputError) as caught:
        gather(made_recipe(faces))
    said = str(caught.value)
    assert said.startswith("faces: 5 of 80 pictures cannot be trained on: p001/0.png: 40×40, crops of 32×32")
    assert "p001/1.png" in said
    assert "p001/2.png" in said
    assert "p001/3.png" not in said
    assert said.endswith("…; `mien prepare` leaves such pictures out")


def test_of_very_many_pictures_some_are_looked_at(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = open_dataset(faces)
    looked: list[int] = []

    def seen(dataset: object, row: int, size: object) -> str:
        looked.append(row)
        return ""

    monkeypatch.setattr(whole, "MOST_LOOKED_AT", 9)
    monkeypatch.setattr(whole, "complaint", seen)
    require_readable(dataset, CONTRACT)
    assert sorted(looked) == np.linspace(0, 79, 9).astype(int).tolist()


def test_a_good_picture_has_no_complaint(faces: Path) -> None:
    dataset = open_dataset(faces)
    assert complaint(dataset, 0, (32, 32)) == ""
    assert complaint(dataset, 0, (32, 31)) == "p000/0.png: 32×32, crops of 32×31 are wanted"
    (faces / "p000" / "0.png").unlink()
    assert "p000/0.png" in complaint(dataset, 0, (32, 32))


def test_other_crops_for_validation_are_refused(faces: Path, tmp_path: Path) -> None:
    other = write_faces(tmp_path / "other", 3, 3, contract=square(24))
    with pytest.raises(InputError, match="the network takes crops of 32×32"):
        gather(made_recipe(faces, f"data.validation={other}"))
