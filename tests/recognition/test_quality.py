"""Quality: geometry against a projected head, the rest on real faces made worse on purpose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from graphs import ARCFACE
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien.bundle.card import Reference
from mien.recognition.align import transforms, warp
from mien.recognition.quality import JUDGED, MEAN_FACE, Limits, measure, pose
from mien.values import Faces, Pixels, Quality

Array = NDArray[np.float64]
Worse = Callable[[Pixels], Pixels]
ON_112 = Reference(points=ARCFACE)
ON_150 = Reference(points=tuple((x * 54 / 35 - 11, y * 54 / 35 - 32) for x, y in ARCFACE))
PORTRAIT = np.array([(200.1, 101.8), (247.1, 102.6), (220.4, 124.5), (198.6, 142.8), (239.7, 143.6)])
# Where the landmarks of scikit-image's 25-pixel LFW faces stand, on the median.
PATCH = np.array([(5.9, 8.2), (14.6, 8.1), (9.6, 13.3), (6.9, 17.4), (14.0, 17.3)])


def faces_at(landmarks: Array, score: float = 0.99) -> Faces:
    boxes = np.concatenate([landmarks.min(axis=1), landmarks.max(axis=1)], axis=1)
    return Faces(boxes, landmarks, np.full(len(landmarks), score))


def judged(
    pixels: Pixels, landmarks: Array = PORTRAIT, *, reference: Reference = ON_150, score: float = 0.99
) -> Quality:
    size = (150, 150) if reference is ON_150 else (112, 112)
    crops = warp(pixels, transforms(landmarks[None], reference), size)
    return measure(faces_at(landmarks[None], score), crops, reference)


def projected(yaw: float, pitch: float, roll: float) -> Array:
    """The mean face, 60 pixels between the eyes, turned: nose right, nose up, head clockwise (degrees)."""
    x, y, z = np.array(MEAN_FACE).T
    a, b, c = np.radians((yaw, pitch, roll))
    x, z = x * np.cos(a) - z * np.sin(a), x * np.sin(a) + z * np.cos(a)
    y, z = y * np.cos(b) + z * np.sin(b), z * np.cos(b) - y * np.sin(b)
    x, y = x * np.cos(c) - y * np.sin(c), x * np.sin(c) + y * np.cos(c)
    return 60 * np.stack([x, y], axis=1) + (200, 150)


@given(yaw=st.floats(-80, 80), pitch=st.floats(-70, 70), roll=st.floats(-179, 179))
def test_pose_is_the_one_the_head_was_turned_by(yaw: float, pitch: float, roll: float) -> None:
    found = [float(angle[0]) for angle in pose(projected(yaw, pitch, roll)[None])]
    np.testing.assert_allclose(found[:3], (yaw, pitch, roll), atol=0.01)
    turn = np.degrees(np.arccos(np.cos(np.radians(yaw)) * np.cos(np.radians(pitch))))
    assert found[3] == pytest.approx(turn, abs=0.01)


def test_signs_of_the_angles() -> None:
    front = projected(0, 0, 0)
    nose = np.zeros((5, 2))
    nose[2] = (6, 0)
    assert pose((front + nose)[None])[0] > 5
    assert pose((front - nose[:, ::-1])[None])[1] > 5
    assert pose(projected(0, 0, 30)[None])[2] == pytest.approx(30)
    assert projected(0, 0, 30)[1, 1] > projected(0, 0, 30)[0, 1]  # clockwise: the eye at image right sinks


def test_landmarks_on_a_line_are_a_face_turned_away() -> None:
    line = np.linspace((10, 10), (50, 90), 5)[None]
    angles = pose(line)
    assert np.isfinite(angles).all()
    assert angles[3] > 60


@pytest.mark.parametrize("yaw", [0, 30, 60])
def test_size_is_the_distance_between_the_eyes_of_a_face_turned_back(yaw: float) -> None:
    landmarks = projected(yaw, 0, 10)[None]
    quality = measure(faces_at(landmarks), np.zeros((1, 112, 112, 3), np.uint8), ON_112)
    assert quality.measures["size"][0] == pytest.approx(60, rel=1e-3)


def test_a_good_portrait_has_no_reason(portrait: Pixels) -> None:
    quality = judged(portrait)
    assert quality.reasons == ((),)
    assert quality.values[0] > 0.9


def blur(sigma: float) -> Worse:
    return lambda pixels: cv2.GaussianBlur(pixels, (0, 0), sigma)


def light(gain: float, lift: float = 0) -> Worse:
    return lambda pixels: np.clip(pixels.astype(float) * gain + lift, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("reference", [ON_112, ON_150], ids=["112", "150"])
@pytest.mark.parametrize(
    ("worse", "reason"),
    [
        (blur(2), "blurred"),
        (blur(4), "blurred"),
        (blur(9), "blurred"),
        (light(0.15), "dark"),
        (light(2, 60), "bright"),
        (light(0.15, 110), "flat"),
    ],
)
def test_what_spoils_a_face_is_named(portrait: Pixels, worse: Worse, reason: str, reference: Reference) -> None:
    quality = judged(worse(portrait), reference=reference)
    assert reason in quality.reasons[0]
    assert quality.values[0] < 0.5


@pytest.mark.parametrize("mild", [blur(0.7), light(0.6), light(1.1, 15)])
def test_mild_faults_pass(portrait: Pixels, mild: Worse) -> None:
    assert judged(mild(portrait)).reasons == ((),)


def test_small_and_low_scored_faces_are_named(portrait: Pixels) -> None:
    third = cv2.resize(portrait, None, fx=0.33, fy=0.33, interpolation=cv2.INTER_AREA)
    assert "small" in judged(third, (PORTRAIT + 0.5) * 0.33 - 0.5).reasons[0]
    assert judged(portrait, score=0.5).reasons == (("low score",),)
    turned = measure(faces_at(projected(65, 0, 0)[None]), np.zeros((1, 112, 112, 3), np.uint8), ON_112)
    assert "turned" in turned.reasons[0]


def test_sharpness_is_the_picture_s_and_not_the_crop_s(portrait: Pixels) -> None:
    for worse in (blur(0.5), blur(1.5), blur(4), light(0.3)):
        small, large = (
            judged(worse(portrait), reference=reference).measures["sharpness"][0]
            for reference in (ON_112, ON_150)
        )
        assert small == pytest.approx(large, rel=0.06)


@pytest.mark.filterwarnings("ignore")  # scikit-image reads its file in a way that newer NumPy warns of
def test_faces_of_25_pixels_stay_doubtful_however_enlarged() -> None:
    from skimage.data import lfw_subset

    patches = (lfw_subset()[:100] * 255).clip(0, 255).astype(np.uint8)
    flagged = 0
    for patch in patches:
        large = cv2.resize(patch, (225, 225), interpolation=cv2.INTER_CUBIC)
        quality = judged(cv2.cvtColor(large, cv2.COLOR_GRAY2RGB), (PATCH + 0.5) * 9 - 0.5)
        assert quality.measures["size"][0] > 60
        flagged += "blurred" in quality.reasons[0]
    assert flagged >= 93


@given(seed=st.integers(0, 2**32 - 1))
def test_a_value_under_a_half_and_a_reason_go_together(seed: int) -> None:
    rng = np.random.default_rng(seed)
    landmarks = np.stack([projected(*rng.uniform(-80, 80, 3)) * rng.uniform(0.1, 2) for _ in range(4)])
    crops = rng.integers(0, rng.integers(2, 256), (4, 112, 112, 3), dtype=np.uint8)
    quality = measure(faces_at(landmarks, rng.uniform(0, 1)), crops, ON_112)
    for value, reasons in zip(quality.values, quality.reasons, strict=True):
        assert (value < 0.5) == bool(reasons)
        assert set(reasons) <= set(JUDGED)
        assert 0 <= value <= 1


def test_the_worst_reason_comes_first(portrait: Pixels) -> None:
    assert judged(light(0.02)(portrait), score=0.55).reasons[0][-1] == "low score"


def test_limits_can_be_set(portrait: Pixels) -> None:
    crops = warp(portrait, transforms(PORTRAIT[None], ON_150), (150, 150))
    strict = measure(faces_at(PORTRAIT[None]), crops, ON_150, Limits(small=(0, 60, 90)))
    assert strict.reasons == (("small",),)
    assert strict.values[0] == pytest.approx(0.5 * strict.measures["size"][0] / 60)


def test_many_faces_are_each_judged_as_if_alone(portrait: Pixels) -> None:
    landmarks = np.stack([PORTRAIT, PORTRAIT + 2.5, PORTRAIT * 0.9])
    crops = warp(portrait, transforms(landmarks, ON_150), (150, 150))
    together = measure(faces_at(landmarks), crops, ON_150)
    for i in range(3):
        alone = measure(faces_at(landmarks[i : i + 1]), crops[i : i + 1], ON_150)
        for name, values in together.measures.items():
            assert values[i] == pytest.approx(alone.measures[name][0], rel=1e-5)


def test_no_face_has_no_quality() -> None:
    quality = measure(Faces.none(), np.empty((0, 150, 150, 3), np.uint8), ON_150)
    assert len(quality) == 0
    assert set(JUDGED.values()) <= set(quality.measures)


def test_points_that_leave_no_room_on_the_crop() -> None:
    outside = Reference(points=tuple((x + 500, y - 300) for x, y in ARCFACE))
    quality = measure(faces_at(PORTRAIT[None]), np.zeros((1, 8, 8, 3), np.uint8), outside)
    assert np.isfinite(quality.values).all()


def test_few_faces_of_lfw_have_a_reason(shared_data: Path) -> None:
    model = shared_data / "models" / "face_detection_yunet_2023mar.onnx"
    detector = cv2.FaceDetectorYN.create(str(model), "", (250, 250), 0.6)
    flagged = []
    for path in sorted((shared_data / "faces" / "lfw-dev").glob("*/*.jpg"))[::20]:
        pixels = cv2.imread(str(path))
        found = detector.detect(pixels)[1]
        middle = found[np.abs(found[:, :2] + found[:, 2:4] / 2 - 124.5).sum(axis=1).argmin()]
        quality = judged(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), middle[4:14].reshape(5, 2), score=middle[14])
        flagged.append(bool(quality.reasons[0]))
    assert np.mean(flagged) < 0.05
