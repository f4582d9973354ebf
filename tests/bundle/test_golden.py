"""Golden numbers: every mistake in how a model is described or fed moves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graphs import colour, detect_card, embed_card, files_of, graph_of, linear, means, serialised
from msgspec.structs import replace
from onnx import helper

from mien.bundle import golden as golden_module
from mien.bundle.bundle import Bundle
from mien.bundle.card import Golden
from mien.bundle.golden import COUNT, measure, pattern, verify, write_proved
from mien.bundle.session import Session
from mien.errors import BundleError

SIZE = (12, 10)
INPUT = colour(SIZE, mean=(127.5, 120.0, 110.0), scale=(0.01, 0.02, 0.03))


@pytest.fixture
def proved(tmp_path: Path) -> Bundle:
    return write_proved(tmp_path / "proved", *embed_card(linear(SIZE, 16), SIZE, input=INPUT, dimension=16))


def test_the_pattern_is_this_one() -> None:
    """Golden numbers in cards everywhere stand on it."""
    want = [[[(3 * x + y) % 256, (255 - 2 * x + 5 * y) % 256, (7 * (x // 4) + 11 * (y // 4)) % 256]
             for x in range(90)] for y in range(60)]  # fmt: skip
    np.testing.assert_array_equal(pattern((60, 90)), want)


def test_a_written_bundle_proves_itself(proved: Bundle) -> None:
    (golden,) = proved.card.golden
    assert (golden.file, golden.size, golden.output, len(golden.values)) == ("model.onnx", SIZE, 0, COUNT)
    assert verify(proved) < 1e-5
    assert verify(Bundle.open(proved.folder)) < 1e-5


@pytest.mark.parametrize(
    "changes",
    [
        {"channels": "BGR"},
        {"mean": (128.5, 120.0, 110.0)},
        {"mean": (127.5, 121.0, 110.0)},
        {"mean": (127.5, 120.0, 111.0)},
        {"scale": (0.011, 0.02, 0.03)},
        {"scale": (0.01, 0.02, 0.031)},
    ],
)
def test_an_input_described_otherwise_is_caught(
    proved: Bundle, tmp_path: Path, changes: dict[str, Any]
) -> None:
    card = replace(proved.card, input=replace(INPUT, **changes))
    wrong = Bundle.write(tmp_path / "wrong", card, {"model.onnx": proved.read("model.onnx")})
    with pytest.raises(BundleError, match=r"off its golden numbers .* not the model its card describes"):
        verify(wrong)


def test_another_weight_is_caught(proved: Bundle, tmp_path: Path) -> None:
    other = linear(SIZE, 16, seed=1)
    card = replace(proved.card, files=files_of(other))
    with pytest.raises(BundleError, match="off its golden numbers"):
        verify(Bundle.write(tmp_path / "wrong", card, {"model.onnx": other}))


def test_what_the_check_finds_undoes_the_writing(proved: Bundle, tmp_path: Path) -> None:
    card = replace(proved.card, input=replace(INPUT, channels="BGR"))
    with pytest.raises(BundleError, match="off its golden numbers"):
        Bundle.write(tmp_path / "wrong", card, {"model.onnx": proved.read("model.onnx")}, check=verify)
    assert not (tmp_path / "wrong").exists()


def test_a_card_without_golden_numbers_proves_nothing(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no golden numbers"):
        verify(Bundle.write(tmp_path / "plain", *embed_card()))


def with_golden(tmp_path: Path, **changes: Any) -> Bundle:
    fields = {"file": "model.onnx", "size": (8, 8), "output": 0, "values": (1.0,) * 3, "tolerance": 0.1}
    return Bundle.write(tmp_path / "g", *detect_card(means(), golden=(Golden(**{**fields, **changes}),)))


def test_promises_that_the_graph_cannot_keep(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no output 3, the graph has 1"):
        verify(with_golden(tmp_path, output=3))


def test_fewer_numbers_than_promised(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="3 numbers came out, 4 are promised"):
        verify(with_golden(tmp_path, values=(1.0,) * 4))


def means_of(size: tuple[int, int]) -> tuple[float, ...]:
    return tuple(pattern(size).reshape(-1, 3).mean(axis=0).tolist())


def test_measured_by_hand(tmp_path: Path) -> None:
    (golden,) = measure(Bundle.write(tmp_path / "m", *detect_card(means())))
    np.testing.assert_allclose(golden.values, means_of((64, 64)), rtol=1e-5)


def test_every_output_of_every_file_is_measured(tmp_path: Path) -> None:
    nodes = [helper.make_node("Identity", ["input"], [name]) for name in ("a", "b")]
    shape = ("n", 3, "h", "w")
    two = serialised(graph_of(nodes, shape, {"a": shape, "b": shape}, {}))
    card, _ = detect_card(files=(*files_of(two, "two.onnx"), *files_of(means(), "one.onnx")))
    bundle = Bundle.write(tmp_path / "three", card, {"two.onnx": two, "one.onnx": means()})
    measured = [(golden.file, golden.output) for golden in measure(bundle)]
    assert measured == [("two.onnx", 0), ("two.onnx", 1), ("one.onnx", 0)]


def test_a_file_is_opened_once_however_many_numbers_prove_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def counted(bundle: Bundle, file: str, runtime: Any) -> Session:
        opened.append(file)
        return Session(bundle, file, runtime)

    files = {"two.onnx": means(), "one.onnx": means()}
    card, _ = detect_card(files=tuple(listed for name in files for listed in files_of(files[name], name)))
    rows = measure(Bundle.write(tmp_path / "plain", card, files))
    small = means_of((8, 12))
    golden = (*rows, *(replace(row, size=(8, 12), values=small) for row in reversed(rows)))
    bundle = Bundle.write(tmp_path / "proved", replace(card, golden=golden), files)
    monkeypatch.setattr(golden_module, "Session", counted)
    assert verify(bundle) < 1e-3
    assert sorted(opened) == ["one.onnx", "two.onnx"]
    wrong = replace(card, golden=(*golden[:3], replace(golden[3], values=(1.0,) * 3)))
    with pytest.raises(BundleError, match=r"two\.onnx: output 0 is .* off its golden"):
        verify(Bundle.write(tmp_path / "wrong", wrong, files))


def test_numbers_that_are_none_cannot_be_golden(tmp_path: Path) -> None:
    nodes = [helper.make_node("Log", ["input"], ["output"])]  # of 0: −inf
    shape = ("n", 3, "h", "w")
    graph = serialised(graph_of(nodes, shape, {"output": shape}, {}))
    with pytest.raises(BundleError, match="finite"):
        write_proved(tmp_path / "log", *detect_card(graph))
    assert not (tmp_path / "log").exists()


def test_graphs_too_large_for_a_pattern(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="sides are 1 to 1024"):
        write_proved(tmp_path / "wide", *detect_card(means((1, 3, 8, 2000))))
