"""Faces of a folder are grouped and set beside those most like them."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest

from mien.bundle.calibration import Calibration, Threshold
from mien.demo.album import Face, grouped, nearest, read_album
from mien.demo.album_page import build
from mien.images import save
from mien.recognition.recognizer import Recognizer
from mien.values import Embeddings, Faces, Pixels, Quality, Reading

RATES = ((1e-1, 0.5), (1e-2, 0.6), (1e-3, 0.8), (1e-4, 0.9))


def calibration(bundle: str = "a" * 64, aligner: str = "b" * 64) -> Calibration:
    rows = tuple(Threshold(fmr=fmr, similarity=s, low=s - 0.01, high=s + 0.01) for fmr, s in RATES)
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


def test_groups_are_chains_of_good_faces() -> None:
    # cos 30° = 0.87 is same, cos 60° = 0.5 is not, and the middle face joins both ends.
    faces = [face("far", 180), face("a", 0), face("b", 30), face("c", 60), face("x", 270), face("y", 275)]
    assert grouped(faces, calibration()) == [[1, 2, 3], [4, 5]]


def test_a_poor_face_joins_no_group() -> None:
    faces = [face("a", 0), face("b", 30, "blurred"), face("c", 60)]
    assert grouped(faces, calibration()) == []
    assert grouped([], calibration()) == []


def test_large_groups_need_no_more_than_a_moment_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.demo.album.ROWS", 2)
    faces = [face(str(i), 10 * i) for i in range(12)]
    assert grouped(faces, calibration()) == [list(range(12))]
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
    assert ("Uncalibrated: " in document) is not calibrated
    assert "torn.png" in document
    # Everything pointed to is there: the pictures by `use`, the rows by links.
    assert all(f'id="p{i}"' in document and f'id="f{i}"' in document for i in range(3))


def test_a_folder_without_faces_still_makes_a_page(recognizer: Recognizer, tmp_path: Path) -> None:
    save(tmp_path / "wall.png", np.full((99, 99, 3), 128, np.uint8))
    album = read_album(recognizer, tmp_path, [tmp_path / "wall.png"])
    document = build(recognizer, tmp_path, album)
    assert "No face found" in document
    assert "<h2>Every face</h2>" not in document
