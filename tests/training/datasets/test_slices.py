from __future__ import annotations

import multiprocessing
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from mien.errors import InputError
from mien.training.datasets.slices import MOST_OPEN, OpenFiles, Slices, require_inside
from mien.training.datasets.words import Words


def numbered(folder: Path, count: int) -> list[str]:
    paths = [folder / f"{i:03d}" for i in range(count)]
    for i, path in enumerate(paths):
        path.write_bytes(b"%03d-" % i * 10)
    return [str(path) for path in paths]


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def pieces(paths: list[str]) -> Slices:
    which = np.arange(len(paths), dtype=np.int32)
    rows = np.full(len(paths), 4, np.int64)
    return Slices(OpenFiles(paths), which, rows, rows - 1, Words.of(map(str, which.tolist())))


def test_pieces_are_read_by_threads_and_by_other_processes(tmp_path: Path) -> None:
    slices = pieces(numbered(tmp_path, 5))
    assert slices.encoded(3) == b"003"
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(slices.encoded, [0, 1, 2, 3, 4] * 20)) == [b"%03d" % i for i in range(5)] * 20
    assert pickle.loads(pickle.dumps(slices)).encoded(4) == b"004"
    with multiprocessing.get_context("spawn").Pool(1) as workers:
        assert workers.map(slices.encoded, [2, 1]) == [b"002", b"001"]


def test_few_files_are_held_open_and_all_are_closed(tmp_path: Path) -> None:
    before = descriptors()
    slices = pieces(numbered(tmp_path, MOST_OPEN + 40))
    assert [slices.encoded(i) for i in range(MOST_OPEN + 40)] == [b"%03d" % i for i in range(MOST_OPEN + 40)]
    assert slices.taken(np.array([101, 5])).encoded(0) == b"101"
    assert descriptors() <= before + MOST_OPEN
    del slices
    assert descriptors() <= before


def test_a_file_that_was_cut_or_went_away_is_named(tmp_path: Path) -> None:
    paths = numbered(tmp_path, 2)
    slices = pieces(paths)
    Path(paths[0]).write_bytes(b"000")
    with pytest.raises(InputError, match=r"000: ends within the 3 bytes at 4: it was cut short"):
        slices.encoded(0)
    Path(paths[1]).unlink()
    with pytest.raises(InputError, match=r"001: cannot be read"):
        slices.encoded(1)


BIG = (1 << 63) - 1


@pytest.mark.parametrize(
    ("which", "offset", "length"),
    [
        (0, 0, 11),
        (0, 10, 1),
        (1, 0, 1),
        (-1, 0, 1),
        (0, -1, 1),
        (0, 1, -1),
        (0, BIG, BIG),
        (0, 5, BIG),
        (0, BIG, 1),
    ],
)
def test_pieces_outside_their_files_are_refused(which: int, offset: int, length: int) -> None:
    columns = (np.array([which], np.int32), np.array([offset]), np.array([length]))
    with pytest.raises(InputError, match="pieces"):
        require_inside(*columns, np.array([10]))
    require_inside(np.zeros(2, np.int32), np.array([0, 10]), np.array([10, 0]), np.array([10]))


def test_columns_of_unlike_length_are_refused() -> None:
    with pytest.raises(InputError, match="as many"):
        require_inside(np.zeros(2, np.int32), np.zeros(1, np.int64), np.zeros(2, np.int64), np.array([10]))
