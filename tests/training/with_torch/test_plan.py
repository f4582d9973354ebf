"""What a training would be, said without doing it."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_training import made_recipe, made_teacher, tiny, write_faces

from mien.training.datasets.contract import square
from mien.training.with_torch.plan import plan

__all__ = ["tiny"]
pytestmark = pytest.mark.usefixtures("tiny")


def test_the_numbers_are_those_of_the_recipe(tmp_path: Path) -> None:
    faces, others = write_faces(tmp_path / "faces"), write_faces(tmp_path / "others", 4, 3, first=50)
    before = sorted(tmp_path.rglob("*"))
    recipe = made_recipe(faces, f"data.validation={others}", "batch.accumulate=2", "optimizer.lr_batch=32")
    found = plan(recipe)
    assert found["data"] == "faces: 80 pictures of 8 people"
    assert found["crops"] == "crops of 32×32 by aligner unknown"
    assert found["validation"] == "all pairs of 12 crops of 4 people"
    parameters = 600 + 2 * 8 + 8 + 8 * 16 * 9 + 2 * 16 + 16 + 256 * 16 + 16
    assert found["network"].startswith(f"tiny: {parameters / 1e6:.2f} M parameters")
    assert found["taught by"] == "people's names: arcface"
    assert found["batch"] == "16 faces: 1 processes × 2 parts × 8"
    assert found["length"] == "7 steps of 16 faces, 5 an epoch, 2 epochs"
    assert found["learning rate"].startswith("0.025 at its height (0.05 per 32 faces)")
    assert found["machine"] == "cpu, 32-true, 0 processes that decode"
    assert found["first batch"].startswith("loss ")
    assert float(found["first batch"].split()[1]) > 0
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "changes",
    [
        ('loss={name="triplet"}', "batch.per_person=4"),
        ("few_shot.siamese=8", "batch.per_person=2"),
        ("batch.size=78",),  # not to be halved evenly
        ("machine.devices=2",),
    ],
)
def test_any_batch_is_tried(tmp_path: Path, changes: tuple[str, ...]) -> None:
    found = plan(made_recipe(write_faces(tmp_path / "faces"), *changes))
    assert found["first batch"].startswith("loss ")
    assert found["validation"].startswith("no validation")


def test_a_teacher_is_named(tmp_path: Path) -> None:
    teacher = made_teacher(tmp_path / "teacher", square(24), 12)
    found = plan(
        made_recipe(write_faces(tmp_path / "faces"), f"distil.teacher={teacher}", "network.dimension=12")
    )
    assert found["taught by"] == str(teacher)
