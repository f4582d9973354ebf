"""The folder that a training leaves: what it was told, how it went, what came of it."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Self

import msgspec

from mien.errors import InputError
from mien.files import read_bounded, write_whole
from mien.training.datasets.contract import CropContract
from mien.training.datasets.dataset import Dataset
from mien.training.recipe import Recipe
from mien.training.recipe_file import read_recipe, write_recipe

MAX_BYTES = 64 << 20
PACKAGES = ("mien", "torch", "lightning", "kornia", "numpy", "onnx", "onnxscript", "onnxruntime")


class About(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a run was made with: versions of packages, the data's digest, names of people, and crops."""

    versions: dict[str, str]
    data: str
    digest: str
    pictures: int
    people: tuple[str, ...]
    contract: CropContract
    format: int = 1


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of the network at a step. tar: at `fmr`; None where the people are too few for it.

    weighting: "person", or "pair" where people are too few. accuracy: over the folds of a list, None without.
    """

    step: int
    epoch: float
    eer: float
    tar: float | None
    fmr: float
    weighting: str
    threshold: float | None
    accuracy: float | None = None
    loss: float | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A run's folder and its parts."""

    folder: Path

    @classmethod
    def begin(cls, folder: Path, recipe: Recipe, about: About) -> Self:
        """A new run. InputError where something stands at its place already."""
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(
                f"{folder}: something is there already; name a new folder, or go on with --resume {folder}"
            )
        run = cls(folder)
        try:
            run.checkpoints.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{folder}: cannot be made ({error.strerror})") from error
        write_whole(run.about_file, msgspec.json.format(msgspec.json.encode(about), indent=2) + b"\n")
        write_recipe(run.recipe_file, recipe)
        return run

    @classmethod
    def open(cls, folder: Path) -> Self:
        """A run that is there. InputError where the folder is none."""
        run = cls(folder)
        if not run.recipe_file.is_file() or not run.about_file.is_file():
            raise InputError(f"{folder}: no run of `mien train` (recipe.toml and about.json are looked for)")
        return run

    @property
    def recipe_file(self) -> Path:
        """The recipe as resolved."""
        return self.folder / "recipe.toml"

    @property
    def about_file(self) -> Path:
        """What it was made with."""
        return self.folder / "about.json"

    @property
    def checkpoints(self) -> Path:
        """Where states of the training lie, and the best network so far."""
        return self.folder / "checkpoints"

    @property
    def best(self) -> Path:
        """The checkpoint that measured best."""
        return self.checkpoints / "best.ckpt"

    @property
    def events(self) -> Path:
        """What TensorBoard shows."""
        return self.folder / "events"

    @property
    def measurements(self) -> Path:
        """A line of JSON each time the network was measured."""
        return self.folder / "measurements.jsonl"

    @property
    def report(self) -> Path:
        """The page about the network that came out."""
        return self.folder / "report.html"

    @property
    def bundle(self) -> Path:
        """What came of it."""
        return self.folder / "bundle"

    def recipe(self, changes: Iterable[str] = ()) -> Recipe:
        """The recipe as resolved, with changes as in `read_recipe`. InputError where it is damaged."""
        return read_recipe(self.recipe_file, changes)

    def about(self) -> About:
        """What it was made with. InputError where that is damaged."""
        try:
            return msgspec.json.decode(read_bounded(self.about_file, MAX_BYTES), type=About)
        except msgspec.DecodeError as error:
            raise InputError(f"{self.about_file}: {error}") from error

    def history(self) -> list[Measurement]:
        """All measurements so far, a half-written last one left out. InputError where they are damaged."""
        if not self.measurements.is_file():
            return []
        lines = read_bounded(self.measurements, MAX_BYTES).split(b"\n")
        try:
            return [msgspec.json.decode(line, type=Measurement) for line in lines[:-1]]
        except msgspec.DecodeError as error:
            raise InputError(f"{self.measurements}: {error}") from error

    def add(self, measurement: Measurement) -> None:
        """Write a measurement, in place of those of later steps that a cut-off run left."""
        kept = [each for each in self.history() if each.step < measurement.step]
        lines = [msgspec.json.encode(each) + b"\n" for each in (*kept, measurement)]
        write_whole(self.measurements, b"".join(lines))


def about(dataset: Dataset, contract: CropContract) -> About:
    """What a run on this data is made with here."""
    return About(
        versions={"python": platform.python_version(), **versions()},
        data=dataset.name,
        digest=dataset.digest,
        pictures=len(dataset),
        people=dataset.people,
        contract=contract,
    )


def versions() -> dict[str, str]:
    """The versions of the packages that make a difference, of those that are installed."""
    known = {}
    for package in PACKAGES:
        try:
            known[package] = version(package)
        except PackageNotFoundError:
            continue
    return known


def first_process() -> bool:
    """Whether this process is the first of those that train, as far as the launcher has said so yet.

    torchrun says RANK, Slurm SLURM_PROCID, Lightning's own launcher which machine and which process there.
    """
    said = os.environ
    names = ("RANK",) if "RANK" in said else ("SLURM_PROCID", "NODE_RANK", "LOCAL_RANK")
    return all(said.get(name, "0") == "0" for name in names)
