"""Inference engines: one file each, the only door to its library."""

from __future__ import annotations

from importlib import import_module
from typing import Protocol

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


def open_engine(graph: bytes, runtime: Runtime) -> Engine:
    """The graph (a serialised ONNX model) on the engine that `runtime` names."""
    if runtime.engine not in ENGINES:
        raise DeviceError(f"engine {runtime.engine!r} is unknown; known: {', '.join(sorted(ENGINES))}")
    engine: Engine = import_module(ENGINES[runtime.engine]).open_engine(graph, runtime)
    return engine
