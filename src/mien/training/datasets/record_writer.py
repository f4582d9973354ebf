"""A data set → a record file in insightface's convention, with its .idx and what else belongs beside it.

Records 1 to n are the pictures, person by person; then comes one a person with the keys of the person's
pictures, first and behind the last; record 0 says which keys these are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mien.errors import InputError
from mien.files import open_whole, write_whole
from mien.training.datasets.contract import FILE, read_contract, write_contract
from mien.training.datasets.dataset import Dataset
from mien.training.datasets.listing import PEOPLE, write_people
from mien.training.datasets.recordio import EXACT, framed, pack
from mien.training.datasets.records import PROPERTY, TRAIN
from mien.training.datasets.whole import require_free


def write_records(path: str | os.PathLike[str], dataset: Dataset) -> None:
    """Write NAME.rec, NAME.idx and NAME.people.json; with a contract, `prepared.json` too, and beside
    train.rec insightface's `property`.

    The folder must be there, and none of the files; the .idx comes last, without which nothing can be opened.
    Pictures are copied as they are, not decoded. InputError where they cannot be read, the files cannot be
    written, another contract stands in the folder, or there are too many pictures for float32's whole numbers.
    """
    file = Path(path)
    _require_place(file, dataset)
    with ExitStack() as last_to_first:
        index = last_to_first.enter_context(open_whole(file.with_suffix(".idx")))
        records = last_to_first.enter_context(open_whole(file))
        for key, payload in _payloads(dataset):
            _write(records, index, key, payload)
        _write_beside(file, dataset)


def _require_place(file: Path, dataset: Dataset) -> None:
    if file.suffix != ".rec":
        raise InputError(f"{file}: a name that ends in .rec is wanted")
    for each in (file, file.with_suffix(".idx"), file.with_suffix(f".{PEOPLE}")):
        require_free(each)
    if len(dataset) + len(dataset.people) >= EXACT:
        raise InputError(
            f"{dataset.name}: {len(dataset)} pictures, and a record file numbers {EXACT - 1} things at most; "
            f"write shards instead"
        )
    if (file.parent / FILE).exists() and read_contract(file.parent) != dataset.contract:
        raise InputError(f"{file.parent}: its {FILE} is of other crops; choose another folder")


def _payloads(dataset: Dataset) -> Iterator[tuple[int, bytes]]:
    """Keys and payloads, in the order in which they are written."""
    rows = np.argsort(dataset.labels, kind="stable").tolist()
    for key, row in enumerate(rows, 1):
        yield key, pack(float(dataset.labels[row]), key, dataset.encoded(row))
    ends = 1 + np.cumsum(dataset.counts)
    first = len(rows) + 1
    for key, (count, end) in enumerate(zip(dataset.counts.tolist(), ends.tolist(), strict=True), first):
        yield key, pack((float(end - count), float(end)), key)
    yield 0, pack((float(first), float(first + len(ends))), 0)


def _write(records: BinaryIO, index: BinaryIO, key: int, payload: bytes) -> None:
    index.write(b"%d\t%d\n" % (key, records.tell()))
    records.write(framed(payload))


def _write_beside(file: Path, dataset: Dataset) -> None:
    write_people(file.with_suffix(f".{PEOPLE}"), dataset.people)
    if dataset.contract is None:
        return
    write_contract(file.parent, dataset.contract)
    if file.name == TRAIN:  # of this one alone does `property` speak
        height, width = dataset.contract.size
        write_whole(file.parent / PROPERTY, b"%d,%d,%d\n" % (len(dataset.people), height, width))
