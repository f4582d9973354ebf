"""Trainings that take seconds: a small network, and people of 32 pixels who differ in pattern."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mien.bundle.bundle import Bundle
from mien.bundle.card import EmbedCard, Input, Provenance, listed
from mien.images import encode_png
from mien.training.datasets.contract import CropContract, square, write_contract
from mien.training.recipe import Recipe
from mien.training.recipe_file import recipe_of
from mien.training.run import Measurement, Run
from mien.training.with_torch import backbones, saved
from mien.training.with_torch.backbones.backbone import Backbone
from mien.training.with_torch.export import to_onnx
from mien.training.with_torch.trainer import resume, train
from mien.values import Pixels

SIDE = 32
PEOPLE, PICTURES = 8, 10  # batches of 16 make 5 steps an epoch
CONTRACT = square(SIDE)


class Tiny(nn.Module):
    """Two convolutions with batch norms, a dropout, a linear layer: all that a state has to hold."""

    def __init__(self, *, dimension: int, size: tuple[int, int], dropout: float) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(3, 8, 5, 4, 2, bias=False),
            nn.BatchNorm2d(8),
            nn.PReLU(8),
            nn.Conv2d(8, 16, 3, 2, 1, bias=False),
            nn.BatchNorm2d(16),
            nn.PReLU(16),
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(16 * (size[0] // 8) * (size[1] // 8), dimension)

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.head(self.dropout(self.trunk(x).flatten(1)))
        return features


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts the backbone "tiny" on the shelf for a test."""
    shelf = {**backbones.BACKBONES, "tiny": Backbone(Tiny, "tests")}
    monkeypatch.setattr(backbones, "BACKBONES", shelf)


def person(number: int, pictures: int, side: int = SIDE) -> Pixels:
    """(pictures,side,side,3): a coarse pattern of colours that is the person's own, with noise."""
    rng = np.random.default_rng([7, number])
    pattern = rng.integers(40, 216, (4, 4, 3)).repeat(side // 4, 0).repeat(side // 4, 1)
    noise = np.random.default_rng([8, number]).normal(0, 25, (pictures, side, side, 3))
    return (pattern + noise).clip(0, 255).astype(np.uint8)


def write_faces(
    root: Path,
    people: int = PEOPLE,
    pictures: int = PICTURES,
    *,
    first: int = 0,
    contract: CropContract | None = CONTRACT,
) -> Path:
    """A folder a person, `p000` …, of crops of 32 pixels. first: the number of the first person."""
    for number in range(first, first + people):
        folder = root / f"p{number:03}"
        folder.mkdir(parents=True)
        for i, pixels in enumerate(person(number, pictures)):
            (folder / f"{i}.png").write_bytes(encode_png(pixels))
    if contract is not None:
        write_contract(root, contract)
    return root


def made_teacher(folder: Path, contract: CropContract, dimension: int) -> Path:
    """A bundle that has never learnt anything, for crops of this contract."""
    torch.manual_seed(1)
    graph = to_onnx(Tiny(dimension=dimension, size=contract.size, dropout=0.0).eval(), contract.size)
    card = EmbedCard(
        name=folder.name,
        files=listed({"model.onnx": graph}),
        input=Input(size=contract.size, channels="RGB", mean=(127.5,) * 3, scale=(1 / 127.5,) * 3),
        provenance=Provenance(source="tests", licence="MIT", framework="torch", recipe="none", data="none"),
        reference=contract.reference,
        dimension=dimension,
    )
    Bundle.write(folder, card, {"model.onnx": graph})
    return folder


def made_recipe(data: Path, *changes: str, **sections: Mapping[str, Any]) -> Recipe:
    """A recipe for these faces: 7 steps of 16, a checkpoint at 4 and at the end."""
    given = {
        "name": "made",
        "data": {"train": str(data)},
        "network": {"backbone": "tiny", "dimension": 16},
        "loss": {"name": "arcface", "scale": 16.0, "margin": 0.2},
        "batch": {"size": 16},
        "optimizer": {"lr": 0.05, "lr_batch": 16},
        "schedule": {"steps": 7, "warmup_epochs": 0.4},
        "validation": {"settle": 32},
        "machine": {"device": "cpu", "workers": 0, "checkpoint_steps": 4, "log_steps": 1, "examples": 2},
    }
    return recipe_of({**given, **sections}, changes)


class CutError(Exception):
    """What ends a training from outside."""


class Ear:
    """Hears measurements, and cuts the training off at one of them."""

    def __init__(self, cut: int | None = None) -> None:
        self.heard: list[Measurement] = []
        self._cut = cut

    def __call__(self, measurement: Measurement) -> None:
        self.heard.append(measurement)
        if measurement.step == self._cut:
            raise CutError


def unlike(one: Any, other: Any, place: str = "") -> list[str]:
    """Where two nested states differ in a single bit."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        apart = [f"{place}.{key}" for key in one.keys() ^ other.keys()]
        inside = (unlike(one[key], other[key], f"{place}.{key}") for key in one.keys() & other.keys())
        return apart + [each for found in inside for each in found]
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return [] if one.dtype == other.dtype and torch.equal(one, other) else [place]
    return [] if one == other else [place]


# Varies pictures, drops parts of the network, divides a step, averages: all that a resumed run must repeat.
VARIED = (
    "augment.warp=0.5",
    "augment.colour=0.5",
    "augment.occlusion=0.5",
    "augment.jpeg=0.3",
    "network.dropout=0.3",
    "batch.accumulate=2",
    "machine.ema=0.9",
)


def end(run: Run, step: int = 7) -> saved.State:
    """The state that a run ended with."""
    return saved.read(saved.path_of(run.checkpoints, step))


def require_resumed(faces: Path, others: Path, runs: Path, *changes: str) -> saved.State:
    """Seven steps at once, and seven cut off after the checkpoint of the fourth, end bit for bit alike."""
    recipe = made_recipe(faces, f"data.validation={others}", *changes)
    whole = train(recipe, runs / "whole", Ear())
    with pytest.raises(CutError):
        train(recipe, runs / "cut", Ear(cut=5))
    cut = Run(runs / "cut")
    assert [file.name for file in saved.found(cut.checkpoints)] == ["step-00000004.ckpt"]
    torch.manual_seed(99)  # nothing may follow from what was drawn before
    np.random.seed(99)
    ear = Ear()
    resume(recipe, cut.folder, ear)
    assert [each.step for each in ear.heard] == [5, 7]
    state = end(whole)
    assert unlike(end(cut), state) == []
    assert cut.history() == whole.history()
    assert unlike(saved.read(cut.best), saved.read(whole.best)) == []
    return state


@dataclass(frozen=True)
class Places:
    """What is trained on, what is measured on, and room for runs."""

    faces: Path
    others: Path
    runs: Path


def spoilt(places: Places) -> Path:
    """Faces of one's own, to be spoilt."""
    root = places.runs / "faces"
    shutil.copytree(places.faces, root)
    return root
