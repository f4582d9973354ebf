"""Pictures of people, in whatever form they come: the shelf of forms, and the door to them.

A form is found by what lies at the path, in the order of `FORMS`; the forms of one published set's parts
(`celeba-train`, `lfw-test`) are chosen by name alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from mien.errors import InputError
from mien.training.datasets import celeba, shards
from mien.training.datasets.celeba import read_celeba
from mien.training.datasets.contract import CropContract, read_contract, settled
from mien.training.datasets.dataset import Dataset
from mien.training.datasets.folders import read_folders, read_pictures
from mien.training.datasets.lfw import listed
from mien.training.datasets.records import find_records, read_records
from mien.training.datasets.shards import read_shards


@dataclass(frozen=True, slots=True)
class Form:
    """How a form of data is read, and how it is known by what lies at a path (None: by name alone)."""

    read: Callable[[Path], Dataset]
    lies_at: Callable[[Path], bool] | None = None


FORMS: Mapping[str, Form] = MappingProxyType(
    {
        "records": Form(read_records, lambda place: find_records(place) is not None),
        "shards": Form(read_shards, shards.lie_at),
        "celeba": Form(read_celeba, celeba.lies_at),
        **{f"celeba-{part}": Form(celeba.part_reader(part)) for part in celeba.PARTS},
        "lfw-train": Form(listed("peopleDevTrain.txt")),
        "lfw-test": Form(listed("peopleDevTest.txt")),
        "folders": Form(read_folders, Path.is_dir),
        "pictures": Form(read_pictures),
    }
)


def open_dataset(
    path: str | os.PathLike[str], *, form: str | None = None, contract: CropContract | None = None
) -> Dataset:
    """The data at a path.

    form: a key of `FORMS`, None for the first one that fits. contract: what the crops keep to, where the data
    carry no `prepared.json`. InputError where the form is unknown, nothing is there, the data are damaged, or
    they name another contract than the given one.
    """
    place = Path(path)
    if form is not None and form not in FORMS:
        raise InputError(f"the form {form!r} is unknown; known: {', '.join(FORMS)}")
    dataset = FORMS[form or _form_at(place)].read(place)
    found = read_contract(place if place.is_dir() else place.parent)
    return replace(dataset, contract=settled(str(place), found, contract))


def _form_at(place: Path) -> str:
    for name, form in FORMS.items():
        if form.lies_at is not None and form.lies_at(place):
            return name
    raise InputError(f"{place}: no data there in a form that is known ({', '.join(FORMS)})")
