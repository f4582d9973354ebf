"""Products by the engine: the graphs are ONNX as its own checker has it, the products those of NumPy."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.bundle.engines import open_product
from mien.bundle.engines.product_graphs import PRODUCTS, product_graph
from mien.bundle.runtime import Runtime
from mien.errors import DeviceError, GraphError, InputError

ONE_THREAD = Runtime(threads=1)


@pytest.mark.parametrize("kind", PRODUCTS)
def test_the_bytes_are_a_valid_model(kind: str) -> None:
    model = onnx.load_from_string(product_graph(kind))
    onnx.checker.check_model(model, full_check=True)
    assert model.SerializeToString() == product_graph(kind)


@given(st.integers(1, 40), st.integers(1, 70), st.integers(1, 9), st.integers(0, 1000))
def test_int8_is_the_product_of_whole_numbers(n: int, d: int, q: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    rows = generator.integers(1, 256, (n, d)).astype(np.uint8)
    probes = generator.integers(-64, 65, (d, q)).astype(np.int8)
    scales = generator.random((n, 1), np.float32)
    product = open_product("int8", ONE_THREAD)(rows=rows, probes=probes, scales=scales)
    wanted = (rows.astype(np.int64) - 128) @ probes.astype(np.int64)
    np.testing.assert_array_equal(product, wanted.astype(np.float32) * scales)
    assert product.dtype == np.float32


@pytest.mark.parametrize("d", [128, 512, 2048])
def test_int8_does_not_saturate(d: int) -> None:
    """The largest numbers that rows and probes hold: pairs of products fit the 16 bits of older processors."""
    rows, probes = np.full((3, d), 255, np.uint8), np.full((d, 2), 64, np.int8)
    product = open_product("int8", ONE_THREAD)(rows=rows, probes=probes, scales=np.ones((3, 1), np.float32))
    np.testing.assert_array_equal(product, np.full((3, 2), 127 * 64 * d))


def test_float16_is_widened_before_the_product() -> None:
    generator = np.random.default_rng(0)
    rows, probes = generator.normal(size=(30, 64)).astype(np.float16), generator.normal(size=(64, 5))
    product = open_product("float16", ONE_THREAD)(rows=rows, probes=probes.astype(np.float32))
    np.testing.assert_allclose(product, rows.astype(np.float64) @ probes, atol=1e-5)


def test_unknown_products_and_engines_name_the_known_ones() -> None:
    with pytest.raises(InputError, match="'int4' is unknown; known: int8, float16"):
        open_product("int4", ONE_THREAD)
    with pytest.raises(DeviceError, match="'tensorflow' is unknown; known: onnxruntime"):
        open_product("int8", Runtime(threads=1, engine="tensorflow"))


def test_inputs_that_do_not_fit() -> None:
    product = open_product("int8", ONE_THREAD)
    rows, scales = np.zeros((2, 4), np.uint8), np.ones((2, 1), np.float32)
    with pytest.raises(GraphError, match="the matrix product failed"):
        product(rows=rows, probes=np.zeros((5, 1), np.int8), scales=scales)
    with pytest.raises(GraphError, match="the matrix product failed"):
        product(rows=rows, probes=np.zeros((4, 1), np.float32), scales=scales)
