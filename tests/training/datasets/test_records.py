"""The record files under fixtures/ were written by MXNet itself, see fixtures/make.py."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.errors import InputError
from mien.training.datasets.dataset import Dataset, decode
from mien.training.datasets.listing import INDEX
from mien.training.datasets.recordio import FIRST, LENGTH_BITS, WORD, framed, pack
from mien.training.datasets.records import read_idx, read_records

FIXTURES = Path(__file__).parent / "fixtures"
EXPECTED = json.loads((FIXTURES / "expected.json").read_text())


def write(folder: Path, records: Sequence[tuple[int, bytes]], name: str = "train") -> Path:
    """A record file of keys and payloads, in this order."""
    folder.mkdir(exist_ok=True)
    data, lines = b"", ""
    for key, payload in records:
        lines += f"{key}\t{len(data)}\n"
        data += framed(payload)
    (folder / f"{name}.rec").write_bytes(data)
    (folder / f"{name}.idx").write_text(lines)
    return folder / f"{name}.rec"


def copied(folder: Path, name: str) -> Path:
    for suffix in (".rec", ".idx"):
        shutil.copy(FIXTURES / f"{name}{suffix}", folder)
    return folder / f"{name}.rec"


def facts(dataset: Dataset) -> dict[str, list[object]]:
    """As fixtures/make.py has them: label, digest of the bytes, sum of the pixels."""
    return {
        name: [
            float(dataset.people[dataset.labels[i]]),
            hashlib.sha256(dataset.encoded(i)).hexdigest(),
            int(decode(dataset, i).sum(dtype=np.int64)),
        ]
        for i, name in enumerate(dataset.names)
    }


@pytest.mark.parametrize("name", ["faces", "plain"])
def test_mxnets_files_are_read_as_mxnet_reads_them(tmp_path: Path, name: str) -> None:
    file = copied(tmp_path, name)
    first, again = read_records(file), read_records(file)  # the second from the list kept beside it
    assert (tmp_path / f"{name}.{INDEX}").is_file()
    assert facts(first) == facts(again) == EXPECTED[name]


@pytest.mark.parametrize(("name", "cut"), [("faces", 2), ("plain", 1)])
def test_mxnet_cut_some_of_these_records_into_parts(name: str, cut: int) -> None:
    """Or the test above would not have held what it must."""
    words = np.frombuffer((FIXTURES / f"{name}.rec").read_bytes(), "<u4")
    kinds = words[1:][words[:-1] == np.frombuffer(WORD, "<u4")] >> LENGTH_BITS
    assert np.count_nonzero(kinds == FIRST) == cut


def test_labels_are_numbered_without_gaps_and_keep_their_names(tmp_path: Path) -> None:
    dataset = read_records(copied(tmp_path, "plain"))
    assert dataset.people == ("0", "3", "5")
    assert list(dataset.names) == ["0", "1", "2", "7"]
    assert dataset.labels.tolist() == [2, 2, 0, 1]


def test_a_folder_holds_one_record_file_or_train(tmp_path: Path) -> None:
    write(tmp_path, [(0, pack(1.0, 0, b"x"))], "valid")
    assert len(read_records(tmp_path)) == 1
    write(tmp_path, [(i, pack(0.0, i, b"x")) for i in range(2)])
    assert len(read_records(tmp_path)) == 2
    for file in tmp_path.glob("train.*"):
        file.rename(file.with_stem("other"))
    with pytest.raises(InputError, match="name it itself where there are several"):
        read_records(tmp_path)


def test_people_are_named_by_the_list_beside_it(tmp_path: Path) -> None:
    file = copied(tmp_path, "faces")
    (tmp_path / "faces.people.json").write_text('["Ann", "Bob", "Cy"]')
    assert read_records(file).people == ("Ann", "Bob", "Cy")


def test_property_must_not_say_fewer_classes(tmp_path: Path) -> None:
    file = write(tmp_path, [(i, pack(float(i), i, b"x")) for i in range(3)])
    (tmp_path / "property").write_text("3,112,112\n")
    assert len(read_records(file)) == 3
    (tmp_path / "property").write_text("2,112,112\n")
    with pytest.raises(InputError, match="says 2 classes, and there are labels up to 2"):
        read_records(file)
    (tmp_path / "property").write_text("two")
    with pytest.raises(InputError, match="classes,height,width"):
        read_records(file)


HEAD = pack((3.0, 4.0), 0)
ONE, TWO = pack(0.0, 1, b"one"), pack(0.0, 2, b"two")


@pytest.mark.parametrize(
    ("records", "complaint"),
    [
        ([(1, ONE), (0, HEAD)], r"1 pictures, and record 0 says 2; the .idx or the .rec is not whole"),
        ([(1, ONE), (2, TWO), (4, ONE), (0, HEAD)], "3 pictures, and record 0 says 2"),
        ([(1, ONE), (0, pack((float("nan"), 4.0), 0))], "record 0 says nan"),
        ([(1, ONE), (5, pack(0.0, 5))], "record 5: it holds no picture"),
        ([(1, pack(0.5, 1, b"x"))], r"record 1: the label 0.5 is no class"),
        ([(1, pack(-1.0, 1, b"x"))], "is no class"),
        ([(1, pack(float("inf"), 1, b"x"))], "the label inf is no class"),
        ([(1, pack(float("nan"), 1, b"x"))], "the label nan is no class"),
        ([(1, pack(2.0**25, 1, b"x"))], "is no class"),
        ([(1, ONE), (1, TWO)], "names a key twice"),
    ],
)
def test_what_is_not_whole_is_refused(
    tmp_path: Path, records: Sequence[tuple[int, bytes]], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        read_records(write(tmp_path, records))


def test_files_that_are_missing_are_named(tmp_path: Path) -> None:
    file = write(tmp_path, [(1, ONE)])
    (tmp_path / "train.idx").unlink()
    with pytest.raises(InputError, match=r"train.idx is wanted beside it"):
        read_records(file)
    with pytest.raises(InputError, match=r"one file NAME.rec is wanted"):
        read_records(tmp_path / "nothing")


@pytest.mark.parametrize(
    "lines", ["", "1\n", "1 2 3\n", "1\t0\n2\n", "a\t0\n", "1\t-4\n", "1.5\t0\n", f"1\t{10**20}\n", "\udc80"]
)
def test_an_idx_that_is_none_is_refused(tmp_path: Path, lines: str) -> None:
    file = tmp_path / "x.idx"
    file.write_bytes(lines.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=r"lines `key offset`"):
        read_idx(file)


@pytest.mark.parametrize("places", [[0, 0], [0, 4], [0, 10**9], [36, 20]])
def test_an_idx_that_leads_astray_is_refused(tmp_path: Path, places: list[int]) -> None:
    file = write(tmp_path, [(1, ONE), (2, TWO)])
    (tmp_path / "train.idx").write_text("".join(f"{key}\t{place}\n" for key, place in enumerate(places, 1)))
    with pytest.raises(InputError, match=r"where no records of it are|damaged, cut short or not where"):
        read_records(file)


def test_a_record_damaged_after_it_was_listed_is_named(tmp_path: Path) -> None:
    file = write(tmp_path, [(1, ONE), (2, TWO)])
    dataset = read_records(file)
    with file.open("r+b") as stream:
        stream.seek(0)
        stream.write(b"\0\0\0\0")
    assert dataset.encoded(1) == b"two"
    with pytest.raises(InputError, match=r"train.rec, record 1: no record begins"):
        dataset.encoded(0)


@pytest.mark.parametrize("name", ["faces", "plain"])
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_are_refused_or_read_and_nothing_else(
    tmp_path: Path, name: str, data: st.DataObject
) -> None:
    for suffix in (".rec", ".idx"):
        content = bytearray((FIXTURES / f"{name}{suffix}").read_bytes())
        for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=3)):
            content[place] = data.draw(st.sampled_from([0, 9, 10, 48, 57, 255]) | st.integers(0, 255))
        end = data.draw(st.just(len(content)) | st.integers(0, len(content)))
        (tmp_path / f"{name}{suffix}").write_bytes(bytes(content[:end]))
    (tmp_path / f"{name}.{INDEX}").unlink(missing_ok=True)
    size = (tmp_path / f"{name}.rec").stat().st_size
    try:
        dataset = read_records(tmp_path / f"{name}.rec")
    except InputError:
        return
    for i in range(len(dataset)):
        assert len(dataset.encoded(i)) < size
