from __future__ import annotations

from pathlib import Path

import pytest
from made_datasets import made, write_people

from mien.errors import InputError
from mien.training.datasets import FORMS, open_dataset
from mien.training.datasets.contract import CONTRACTS, write_contract
from mien.training.datasets.folder_writer import write_folder
from mien.training.datasets.record_writer import write_records
from mien.training.datasets.shard_writer import write_shards


def test_a_form_is_found_by_what_is_there(tmp_path: Path) -> None:
    dataset = made(tmp_path / "set")
    (tmp_path / "records").mkdir()
    write_records(tmp_path / "records" / "train.rec", dataset)
    write_shards(tmp_path / "shards", dataset)
    write_folder(tmp_path / "folders", dataset)
    for place in ("records", "records/train.rec", "shards", "shards/000000.tar", "folders"):
        found = open_dataset(tmp_path / place)
        assert (found.people, len(found), found.contract) == (dataset.people, 9, None)


def test_the_tar_that_people_came_in_makes_no_shards(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "lfw.tar").write_bytes(b"")
    assert len(open_dataset(tmp_path)) == 9
    with pytest.raises(InputError, match="no pictures"):
        open_dataset(tmp_path, form="shards")


def test_a_form_nobody_knows_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="known: records, shards, celeba, celeba-train") as caught:
        open_dataset(tmp_path, form="tfrecord")
    assert all(form in str(caught.value) for form in FORMS)


def test_nothing_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no data there"):
        open_dataset(tmp_path / "nowhere")


def test_the_contract_is_the_datas_own_or_the_declared_one(tmp_path: Path) -> None:
    write_people(tmp_path)
    assert open_dataset(tmp_path, contract=CONTRACTS["facenet"]).contract == CONTRACTS["facenet"]
    write_contract(tmp_path, CONTRACTS["arcface"])
    assert open_dataset(tmp_path).contract == CONTRACTS["arcface"]
    with pytest.raises(InputError, match="160×160"):
        open_dataset(tmp_path, contract=CONTRACTS["facenet"])


def test_real_pictures_go_through_every_form(tmp_path: Path, shared_data: Path) -> None:
    dataset = open_dataset(shared_data / "faces" / "glint24").subset(range(0, 700, 50))
    (tmp_path / "records").mkdir()
    write_records(tmp_path / "records" / "train.rec", dataset)
    write_shards(tmp_path / "shards", dataset, per_shard=5)
    write_folder(tmp_path / "folders", dataset)
    for place in ("records", "shards", "folders"):
        found = open_dataset(tmp_path / place)
        assert [found.encoded(i) for i in range(len(found))] == [
            dataset.encoded(i) for i in range(len(dataset))
        ]
        assert found.labels.tolist() == dataset.labels.tolist()
