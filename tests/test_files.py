"""Files read within bounds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mien.errors import InputError
from mien.files import read_bounded


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
