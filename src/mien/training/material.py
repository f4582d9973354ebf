"""What a recipe trains on and measures on, opened and looked over before the first step."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from mien.errors import ImageError, InputError
from mien.progress import progress
from mien.training.batches import Batches
from mien.training.datasets import open_dataset
from mien.training.datasets.contract import CONTRACTS, CropContract, named_contract
from mien.training.datasets.dataset import Dataset, decode
from mien.training.recipe import Recipe
from mien.training.validation import Checks, checks

MOST_LOOKED_AT = 50_000  # pictures; of more, so many evenly among them
READERS = 4
NAMED = 3  # pictures that a complaint names


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """train: the pictures and people learnt from. contract: of their crops; network: of the network's own.

    checks: what is measured on, None where the recipe names nothing.
    """

    train: Dataset
    contract: CropContract
    network: CropContract
    batches: Batches
    checks: Checks | None


def gather(recipe: Recipe) -> Material:
    """Open the recipe's data. InputError where anything in them would stop the training, before it begins."""
    data = recipe.data
    if not data.train:
        raise InputError("data.train: name the folder or file to train on (mien train RECIPE --data FOLDER)")
    declared = named_contract(data.crops) if data.crops else None
    dataset = _several(open_dataset(data.train, form=data.form or None, contract=declared), recipe)
    contract = dataset.contract
    if contract is None:
        raise InputError(
            f"{data.train}: nobody says how its crops were made. `mien prepare {data.train} OUT` makes crops; "
            f"if these are crops already, declare them: --set data.crops={' or '.join(CONTRACTS)}"
        )
    network = named_contract(recipe.network.crops) if recipe.network.crops else contract
    train, held_out = dataset, None
    if data.held_out and not data.validation:
        train, held_out = dataset.split_people(data.held_out, recipe.machine.seed)
    batches = Batches(train.labels, recipe.batch.size, recipe.batch.per_person, recipe.machine.seed)
    require_readable(train, contract)
    return Material(train, contract, network, batches, checks(data, recipe.validation, held_out, network))


def _several(dataset: Dataset, recipe: Recipe) -> Dataset:
    """The people with enough pictures. InputError where they are fewer than two and names are to be learnt."""
    least = recipe.data.least_pictures
    enough = dataset.counts >= least
    if not enough.any():
        raise InputError(f"{dataset.name}: nobody has {least} pictures: lower data.least_pictures")
    kept = dataset if enough.all() else dataset.subset(enough[dataset.labels])
    if len(kept.people) < 2 and not recipe.distil.teacher:
        raise InputError(
            f"{dataset.name}: one person only, {kept.people[0]!r}: telling people apart is learnt from two or "
            f"more, a folder each"
        )
    return kept


def require_readable(dataset: Dataset, contract: CropContract) -> None:
    """InputError that names pictures which cannot be decoded, or have another size than the crops' contract."""
    rows = np.unique(np.linspace(0, len(dataset) - 1, min(len(dataset), MOST_LOOKED_AT)).astype(np.int64))
    with ThreadPoolExecutor(READERS) as readers:
        looked = readers.map(lambda row: complaint(dataset, int(row), contract.size), rows, chunksize=64)
        bad = list(filter(None, progress(looked, len(rows), "looking over the pictures")))
    if bad:
        raise InputError(
            f"{dataset.name}: {len(bad)} of {len(rows)} pictures cannot be trained on: {_some(bad)}; "
            f"`mien prepare` leaves such pictures out"
        )


def complaint(dataset: Dataset, row: int, size: tuple[int, int]) -> str:
    """What is wrong with a picture; empty where nothing is."""
    try:
        pixels = decode(dataset, row)
    except (ImageError, InputError) as error:
        return str(error).removeprefix(f"{dataset.name}: ")
    if pixels.shape[:2] != size:
        have = f"{pixels.shape[0]}×{pixels.shape[1]}"
        return f"{dataset.names[row]}: {have}, crops of {size[0]}×{size[1]} are wanted"
    return ""


def _some(complaints: Iterable[str]) -> str:
    named = list(complaints)
    return "; ".join(named[:NAMED]) + (" …" if len(named) > NAMED else "")
