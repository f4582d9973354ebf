"""Grid detectors: decoding against a slow oracle, planted squares through a real graph, broken cards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grid_graphs import POINTS, STRIDES, GridGraph, landmark_graph, squares
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mien.bundle.bundle import Bundle
from mien.bundle.importers.onnx import import_onnx
from mien.bundle.runtime import Runtime
from mien.errors import CardError, GraphError
from mien.recognition.detectors.grids import Level, Parameters, decode, padded
from mien.recognition.detectors.scrfd import Scrfd, box_of_distances
from mien.recognition.detectors.yunet import Yunet, box_of_centres
from mien.values import Faces, Floats

ONE = Runtime(threads=1)
BOX_OF = {1: box_of_distances, 2: box_of_centres}  # by outputs of scores: as in SCRFD, as in YuNet


def parameters(scores: int = 1, anchors: int = 2, **changes: Any) -> Parameters:
    levels = tuple(
        Level(
            stride=s,
            scores=tuple(f"score{i}_{s}" for i in range(scores)),
            boxes=f"box_{s}",
            landmarks=f"points_{s}",
        )
        for s in STRIDES
    )
    numbers: dict[str, Any] = {"score": 0.5, "overlap": 0.4, "most": 1000, "longest": 640}
    return Parameters(levels=levels, anchors=anchors, **{**numbers, **changes})


def noise(rng: np.random.Generator, shape: tuple[int, int, int], told: Parameters) -> dict[str, Floats]:
    """Outputs as of a graph that sees faces anywhere; about a tenth of the places fires."""
    outputs = {}
    for level in told.levels:
        rows = shape[1] * shape[2] // level.stride**2 * told.anchors
        for name in level.scores:
            outputs[name] = rng.random((shape[0], rows, 1), np.float32) ** 2
        outputs[level.boxes] = rng.uniform(0.2, 2, (shape[0], rows, 4)).astype(np.float32)
        outputs[level.landmarks] = rng.uniform(-2, 2, (shape[0], rows, 10)).astype(np.float32)
    return outputs


def slow_box(numbers: Floats, x: int, y: int, stride: int, scores: int) -> list[float]:
    a, b, c, d = (float(number) for number in numbers)
    if scores == 1:
        return [(x - a) * stride, (y - b) * stride, (x + c) * stride, (y + d) * stride]
    wide, high = np.exp(c) * stride, np.exp(d) * stride
    middle = ((x + a) * stride, (y + b) * stride)
    return [middle[0] - wide / 2, middle[1] - high / 2, middle[0] + wide / 2, middle[1] + high / 2]


def slow_overlap(a: list[float], b: list[float]) -> float:
    wide = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    high = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    sizes = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return wide * high / (sum(sizes) - wide * high)


def slow_decode(outputs: dict[str, Floats], number: int, width: int, told: Parameters) -> list[Any]:
    """Every place in turn, then suppression by the book: (score, box, landmarks), best first."""
    answers = []
    for level in told.levels:
        for row in range(outputs[level.boxes].shape[1]):
            y, x = divmod(row // told.anchors, width // level.stride)
            sure = [float(outputs[name][number, row, 0]) for name in level.scores]
            score = float(np.prod(sure) ** (1 / len(sure)))
            if score >= told.score:
                spans, points = outputs[level.boxes][number, row], outputs[level.landmarks][number, row]
                box = slow_box(spans, x, y, level.stride, len(sure))
                marks = [
                    ((points[2 * i] + x) * level.stride, (points[2 * i + 1] + y) * level.stride)
                    for i in range(5)
                ]
                answers.append((score, box, marks))
    kept: list[Any] = []
    for answer in sorted(answers, key=lambda answer: -answer[0]):
        if all(slow_overlap(answer[1], other[1]) <= told.overlap for other in kept):
            kept.append(answer)
    return kept


@pytest.mark.parametrize("scores", [1, 2])
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 3), anchors=st.integers(1, 2))
def test_decode_is_what_the_slow_oracle_says(scores: int, seed: int, n: int, anchors: int) -> None:
    shape, told = (n, 32, 64), parameters(scores, anchors, score=0.8)
    outputs = noise(np.random.default_rng(seed), shape, told)
    for number, faces in enumerate(decode(outputs, shape, told, BOX_OF[scores])):
        wanted = slow_decode(outputs, number, shape[2], told)
        assert len(faces) == len(wanted)
        if wanted:
            np.testing.assert_allclose(faces.scores, [each[0] for each in wanted], rtol=1e-5)
            np.testing.assert_allclose(faces.boxes, [each[1] for each in wanted], rtol=1e-4, atol=1e-3)
            np.testing.assert_allclose(faces.landmarks, [each[2] for each in wanted], rtol=1e-4, atol=1e-3)


def test_outputs_without_an_axis_of_pictures_are_the_same_numbers() -> None:
    shape, told = (3, 64, 96), parameters()
    outputs = noise(np.random.default_rng(0), shape, told)
    flat = {name: output.reshape(-1, output.shape[-1]) for name, output in outputs.items()}
    same(decode(outputs, shape, told, box_of_distances), decode(flat, shape, told, box_of_distances))


def test_only_the_best_answers_are_looked_at() -> None:
    shape, told = (1, 64, 96), parameters(overlap=1.0)
    outputs = noise(np.random.default_rng(1), shape, told)
    (every,) = decode(outputs, shape, told, box_of_distances)
    (few,) = decode(outputs, shape, replace(told, most=7), box_of_distances)
    same([every[:7]], [few])


def test_nothing_sure_is_no_face() -> None:
    shape, told = (2, 32, 32), parameters(score=1.0)
    outputs = noise(np.random.default_rng(2), shape, told)
    assert [len(faces) for faces in decode(outputs, shape, told, box_of_distances)] == [0, 0]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("output", ["box_8", "points_16"])
def test_answers_beyond_any_picture_are_a_damaged_graph(output: str, wrong: float) -> None:
    shape, told = (1, 32, 32), parameters(score=0.01)
    outputs = noise(np.random.default_rng(3), shape, told)
    outputs[output][0, :, 1] = wrong
    with pytest.raises(GraphError, match="no places on a picture"):
        decode(outputs, shape, told, box_of_distances)


@pytest.mark.parametrize(
    "change",
    [lambda a: a[:, 1:], lambda a: a.astype(np.float64), lambda a: a.reshape(1, -1, 1), lambda a: a[..., :3]],
)
def test_outputs_of_another_shape_are_named(change: Any) -> None:
    shape, told = (1, 32, 32), parameters()
    outputs = noise(np.random.default_rng(4), shape, told)
    outputs["box_16"] = change(outputs["box_16"])
    with pytest.raises(GraphError, match=r"'box_16' is .* where 8 × 4 float32 are promised"):
        decode(outputs, shape, told, box_of_distances)


@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    stride=st.sampled_from([1, 8, 32]),
    seed=st.integers(0, 99),
)
def test_padding_moves_nothing(height: int, width: int, stride: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(1, 256, (height, width, 3)).astype(np.uint8)
    canvas = padded(image, stride)
    np.testing.assert_array_equal(canvas[:height, :width], image)
    assert np.count_nonzero(canvas) == image.size
    for side, before in zip(canvas.shape[:2], (height, width), strict=True):
        assert side % stride == 0
        assert side - before < stride


def same(some: list[Faces], others: list[Faces]) -> None:
    assert len(some) == len(others)
    for one, other in zip(some, others, strict=True):
        for field in ("scores", "boxes", "landmarks"):
            np.testing.assert_allclose(getattr(one, field), getattr(other, field), rtol=1e-5, atol=1e-3)


# Through a real graph: coloured squares are its faces (see grid_graphs.py). YuNet reads BGR.

HEADS = {"scrfd": Scrfd, "yunet": Yunet}
GRAPHS = {
    "scrfd": {},
    "yunet": {"scores": 2, "anchors": 1, "box": (0.0, 0.0, 1.3, 1.4), "gain": 0.2, "middle": 127.0},
}
PLANTED = [(0, 11, 5), (1, 2, 8), (2, 4, 1)]  # level, column, row


def opened(family: str, folder: Path, canvas: dict[str, Any] | None = None, **changes: Any) -> Scrfd | Yunet:
    """A head on a made-up graph of the family; canvas: in place of the importer's size or longest."""
    file = folder / "made-up.onnx"
    file.write_bytes(GridGraph(**{**GRAPHS[family], **changes}).write())
    card, files = import_onnx(file, family=family, landmarks=landmark_graph)
    if canvas is not None:
        kept = {key: value for key, value in card.parameters.items() if key not in ("size", "longest")}
        card = replace(card, parameters={**kept, **canvas})
    return HEADS[family](Bundle.write(folder / "bundle", card, files), ONE)


