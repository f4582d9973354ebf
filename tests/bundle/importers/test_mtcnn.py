"""MTCNN's weights: every network against slow arithmetic as Keras does it, and pickles that stay shut."""

from __future__ import annotations

import hashlib
import io
import pickle
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from mien.bundle import catalog
from mien.bundle.card import decode_card
from mien.bundle.importers import mtcnn
from mien.errors import DigestError, MissingExtraError
from mien.values import Floats

NETS = ("pnet", "rnet", "onet")
SIDES = {"pnet": (21, 26), "rnet": (24, 24), "onet": (48, 48)}  # odd and even: both ends of SAME


@pytest.fixture(scope="module")
def packed() -> dict[str, bytes]:
    spec = find_spec("mtcnn")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("needs the package mtcnn (extra starter)")
    folder = Path(spec.submodule_search_locations[0]) / "assets" / "weights"
    return {net: (folder / f"{net}.lz4").read_bytes() for net in NETS}


@pytest.fixture(scope="module")
def graphs(packed: dict[str, bytes]) -> dict[str, bytes]:
    return mtcnn.networks(**packed)


# --- the networks by hand: (n,h,w,c) pictures, float64, as Keras orders and pads ---------------------------


class Slow:
    """The layers of one network, in the order in which its weights stand in the file."""

    def __init__(self, data: bytes, pictures: Floats) -> None:
        self.weights = iter([array.astype(np.float64) for array in joblib.load(io.BytesIO(data))])
        self.x: Any = pictures.transpose(0, 2, 3, 1).astype(np.float64)

    def conv(self) -> Slow:
        self.x = self.convolved()
        return self.prelu()

    def convolved(self) -> Any:
        kernel, bias = next(self.weights), next(self.weights)
        windows = sliding_window_view(self.x, kernel.shape[:2], axis=(1, 2))
        return np.einsum("nyxcij,ijco->nyxo", windows, kernel) + bias

    def prelu(self) -> Slow:
        slope = next(self.weights)
        self.x = np.where(self.x > 0, self.x, slope * self.x)
        return self

    def pool(self, size: int, *, same: bool) -> Slow:
        height, width = self.x.shape[1:3]
        rows, columns = (-(-side // 2) if same else (side - size) // 2 + 1 for side in (height, width))
        needed = [max((n - 1) * 2 + size - side, 0) for n, side in ((rows, height), (columns, width))]
        # Keras puts the larger half of what is missing at the end.
        ends = [(0, 0), *((n // 2, n - n // 2) if same else (0, 0) for n in needed), (0, 0)]
        padded = np.pad(self.x, ends, constant_values=-np.inf)
        windows = sliding_window_view(padded, (size, size), axis=(1, 2))[:, ::2, ::2]
        self.x = windows.max(axis=(4, 5))[:, :rows, :columns]
        return self

    def flat(self) -> Slow:
        self.x = self.x.transpose(0, 2, 1, 3).reshape(len(self.x), -1)
        return self.dense_prelu()

    def dense_prelu(self) -> Slow:
        self.x = self.dense()
        return self.prelu()

    def dense(self) -> Any:
        return self.x @ next(self.weights) + next(self.weights)


def second_of_softmax(two: Any) -> Any:
    powers = np.exp(two - two.max(axis=-1, keepdims=True))
    return powers[..., 1:] / powers.sum(axis=-1, keepdims=True)


def slow_pnet(net: Slow) -> list[Any]:
    net.conv().pool(2, same=True).conv().conv()
    box, face = net.convolved(), second_of_softmax(net.convolved())
    return [face.transpose(0, 3, 1, 2), box.transpose(0, 3, 1, 2)]


def slow_rnet(net: Slow) -> list[Any]:
    net.conv().pool(3, same=True).conv().pool(3, same=False).conv().flat()
    box, face = net.dense(), second_of_softmax(net.dense())
    return [face, box]


def slow_onet(net: Slow) -> list[Any]:
    net.conv().pool(3, same=True).conv().pool(3, same=False).conv().pool(2, same=True).conv().flat()
    box, landmarks, face = net.dense(), net.dense(), second_of_softmax(net.dense())
    return [face, box, landmarks]


SLOW = {"pnet": slow_pnet, "rnet": slow_rnet, "onet": slow_onet}


def pictures(net: str, count: int = 3) -> Floats:
    return np.random.default_rng(7).uniform(-1, 1, (count, 3, *SIDES[net])).astype(np.float32)


def outputs(graph: bytes, batch: Floats) -> list[Floats]:
    session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return session.run(None, {"input": batch})


@pytest.mark.parametrize("net", NETS)
def test_networks_compute_what_keras_would(
    net: str, packed: dict[str, bytes], graphs: dict[str, bytes]
) -> None:
    batch = pictures(net)
    slow = Slow(packed[net], batch)
    wanted = SLOW[net](slow)
    assert next(slow.weights, None) is None  # every array of the file was used
    for have, want in zip(outputs(graphs[f"{net}.onnx"], batch), wanted, strict=True):
        assert have.shape == want.shape
        assert np.abs(have - want).max() < 1e-5


@pytest.mark.parametrize("net", ["rnet", "onet"])
def test_a_flattening_in_the_usual_order_would_show(
    net: str, packed: dict[str, bytes], graphs: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def usual(self: Slow) -> Slow:
        self.x = self.x.reshape(len(self.x), -1)
        return self.dense_prelu()

    monkeypatch.setattr(Slow, "flat", usual)
    batch = pictures(net)
    wrong = SLOW[net](Slow(packed[net], batch))
    assert np.abs(outputs(graphs[f"{net}.onnx"], batch)[1] - wrong[1]).max() > 1e-3


def test_landmarks_alone_are_those_of_the_whole_network(
    packed: dict[str, bytes], graphs: dict[str, bytes]
) -> None:
    batch = pictures("onet")
    (alone,) = outputs(mtcnn.landmark_network(packed["onet"]), batch)
    assert np.array_equal(alone, outputs(graphs["onet.onnx"], batch)[2])


# --- what is written ---------------------------------------------------------------------------------------


def test_graphs_are_the_same_bytes_each_time_and_those_of_the_shipped_card(packed: dict[str, bytes]) -> None:
    card, files = mtcnn.detector(**packed)
    assert files == mtcnn.networks(**packed)
    shipped = decode_card((Path(catalog.__file__).parent / "starter" / "mtcnn" / "card.json").read_bytes())
    assert {file.name: hashlib.sha256(files[file.name]).hexdigest() for file in shipped.files} == {
        file.name: file.sha256 for file in card.files
    }
    assert card.digest == shipped.digest


def test_graphs_say_what_they_are(graphs: dict[str, bytes]) -> None:
    for name, data in graphs.items():
        model = onnx.load_from_string(data)
        onnx.checker.check_model(model, full_check=True)
        shape = model.graph.input[0].type.tensor_type.shape.dim
        sides = SIDES[name.removesuffix(".onnx")]
        assert (model.producer_name, model.ir_version, model.opset_import[0].version) == ("mien", 8, 17)
        assert (shape[0].dim_param, shape[1].dim_value) == ("batch", 3)
        assert name == "pnet.onnx" or tuple(side.dim_value for side in shape[2:]) == sides
        assert [o.name for o in model.graph.output][:2] == ["score", "box"]


def test_scores_are_probabilities(graphs: dict[str, bytes]) -> None:
    for net in NETS:
        score = outputs(graphs[f"{net}.onnx"], pictures(net))[0]
        assert ((score >= 0) & (score <= 1)).all()


# --- pickles -----------------------------------------------------------------------------------------------


class Bomb:
    """A pickle that writes a file when it is opened."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.write_text, (self.target, "boom")


@pytest.mark.parametrize("net", NETS)
def test_a_strange_pickle_is_never_opened(net: str, packed: dict[str, bytes], tmp_path: Path) -> None:
    target = tmp_path / "boom"
    data = pickle.dumps(Bomb(target))
    with pytest.raises(DigestError, match=f"{net}: not the weights"):
        mtcnn.networks(**{**packed, net: data})
    assert not target.exists()
    joblib.load(io.BytesIO(data))
    assert target.exists()  # it would have gone off


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("at", [0, 1000, -1])
def test_one_changed_byte_is_refused(
    net: str, at: int, packed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    load = joblib.load
    monkeypatch.setattr(joblib, "load", lambda file: opened.append(file.getvalue()) or load(file))
    changed = bytearray(packed[net])
    changed[at] ^= 1
    with pytest.raises(DigestError):
        mtcnn.networks(**{**packed, net: bytes(changed)})
    assert bytes(changed) not in opened


@pytest.mark.parametrize("package", ["joblib", "onnx"])
def test_a_missing_package_is_named_with_its_install_line(
    package: str, packed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # what Python keeps for "not there"
    with pytest.raises(MissingExtraError, match=rf"{package}.*mien\[starter\]"):
        mtcnn.networks(**packed)


@pytest.mark.usefixtures("packed")
def test_the_package_itself_is_never_imported(tmp_path: Path) -> None:
    code = (
        "import sys; from mien.bundle.catalog import ingredients; from mien.bundle.importers import mtcnn;"
        "mtcnn.networks(**ingredients('mtcnn'));"
        "print(sorted({'mtcnn', 'tensorflow', 'keras'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
