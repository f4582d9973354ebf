"""What training gives on little data: python benchmarks/orl.py att_faces/ [--weights XIAOCCER.ckpt]

att_faces/: the ORL faces, 40 people × 10 pictures. Each seed draws ten people who are only measured on.

Losses: a network learns the other 30 from nothing, once with each loss. The learning rate is chosen on eight of
the 30 who are held out for that; then all 30 are learnt, and the last network is the one that is measured.
Few pictures: that network, and one that was trained elsewhere (--weights; on pictures made coarse, as it knows
the sharp ones), are fine-tuned by the recipe `few-shot` on five pictures each of the ten, and measured on the
other five. Every process has one thread, so figures do not depend on how many run at once.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import msgspec
import numpy as np
import torch
from lightning.pytorch import seed_everything
from orl_pictures import KNOWING_CROPS, cut, make_coarse, shots
from torch import nn

from mien.evaluation.metrics import verification
from mien.evaluation.study import Figure
from mien.fusion import scorer
from mien.training import trainer
from mien.training.datasets import open_dataset
from mien.training.datasets.contract import square
from mien.training.datasets.dataset import Dataset, decode
from mien.training.datasets.folder_writer import write_folder
from mien.training.recipe import Recipe
from mien.training.recipe_file import read_recipe, recipe_of
from mien.training.recipes import find
from mien.training.run import Run
from mien.training.validation import Checks
from mien.training.with_torch.checkpoints import load_weights
from mien.training.with_torch.trainer import network_of, weights_at
from mien.training.with_torch.vectors import embedded
from mien.training.with_torch.view import Normal
from mien.values import Floats

UNSEEN = 10  # people who are only measured on
HELD_OUT = 8  # of the others, while a learning rate is looked for
FMR = 1e-2
SIDE = 48  # of the crops from which networks learn from nothing: five times as quick as 112

# What all losses share.
COMMON: dict[str, Any] = {
    "network": {"backbone": "mobilefacenet", "dimension": 128},
    "optimizer": {"name": "adamw", "lr_batch": 32, "weight_decay": 0.05},
    "schedule": {"epochs": 25, "warmup_epochs": 2},
    "batch": {"size": 32, "per_person": 4},
    "augment": {"mirror": 0.5, "warp": 0.8, "colour": 0.5, "blur": 0.2, "occlusion": 0.3},
    "validation": {"every": 1000},
    "machine": {"device": "cpu", "workers": 0, "precision": "32"},
}
RATES = (7e-4, 2e-3, 6e-3)
LOSSES: Mapping[str, dict[str, Any]] = {
    "arcface": {"scale": 32.0, "margin": 0.3},
    "triplet": {"mining": "hard", "soft": True, "squared": False},
    "softmax": {},
}

# Xiaoccer/MobileFaceNet_Pytorch takes (pixel − 127.5) / 128.
KNOWING = {"backbone": "mobilefacenet", "dimension": 128, "scale": 1 / 128, "form": "xiaoccer"}
FINE_TUNING: Mapping[str, list[str]] = {
    "few-shot": [],
    "semi-siamese": ["few_shot.imprint=false", "few_shot.siamese=64", "batch.size=20", "batch.per_person=2"],
}


@dataclass(frozen=True)
class Figures:
    """Over all pairs of pictures, with 95 % over people. rank1: how often the nearest of the ten, each the mean
    of their known pictures, is the right one.
    """

    tar: Figure
    eer: Figure
    rank1: float | None = None


@dataclass(frozen=True)
class Row:
    """A network, measured. rate: the learning rate that was chosen for it."""

    part: str
    what: str
    when: str
    seed: int
    figures: Figures
    rate: float | None = None


@dataclass(frozen=True)
class Place:
    """Where the prepared crops lie, and a seed's work. weights: of the network that was trained elsewhere."""

    work: Path
    seed: int
    weights: Path | None = None

    @property
    def crops(self) -> Path:
        return self.work / "crops"

    @property
    def sharp(self) -> Path:
        return self.work / "sharp"

    @property
    def coarse(self) -> Path:
        return self.work / "coarse"

    def home(self, name: str) -> Path:
        return self.work / f"seed-{self.seed}" / name


