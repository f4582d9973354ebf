"""Pictures in, arrays out: every field of a card's input, against NumPy."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from graphs import colour, detect_card, identity, linear, linear_parts, means
from numpy.typing import NDArray

from mien.bundle.bundle import Bundle
from mien.bundle.runtime import Runtime
from mien.bundle.session import Session, prepare
from mien.errors import DigestError, GraphError, InputError

Opening = Callable[..., Session]
MEAN, SCALE = (10.0, 20.0, 30.0), (0.5, 0.25, 2.0)


@pytest.fixture
def opened(tmp_path: Path) -> Opening:
    def make(graph: bytes, runtime: Runtime | None = None, **changes: Any) -> Session:
        made = detect_card(graph, input=colour(**changes))
        return Session(Bundle.write(tmp_path / "bundle", *made), "model.onnx", runtime or Runtime(threads=1))

    return make


def pictures(n: int = 2, height: int = 5, width: int = 7) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (n, height, width, 3), dtype=np.uint8)


def test_rgb() -> None:
    want = ((pictures() - np.array(MEAN)) * SCALE).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(prepare(pictures(), colour(mean=MEAN, scale=SCALE)), want, rtol=1e-6)


def test_bgr_takes_mean_and_scale_in_the_graph_s_own_order() -> None:
    want = ((pictures()[..., ::-1] - np.array(MEAN)) * SCALE).transpose(0, 3, 1, 2)
    spec = colour(channels="BGR", mean=MEAN, scale=SCALE)
    np.testing.assert_allclose(prepare(pictures(), spec), want, rtol=1e-6)


def test_grey() -> None:
    want = [(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) - 3.0) * 0.5 for image in pictures()]
    spec = colour(channels="grey", mean=(3.0,), scale=(0.5,))
    np.testing.assert_allclose(prepare(pictures(), spec), np.array(want)[:, None], rtol=1e-6)


def test_channels_last() -> None:
    want = (pictures() - np.array(MEAN)) * SCALE
    batch = prepare(pictures(), colour(layout="NHWC", mean=MEAN, scale=SCALE))
    np.testing.assert_allclose(batch, want, rtol=1e-6)
    assert batch.flags.c_contiguous


def test_pictures_that_are_views_are_no_trouble() -> None:
    whole = pictures(2, 10, 14)
    for view in (whole[:, ::2, ::2], whole[:, :, ::-1], whole[::-1, 3:8, 2:9]):
        np.testing.assert_array_equal(prepare(view, colour()), prepare(view.copy(), colour()))


@pytest.mark.parametrize("channels", ["infrared", "depth"])
def test_what_no_photograph_has_is_refused(channels: str) -> None:
    with pytest.raises(InputError, match=f"reads 8-bit {channels}, not 8-bit colour"):
        prepare(pictures(), colour(channels=channels, mean=(0.0,), scale=(1.0,)))


def test_sixteen_bits_are_refused() -> None:
    with pytest.raises(InputError, match="reads 16-bit RGB"):
        prepare(pictures(), colour(bits=16))


@pytest.mark.parametrize(
    "images", [pictures()[0], pictures()[..., :1], pictures().astype(np.float32), pictures().astype(np.uint16)]
)
def test_only_batches_of_rgb_bytes(images: Any) -> None:
    with pytest.raises(InputError, match=r"pictures are \(n,h,w,3\) uint8 RGB, not"):
        prepare(images, colour())


def test_the_graph_gets_what_the_card_says(opened: Opening) -> None:
    (returned,) = opened(identity(), mean=MEAN, scale=SCALE)(pictures())
    np.testing.assert_array_equal(returned, prepare(pictures(), colour(mean=MEAN, scale=SCALE)))


def test_channels_last_graphs(opened: Opening) -> None:
    session = opened(identity(("n", "h", "w", 3)), layout="NHWC")
    assert session(pictures())[0].shape == (2, 5, 7, 3)


def projected(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """What `linear` makes of pixels as they are."""
    parts = linear_parts(images.shape[1:3], 4, "n", 0)[3]
    planes = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    return np.asarray(planes.astype(float) @ parts["weight"] + parts["bias"])


@pytest.mark.parametrize("n", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("batch", [1, 4])
def test_a_fixed_batch_is_filled_up_and_cut_again(opened: Opening, batch: int, n: int) -> None:
    size = (5, 7)
    found = opened(linear(size, batch=batch), size=size, batch=batch)(pictures(n))[0]
    np.testing.assert_allclose(found, projected(pictures(n)), rtol=1e-4, atol=1e-2)


def test_names_and_sides(opened: Opening) -> None:
    session = opened(identity(("n", 3, 5, "w")))
    assert session.output_names == ("output",)
    assert session.sides == (5, None)


@pytest.mark.parametrize(
    ("graph", "changes"),
    [
        (means(("n", 1, "h", "w")), {}),
        (means(("n", 3, "h", "w")), {"channels": "grey", "mean": (0.0,), "scale": (1.0,)}),
        (means(("n", 3, 6, 6)), {"size": (6, 7)}),
        (means((2, 3, "h", "w")), {"batch": 3}),
        (identity(("n", "h", "w", 3)), {"size": (6, 7)}),
        (identity(("n", 3, "h")), {}),
        (means(("n", 3, 2**31 - 1, "w")), {}),
        (means((5000, 3, "h", "w")), {}),
    ],
)
def test_a_graph_that_does_not_fit_its_card(opened: Opening, graph: bytes, changes: dict[str, Any]) -> None:
    with pytest.raises(GraphError, match=r"the graph takes \(.*\), its card says \("):
        opened(graph, **changes)


def test_a_picture_of_a_size_that_the_graph_does_not_take(opened: Opening) -> None:
    with pytest.raises(GraphError, match=r"failed on a batch of shape \(2, 3, 5, 7\)"):
        opened(identity(("n", 3, 6, 6)))(pictures())


def test_a_batch_that_no_memory_holds(opened: Opening) -> None:
    session = opened(means((4096, 3, "h", "w")))
    with pytest.raises(GraphError, match="do not fit into memory"):
        session(pictures(1, 500, 500))


def test_files_are_held_against_the_card(tmp_path: Path) -> None:
    bundle = Bundle.write(tmp_path / "bundle", *detect_card())
    (bundle.folder / "model.onnx").write_bytes(identity())
    with pytest.raises(DigestError):
        Session(bundle, "model.onnx", Runtime(threads=1))


def test_eight_threads_at_once_get_the_numbers_of_one(opened: Opening) -> None:
    size = (24, 20)
    session = opened(linear(size, 16), Runtime(threads=2), size=size)
    batches = [pictures(1 + i % 3, *size) + np.uint8(i) for i in range(64)]
    alone = [session(batch)[0] for batch in batches]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda batch: session(batch)[0], batches))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-5)
