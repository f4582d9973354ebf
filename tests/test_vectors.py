"""Vectors to a file and back, and what is no such file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mien.errors import InputError
from mien.values import Embeddings, Faces, Quality, Reading
from mien.vectors import VectorFile


def reading(name: str, n: int, seed: int, bundle: str = "b" * 64) -> Reading:
    draw = np.random.default_rng(seed)
    vectors = draw.normal(size=(n, 8))
    norms = np.linalg.norm(vectors, axis=1)
    corners = draw.uniform(0, 50, (n, 2))
    faces = Faces(
        np.concatenate([corners, corners + 20], axis=1), draw.uniform(0, 50, (n, 5, 2)), np.full(n, 0.9)
    )
    embeddings = Embeddings(vectors / norms[:, None], norms, bundle, "a" * 64)
    quality = Quality(np.full(n, 0.5), ((),) * n, {})
    return Reading(name, name * 2, (70, 60), faces, embeddings, quality)


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    readings = [reading("ann.jpg", 2, 1), reading("nobody.jpg", 0, 2), reading("北京.jpg", 1, 3)]
    VectorFile.of(readings).save(tmp_path / "x.npz")
    back = VectorFile.load(tmp_path / "x.npz")
    assert back.names == ("ann.jpg", "ann.jpg", "北京.jpg")
    assert back.sha256 == ("ann.jpgann.jpg", "ann.jpgann.jpg", "北京.jpg北京.jpg")
    assert back.embeddings.bundle == "b" * 64
    np.testing.assert_array_equal(back.embeddings.vectors[:2], readings[0].embeddings.vectors)
    np.testing.assert_array_equal(back.boxes[2], readings[2].faces.boxes[0])
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]


def test_any_program_with_numpy_reads_it(tmp_path: Path) -> None:
    VectorFile.of([reading("ann.jpg", 2, 1)]).save(tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz", allow_pickle=False) as file:
        assert file["vectors"].shape == (2, 8)
        assert str(file["aligner"]) == "a" * 64


def test_two_models_do_not_share_a_file() -> None:
    with pytest.raises(InputError, match="these vectors do not compare: bundle"):
        VectorFile.of([reading("a", 1, 1), reading("b", 1, 2, bundle="c" * 64)])


def test_no_readings_no_file() -> None:
    with pytest.raises(InputError, match="no vectors to write"):
        VectorFile.of([])


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut"])
def test_what_is_no_vector_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(InputError, match="not a file that `mien embed` wrote"):
        VectorFile.load(tmp_path / "x.npz")


def test_a_pickle_inside_is_never_opened(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", format=np.array(1), vectors=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match="not a file that `mien embed` wrote"):
        VectorFile.load(tmp_path / "x.npz")


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    VectorFile.of([reading("ann.jpg", 1, 1)]).save(tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as file:
        arrays = dict(file)
    np.savez(tmp_path / "y.npz", **{**arrays, "format": np.array(2)})
    with pytest.raises(InputError, match="a newer mien wrote this file"):
        VectorFile.load(tmp_path / "y.npz")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        VectorFile.of([reading("ann.jpg", 1, 1)]).save(tmp_path / "none" / "x.npz")