def main() -> None:
    asked = _arguments()
    with tempfile.TemporaryDirectory() as scratch:
        places = [Place(Path(scratch), seed, asked.weights) for seed in range(asked.seeds)]
        cut(asked.folder, places[0].crops, square(SIDE))
        if asked.weights:
            cut(asked.folder, places[0].sharp, KNOWING_CROPS)
            make_coarse(places[0].sharp, places[0].coarse)
        rows = list(_all_rows(places, asked.jobs))
    for part in dict.fromkeys(row.part for row in rows):
        print(table([row for row in rows if row.part == part]))
    if asked.json:
        asked.json.write_bytes(msgspec.json.format(msgspec.json.encode(rows)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="att_faces/, a folder a person")
    parser.add_argument("--weights", type=Path, help="MobileFaceNet_Xiaoccer_068.ckpt")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time, of one thread each")
    parser.add_argument("--json", type=Path, help="write every figure here")
    return parser.parse_args()


def _all_rows(places: list[Place], jobs: int) -> Iterator[Row]:
    start = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, start, torch.set_num_threads, (1,)) as pool:
        yield from _told(pool.submit(with_loss, place, loss) for place in places for loss in LOSSES)
        ways = [from_ours, from_elsewhere] if places[0].weights else [from_ours]
        yield from _told(pool.submit(way, place) for way in ways for place in places)


def _told(work: Iterable[Future[list[Row]]]) -> Iterator[Row]:
    for done in list(work):  # all are begun before one is waited for
        rows = done.result()
        for row in rows:
            print(f"seed {row.seed}, {row.what}, {row.when}: TAR {text(row.figures.tar)}", flush=True)
        yield from rows


def with_loss(place: Place, loss: str) -> list[Row]:
    """A network from nothing with a loss, before and after."""
    home = place.home(loss)
    home.mkdir(parents=True)
    others, unseen = open_dataset(place.crops).split_people(UNSEEN, place.seed)
    write_folder(home / "others", others)
    tables = {
        **COMMON,
        "loss": {"name": loss, **LOSSES[loss]},
        "data": {"train": str(home / "others")},
        "machine": {**COMMON["machine"], "seed": place.seed},
    }
    rate = max(RATES, key=lambda each: found_with(tables, each, home / f"rate-{each}"))
    recipe = recipe_of(tables, [f"optimizer.lr={rate}"])
    seed_everything(place.seed, verbose=False)
    before = measured(network_of(recipe, (SIDE, SIDE), start=True), recipe, unseen)
    after = measured(trained(trainer.train(recipe, home / "run", lambda _: None)), recipe, unseen)
    return [
        Row("losses", loss, when, place.seed, figures, rate)
        for when, figures in (("before", before), ("after", after))
    ]


def found_with(tables: dict[str, Any], rate: float, folder: Path) -> tuple[float, float]:
    """How good a learning rate is, by the people of the data that are held out: TAR, then EER."""
    changes = [f"data.held_out={HELD_OUT}", f"optimizer.lr={rate}"]
    run = trainer.train(recipe_of(tables, changes), folder, lambda _: None)
    last = run.history()[-1]
    return last.tar or 0.0, -last.eer


def from_ours(place: Place) -> list[Row]:
    """ArcFace's network of the others, fine-tuned."""
    start = {**COMMON["network"], "weights": str(place.home("arcface") / "run")}
    return fine_tuned(place, place.crops, "ArcFace's, of 30 people", start, FINE_TUNING)


def from_elsewhere(place: Place) -> list[Row]:
    """The network that was trained elsewhere, fine-tuned on coarse pictures; of sharp ones, what it knows."""
    start = {**KNOWING, "weights": str(place.weights)}
    coarse = fine_tuned(place, place.coarse, "trained elsewhere, coarse pictures", start, FINE_TUNING)
    return coarse + fine_tuned(place, place.sharp, "trained elsewhere, sharp pictures", start, {})


