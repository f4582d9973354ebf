"""MTCNN's cascade against a slow one that looks at one candidate at a time, and pictures of every kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort
import pytest
from msgspec.structs import replace

from mien.bundle.bundle import Bundle
from mien.bundle.catalog import find_bundle
from mien.bundle.runtime import Runtime
from mien.errors import CardError
from mien.images import load
from mien.recognition.boxes import suppress
from mien.recognition.detectors import mtcnn
from mien.recognition.detectors.mtcnn import Mtcnn
from mien.values import Faces, Pixels

ONE = Runtime(threads=1)
SETTINGS: dict[str, Any] = {
    "min_face": 32.0,
    "factor": 0.6,
    "thresholds": [0.7, 0.7, 0.7],
    "longest": 1600,
    "most": 2000,
}
Array = Any
Make = Callable[..., Bundle]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Bundles of the starter's networks with other parameters."""
    starter = find_bundle("mtcnn")
    files = {file.name: starter.read(file.name) for file in starter.card.files}

    def made(**changes: Any) -> Bundle:
        folder = tmp_path_factory.mktemp("mtcnn") / "bundle"
        return Bundle.write(folder, replace(starter.card, parameters={**SETTINGS, **changes}), files)

    return made


@pytest.fixture(scope="module")
def head(make: Make) -> Mtcnn:
    return Mtcnn(make(), ONE)


# --- the cascade by hand: float64, one window at a time ----------------------------------------------------


@dataclass
class Candidate:
    box: Array
    score: float
    move: Array
    points: Array = None

    def moved(self) -> Array:
        span = self.box[2:] - self.box[:2]
        return self.box + self.move * np.concatenate([span, span])


def share(a: Array, b: Array, smaller: bool) -> float:
    width, height = np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0)
    sizes = [float(np.prod(box[2:] - box[:2])) for box in (a, b)]
    return width * height / (min(sizes) if smaller else sum(sizes) - width * height)


def kept(
    found: list[Candidate], limit: float, *, smaller: bool = False, moved: bool = False
) -> list[Candidate]:
    stay: list[Candidate] = []
    place = Candidate.moved if moved else lambda candidate: candidate.box
    for one in sorted(found, key=lambda candidate: -candidate.score):
        if all(share(place(one), place(other), smaller) <= limit for other in stay):
            stay.append(one)
    return stay


def covering(length: int, wanted: int) -> Array:
    """(wanted, length): how much of each old pixel each new one covers."""
    edges = np.linspace(0, length, wanted + 1)
    old = np.arange(length)
    rows = [np.clip(np.minimum(old + 1, b) - np.maximum(old, a), 0, None) / (b - a) for a, b in pairwise(edges)]
    return np.array(rows)


def averaged(image: Array, width: int, height: int) -> Array:
    """Each new pixel the mean of what it covers; OpenCV rounds halves up where it halves, to even elsewhere."""
    rows, columns = covering(image.shape[0], height), covering(image.shape[1], width)
    across = np.einsum("ijc,xj->ixc", image.astype(np.float64), columns, optimize=True)
    means = np.round(
        np.einsum("yi,ixc->yxc", rows, across, optimize=True), 6
    )  # a sum of shares has no exact half
    return np.floor(means + 0.5) if image.shape[:2] == (2 * height, 2 * width) else np.rint(means)


