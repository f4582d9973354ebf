from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import webdataset
from made_datasets import made, same_pictures

from mien.errors import ImageError, InputError
from mien.training.datasets import open_dataset
from mien.training.datasets.contract import CONTRACTS
from mien.training.datasets.shard_writer import write_shards


def test_what_is_written_is_read(tmp_path: Path) -> None:
    dataset = replace(made(tmp_path / "set"), contract=CONTRACTS["facenet"])
    write_shards(tmp_path / "shards", dataset, per_shard=4)
    assert len(list((tmp_path / "shards").glob("*.tar"))) == 3
    found = open_dataset(tmp_path / "shards")
    assert same_pictures(found, dataset)
    assert found.people == dataset.people
    assert found.contract == CONTRACTS["facenet"]
    assert [found.encoded(i) for i in range(9)] == [dataset.encoded(i) for i in range(9)]


def test_webdataset_reads_them(tmp_path: Path) -> None:
    dataset = made(tmp_path / "set")
    write_shards(tmp_path / "shards", dataset)
    tars = webdataset.tariterators  # its WebDataset leaves the file open, about which Python warns
    with (tmp_path / "shards" / "000000.tar").open("rb") as stream:
        samples = list(tars.group_by_keys(tars.tar_file_expander([{"stream": stream, "url": "0"}])))
    assert [(sample["png"], int(sample["cls"])) for sample in samples] == [
        (dataset.encoded(i), dataset.labels[i]) for i in range(9)
    ]


def test_nothing_is_left_where_a_picture_is_none(tmp_path: Path) -> None:
    dataset = made(tmp_path / "set")
    (tmp_path / "set" / "Cy" / "2.png").write_bytes(b"<html>")
    with pytest.raises(ImageError, match=r"^set: Cy/2.png: not a picture"):
        write_shards(tmp_path / "shards", dataset, per_shard=2)
    assert [each.name for each in tmp_path.iterdir()] == ["set"]


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    dataset = made(tmp_path / "set")
    with pytest.raises(InputError, match="something is there already"):
        write_shards(tmp_path / "set", dataset)
    with pytest.raises(InputError, match="at least one is wanted"):
        write_shards(tmp_path / "shards", dataset, per_shard=0)
