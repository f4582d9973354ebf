from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from mien.errors import InputError
from mien.training.datasets.listing import INDEX, Listing, kept, named, write_people
from mien.training.datasets.words import Words


def listing(offset: int = 0) -> Listing:
    columns = (np.zeros(2, np.int32), np.array([offset, 3]), np.array([3, 2]), np.array([0, 1], np.int32))
    return Listing(*columns, Words.of(["a", "b"]), Words.of(["x", "yz"]))


class Finder:
    """Counts how often the list is made."""

    def __init__(self, offset: int = 0) -> None:
        self.calls, self.offset = 0, offset

    def __call__(self) -> Listing:
        self.calls += 1
        return listing(self.offset)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data.rec"
    path.write_bytes(b"12345")
    return path


def test_the_list_is_made_once_and_read_afterwards(file: Path) -> None:
    find, index = Finder(), file.parent / INDEX
    kept(index, [file], find)
    again = kept(index, [file], find)
    assert find.calls == 1
    assert again.slices([file]).encoded(1) == b"45"
    assert [*again.people, *again.names] == ["a", "b", "x", "yz"]
    assert again.labels.tolist() == [0, 1]


@pytest.mark.parametrize("change", ["size", "time", "name", "more"])
def test_a_file_that_changed_makes_it_anew(file: Path, change: str) -> None:
    find, index = Finder(), file.parent / INDEX
    kept(index, [file], find)
    files = [file]
    if change == "size":
        file.write_bytes(b"123456")
    elif change == "time":
        os.utime(file, ns=(1, 1))
    elif change == "name":
        files = [file.rename(file.with_name("other.rec"))]
    else:
        files.append(file.with_name("second.rec"))
        files[1].write_bytes(b"")
    kept(index, files, find)
    kept(index, files, find)
    assert find.calls == 2


def test_a_damaged_list_is_made_anew_and_never_believed(file: Path) -> None:
    find, index = Finder(), file.parent / INDEX
    kept(index, [file], find)
    good = index.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        bad = bytearray(good)
        for place in rng.integers(0, len(bad), 4):
            bad[place] = rng.integers(256)
        index.write_bytes(bytes(bad[: rng.integers(1, len(bad) + 1)]))
        found = kept(index, [file], find)
        assert [found.slices([file]).encoded(i) for i in (0, 1)]  # inside the file, whatever stood there
    assert find.calls > 40


def test_a_folder_that_may_not_be_written_to_will_do(file: Path) -> None:
    find, index = Finder(), file.parent / "no such folder" / INDEX
    assert list(kept(index, [file], find).people) == ["a", "b"]


def test_what_lies_outside_the_file_is_refused(file: Path) -> None:
    with pytest.raises(InputError, match="outside its file"):
        kept(file.parent / INDEX, [file], Finder(offset=4))
    with pytest.raises(InputError, match="not a plain file"):
        kept(file.parent / INDEX, [file.parent], Finder())
    with pytest.raises(InputError, match="nowhere: cannot be read"):
        kept(file.parent / INDEX, [file.parent / "nowhere"], Finder())


def test_classes_are_named_by_their_numbers(tmp_path: Path) -> None:
    file = tmp_path / "people.json"
    assert named(("0", "2"), file) == ("0", "2")
    write_people(file, ("Ann", "Bob", "Cý"))
    assert named(("0", "2"), file) == ("Ann", "Cý")
    with pytest.raises(InputError, match="3 names, and none for the class '3'"):
        named(("0", "3"), file)
    with pytest.raises(InputError, match="none for the class 'Zoe'"):
        named(("Zoe",), file)
    file.write_text('{"Ann": 1}')
    with pytest.raises(InputError, match="a list of names is wanted"):
        named(("0",), file)