def fine_tuned(
    place: Place, crops: Path, what: str, start: dict[str, Any], ways: Mapping[str, list[str]]
) -> list[Row]:
    """A network before fine-tuning on some pictures of the ten, and after, in each way."""
    known, asked = shots(open_dataset(crops).split_people(UNSEEN, place.seed)[1], place.seed)
    home = place.home(what)
    home.mkdir(parents=True)
    write_folder(home / "known", known)
    recipe = few_shot(start, home / "known", [f"machine.seed={place.seed}"])
    assert known.contract is not None  # they are prepared crops
    found = {"before": measured(network_of(recipe, known.contract.size, start=True), recipe, asked, known)}
    for name, changes in ways.items():
        recipe = few_shot(start, home / "known", [*changes, f"machine.seed={place.seed}"])
        run = trainer.train(recipe, home / name, lambda _: None)
        found[name] = measured(trained(run), recipe, asked, known)
    return [Row("few pictures", what, when, place.seed, figures) for when, figures in found.items()]


def few_shot(start: Mapping[str, Any], train: Path, changes: Iterable[str]) -> Recipe:
    """The recipe `few-shot` from these weights."""
    said = [f"network.{key}={json.dumps(value)}" for key, value in start.items()]
    machine = [f"machine.{key}={json.dumps(value)}" for key, value in COMMON["machine"].items()]
    return read_recipe(find("few-shot"), [*said, *machine, f"data.train={json.dumps(str(train))}", *changes])


def trained(run: Run) -> nn.Module:
    """The network that a run ended with."""
    network = network_of(run.recipe(), run.about().contract.size, start=False)
    load_weights(network, weights_at(run.folder), form="mien")
    return network


def measured(network: nn.Module, recipe: Recipe, unseen: Dataset, known: Dataset | None = None) -> Figures:
    crops, vectors = read(network, recipe, unseen)
    checks = Checks(crops, unseen.labels, unseen.people, tuple(unseen.names), None, unseen)
    found = verification(checks.trial(vectors), "pair", (FMR,))
    tar, eer = found.points[0].tar, found.eer
    if known is None:
        return Figures(tar, eer)
    scores = scorer(unit(read(network, recipe, known)[1]), known.labels, len(known.people))(unit(vectors))
    return Figures(tar, eer, float((scores.argmax(1) == unseen.labels).mean()))


def read(network: nn.Module, recipe: Recipe, dataset: Dataset) -> tuple[Any, Floats]:
    """The pictures, and their vectors as the bundle would have them."""
    crops = np.stack([decode(dataset, row) for row in range(len(dataset))])
    normal = Normal(recipe.network.mean, recipe.network.scale)
    mirrored = np.ascontiguousarray(crops[:, :, ::-1])
    return crops, embedded(network, normal, crops) + embedded(network, normal, mirrored)


def unit(vectors: Floats) -> Floats:
    found: Floats = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return found


def table(rows: list[Row]) -> str:
    """Markdown: the mean over the seeds, then each seed's figure with its interval."""
    lines = [f"| | | TAR@FMR {FMR:g} | EER | rank 1 |", "|---|---|---|---|---|"]
    for what, when in dict.fromkeys((row.what, row.when) for row in rows):
        group = [row.figures for row in rows if (row.what, row.when) == (what, when)]
        rank1 = [figures.rank1 for figures in group if figures.rank1 is not None]
        cells = [over_seeds([each.tar for each in group]), over_seeds([each.eer for each in group])]
        cells.append(f"{mean(rank1):.2f} ({', '.join(f'{each:.2f}' for each in rank1)})" if rank1 else "")
        lines.append(f"| {what} | {when} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def over_seeds(figures: list[Figure]) -> str:
    known = [each.value for each in figures if each.value is not None]
    return f"**{mean(known):.2f}** {', '.join(map(text, figures))}" if known else figures[0].why


def text(figure: Figure) -> str:
    if figure.value is None or figure.low is None or figure.high is None:
        return "–"
    return f"{figure.value:.2f} [{figure.low:.2f}, {figure.high:.2f}]"


if __name__ == "__main__":
    main()
