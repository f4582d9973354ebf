"""Vectors to a file and back, and what is no such file."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from damaged import DAMAGES

from mien.errors import InputError
from mien.values import Embeddings, Faces, Quality, Reading
from mien.vectors import VectorFile, read_arrays


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
    with pytest.raises(InputError, match=r"y\.npz: format 2, 1 wanted: a newer mien wrote this file"):
        VectorFile.load(tmp_path / "y.npz")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        VectorFile.of([reading("ann.jpg", 1, 1)]).save(tmp_path / "none" / "x.npz")


def saved(tmp_path: Path) -> bytes:
    VectorFile.of([reading("ann.jpg", 2, 1), reading("北京.jpg", 1, 3)]).save(tmp_path / "whole.npz")
    return (tmp_path / "whole.npz").read_bytes()


def rezipped(whole: bytes, changed: dict[str, bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    """The same entries, some with other bytes, with check sums that are right again."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(stream, "w", how) as new:
        for name in old.namelist():
            new.writestr(name, changed.get(name, old.read(name)))
    return stream.getvalue()


def refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(InputError, match=f"x.npz: .*{complaint}"):
        VectorFile.load(tmp_path / "x.npz")


def header(shape: str, kind: str = "<f4") -> bytes:
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


@pytest.mark.parametrize("shape", ["(3, 1000000000000000)", "(3, 9223372036854775807, 9)", "(-3, 8)", "3"])
def test_a_header_that_lies_about_its_shape_is_refused(tmp_path: Path, shape: str) -> None:
    refused(tmp_path, rezipped(saved(tmp_path), {"vectors.npy": header(shape)}), "not a file that `mien embed`")


def test_an_entry_that_is_no_array_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, rezipped(saved(tmp_path), {"bundle.npy": b"text"}), "not a file that `mien embed`")


def test_encrypted_and_oddly_compressed_entries_are_refused(tmp_path: Path) -> None:
    whole = saved(tmp_path)
    for offset, value in ((8, 1), (10, 99)):  # in every entry of the directory: flags, kind of compression
        content = bytearray(whole)
        at = content.find(b"PK\x01\x02")
        while at >= 0:
            content[at + offset] = value
            at = content.find(b"PK\x01\x02", at + 1)
        refused(tmp_path, bytes(content), "not a file that `mien embed`")


def test_what_expands_beyond_measure_is_refused_before_it_does(tmp_path: Path) -> None:
    whole = saved(tmp_path)
    large = header("(1, 5000000)") + bytes(20_000_000)
    bomb = rezipped(whole, {"vectors.npy": large}, zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    refused(tmp_path, bomb, "expands to 2[0-9]+ bytes")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


def test_a_compressed_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(rezipped(saved(tmp_path), {}, zipfile.ZIP_DEFLATED))
    assert VectorFile.load(tmp_path / "x.npz").names == ("ann.jpg", "ann.jpg", "北京.jpg")


def test_three_hundred_damaged_files_are_refused_or_whole(tmp_path: Path) -> None:
    random = np.random.default_rng(20)
    whole = saved(tmp_path)
    with zipfile.ZipFile(io.BytesIO(whole)) as file:
        entries = {name: file.read(name) for name in file.namelist()}
    names = list(entries)
    read = 0
    for number in range(300):
        way = DAMAGES[number % len(DAMAGES)]
        name = names[number % len(names)]
        inside = number % 3 > 0  # behind a check sum that is right
        broken = way(entries[name] if inside else whole, whole, random)
        (tmp_path / "x.npz").write_bytes(rezipped(whole, {name: broken}) if inside else broken)
        try:
            found = VectorFile.load(tmp_path / "x.npz")
        except InputError:
            continue
        assert len(found.names) == len(found.sha256) == len(found.boxes) == len(found.embeddings)
        assert np.isfinite(found.quality).all()
        read += 1
    assert 0 < read < 150


def test_anyones_arrays_are_read_by_name(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", vectors=np.eye(2), names=np.array(["a", "b"]), more=np.ones(3))
    arrays = read_arrays(tmp_path / "x.npz", ("vectors",), ("names", "boxes"))
    assert sorted(arrays) == ["names", "vectors"]
    np.testing.assert_array_equal(arrays["vectors"], np.eye(2))


def test_arrays_that_are_missing_pickled_or_too_large_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", words=np.array([{"a": 1}], dtype=object))
    for name in ("vectors", "words"):
        with pytest.raises(InputError, match=f"x.npz: not an .npz with the arrays {name} "):
            read_arrays(tmp_path / "x.npz", (name,))
    np.savez_compressed(tmp_path / "x.npz", vectors=np.zeros(5_000_000))
    with pytest.raises(InputError, match=r"x\.npz: expands to 4[0-9]+ bytes"):
        read_arrays(tmp_path / "x.npz", ("vectors",))
    with pytest.raises(InputError, match=r"none\.npz: not an .npz .*No such file"):
        read_arrays(tmp_path / "none.npz", ("vectors",))
