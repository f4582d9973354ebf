"""A data set → tar shards that webdataset reads in a stream, and mien at any place."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from mien.errors import ImageError, InputError
from mien.images.headers import kind
from mien.training.datasets.contract import write_contract
from mien.training.datasets.dataset import Dataset
from mien.training.datasets.listing import PEOPLE, write_people
from mien.training.datasets.whole import folder_whole

PER_SHARD = 10_000
# How a picture's file is called by its first bytes; under any other name, other readers would refuse it.
ENDINGS: Mapping[str, str] = MappingProxyType(
    {
        "JPEG": ".jpg",
        "PNG": ".png",
        "WebP": ".webp",
        "TIFF": ".tif",
        "GIF": ".gif",
        "BMP": ".bmp",
        "PNM": ".pnm",
        "JPEG 2000": ".jp2",
        "HEIC": ".heic",
    }
)


def write_shards(folder: str | os.PathLike[str], dataset: Dataset, *, per_shard: int = PER_SHARD) -> None:
    """Write 000000.tar, …, `people.json` and, with a contract, `prepared.json` into a new folder.

    Pictures are copied as they are, in the data set's order; for readers that go through shards from end to
    end, mix them first (`subset` of a permutation). InputError where a picture cannot be read or is none, or
    the folder is taken or cannot be written; then nothing is left.
    """
    if per_shard < 1:
        raise InputError(f"{per_shard} pictures a shard; at least one is wanted")
    with folder_whole(Path(folder)) as scratch:
        for number, start in enumerate(range(0, len(dataset), per_shard)):
            rows = range(start, min(start + per_shard, len(dataset)))
            _write_shard(scratch / f"{number:06d}.tar", dataset, rows)
        write_people(scratch / PEOPLE, dataset.people)
        if dataset.contract is not None:
            write_contract(scratch, dataset.contract)


def _write_shard(file: Path, dataset: Dataset, rows: range) -> None:
    with tarfile.open(file, "w", format=tarfile.USTAR_FORMAT) as tar:
        for row in rows:
            data = dataset.encoded(row)
            _add(tar, f"{row:09d}{ending_of(dataset, row, data)}", data)
            _add(tar, f"{row:09d}.cls", b"%d" % dataset.labels[row])


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def ending_of(dataset: Dataset, row: int, data: bytes) -> str:
    """The ending of a picture file's name, by its first bytes. ImageError names the picture that is none."""
    try:
        return ENDINGS[kind(data)]
    except ImageError as error:
        raise ImageError(f"{dataset.name}: {dataset.names[row]}: {error}") from error
