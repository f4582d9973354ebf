"""Files read within bounds, and written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mien.errors import InputError
from mien.files import open_whole, read_bounded, write_whole


def test_a_file_up_to_the_limit_is_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"12345")
    assert read_bounded(tmp_path / "x", 5) == b"12345"
    with pytest.raises(InputError, match="x: larger than the 4 bytes that are read"):
        read_bounded(tmp_path / "x", 4)


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none: cannot be read .*No such file"):
        read_bounded(tmp_path / "none", 5)
    with pytest.raises(InputError, match="not a plain file"):
        read_bounded(tmp_path, 1 << 20)
    os.mkfifo(tmp_path / "pipe")  # reading it would wait for ever
    with pytest.raises(InputError, match="pipe: not a plain file"):
        read_bounded(tmp_path / "pipe", 5)


def test_what_is_no_plain_file_is_left_alone(tmp_path: Path) -> None:
    """A file moved onto a pipe, a device or a link would stand in its place for good."""
    pipe, link, real = (tmp_path / name for name in ("pipe", "link", "real"))
    os.mkfifo(pipe)
    real.write_bytes(b"kept")
    link.symlink_to(real)
    for place in (pipe, link):
        with pytest.raises(InputError, match="no plain file"):
            write_whole(place, b"new")
    assert pipe.is_fifo()
    assert link.is_symlink()
    assert real.read_bytes() == b"kept"


def test_who_may_read_is_settled_before_anybody_can(tmp_path: Path) -> None:
    write_whole(tmp_path / "secret", b"vectors", mode=0o600)
    write_whole(tmp_path / "page", b"words")
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("secret", "page")] == [0o600, 0o644]


def test_what_is_written_bit_by_bit_stands_whole_or_not_at_all(tmp_path: Path) -> None:
    def fail_half_way() -> None:
        with open_whole(tmp_path / "half") as stream:
            stream.write(b"first")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert list(tmp_path.iterdir()) == []