def drawn(family: str, size: tuple[int, int], planted: list[tuple[int, int, int]] = PLANTED) -> Any:
    picture = squares(size, planted)
    return picture if family == "scrfd" else np.ascontiguousarray(picture[..., ::-1])


def wanted_faces(family: str, planted: list[tuple[int, int, int]] = PLANTED) -> Faces:
    cells, strides = np.array([p[1:] for p in planted]), np.array([STRIDES[p[0]] for p in planted])
    graph = GridGraph(**GRAPHS[family])
    boxes = [
        slow_box(np.array(graph.box), x, y, int(s), graph.scores)
        for (x, y), s in zip(cells, strides, strict=True)
    ]
    points = (np.array(POINTS).reshape(5, 2) + cells[:, None]) * strides[:, None, None]
    return Faces(np.array(boxes), points, np.ones(len(planted)))


def by_size(faces: Faces) -> Faces:
    return faces[np.argsort(faces.boxes[:, 2] - faces.boxes[:, 0])]


FORMS = [
    {},
    {"shape": (1, 3, "h", "w")},
    {"shape": (1, 3, "h", "w"), "batched": False},
    {"shape": ("n", 3, "h", "w"), "batched": False},
    {"shape": (1, 3, 192, 256)},
    {"shape": (1, 3, 192, 256), "batched": False},
    {"shape": (2, 3, 192, 256)},
]


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("family", HEADS)
def test_planted_faces_are_found_in_every_published_form(
    family: str, form: dict[str, Any], tmp_path: Path
) -> None:
    fixed = form.get("shape", ("h",))[-1] == 256
    head = opened(family, tmp_path, None if fixed else {"longest": 640}, **form)
    other = [(1, 8, 3)]
    pictures = [drawn(family, (192, 256)), drawn(family, (192, 256), other), drawn(family, (192, 256), [])]
    found = [by_size(faces) for faces in head(pictures)]
    same(found, [wanted_faces(family), wanted_faces(family, other), Faces.none()])


