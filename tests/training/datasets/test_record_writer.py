from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from made_datasets import made, same_pictures

from mien.errors import InputError
from mien.training.datasets import open_dataset, record_writer
from mien.training.datasets.contract import CONTRACTS
from mien.training.datasets.record_writer import write_records
from mien.training.datasets.recordio import WORD, payload_of, unpack
from mien.training.datasets.records import read_idx


def test_what_is_written_is_read(tmp_path: Path) -> None:
    dataset = replace(made(tmp_path / "set"), contract=CONTRACTS["arcface"])
    (tmp_path / "set" / "Ann" / "1.png").write_bytes(WORD * 3 + dataset.encoded(1) + WORD)
    write_records(tmp_path / "train.rec", dataset.subset([8, 1, 0, 4, 3, 2, 5, 6, 7]))
    found = open_dataset(tmp_path / "train.rec")
    assert same_pictures(found, dataset)
    assert found.people == dataset.people
    assert found.contract == CONTRACTS["arcface"]
    assert (tmp_path / "property").read_text() == "3,112,112\n"


def test_it_keeps_insightfaces_convention(tmp_path: Path) -> None:
    write_records(tmp_path / "a.rec", made(tmp_path / "set"))
    data = (tmp_path / "a.rec").read_bytes()
    keys, places = read_idx(tmp_path / "a.idx")
    records = {int(key): unpack(payload_of(data[place:])) for key, place in zip(keys, places, strict=True)}
    assert records[0] == ((10.0, 13.0), b"")
    assert [records[key] for key in (10, 11, 12)] == [((1.0, 4.0), b""), ((4.0, 6.0), b""), ((6.0, 10.0), b"")]
    assert [records[key].labels for key in range(1, 10)] == [(0.0,)] * 3 + [(1.0,)] * 2 + [(2.0,)] * 4
    assert not (tmp_path / "property").exists()


def test_nothing_is_left_where_a_picture_cannot_be_read(tmp_path: Path) -> None:
    dataset = made(tmp_path / "set")
    (tmp_path / "set" / "Cy" / "2.png").unlink()
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match=r"Cy/2.png: cannot be read"):
        write_records(tmp_path / "out" / "train.rec", dataset)
    assert not list((tmp_path / "out").iterdir())


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    dataset = replace(made(tmp_path / "set"), contract=CONTRACTS["arcface"])
    write_records(tmp_path / "train.rec", dataset)
    with pytest.raises(InputError, match=r"train.rec: something is there already"):
        write_records(tmp_path / "train.rec", dataset)
    with pytest.raises(InputError, match="is of other crops"):
        write_records(tmp_path / "other.rec", replace(dataset, contract=None))
    with pytest.raises(InputError, match=r"ends in .rec"):
        write_records(tmp_path / "train.tar", dataset)


def test_more_than_float32_can_number_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_writer, "EXACT", 12)
    with pytest.raises(InputError, match="write shards instead"):
        write_records(tmp_path / "train.rec", made(tmp_path / "set"))
