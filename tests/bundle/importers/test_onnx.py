"""Public ONNX files: each family known by its shapes, everything else refused with a reason."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from grid_graphs import GridGraph, landmark_graph, without_landmarks
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from mien.bundle.bundle import Bundle
from mien.bundle.card import DetectCard, EmbedCard, Reference
from mien.bundle.golden import verify, write_proved
from mien.bundle.importers.onnx import ARCFACE, FAMILIES, Embedder, import_onnx
from mien.errors import CardError, GraphError, InputError, MienError, MissingExtraError

YUNET = {"scores": 2, "anchors": 1, "gain": 0.2, "middle": 127.0}


def saved(folder: Path, content: bytes, name: str = "made-up.onnx") -> Path:
    file = folder / name
    file.write_bytes(content)
    return file


def embedder_graph(
    shape: Sequence[int | str] = ("n", 3, 112, 112),
    *,
    dimension: int = 128,
    outputs: int = 1,
    mixed: bool = False,
) -> bytes:
    """Mean colour times a matrix; mixed: the pictures of a batch are averaged, so they cannot go together."""
    channels_last = shape[3] in (1, 3)
    channels = int(shape[3] if channels_last else shape[1])
    axes = [1, 2] if channels_last else [2, 3]
    matrix = np.random.default_rng(0).normal(size=(channels, dimension)).astype(np.float32)
    nodes = [helper.make_node("ReduceMean", ["crop"], ["colour"], axes=axes, keepdims=0)]
    if mixed:
        nodes.append(helper.make_node("ReduceMean", ["colour"], ["shared"], axes=[0], keepdims=1))
        nodes.append(helper.make_node("Add", ["colour", "shared"], ["seen"]))
    last = "seen" if mixed else "colour"
    names = [f"vector{number}" for number in range(outputs)]
    nodes += [helper.make_node("MatMul", [last, "matrix"], [name]) for name in names]
    graph = helper.make_graph(
        nodes,
        "embedder",
        [helper.make_tensor_value_info("crop", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names],
        [numpy_helper.from_array(matrix, "matrix")],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8
    ).SerializeToString()


@pytest.mark.parametrize(
    ("form", "size", "batch"),
    [
        ({"shape": ("n", 3, "h", "w")}, None, None),
        ({"shape": (1, 3, "h", "w")}, None, 1),
        ({"shape": ("n", 3, "h", "w"), "batched": False}, None, 1),
        ({"shape": (1, 3, 640, 640), "batched": False}, (640, 640), 1),
        ({"shape": ("n", 3, 480, 640)}, (480, 640), None),
        ({"shape": (4, 3, 64, 96)}, (64, 96), 4),
    ],
    ids=str,
)
@pytest.mark.parametrize("family", ["scrfd", "yunet"])
def test_a_detector_is_known_by_its_shapes(
    family: str, form: dict[str, Any], size: tuple[int, int] | None, batch: int | None, tmp_path: Path
) -> None:
    content = GridGraph(**{**(YUNET if family == "yunet" else {}), **form}).write()
    card, files = import_onnx(saved(tmp_path, content))
    assert isinstance(card, DetectCard)
    assert (card.head, card.input.size, card.input.batch) == (family, size, batch)
    assert card.input.channels == {"scrfd": "RGB", "yunet": "BGR"}[family]
    assert card.input.stride == (1 if size else 32)
    assert [level["stride"] for level in card.parameters["levels"]] == [8, 16, 32]
    assert card.parameters["levels"][1]["boxes"] == "box_16"
    assert card.parameters["anchors"] == {"scrfd": 2, "yunet": 1}[family]
    assert ("size" in card.parameters) == (family == "scrfd" and size is None)
    assert ("longest" in card.parameters) == (family == "yunet" and size is None)
    assert files == {"model.onnx": content}
    assert "only family" in card.provenance.recipe
    assert family in card.provenance.recipe


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"landmarks": False, "scores": 2}, "no landmarks: faces are aligned by five points"),
        ({"scores": 3}, "outputs are 9 of one, 3 of four, 3 of ten, 0 others"),
        ({"shape": (1, 3, 100, 110)}, "do not give its outputs' lengths"),
        ({"shape": (2, 3, 64, 96), "batched": False}, "do not give its outputs' lengths"),
        ({"shape": (1, 3, 64, "w")}, "one side of the picture is fixed"),
        ({"shape": (1, 3, 2048, 64)}, "sides of 1 to 1024"),
        ({"shape": (100, 3, 64, 64)}, "1 to 64 pictures"),
        ({"box": (1.0, float("nan"), 1.0, 1.0)}, "'box_8' is not made of finite"),
    ],
    ids=str,
)
def test_a_graph_that_is_no_detector_of_ours_hears_why(
    change: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    file = saved(tmp_path, GridGraph(**change).write())
    with pytest.raises(GraphError, match=reason) as caught:
        import_onnx(file, family="scrfd")
    assert str(file) in str(caught.value)
    with pytest.raises(GraphError, match=r"not arcface: .*not scrfd: .*not yunet: "):
        import_onnx(file)


@pytest.mark.parametrize("family", ["scrfd", None])
def test_a_detector_without_landmarks_hears_what_to_pass(family: str | None, tmp_path: Path) -> None:
    file = saved(tmp_path, GridGraph(landmarks=False).write())
    with pytest.raises(
        GraphError, match=r"scrfd without landmarks.*landmarks=mien\.bundle\.catalog\."
    ) as caught:
        import_onnx(file, family=family)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "batched", "size", "batch"),
    [
        (("n", 3, "h", "w"), True, [640, 640], None),
        (("n", 3, "h", "w"), False, [640, 640], 1),
        ((1, 3, "h", "w"), False, [640, 640], None),
        ((2, 3, 480, 640), True, [480, 640], None),
    ],
    ids=str,
)
def test_a_detector_without_landmarks_becomes_a_bundle_of_two_graphs(
    shape: tuple[int | str, ...], batched: bool, size: list[int], batch: int | None, tmp_path: Path
) -> None:
    content = GridGraph(shape=shape, batched=batched, landmarks=False).write()
    card, files = import_onnx(saved(tmp_path, content), landmarks=landmark_graph, licence="research")
    assert isinstance(card, DetectCard)
    assert files == {"model.onnx": content, "landmarks.onnx": landmark_graph()}
    assert card.parameters["levels"][2] == {"stride": 32, "scores": ["score0_32"], "boxes": "box_32"}
    assert len(card.parameters["landmark_box"]) == 3
    # Both graphs are fed as the card says: what one of them insists on stands in that graph alone.
    assert (card.input.size, card.input.batch, card.parameters["size"]) == (None, batch, size)
    assert card.provenance.licence == "research (detector), MIT (landmarks)"
    assert "landmarks by the third network of MTCNN" in card.provenance.recipe
    bundle = write_proved(tmp_path / "bundle", card, files)
    assert {golden.file: golden.size for golden in bundle.card.golden}["landmarks.onnx"] == (48, 48)
    assert verify(Bundle.open(tmp_path / "bundle")) < 1e-3


def test_landmarks_are_fetched_only_where_they_are_wanted(tmp_path: Path) -> None:
    def absent() -> bytes:
        raise MissingExtraError("mtcnn", "starter")

    import_onnx(saved(tmp_path, GridGraph().write()), landmarks=absent)
    import_onnx(saved(tmp_path, embedder_graph()), landmarks=absent)
    with pytest.raises(GraphError, match="no landmarks"):
        import_onnx(saved(tmp_path, GridGraph(landmarks=False, scores=2).write()), landmarks=absent)
    with pytest.raises(MissingExtraError, match=r"mien\[starter\]"):
        import_onnx(saved(tmp_path, GridGraph(landmarks=False).write()), landmarks=absent)


def test_scores_that_are_none_are_refused(tmp_path: Path) -> None:
    model = onnx.load_from_string(GridGraph().write())
    for node in model.graph.node:
        if node.op_type == "Sigmoid":
            node.op_type = "Identity"
    with pytest.raises(GraphError, match=r"they leave 0\.\.1"):
        import_onnx(saved(tmp_path, model.SerializeToString()), family="scrfd")


def test_an_embedders_defaults_are_arcfaces(tmp_path: Path) -> None:
    card, _ = import_onnx(saved(tmp_path, embedder_graph()))
    assert isinstance(card, EmbedCard)
    assert (card.dimension, card.mirror, card.input.channels, card.input.layout) == (128, False, "RGB", "NCHW")
    assert card.input.mean == (127.5,) * 3
    assert card.input.scale == (1 / 127.5,) * 3
    assert card.reference.points == ARCFACE
    assert card.input.batch is None


def test_an_embedders_settings_are_its_cards(tmp_path: Path) -> None:
    reference = Reference(points=((30, 30), (60, 30), (45, 50), (33, 70), (57, 70)), weights=(1, 1, 0, 0, 0))
    told = Embedder("BGR", mean=(1.0, 2.0, 3.0), scale=1.0, reference=reference, mirror=True)
    file = saved(tmp_path, embedder_graph((1, 112, 96, 3), dimension=10))
    card, _ = import_onnx(file, family="arcface", embedder=told, licence="MIT", source="a talk")
    assert isinstance(card, EmbedCard)
    assert (card.input.channels, card.input.layout, card.input.size) == ("BGR", "NHWC", (112, 96))
    assert (card.input.mean, card.input.scale) == ((1.0, 2.0, 3.0), (1.0,) * 3)
    assert (card.reference, card.mirror, card.dimension) == (reference, True, 10)
    assert (card.provenance.licence, card.provenance.source) == ("MIT", "a talk")
    assert "as asked" in card.provenance.recipe


def test_the_published_points_grow_with_the_crop(tmp_path: Path) -> None:
    card, _ = import_onnx(
        saved(tmp_path, embedder_graph((1, 1, 224, 224))), family="arcface", embedder=Embedder("grey")
    )
    assert isinstance(card, EmbedCard)
    np.testing.assert_allclose(card.reference.points, np.array(ARCFACE) * 2)
    assert len(card.input.mean) == 1


def test_pictures_that_meddle_with_each_other_go_one_by_one(tmp_path: Path) -> None:
    card, _ = import_onnx(saved(tmp_path, embedder_graph(mixed=True)))
    assert card.input.batch == 1


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        ({"shape": (1, 3, "h", "w")}, "crops of one size"),
        ({"outputs": 2}, r"one vector a crop is wanted.*\(1, 128\), \(1, 128\)"),
        ({"shape": (1, 3, 112, 96)}, "have no published reference points"),
        ({"shape": (1, 4, 112, 112)}, "3 channels"),
        ({"dimension": 212}, "212 numbers a crop may be anything"),
    ],
    ids=str,
)
def test_a_graph_that_is_no_embedder_hears_why(graph: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(GraphError, match=reason):
        import_onnx(saved(tmp_path, embedder_graph(**graph)))


def test_arguments_that_contradict_are_named(tmp_path: Path) -> None:
    file = saved(tmp_path, embedder_graph())
    with pytest.raises(InputError, match=f"'retina' is unknown; known: {', '.join(sorted(FAMILIES))}"):
        import_onnx(file, family="retina")
    with pytest.raises(InputError, match="settings of an embedder"):
        import_onnx(file, family="scrfd", embedder=Embedder())
    with pytest.raises(InputError, match="'rgb' are unknown; known: RGB, BGR, grey"):
        Embedder(channels="rgb")  # type: ignore[arg-type]
    with pytest.raises(CardError, match="wants 3 of mean"):
        import_onnx(file, family="arcface", embedder=Embedder(mean=(1.0, 2.0)))
    with pytest.raises(CardError, match="scale of 0"):
        import_onnx(file, family="arcface", embedder=Embedder(scale=0.0))
    with pytest.raises(InputError, match="No such file"):
        import_onnx(tmp_path / "nothing.onnx")
    with pytest.raises(InputError):
        import_onnx(tmp_path)


def test_a_files_odd_name_becomes_a_plain_one(tmp_path: Path) -> None:
    for name, plain in (("my model (1).onnx", "my-model-1"), ("模型.onnx", "model"), ("-a_b.c.onnx", "a_b.c")):
        card, _ = import_onnx(saved(tmp_path, embedder_graph(), name))
        assert card.name == plain
        assert card.provenance.source == name


def test_weights_in_another_file_are_refused(tmp_path: Path) -> None:
    model = onnx.load_from_string(embedder_graph())
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../secret")
    with pytest.raises(GraphError, match="external data"):
        import_onnx(saved(tmp_path, model.SerializeToString()))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200))
def test_junk_raises_errors_of_our_tree(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(MienError):
        import_onnx(saved(tmp_path, content))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_raises_errors_of_our_tree(data: st.DataObject, tmp_path: Path) -> None:
    whole = data.draw(st.sampled_from([embedder_graph(), GridGraph().write()]))
    at = data.draw(st.integers(0, len(whole) - 1))
    cut = data.draw(st.booleans())
    broken = whole[:at] if cut else whole[:at] + bytes([data.draw(st.integers(0, 255))]) + whole[at + 1 :]
    try:
        import_onnx(saved(tmp_path, broken))
    except MienError:
        return
    assert not cut


def test_a_refused_graph_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """ONNX Runtime would announce on standard output that it tries again, among a verb's --json lines."""
    broken = embedder_graph().replace(b"MatMul", b"Mat\xf6ul")
    with pytest.raises(GraphError, match="ONNX Runtime refuses"):
        import_onnx(saved(tmp_path, broken))
    assert capfd.readouterr() == ("", "")


