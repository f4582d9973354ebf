"""A student looks at the very view that its teacher sees, and learns from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from made_training import CONTRACT, Ear, Tiny, made_recipe, made_teacher, tiny, write_faces
from torch import Tensor, nn

from mien.bundle.bundle import Bundle
from mien.bundle.catalog import find_bundle
from mien.bundle.runtime import Runtime
from mien.errors import BundleError, InputError
from mien.images import load
from mien.recognition.align import transforms, warp
from mien.recognition.embed import Embedder
from mien.training.datasets.contract import CropContract, square
from mien.training.distillation_settings import (
    AnyDistillation,
    Cosine,
    RelationalAngle,
    RelationalDistance,
    UnitMse,
)
from mien.training.recipe import Distil
from mien.training.with_torch import saved
from mien.training.with_torch.teaching import Teacher, Teaching, require_fitting
from mien.training.with_torch.trainer import network_of, train
from mien.training.with_torch.view import Normal

__all__ = ["tiny"]
DIMENSION = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_teacher(tmp_path_factory.mktemp("teachers") / "teacher", square(24), DIMENSION)


@pytest.fixture
def teacher(folder: Path) -> Teacher:
    return Teacher(Bundle.open(folder), CONTRACT, Runtime())


class Spy(Teacher):
    """Remembers what it was shown."""

    def __init__(self, dimension: int = DIMENSION) -> None:
        self.dimension = dimension
        self.seen: list[Tensor] = []

    def __call__(self, pixels: Tensor) -> Tensor:
        self.seen.append(pixels.clone())
        return nn.functional.normalize(torch.ones(len(pixels), self.dimension), dim=1)


def pictures(count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, 32, 32), generator=generator).float()


def test_a_teacher_says_what_its_bundle_says_of_the_same_face(
    folder: Path, teacher: Teacher, tmp_path: Path
) -> None:
    root = write_faces(tmp_path / "faces", 1, 5)
    images = [load(root / "p000" / f"{i}.png").pixels for i in range(5)]
    matrix = transforms(np.array([CONTRACT.reference.points], np.float32), square(24).reference)
    crops = np.concatenate([warp(each, matrix, (24, 24)) for each in images])
    expected = Embedder(Bundle.open(folder), Runtime())(crops)[0]
    found = teacher(torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float()).numpy()
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert (found * expected).sum(1).min() > 0.999  # noise, interpolated twice a little differently
    wrong = Embedder(Bundle.open(folder), Runtime())(np.stack([each[4:28, 4:28] for each in images]))[0]
    assert (found * wrong).sum(1).min() < 0.99  # so another crop would have been noticed


def test_teacher_and_student_see_the_same() -> None:
    spy, seen = Spy(), []

    class Student(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x)
            return torch.ones(len(x), DIMENSION)

    settings = Distil(teacher="t", mixed=0.7)
    teaching = Teaching(Normal(127.5, 1 / 127.5), spy, settings, DIMENSION)
    teaching.begin_step(0, 3)
    value = teaching(Student(), pictures(16), torch.zeros(16, dtype=torch.int64))
    assert float(value) == pytest.approx(0, abs=1e-6)
    assert torch.allclose(seen[0], (spy.seen[0] - 127.5) / 127.5, atol=1e-6)
    assert not torch.equal(spy.seen[0], pictures(16))


def mixed(share: float, step: int = 3, seed: int = 0, count: int = 200) -> Tensor:
    teaching = Teaching(nn.Identity(), spy := Spy(), Distil(teacher="t", mixed=share), DIMENSION)
    teaching.begin_step(seed, step)
    teaching(nn.Sequential(nn.Flatten(), nn.Linear(3072, DIMENSION)), pictures(count), torch.zeros(count))
    return spy.seen[0]


def test_so_many_are_blended_with_another_of_the_batch() -> None:
    plain = pictures(200)
    assert torch.equal(mixed(0.0), plain)
    found = mixed(0.5)
    blended = [i for i in range(200) if not torch.equal(found[i], plain[i])]
    assert 70 <= len(blended) <= 130
    for i in blended[:20]:
        # A blend a·x + (1 − a)·y: the rest is a multiple of some other picture of the batch.
        fits = []
        for j in range(200):
            apart = (plain[i] - plain[j]).flatten()
            if not bool(apart.any()):
                continue
            share = float(((found[i] - plain[j]).flatten() @ apart) / (apart @ apart))
            fits.append(float((found[i] - share * plain[i] - (1 - share) * plain[j]).abs().max()))
        assert min(fits) < 1e-2
    assert float(found.min()) >= 0
    assert float(found.max()) <= 255


def test_who_is_blended_follows_from_seed_and_step_alone() -> None:
    torch.manual_seed(5)
    one = mixed(0.5)
    torch.manual_seed(6)
    assert torch.equal(one, mixed(0.5))
    assert not torch.equal(one, mixed(0.5, step=4))
    assert not torch.equal(one, mixed(0.5, seed=1))


def test_losses_add_up_and_are_told_apart() -> None:
    chosen: tuple[AnyDistillation, ...] = (Cosine(weight=2.0), UnitMse(weight=3.0), RelationalDistance())
    teaching = Teaching(nn.Identity(), Spy(), Distil(teacher="t", losses=chosen), DIMENSION)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(3072, DIMENSION))
    value = teaching(network, pictures(6), torch.zeros(6))
    assert set(teaching.logs) == {"cosine", "unit-mse", "relational-distance"}
    assert value.item() == pytest.approx(sum(map(float, teaching.logs.values())), rel=1e-5)
    cosine = nn.functional.normalize(network(pictures(6)).detach(), dim=1) @ torch.full(
        (DIMENSION,), DIMENSION**-0.5
    )
    assert float(teaching.logs["cosine"]) == pytest.approx(2 * float((1 - cosine).mean()), rel=1e-4)
    assert float(teaching.logs["unit-mse"]) == pytest.approx(
        3 * float((2 - 2 * cosine).mean()) / DIMENSION, rel=1e-4
    )


def test_lengths_must_agree_but_for_relations() -> None:
    with pytest.raises(
        InputError, match=r"unit-mse: the teacher's vectors have 128 numbers, the student's 64: set net"
    ):
        require_fitting([RelationalAngle(), UnitMse()], 64, 128)
    require_fitting([RelationalAngle(), RelationalDistance()], 64, 128)
    require_fitting([Cosine()], 64, 64)


def test_what_is_no_embedder_is_no_teacher(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(BundleError, match="a teacher"):
        Teacher(find_bundle("mtcnn"), CONTRACT, Runtime())
    with pytest.raises(InputError, match="show more of a face than the data's"):
        Teacher(Bundle.open(folder), CropContract(reference=square(64).reference, size=(32, 32)), Runtime())


@pytest.mark.usefixtures("tiny")
def test_a_student_comes_nearer_to_its_teacher(tmp_path: Path, folder: Path, teacher: Teacher) -> None:
    faces = write_faces(tmp_path / "faces")
    others = write_faces(tmp_path / "others", 6, 3, first=50)
    recipe = made_recipe(
        faces,
        f"distil.teacher={folder}",
        "distil.mixed=0.3",
        f"network.dimension={DIMENSION}",
        "schedule.steps=60",
        "optimizer.name=adamw",
        "optimizer.lr=1e-2",
        "augment.warp=0.5",
    )
    seen = (
        torch.from_numpy(np.stack([load(file).pixels for file in sorted(others.glob("*/*.png"))]))
        .permute(0, 3, 1, 2)
        .float()
    )
    taught = teacher(seen)

    def agreement(network: nn.Module) -> float:
        with torch.no_grad():
            vectors = network.eval()(Normal(127.5, 1 / 127.5)(seen))
        return float((nn.functional.normalize(vectors, dim=1) * taught).sum(1).mean())

    torch.manual_seed(0)
    before = agreement(Tiny(dimension=DIMENSION, size=(32, 32), dropout=0))
    run = train(recipe, tmp_path / "run", Ear())
    network = network_of(recipe, (32, 32), start=False)
    state = saved.read(saved.found(run.checkpoints)[-1])["state_dict"]
    network.load_state_dict({name.removeprefix("network."): tensor for name, tensor in state.items()})
    after = agreement(network)
    assert after > 0.8 > 0.4 > before, (before, after)
