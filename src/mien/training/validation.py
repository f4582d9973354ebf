"""How good a network is while it learns, by the evaluation wing's own protocols."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.errors import InputError
from mien.evaluation.accuracy import accuracy
from mien.evaluation.curves import equal_error
from mien.evaluation.metrics import Trial, unsupported
from mien.evaluation.protocols.bins import read_bin
from mien.evaluation.protocols.pairs import PairList, read_lfw
from mien.evaluation.samples import Samples
from mien.evaluation.study import Weighting
from mien.evaluation.trials import all_pairs, listed_pairs
from mien.images import load
from mien.training.datasets import open_dataset
from mien.training.datasets.contract import CropContract, named_contract
from mien.training.datasets.dataset import Dataset, decode
from mien.training.recipe import Data, Validation
from mien.training.run import Measurement
from mien.values import Floats, Pixels

Embed = Callable[[Pixels], Floats]


@dataclass(frozen=True, slots=True, eq=False)
class Checks:
    """Crops (n,h,w,3) uint8 RGB to measure a network on, whose they are, and the pairs of a list, where there
    is one.

    dataset: what they are of; None where nobody says whom they show.
    """

    crops: Pixels
    subjects: np.ndarray[tuple[int], np.dtype[np.int32]]
    people: tuple[str, ...]
    names: tuple[str, ...]
    pairs: PairList | None = None
    dataset: Dataset | None = None

    def trial(self, vectors: Floats) -> Trial:
        """The comparisons of these vectors (n,d), of any length above 0."""
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        good = (np.isfinite(lengths) & (lengths > 0))[:, 0]
        unit = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=good[:, None])
        samples = Samples(
            names=self.names,
            subjects=self.subjects,
            people=self.people,
            vectors=unit,
            enrolled=good,
            known=self.dataset is not None,
        )
        return listed_pairs(samples, self.pairs) if self.pairs is not None else all_pairs(samples)

    def measured(self, embed: Embed, settings: Validation, step: int, epoch: float) -> Measurement:
        """The figures of a network as it is after so many steps."""
        trial = self.trial(embed(self.crops))
        weighting = self.weighting(trial, settings.fmr)
        impostor, genuine = trial.curve(weighting)
        stated = not unsupported(settings.fmr, trial.impostor, weighting)
        threshold = impostor.threshold(settings.fmr) if stated else None
        folds = accuracy(trial.samples, self.pairs) if self.pairs is not None else None
        return Measurement(
            step=step,
            epoch=round(epoch, 4),
            eer=equal_error(impostor, genuine)[0],
            tar=None if threshold is None else float(genuine.rate(threshold)),
            fmr=settings.fmr,
            weighting=weighting,
            threshold=threshold,
            accuracy=folds.mean if folds is not None else None,
        )

    def weighting(self, trial: Trial, fmr: float) -> Weighting:
        """Averaged per person, unless people are too few for the rate or nobody knows them."""
        known = trial.samples.known and not unsupported(fmr, trial.impostor, "person")
        return "person" if known else "pair"


def checks(data: Data, settings: Validation, held_out: Dataset | None, crops: CropContract) -> Checks | None:
    """What the recipe says to measure on; None where it names nothing. InputError where that cannot be."""
    place = Path(data.validation) if data.validation else None
    if place is not None and place.suffix == ".bin":
        return _of_bin(place, crops)
    contract = named_contract(data.crops) if data.crops else None
    dataset = open_dataset(place, contract=contract) if place is not None else held_out
    if dataset is None and data.pairs:
        raise InputError(f"data.pairs: {data.pairs} lists pictures of data.validation, which names none")
    if dataset is None:
        return None
    if len(dataset.people) < 2 or int(dataset.counts.max()) < 2:
        raise InputError(
            f"{dataset.name}: two people at least, one of them with two pictures, are wanted to measure on"
        )
    return _of_list(dataset, Path(data.pairs), crops) if data.pairs else _of_people(dataset, settings, crops)


def better(figure: str, one: Measurement, other: Measurement | None) -> bool:
    """Whether a measurement is better than another by a figure; by the EER where that cannot be stated."""
    if other is None:
        return True
    return _worth(figure, one) > _worth(figure, other)


def _worth(figure: str, measurement: Measurement) -> tuple[float, float]:
    value = getattr(measurement, figure)
    if figure == "eer" or value is None:
        return (-measurement.eer, 0.0)
    return (float(value), -measurement.eer)


def _of_people(dataset: Dataset, settings: Validation, crops: CropContract) -> Checks:
    """All pairs; of too many pictures, those of people drawn evenly until they fill the measure."""
    if len(dataset) > settings.pictures:
        order = np.random.default_rng(0).permutation(len(dataset.people))
        order = order[np.argsort(dataset.counts[order] < 2, kind="stable")]  # who has no pair comes last
        within = np.cumsum(dataset.counts[order]) <= settings.pictures
        within[:2] = True
        dataset = dataset.of_people(dataset.people[i] for i in order[within])
    return _checks(dataset, crops, None)


def _of_list(dataset: Dataset, file: Path, crops: CropContract) -> Checks:
    pairs = read_lfw(file)
    row = {Path(name).with_suffix("").as_posix(): i for i, name in enumerate(dataset.names)}
    wanted = [Path(picture).with_suffix("").as_posix() for picture in pairs.pictures]
    missing = [name for name in wanted if name not in row]
    if missing:
        raise InputError(f"{file}: {len(missing)} of its pictures are not in {dataset.name}: {missing[0]} …")
    return _checks(dataset.subset([row[name] for name in wanted]), crops, pairs)


def _of_bin(file: Path, crops: CropContract) -> Checks:
    found = read_bin(file)
    names = found.pairs.pictures
    images = _stacked((load(picture).pixels for picture in found.pictures), names, crops)
    return Checks(images, np.arange(len(images), dtype=np.int32), names, names, found.pairs)


def _checks(dataset: Dataset, crops: CropContract, pairs: PairList | None) -> Checks:
    if dataset.contract is not None and not crops.agrees_with(dataset.contract):
        raise InputError(f"{dataset.name}: {dataset.contract.described}, the network takes {crops.described}")
    images = _stacked((decode(dataset, row) for row in range(len(dataset))), dataset.names, crops)
    return Checks(images, dataset.labels, dataset.people, tuple(dataset.names), pairs, dataset)


def _stacked(pictures: Iterable[Pixels], names: Sequence[str], crops: CropContract) -> Pixels:
    """The pictures in one array. InputError names one that has another size than the network's crops."""
    found = np.empty((len(names), *crops.size, 3), np.uint8)
    for place, name, pixels in zip(found, names, pictures, strict=True):
        if pixels.shape[:2] != crops.size:
            have, want = ("×".join(map(str, size)) for size in (pixels.shape[:2], crops.size))
            raise InputError(f"{name}: {have}, the network takes crops of {want}")
        place[:] = pixels
    return found
