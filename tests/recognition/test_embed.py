"""The embedder against NumPy: the same numbers from a graph whose arithmetic is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graphs import detect_card, embed_card, files_of, linear, linear_parts
from numpy.typing import NDArray

from mien.bundle.bundle import Bundle
from mien.bundle.runtime import Runtime
from mien.errors import BundleError, GraphError, InputError
from mien.recognition.embed import BATCH, Embedder

SIZE, DIMENSION = (12, 10), 4
ONE_THREAD = Runtime(threads=1)
Embedding = Callable[..., Embedder]


@pytest.fixture
def embedder(tmp_path: Path) -> Embedding:
    def make(graph: bytes | None = None, **changes: Any) -> Embedder:
        return Embedder(Bundle.write(tmp_path / "bundle", *embed_card(graph, SIZE, **changes)), ONE_THREAD)

    return make


def crops(n: int) -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (n, *SIZE, 3), dtype=np.uint8)


def by_hand(images: NDArray[np.uint8], seed: int = 0) -> NDArray[np.float64]:
    """What `linear` computes of (pixel − 127.5) / 128, channel after channel."""
    weights = linear_parts(SIZE, DIMENSION, "n", seed)[3]
    planes = ((images.astype(float) - 127.5) / 128).transpose(0, 3, 1, 2)
    return planes.reshape(len(images), -1) @ weights["weight"].astype(float) + weights["bias"]


@pytest.mark.parametrize("batch", ["n", 1, 4])
@pytest.mark.parametrize("n", [1, 5])
def test_vectors_are_unit_and_norms_are_theirs_before(embedder: Embedding, batch: int | str, n: int) -> None:
    vectors, norms = embedder(linear(SIZE, DIMENSION, batch=batch))(crops(n))
    want = by_hand(crops(n))
    np.testing.assert_allclose(norms, np.linalg.norm(want, axis=1), rtol=1e-5)
    np.testing.assert_allclose(vectors, want / np.linalg.norm(want, axis=1, keepdims=True), atol=1e-5)
    assert vectors.dtype == norms.dtype == np.float32


def test_mirror_averages_the_raw_outputs_of_both_views(embedder: Embedding) -> None:
    vectors, norms = embedder(mirror=True)(crops(3))
    raw = (by_hand(crops(3)) + by_hand(crops(3)[:, :, ::-1])) / 2
    np.testing.assert_allclose(norms, np.linalg.norm(raw, axis=1), rtol=1e-5)
    np.testing.assert_allclose(vectors, raw / np.linalg.norm(raw, axis=1, keepdims=True), atol=1e-5)


@pytest.mark.parametrize("mirror", [False, True])
def test_many_crops_come_in_several_runs_and_in_order(embedder: Embedding, mirror: bool) -> None:
    run = embedder(mirror=mirror)
    many = crops(2 * BATCH + 1)
    vectors, norms = run(many)
    for i in (0, BATCH // 2 - 1, BATCH // 2, BATCH, 2 * BATCH):
        alone, norm = run(many[i : i + 1])
        np.testing.assert_allclose(vectors[i], alone[0], atol=1e-6)
        assert norms[i] == pytest.approx(norm[0], rel=1e-6)


def test_no_crop_gives_no_vector(embedder: Embedding) -> None:
    vectors, norms = embedder()(crops(0))
    assert (vectors.shape, norms.shape) == ((0, DIMENSION), (0,))


def test_another_dimension_than_the_card_promises(embedder: Embedding) -> None:
    run = embedder(dimension=5)
    with pytest.raises(GraphError, match=r"\(2, 4\) numbers came out for 2 crops, the card promises 5"):
        run(crops(2))


@pytest.mark.parametrize("bias", [0.0, np.nan, np.inf, 1e30])
def test_vectors_that_point_nowhere_are_refused(embedder: Embedding, bias: float) -> None:
    from graphs import graph_of, serialised

    nodes, taken, returned, weights = linear_parts(SIZE, DIMENSION, "n", 0)
    broken = {"weight": weights["weight"] * 0, "bias": np.full(DIMENSION, bias, np.float32)}
    run = embedder(serialised(graph_of(nodes, taken, returned, broken)))
    with pytest.raises(GraphError, match="empty or not finite"):
        run(crops(2))


@pytest.mark.parametrize("shape", [(2, 10, 12, 3), (12, 10, 3), (2, 12, 10, 1)])
def test_crops_of_another_size_are_refused(embedder: Embedding, shape: tuple[int, ...]) -> None:
    run = embedder()
    with pytest.raises(InputError, match=r"wanted"):
        run(np.zeros(shape, np.uint8))


def test_a_detector_is_no_embedder(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="'detect' cannot serve as an embedder"):
        Embedder(Bundle.write(tmp_path / "detector", *detect_card()), ONE_THREAD)


def test_an_embedder_has_one_graph(tmp_path: Path) -> None:
    card, files = embed_card(files=(*files_of(linear()), *files_of(linear(), "second.onnx")))
    bundle = Bundle.write(tmp_path / "two", card, {**files, "second.onnx": linear()})
    with pytest.raises(BundleError, match="one graph, this card names 2"):
        Embedder(bundle, ONE_THREAD)