def halved(image: Array, times: int) -> Array:
    for _ in range(times):
        height, width = (side // 2 for side in image.shape[:2])
        image = averaged(image[: 2 * height, : 2 * width], width, height)
    return image


def halvings(shrinking: float, image: Array) -> int:
    most = 0
    while min(side >> most for side in image.shape[:2]) >= 24:
        most += 1
    return min(max(int(np.floor(np.log2(shrinking))), 0), most)


def pixel(image: Array, x: int, y: int) -> Array:
    inside = 0 <= y < image.shape[0] and 0 <= x < image.shape[1]
    return image[y, x] if inside else np.zeros(3)


def between(image: Array, x: float, y: float) -> Array:
    """The colour at (x, y), linear between pixel centres, black outside."""
    left, top = int(np.floor(x)), int(np.floor(y))
    u, v = x - left, y - top
    upper = (1 - u) * pixel(image, left, top) + u * pixel(image, left + 1, top)
    lower = (1 - u) * pixel(image, left, top + 1) + u * pixel(image, left + 1, top + 1)
    return (1 - v) * upper + v * lower


def slowly_sampled(image: Array, square: Array, side: int) -> Array:
    at = [square[:2] + (k + 0.5) / side * (square[2:] - square[:2]) - 0.5 for k in range(side)]
    colours = [[between(image, at[i][0], at[j][1]) for i in range(side)] for j in range(side)]
    return np.floor(np.array(colours) + 0.5)


def sampled_alone(image: Array, square: Array, side: int) -> Array:
    return mtcnn._sampled(image.astype(np.uint8), square[None].astype(np.float32), side)[0]


class Slow:
    """The same networks, asked about one window at a time."""

    def __init__(self, bundle: Bundle, image: Pixels, sample: Callable[[Array, Array, int], Array]) -> None:
        self.sample, self.settings = sample, bundle.card.parameters
        self.nets = {
            net: ort.InferenceSession(bundle.read(f"{net}.onnx"), providers=["CPUExecutionProvider"])
            for net in ("pnet", "rnet", "onet")
        }
        self.image = image
        self.halves = [halved(image, times) for times in range(halvings(1e9, image) + 1)]

    def ask(self, net: str, picture: Array) -> list[Array]:
        batch = ((picture.astype(np.float64) - 127.5) / 128).transpose(2, 0, 1)[None].astype(np.float32)
        return [output[0].astype(np.float64) for output in self.nets[net].run(None, {"input": batch})]

    def level(self, scale: float) -> list[Candidate]:
        height, width = (int(np.ceil(side * scale)) for side in self.image.shape[:2])
        times = halvings(1 / scale, self.image)
        half = self.halves[times]
        score, move = self.ask("pnet", averaged(half, width, height))
        own = np.array([half.shape[1] / width, half.shape[0] / height] * 2) * 2**times
        cells = [
            Candidate(np.array([2 * x, 2 * y, 2 * x + 12, 2 * y + 12]), score[0, y, x], move[:, y, x])
            for y, x in np.argwhere(score[0] >= self.settings["thresholds"][0])
        ]
        return [Candidate(cell.box * own, cell.score, cell.move) for cell in kept(cells, 0.5)]

    def look(self, candidate: Candidate, net: str, side: int) -> Candidate:
        box = candidate.moved()
        middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]).max() / 2
        square = np.concatenate([middle - half, middle + half])
        times = halvings(2 * half / side, self.image)
        crop = self.sample(self.halves[times], square / 2**times, side)
        score, move, *places = self.ask(net, crop)
        points = square[:2] + places[0].reshape(2, 5).T * 2 * half if places else None
        return Candidate(square, float(score[0]), move, points)

    def faces(self) -> Faces:
        scale, found = 12 / self.settings["min_face"], []
        while min(self.image.shape[:2]) * scale >= 12:
            found += self.level(scale)
            scale *= self.settings["factor"]
        found = [self.look(candidate, "rnet", 24) for candidate in kept(found, 0.7)]
        found = kept([one for one in found if one.score >= self.settings["thresholds"][1]], 0.7)
        found = [self.look(candidate, "onet", 48) for candidate in found]
        found = [one for one in found if one.score >= self.settings["thresholds"][2]]
        found = kept(found, 0.7, smaller=True, moved=True)
        boxes, points = [one.moved() - 0.5 for one in found], [one.points - 0.5 for one in found]
        return Faces(
            np.array(boxes).reshape(-1, 4),
            np.array(points).reshape(-1, 5, 2),
            np.array([o.score for o in found]),
        )


@pytest.fixture(scope="module")
def small_portraits(portrait: Pixels) -> dict[str, Pixels]:
    return {
        "square": cv2.resize(portrait, (256, 256), interpolation=cv2.INTER_AREA),
        "odd sides": cv2.resize(portrait, (237, 181), interpolation=cv2.INTER_AREA),
        "at the border": portrait[0:150, 180:300].copy(),
    }


@pytest.mark.parametrize("name", ["square", "odd sides", "at the border"])
def test_batches_find_what_one_window_at_a_time_finds(
    name: str, small_portraits: dict[str, Pixels], make: Make, head: Mtcnn
) -> None:
    have, want = head([small_portraits[name]])[0], Slow(make(), small_portraits[name], sampled_alone).faces()
    assert len(have) == len(want) > 0
    assert np.abs(have.boxes - want.boxes).max() < 0.1
    assert np.abs(have.landmarks - want.landmarks).max() < 0.1
    assert np.abs(have.scores - want.scores).max() < 1e-4