REAL = {
    "scrfd_500m": ("detect", None, 1),
    "scrfd_500m_bnkps": ("detect", (640, 640), 1),
    "face_detection_yunet_2023mar": ("detect", (640, 640), 1),
    "yunet_n_dynamic": ("detect", None, None),
    "mobilefacenet_112_128d": ("embed", (112, 112), None),
}


@pytest.mark.parametrize("name", REAL)
def test_public_files_become_proved_bundles(name: str, shared_data: Path, tmp_path: Path) -> None:
    file = shared_data / "models" / f"{name}.onnx"
    card, files = import_onnx(file)
    assert (card.task, card.input.size, card.input.batch) == REAL[name]
    bundle = write_proved(tmp_path / name, card, files)
    assert hashlib.sha256(bundle.read("model.onnx")).digest() == hashlib.sha256(file.read_bytes()).digest()
    assert verify(Bundle.open(tmp_path / name)) < 1e-3


@pytest.mark.parametrize("name", ["scrfd_500m", "scrfd_500m_bnkps"])
def test_public_files_without_landmarks_become_proved_bundles(
    name: str, shared_data: Path, tmp_path: Path
) -> None:
    six = without_landmarks((shared_data / "models" / f"{name}.onnx").read_bytes())
    card, files = import_onnx(saved(tmp_path, six), landmarks=landmark_graph)
    bundle = write_proved(tmp_path / name, card, files)
    assert bundle.read("model.onnx") == six
    assert verify(bundle) < 1e-3


def test_a_detector_of_another_kind_hears_why(shared_data: Path) -> None:
    with pytest.raises(GraphError, match="no landmarks: faces are aligned by five points"):
        import_onnx(shared_data / "models" / "version-RFB-320.onnx")