@pytest.mark.parametrize("family", HEADS)
def test_pictures_of_many_sizes_keep_their_order(family: str, tmp_path: Path) -> None:
    head = opened(family, tmp_path, {"longest": 640})
    sizes = [(100, 130), (192, 256), (97, 129), (64, 64), (192, 256), (100, 130)]
    pictures = [drawn(family, size, [(0, 3 + i, 3)]) for i, size in enumerate(sizes)]
    together = head(pictures)
    same(together, [head([picture])[0] for picture in pictures])
    same(together, [wanted_faces(family, [(0, 3 + i, 3)]) for i in range(len(sizes))])
    assert head([]) == []


@pytest.mark.parametrize("family", HEADS)
def test_a_picture_scaled_onto_the_canvas_answers_in_its_own_pixels(family: str, tmp_path: Path) -> None:
    head = opened(family, tmp_path, {"size": [384, 384]})
    small = np.ascontiguousarray(drawn(family, (192, 384))[::2, ::2])
    (faces,) = head([small])
    same([by_size(faces)], [wanted_faces(family).scaled((0.5, 0.5))])


@pytest.mark.parametrize("family", HEADS)
def test_a_large_picture_is_reduced_and_answers_in_its_own_pixels(family: str, tmp_path: Path) -> None:
    head = opened(family, tmp_path, {"longest": 256})
    large = drawn(family, (192, 256)).repeat(3, axis=0).repeat(3, axis=1)
    (faces,) = head([large])
    same([by_size(faces)], [wanted_faces(family).scaled((3, 3))])


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_faces_without_landmarks_get_them_from_the_second_graph(form: dict[str, Any], tmp_path: Path) -> None:
    head = opened("scrfd", tmp_path, {"size": [192, 256]}, landmarks=False, **form)
    other = [(1, 8, 3)]
    pictures = [drawn("scrfd", (192, 256)), drawn("scrfd", (96, 128), []), drawn("scrfd", (192, 256), other)]
    found = [by_size(faces) for faces in head(pictures)]
    assert [len(faces) for faces in found] == [3, 0, 1]
    for faces, planted in zip(found, (PLANTED, [], other), strict=True):
        wanted = wanted_faces("scrfd", planted) if planted else Faces.none()
        np.testing.assert_allclose(faces.boxes, wanted.boxes, atol=1e-3)
        low, high = wanted.boxes[:, :2], wanted.boxes[:, 2:]
        side = 1.1 * (high - low)[:, :1]
        places = (low + high) / 2 + side * np.float32([-0.25, 0.25])  # a quarter right, three quarters down
        wide = np.repeat(places[:, None], 5, axis=1)
        np.testing.assert_allclose(faces.landmarks, wide, atol=2)  # squares are of whole pixels