def test_faces_inside_faces_are_one(small_portraits: dict[str, Pixels], make: Make) -> None:
    # With low thresholds the last stage has boxes inside larger ones, which share little of their union.
    bundle = make(thresholds=[0.3, 0.05, 0.02], min_face=16.0)
    image = small_portraits["square"]
    have, want = Mtcnn(bundle, ONE)([image])[0], Slow(bundle, image, sampled_alone).faces()
    assert len(have) == len(want) > 3
    assert np.abs(have.boxes - want.boxes).max() < 0.1


def test_nothing_hangs_on_how_opencv_samples(
    small_portraits: dict[str, Pixels], make: Make, head: Mtcnn
) -> None:
    # Against exact linear sampling: OpenCV rounds places to 1/32 pixel, which moves a face by a trifle.
    for image in small_portraits.values():
        have, want = head([image])[0], Slow(make(), image, slowly_sampled).faces()
        assert len(have) == len(want) > 0
        side = (want.boxes[:, 2:] - want.boxes[:, :2]).max(axis=1)
        assert (np.abs(have.landmarks - want.landmarks).max(axis=(1, 2)) < 0.01 * side).all()
        assert (np.abs(have.boxes - want.boxes).max(axis=1) < 0.01 * side).all()
        assert np.abs(have.scores - want.scores).max() < 0.01


def test_groups_of_real_people_one_window_at_a_time(shared_data: Path, make: Make, head: Mtcnn) -> None:
    # The second has five faces and 58 pairs of windows whose overlap is exactly P-Net's limit.
    for name in ("Jiang_Zemin/Jiang_Zemin_0005.jpg", "Megawati_Sukarnoputri/Megawati_Sukarnoputri_0029.jpg"):
        image = load(shared_data / "faces" / "lfw-dev" / name).pixels
        have, want = head([image])[0], Slow(make(), image, sampled_alone).faces()
        assert len(have) == len(want) > 1
        assert np.abs(have.boxes - want.boxes).max() < 0.1
        assert np.abs(have.landmarks - want.landmarks).max() < 0.1
        assert np.abs(have.scores - want.scores).max() < 1e-4


def test_a_cut_shows_the_picture_between_its_pixels_and_black_outside() -> None:
    rng = np.random.default_rng(3)
    image = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    low = rng.uniform(-20, 40, (12, 2))
    squares = np.concatenate([low, low + rng.uniform(10, 30, (12, 1))], axis=1).astype(np.float32)
    have = mtcnn._sampled(image, squares, 24).astype(float)
    want = np.array([slowly_sampled(image, square, 24) for square in squares])
    assert np.abs(have - want).max() <= 10  # noise: 1/32 pixel is up to 8 of 255
    assert np.abs(have - want).mean() < 1
    far = np.array([[200, 200, 224, 224]], np.float32)
    assert not mtcnn._sampled(image, far, 24).any()


# --- one picture and many ----------------------------------------------------------------------------------


def same(a: Faces, b: Faces) -> bool:
    close = (
        np.abs(a.landmarks - b.landmarks).max(initial=0) < 0.01
        and np.abs(a.boxes - b.boxes).max(initial=0) < 0.01
    )
    return len(a) == len(b) and close


def test_pictures_together_are_pictures_alone(
    small_portraits: dict[str, Pixels], head: Mtcnn, monkeypatch: pytest.MonkeyPatch
) -> None:
    blank = np.full((90, 70, 3), 127, np.uint8)
    images = [small_portraits["square"], blank, small_portraits["odd sides"], small_portraits["square"]]
    alone = [head([image])[0] for image in images]
    assert [len(faces) for faces in alone] == [1, 0, 1, 1]
    monkeypatch.setattr(mtcnn, "TOGETHER", 5)  # several runs of each network
    assert all(same(a, b) for a, b in zip(head(images), alone, strict=True))


def test_landmarks_stand_in_their_order_where_they_belong(portrait: Pixels, head: Mtcnn) -> None:
    (faces,) = head([portrait])
    left, right, nose, mouth_left, mouth_right = faces.landmarks[0]
    assert left[0] < nose[0] < right[0]
    assert mouth_left[0] < nose[0] < mouth_right[0]
    assert max(left[1], right[1]) < nose[1] < min(mouth_left[1], mouth_right[1])
    x1, y1, x2, y2 = faces.boxes[0]
    assert ((faces.landmarks[0] > (x1, y1)) & (faces.landmarks[0] < (x2, y2))).all()
    assert faces.scores[0] > 0.99
    mirrored = head([np.ascontiguousarray(portrait[:, ::-1])])[0].landmarks[0]
    back = np.stack([511 - mirrored[[1, 0, 2, 4, 3], 0], mirrored[[1, 0, 2, 4, 3], 1]], axis=1)
    assert np.abs(back - faces.landmarks[0]).max() < 0.05 * (x2 - x1)


