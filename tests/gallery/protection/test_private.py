"""Files that only their owner may read, made by exactly one of those who make them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mien.errors import KeyingError
from mien.gallery.protection.private import read_private, write_private


def test_of_many_who_make_a_file_at_once_one_does_and_all_read_it(tmp_path: Path) -> None:
    file = tmp_path / "a.key"
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda number: write_private(file, f"{number}\n".encode()), range(32)))
    assert sum(made) == 1
    assert read_private(file) == str(made.index(True))
    assert list(tmp_path.iterdir()) == [file]


def test_what_is_no_plain_file_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(KeyingError, match="not a plain file"):
        read_private(tmp_path)
    assert not write_private(tmp_path, b"x")


def test_a_link_that_leads_nowhere_is_not_written_through(tmp_path: Path) -> None:
    link = tmp_path / "a.key"
    link.symlink_to(tmp_path / "elsewhere")
    assert not write_private(link, b"x")
    assert not (tmp_path / "elsewhere").exists()


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "a.key"
    write_private(file, bytes(5000))
    with pytest.raises(KeyingError, match="larger than"):
        read_private(file)
