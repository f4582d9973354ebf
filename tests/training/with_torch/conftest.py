"""One thread, for results that can be compared bit for bit, and what small trainings are made of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from made_training import Places, made_teacher, write_faces

from mien.training.datasets.contract import square


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def _data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    write_faces(root / "faces")
    write_faces(root / "others", 5, 5, first=100)
    return root


@pytest.fixture
def places(_data: Path, tmp_path: Path) -> Places:
    """Faces of eight people to train on, of five others to measure on."""
    return Places(_data / "faces", _data / "others", tmp_path)


@pytest.fixture(scope="session")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that never learnt anything: 12 numbers, crops of 24 pixels."""
    return made_teacher(tmp_path_factory.mktemp("teachers") / "teacher", square(24), 12)
