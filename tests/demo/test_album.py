"""Faces of a folder are grouped and set beside those most like them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.bundle.calibration import Calibration, Threshold
from mien.demo.album import Face, _joined, grouped, grouping_fmr, nearest, read_album
from mien.demo.album_page import build
from mien.errors import InputError
from mien.images import save
from mien.recognition.recognizer import Recognizer
from mien.values import Crops, Embeddings, Faces, Pixels, Quality, Reading

RATES = ((1e-1, 0.5), (1e-2, 0.6), (1e-3, 0.8), (1e-4, 0.9))


def calibration(bundle: str = "a" * 64, aligner: str = "b" * 64) -> Calibration:
    rows = tuple(
        Threshold(fmr=fmr, similarity=s, low=s - 0.01, high=s + 0.01, fmr_low=fmr, fmr_high=fmr)
        for fmr, s in RATES
    )
    return Calibration(
        bundle=bundle,
        aligner=aligner,
        thresholds=rows,
        tar=(1, 1, 1, 1),
        people=9,
        genuine_pairs=9,
        impostor_pairs=100_000,
        data="made up",
        date="2026-01-01",
        method="by hand",
    )


def face(name: str, degrees: float, *reasons: str) -> Face:
    """A face whose vector points in that direction: similarity is the cosine of the angle between two."""
    vector = [[np.cos(np.radians(degrees)), np.sin(np.radians(degrees))]]
    reading = Reading(
        name,
        "0" * 64,
        (9, 9),
        Faces(np.zeros((1, 4)), np.zeros((1, 5, 2)), np.ones(1)),
        Embeddings(np.array(vector), np.ones(1), "a" * 64, "b" * 64),
        Quality(np.ones(1), (reasons,), {}),
    )
    return Face(name, 1, 1, b"", reading)


def test_a_chain_of_neighbours_is_no_group() -> None:
    # Each is within 25° of the next (0.9, the strictest of the table, is 25.8°), the ends are far apart.
    faces = [face(str(i), 25 * i) for i in range(8)] + [face("x", 270), face("y", 275)]
    groups = grouped(faces, calibration())
    assert [8, 9] in groups
    assert max(map(len, groups)) == 2


def test_faces_alike_on_average_are_a_group_though_two_of_them_are_not() -> None:
    faces = [face("far", 180), face("a", 0), face("b", 10), face("c", 20), face("d", 28)]
    # cos 28° = 0.88 is less than 0.9, and the four of them are together: 0.97 on average.
    assert grouped(faces, calibration()) == [[1, 2, 3, 4]]


def test_the_more_faces_the_stricter() -> None:
    pair = [face("a", 0), face("b", 30)]  # 0.87: same at 1e-3 (0.8), not at 1e-4 (0.9)
    crowd = [face(str(i), 90 + 40 * i) for i in range(5)]
    assert grouping_fmr(pair, calibration()) == 1e-3
    assert grouped(pair, calibration()) == [[0, 1]]
    assert grouping_fmr([*pair, face("c", 90)], calibration()) == pytest.approx(1e-3 / 3)
    assert grouping_fmr(pair + crowd, calibration()) == 1e-4  # the table's end
    assert grouping_fmr([*pair, face("c", 90, "blurred")], calibration()) == 1e-3  # poor ones join no group
    assert grouped(pair + crowd, calibration()) == []


@settings(deadline=None)  # the first one waits for SciPy
@given(st.integers(0, 2**32), st.integers(1, 25), st.floats(0.3, 0.95))
def test_groups_are_those_of_average_linkage(seed: int, count: int, level: float) -> None:
    hierarchy = pytest.importorskip("scipy.cluster.hierarchy")
    vectors = np.random.default_rng(seed).normal([1, 0, 0, 0], 0.5, (count, 4))
    vectors[count // 2] = vectors[0]  # one picture twice
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    groups = sorted(sorted(group) for group in _joined(vectors, level) if group)
    wanted = [1] * count
    if count > 1:
        distances = np.maximum(1 - vectors @ vectors.T, 0)[np.triu_indices(count, 1)]
        wanted = hierarchy.fcluster(hierarchy.linkage(distances, "average"), 1 - level, "distance")
    assert groups == sorted([i for i in range(count) if wanted[i] == w] for w in set(wanted))


def test_many_pictures_of_one_scene_end_in_one_group() -> None:
    # Ties everywhere, and sums that differ in their last bits only.
    vectors = np.random.default_rng(1).normal(size=64)
    faces = np.tile(vectors / np.linalg.norm(vectors), (300, 1)).astype(np.float32)
    assert [sorted(group) for group in _joined(faces, 0.9) if group] == [list(range(300))]


def test_a_poor_face_joins_no_group() -> None:
    faces = [face("a", 0), face("b", 30, "blurred"), face("c", 60)]
    assert grouped(faces, calibration()) == []
    assert grouped(faces[1:2], calibration()) == grouped([], calibration()) == []


def test_a_few_rows_of_similarities_at_a_time_give_the_same_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.demo.album.ROWS", 2)
    faces = [face(str(i), 10 * i) for i in range(12)]
    assert [answers[0][0] for answers in nearest(faces, calibration())][:2] == [1, 0]


def test_the_nearest_come_first_and_never_the_face_itself() -> None:
    faces = [face("a", 0), face("b", 50), face("c", 20), face("d", 170), face("e", 35, "small")]
    answers = nearest(faces, calibration())[0]
    assert [number for number, _ in answers] == [2, 4, 1]
    assert [answer.verdict for _, answer in answers] == ["same", "review", "review"]
    assert answers[0][1].similarity == pytest.approx(np.cos(np.radians(20)))


def test_without_a_calibration_similarity_is_all_there_is() -> None:
    ((_, answer),) = nearest([face("a", 0), face("b", 10)], None)[0]
    assert answer.verdict == "uncalibrated"
    assert nearest([face("a", 0)], None) == [[]]
    assert nearest([], None) == []


@pytest.fixture
def album_files(tmp_path: Path, portrait: Pixels) -> list[Path]:
    for i, light in enumerate((1.0, 0.8, 0.6)):
        save(tmp_path / f"{i}.jpg", (portrait * light).astype(np.uint8))
    save(tmp_path / "wall.png", np.full((99, 99, 3), 128, np.uint8))
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return sorted(tmp_path.iterdir())


@pytest.mark.parametrize("calibrated", [True, False])
def test_an_album_from_files_to_page(recognizer: Recognizer, album_files: list[Path], calibrated: bool) -> None:
    road = copy.copy(recognizer)
    road.calibration = calibration(road.bundle.digest, road.aligner.digest) if calibrated else None
    album = read_album(road, album_files[0].parent, album_files)
    assert [each.name for each in album.faces] == ["0.jpg", "1.jpg", "2.jpg"]
    assert all(b"JFIF" in each.thumb[:16] and len(each.thumb) < 12_000 for each in album.faces)
    assert album.empty == ["wall.png"]
    assert [Path(failure.source).name for failure in album.failures] == ["torn.png"]
    assert album.groups == ([[0, 1, 2]] if calibrated else [])
    document = build(road, album_files[0].parent, album)
    assert ("Group 1 · 3 faces" in document) is calibrated
    assert ("at a false-match rate of 3.3e-4" in document) is calibrated  # three pairs share 1e-3
    assert ("Uncalibrated: " in document) is not calibrated
    assert "torn.png" in document
    # Everything pointed to is there: the pictures by `use`, the rows by links.
    assert all(f'id="p{i}"' in document and f'id="f{i}"' in document for i in range(3))


def test_faces_of_several_pictures_meet_in_one_run(
    recognizer: Recognizer, album_files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[int] = []

    def embed(crops: Sequence[Crops]) -> list[Reading]:
        runs.append(sum(map(len, crops)))
        return Recognizer.embed(recognizer, crops)

    road = copy.copy(recognizer)
    monkeypatch.setattr(road, "embed", embed)
    album = read_album(road, album_files[0].parent, album_files * 3)
    assert len(album.faces) == 9
    assert runs == [6, 3]  # of eight pictures, with or without a face, and of what is left
    alone = recognizer.read(album_files[1]).embeddings.vectors
    np.testing.assert_allclose(album.faces[4].reading.embeddings.vectors, alone, atol=1e-4)


def test_a_picture_that_spoils_a_run_fails_alone(
    recognizer: Recognizer, album_files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def embed(crops: Sequence[Crops]) -> list[Reading]:
        if any(each.source.endswith("1.jpg") for each in crops):
            raise InputError("made up")
        return Recognizer.embed(recognizer, crops)

    road = copy.copy(recognizer)
    monkeypatch.setattr(road, "embed", embed)
    album = read_album(road, album_files[0].parent, album_files)
    assert [each.name for each in album.faces] == ["0.jpg", "2.jpg"]
    assert [Path(failure.source).name for failure in album.failures] == ["1.jpg", "torn.png"]


def test_a_folder_without_faces_still_makes_a_page(recognizer: Recognizer, tmp_path: Path) -> None:
    save(tmp_path / "wall.png", np.full((99, 99, 3), 128, np.uint8))
    album = read_album(recognizer, tmp_path, [tmp_path / "wall.png"])
    document = build(recognizer, tmp_path, album)
    assert "No face found" in document
    assert "<h2>Every face</h2>" not in document