def test_landmarks_are_looked_for_in_the_picture_not_on_the_canvas(tmp_path: Path) -> None:
    head = opened("scrfd", tmp_path, {"size": [192, 256]}, landmarks=False)
    large = drawn("scrfd", (192, 256)).repeat(4, axis=0).repeat(4, axis=1)
    seen: list[tuple[int, ...]] = []
    find = head._landmarks
    head._landmarks = lambda pictures, boxes: (seen.extend(p.shape for p in pictures), find(pictures, boxes))[1]
    (faces,) = head([large])
    assert (len(faces), seen) == (3, [large.shape])
    assert (faces.landmarks > faces.boxes[:, None, :2]).all()
    assert (faces.landmarks < faces.boxes[:, None, 2:]).all()


BROKEN = [
    ({"strides": 3}, "unknown field `strides`"),
    ({"levels": []}, "at least one"),
    ({"score": 0}, "score and overlap"),
    ({"score": "high"}, "score"),
    ({"anchors": 0}, "anchors"),
    ({"longest": 640, "size": [640, 640]}, "exclude each other"),
    ({"longest": 1 << 20}, "longest"),
    ({"size": [640, 600]}, "no multiple"),
    ({"landmark_box": [0, 0, 1]}, "either every level has them"),
    ({"levels": [{"stride": 8, "scores": ["score0_8"], "boxes": "box_8"}]}, "either every level has them"),
    (
        {"levels": [{"stride": 8, "scores": ["score0_8"], "boxes": "box_8"}], "landmark_box": [0, 0, 9]},
        "landmark_box",
    ),
    (
        {"levels": [{"stride": 8, "scores": ["score0_8"], "boxes": "box_8"}], "landmark_box": [0, 0, 1]},
        "no file 'landmarks.onnx'",
    ),
    ({"levels": [{"stride": 0, "scores": ["score0_8"], "boxes": "box_8", "landmarks": "points_8"}]}, "stride"),
    (
        {"levels": [{"stride": 8, "scores": ["sure"], "boxes": "box_8", "landmarks": "points_8"}]},
        "no output sure",
    ),
]


@pytest.mark.parametrize(("change", "complaint"), BROKEN, ids=str)
def test_parameters_that_cannot_be_are_named(change: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "made-up.onnx"
    file.write_bytes(GridGraph().write())
    card, files = import_onnx(file)
    parameters = {key: value for key, value in card.parameters.items() if key != "size"}
    broken = replace(card, parameters={**parameters, **change})
    with pytest.raises(CardError, match=complaint):
        Scrfd(Bundle.write(tmp_path / "bundle", broken, files), ONE)


def test_a_fixed_graph_has_no_other_canvas(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="neither size nor longest"):
        opened("scrfd", tmp_path, {"longest": 640}, shape=(1, 3, 192, 256))
