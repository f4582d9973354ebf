from __future__ import annotations

from pathlib import Path

import pytest

from mien.errors import InputError
from mien.training.datasets.whole import folder_whole


def test_a_folder_stands_whole_or_not_at_all(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r"cannot be written .Is a directory"),
        folder_whole(tmp_path / "a") as scratch,
    ):
        scratch.write_text("a folder is no file")
    assert not list(tmp_path.iterdir())
    (tmp_path / "a").mkdir()  # an empty folder may be filled
    with folder_whole(tmp_path / "a") as scratch:
        (scratch / "x").write_text("1")
        assert not (tmp_path / "a" / "x").exists()
    assert [each.name for each in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a" / "x").read_text() == "1"


def test_what_stands_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full" / "x").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "full", "link"):
        with pytest.raises(InputError, match="something is there already"), folder_whole(tmp_path / name):
            pass
    with pytest.raises(InputError, match="cannot be written"), folder_whole(tmp_path / "no" / "such"):
        pass
