"""Inference engines: one file each, the only door to its library."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any, Protocol

from numpy.typing import NDArray

from mien.bundle.engines.product_graphs import product_graph
from mien.bundle.runtime import Runtime
from mien.errors import DeviceError
from mien.values import Floats

ENGINES = {"onnxruntime": "mien.bundle.engines.onnxruntime"}


class Engine(Protocol):
    """A graph ready to run. Safe to call from several threads at once."""

    input_shape: tuple[int | None, ...]
    output_names: tuple[str, ...]

    def run(self, batch: Floats) -> list[Floats]:
        """Every output, in the graph's order."""
        ...


class Product(Protocol):
    """A matrix product of few bits, ready to run. Safe to call from several threads at once."""

    def __call__(self, **inputs: NDArray[Any]) -> Floats:
        """(n,q) float32, of inputs (n,d) and (d,q) as `product_graph` names them."""
        ...


def open_engine(graph: bytes, runtime: Runtime) -> Engine:
    """The graph (a serialised ONNX model) on the engine that `runtime` names."""
    engine: Engine = _door(runtime).open_engine(graph, runtime)
    return engine


def open_product(kind: str, runtime: Runtime) -> Product:
    """The matrix product `kind` (see `product_graphs.PRODUCTS`) on the engine that `runtime` names."""
    product: Product = _door(runtime).open_product(product_graph(kind), runtime)
    return product


def _door(runtime: Runtime) -> ModuleType:
    if runtime.engine not in ENGINES:
        raise DeviceError(f"engine {runtime.engine!r} is unknown; known: {', '.join(sorted(ENGINES))}")
    return import_module(ENGINES[runtime.engine])
