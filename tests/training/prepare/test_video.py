from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from people import make_people

from mien.errors import InputError
from mien.images import load
from mien.recognition.recognizer import Recognizer
from mien.training.prepare import video
from mien.training.prepare.video import ASKED, collect, frames, side_of
from mien.values import Pixels


def write_video(file: Path, pictures: list[Pixels], rate: float = 5.0) -> Path:
    height, width = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter_fourcc(*"MJPG"), rate, (width, height))
    assert writer.isOpened()
    for picture in pictures:
        writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    writer.release()
    return file


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The astronaut four times still, then mirrored and lit otherwise; nobody; somebody else; two people."""
    still, *moved = make_people(1, 5)["astronaut"]
    other = make_people(2, 1)["person-001"][0]
    mirrored = [np.ascontiguousarray(each[:, ::-1]) for each in moved[:2]]
    pictures = [still] * 4 + mirrored + moved[2:] + [np.full_like(still, 90)] * 2 + [other] * 2
    wide = [np.hstack([each, np.full_like(each, 90)]) for each in pictures]
    return write_video(tmp_path_factory.mktemp("film") / "film.avi", [*wide, np.hstack([still, other])])


def test_angles_are_the_persons_own_sides() -> None:
    found = {
        angles: side_of(*angles)
        for angles in ((0, 0), (14, -11), (30, 5), (-30, 5), (10, 25), (10, -25), (40, 25))
    }
    assert found == {
        (0, 0): "frontal",
        (14, -11): "frontal",
        (30, 5): "left",
        (-30, 5): "right",
        (10, 25): "up",
        (10, -25): "down",
        (40, 25): "left",
    }


def test_different_moments_of_one_person_are_collected(
    film: Path, tmp_path: Path, recognizer: Recognizer
) -> None:
    said: list[str] = []
    found = collect(str(film), "Ann", tmp_path, recognizer, each=10, say=said.append)
    written = [file for files in found.written.values() for file in files]
    assert found.frames == 13
    assert 2 <= len(written) < 8  # the still ones are one moment, mirrored ones another
    assert found.left_out["nearly the same as one taken"] >= 3
    assert found.left_out["no face"] == 2
    assert found.left_out["several faces, the largest taken"] == 1
    assert sum(found.missing.values()) == 50 - len(written)
    assert said == [ASKED["frontal"]]
    assert {file.parent for file in written} == {tmp_path / "Ann"}
    for file in written:
        reading = recognizer.read(load(file).pixels)
        assert len(reading) == 1  # what is cut out still shows the face


def test_it_ends_when_every_side_is_full(
    film: Path, tmp_path: Path, recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video, "ASKED", {"frontal": ASKED["frontal"]})
    monkeypatch.setattr(video, "side_of", lambda yaw, pitch: "frontal")
    said: list[str] = []
    found = collect(str(film), "Ann", tmp_path, recognizer, each=2, say=said.append)
    assert found.missing == {}
    assert found.frames < 13
    assert said == [ASKED["frontal"], "thank you, that is all"]
    again = collect(str(film), "Ann", tmp_path, recognizer, each=1)
    assert again.written["frontal"][0].name == "frontal-003.jpg"  # nothing is written over


def test_somebody_else_is_not_collected(film: Path, tmp_path: Path, recognizer: Recognizer) -> None:
    found = collect(str(film), "Ann", tmp_path, recognizer, each=10)
    # The other person's frames are blurred stamps: left out for that, or as somebody else.
    away = found.left_out.get("somebody else", 0) + found.left_out.get("poor: blurred", 0)
    assert away >= 2


def test_few_frames_a_second_are_looked_at(tmp_path: Path) -> None:
    film = write_video(tmp_path / "fast.avi", [np.full((64, 64, 3), 8 * i, np.uint8) for i in range(30)], 30.0)
    shown = [int(frame.mean()) for frame in frames(str(film))]
    assert len(shown) == 5
    assert shown == pytest.approx([0, 48, 96, 144, 192], abs=4)


def test_colours_are_rgb(tmp_path: Path) -> None:
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 200
    (frame,) = frames(str(write_video(tmp_path / "red.avi", [red])))
    assert frame[..., 0].mean() > 150
    assert frame[..., 2].mean() < 50


def test_what_is_no_video_is_said(tmp_path: Path, recognizer: Recognizer) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        collect(str(tmp_path / "none.mp4"), "Ann", tmp_path, recognizer)
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(InputError, match="no frame can be read"):
        collect(str(tmp_path / "text.mp4"), "Ann", tmp_path, recognizer)
    for name in ("", "a/b", ".."):
        with pytest.raises(InputError, match="a name is wanted"):
            collect("0", name, tmp_path, recognizer)


def test_a_real_video(shared_data: Path, tmp_path: Path, recognizer: Recognizer) -> None:
    found = collect(str(shared_data / "video" / "short_hamilton_clip.mp4"), "somebody", tmp_path, recognizer)
    assert 1 <= sum(map(len, found.written.values())) <= 25
    assert found.missing
    assert found.left_out["several faces, the largest taken"] > 0