def test_large_pictures_are_worked_on_small_and_answered_in_full(portrait: Pixels, make: Make) -> None:
    large = cv2.resize(portrait, (2048, 2048), interpolation=cv2.INTER_CUBIC)
    (small,) = Mtcnn(make(longest=512), ONE)([portrait])
    (faces,) = Mtcnn(make(longest=512), ONE)([large])
    assert len(faces) == len(small) == 1
    assert np.abs((faces.landmarks + 0.5) / 4 - 0.5 - small.landmarks).max() < 2


def test_moving_the_picture_moves_the_face(portrait: Pixels, head: Mtcnn) -> None:
    image = cv2.resize(portrait, (256, 256), interpolation=cv2.INTER_AREA)
    moved = cv2.copyMakeBorder(image, 24, 0, 16, 0, cv2.BORDER_REPLICATE)
    here, there = head([image])[0], head([moved])[0]
    assert len(here) == len(there) == 1
    assert np.abs(there.landmarks - (16, 24) - here.landmarks).max() < 0.05 * 43


# --- pictures without a face, and too many ideas of one ----------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (5, 300), (11, 11), (31, 31), (32, 32), (33, 500), (300, 24)])
@pytest.mark.parametrize("colour", [0, 127, 255])
def test_plain_pictures_of_any_size_show_no_face(size: tuple[int, int], colour: int, head: Mtcnn) -> None:
    (faces,) = head([np.full((*size, 3), colour, np.uint8)])
    assert faces.boxes.shape == (0, 4)
    assert faces.landmarks.shape == (0, 5, 2)


def test_no_pictures(head: Mtcnn) -> None:
    assert head([]) == []


def test_proposals_are_bounded(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    cut = mtcnn._cut

    def counted(views: Any, squares: Any, owners: Any, side: int) -> Pixels:
        asked.append((side, len(squares)))
        return cut(views, squares, owners, side)

    compared = []

    def watched(boxes: Any, *rest: Any, **more: Any) -> Any:
        compared.append(len(boxes))
        return suppress(boxes, *rest, **more)

    monkeypatch.setattr(mtcnn, "_cut", counted)
    monkeypatch.setattr(mtcnn, "suppress", watched)
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    eager = {"thresholds": [1e-6, 0.7, 0.7]}
    Mtcnn(make(**eager), ONE)([noise])
    free = sum(count for side, count in asked if side == 24)
    levels = 4  # 75, 45, 27 and 17 pixels wide
    asked.clear()
    compared.clear()
    Mtcnn(make(**eager, most=7), ONE)([noise, noise])
    assert max(compared) <= levels * 7
    assert free > 50
    assert sum(count for side, count in asked if side == 24) == 14


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("min_face", 11.0),
        ("factor", 1.0),
        ("thresholds", [0.6, 0.7]),
        ("thresholds", [0.6, 0.7, 1.0]),
        ("longest", 0),
        ("most", 0),
        ("speed", 1),
    ],
)
def test_a_wrong_parameter_is_named(field: str, value: object, make: Make) -> None:
    with pytest.raises(CardError, match=field):
        Mtcnn(make(**{field: value}), ONE)


# --- real pictures -----------------------------------------------------------------------------------------


def test_group_photos_and_a_photo_without_a_face(shared_data: Path) -> None:
    head = Mtcnn(find_bundle("mtcnn"), ONE)
    photos = shared_data / "faces" / "photos"
    names = ("groups/multiface.jpg", "groups/six_people.jpg", "no_face.png")
    assert [len(head([load(photos / name).pixels])[0]) for name in names] == [6, 6, 0]


@pytest.mark.long
def test_no_picture_of_lfw_is_missed(shared_data: Path) -> None:
    head = Mtcnn(find_bundle("mtcnn"), ONE)
    files = sorted((shared_data / "faces" / "lfw-dev").glob("*/*.jpg"))
    missed = [file.name for file in files if not len(head([load(file).pixels])[0])]
    assert len(files) == 3380
    assert missed == []
