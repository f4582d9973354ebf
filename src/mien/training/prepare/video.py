"""A person's pictures out of a video or a camera: sharp, different, and from every side.

The only place that opens videos. Sides are the person's own: who turns to their left shows the camera their
right cheek, and their nose points to the picture's right.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from mien.bundle.search import gate_threshold
from mien.errors import InputError
from mien.files import write_whole
from mien.images import encode_jpeg
from mien.recognition.recognizer import Recognizer
from mien.training.prepare.evidence import centre, single
from mien.training.prepare.mislabels import DOUBT_FMR
from mien.training.prepare.prints import Prints, correlation, fingerprint
from mien.values import Floats, Pixels, Reading

# What the person is asked for while a side is still missing.
ASKED = {
    "frontal": "look straight into the camera",
    "left": "turn your head a little to your left",
    "right": "turn your head a little to your right",
    "up": "raise your chin a little",
    "down": "lower your chin a little",
}
TURNED, TILTED = 15.0, 12.0  # degrees of yaw and pitch from which a face is no longer frontal
SAME = 0.8  # correlation of two crops from which they are one moment; of different photographs 0.78 is rare
A_SECOND = 5.0  # frames of a file that are looked at; a camera's are taken as they come
MARGIN = 0.6  # of the face's box, on every side of what is written
QUALITY = 95
MOST_TEMPLATES = 16  # last faces that say who is being collected


@dataclass(frozen=True, slots=True)
class Collected:
    """What a video gave. written: the files, by side. frames: looked at; left out: how many, by why."""

    written: dict[str, tuple[Path, ...]]
    frames: int
    left_out: dict[str, int]
    each: int

    @property
    def missing(self) -> dict[str, int]:
        """How many pictures are still wanted, by side."""
        return {side: self.each - len(files) for side, files in self.written.items() if len(files) < self.each}


def collect(
    video: str,
    person: str,
    out: Path,
    recognizer: Recognizer,
    *,
    each: int = 5,
    say: Callable[[str], None] = lambda words: None,
) -> Collected:
    """Write up to `each` pictures a side into out/person, which `prepare` takes; one face a frame, the largest.

    video: a file, or a camera's number. say: is told what the person should do, whenever that changes. It ends
    when every side is full, or with the video. InputError where it cannot be opened or the folder not be made.
    """
    if not person.strip() or "/" in person or "\\" in person or person.startswith("."):
        raise InputError(f"--person {person!r}: a name is wanted, without slashes and a leading dot")
    folder = out / person
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: the folder cannot be made ({error.strerror or error})") from error
    collection = _Collection(folder, recognizer, each, say)
    with closing(frames(video)) as shown:
        for pixels in shown:
            collection.look(pixels)
            if collection.full:
                break
    return collection.collected()


def frames(video: str) -> Generator[Pixels, None, None]:
    """The frames (h,w,3) RGB of a file, some a second, or of a camera. InputError where there are none."""
    camera = video.isdecimal() and not Path(video).exists()
    if not camera and not Path(video).is_file():
        raise InputError(f"{video}: there is no such file; name a video, or a camera by its number")
    capture = cv2.VideoCapture(int(video)) if camera else cv2.VideoCapture(video)
    try:
        rate = capture.get(cv2.CAP_PROP_FPS) if capture.isOpened() else 0.0
        step = 1 if camera or not np.isfinite(rate) else max(round(rate / A_SECOND), 1)
        number = 0
        while capture.grab():
            if number % step == 0:
                there, frame = capture.retrieve()
                if there:
                    yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
            number += 1
        if not number:
            raise InputError(f"{video}: no frame can be read; is it a video, or a camera that is free?")
    finally:
        capture.release()


def side_of(yaw: float, pitch: float) -> str:
    """Which side a face shows, by its angles in degrees as `recognition.quality` has them: a key of `ASKED`."""
    if abs(yaw) <= TURNED and abs(pitch) <= TILTED:
        return "frontal"
    if abs(yaw) / TURNED >= abs(pitch) / TILTED:
        return "left" if yaw > 0 else "right"
    return "up" if pitch > 0 else "down"


@dataclass(slots=True)
class _Collection:
    """What is collected while the frames pass."""

    folder: Path
    recognizer: Recognizer
    each: int
    say: Callable[[str], None]
    written: dict[str, list[Path]] = field(default_factory=lambda: {side: [] for side in ASKED})
    left_out: dict[str, int] = field(default_factory=dict)
    prints: list[bytes] = field(default_factory=list)
    vectors: list[Floats] = field(default_factory=list)
    frames: int = 0
    asked: str = ""

    @property
    def full(self) -> bool:
        return all(len(files) >= self.each for files in self.written.values())

    def collected(self) -> Collected:
        files = {side: tuple(each) for side, each in self.written.items()}
        return Collected(files, self.frames, dict(self.left_out), self.each)

    def look(self, pixels: Pixels) -> None:
        """Take the frame's face where it is wanted, or count why not."""
        self.frames += 1
        why = self._take(pixels)
        if why:
            self.left_out[why] = self.left_out.get(why, 0) + 1
        self._ask()

    def _take(self, pixels: Pixels) -> str:
        crops = self.recognizer.find(pixels)
        if not len(crops):
            return "no face"
        if len(crops) > 1:
            self.left_out["several faces, the largest taken"] = (
                self.left_out.get("several faces, the largest taken", 0) + 1
            )
        reading = self.recognizer.embed([crops])[0].choose("largest")
        side = side_of(*(float(reading.quality.measures[name][0]) for name in ("yaw", "pitch")))
        if reading.quality.reasons[0]:
            return f"poor: {reading.quality.reasons[0][0]}"
        if len(self.written[side]) >= self.each:
            return f"enough of this side: {side}"
        row = int((crops.faces.boxes == reading.faces.boxes).all(axis=1).argmax())
        return self._keep(pixels, reading, fingerprint(crops.images[row]), side)

    def _keep(self, pixels: Pixels, reading: Reading, mark: bytes, side: str) -> str:
        if self._seen(mark):
            return "nearly the same as one taken"
        if not self._same_person(reading.embeddings.vectors[0]):
            return "somebody else"
        file = self._free(side)
        write_whole(file, encode_jpeg(_around(pixels, reading.faces.boxes[0]), QUALITY))
        self.written[side].append(file)
        self.prints.append(mark)
        self.vectors.append(reading.embeddings.vectors[0])
        return ""

    def _seen(self, mark: bytes) -> bool:
        if not self.prints:
            return False
        every: Prints = np.frombuffer(b"".join([*self.prints, mark]), np.int8).reshape(len(self.prints) + 1, -1)
        rows = np.arange(len(self.prints))
        return bool((correlation(every, rows, np.full_like(rows, len(rows)))[0] >= SAME).any())

    def _same_person(self, vector: Floats) -> bool:
        calibration = self.recognizer.calibration
        if calibration is None or not self.vectors:
            return True
        known = np.stack(self.vectors[-MOST_TEMPLATES:])
        score = single(calibration, (vector @ centre(known))[None], [len(known)])[0]
        return bool(score >= gate_threshold(calibration, DOUBT_FMR))

    def _free(self, side: str) -> Path:
        number = len(self.written[side]) + 1
        while (file := self.folder / f"{side}-{number:03}.jpg").exists():
            number += 1
        return file

    def _ask(self) -> None:
        missing = [side for side, files in self.written.items() if len(files) < self.each]
        words = ASKED[missing[0]] if missing else "thank you, that is all"
        if words != self.asked:
            self.asked = words
            self.say(words)


def _around(pixels: Pixels, box: Floats) -> Pixels:
    """The face and what is about it, as far as the frame goes."""
    height, width = pixels.shape[:2]
    reach = (box[2:] - box[:2]) * MARGIN
    left, top = np.clip(box[:2] - reach, 0, (width - 1, height - 1)).astype(int)
    right, bottom = np.clip(box[2:] + reach, (left + 1, top + 1), (width, height)).astype(int)
    return pixels[top:bottom, left:right]
