"""ONNX Runtime's door: the device that was asked for or an error, and errors of our own tree."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from graphs import graph_of, identity, means, serialised
from onnx import TensorProto, helper

from mien.bundle.engines import open_engine
from mien.bundle.engines.onnxruntime import PROVIDERS
from mien.bundle.runtime import Runtime
from mien.errors import DeviceError, GraphError

ONE_THREAD = Runtime(threads=1)


def test_runs_and_describes_a_graph() -> None:
    engine = open_engine(means(("n", 3, "h", 4)), ONE_THREAD)
    assert engine.input_shape == (None, 3, None, 4)
    assert engine.output_names == ("output",)
    batch = np.random.default_rng(0).normal(size=(2, 3, 5, 4)).astype(np.float32)
    np.testing.assert_allclose(engine.run(batch)[0], batch.mean(axis=(2, 3)), atol=1e-6)


def test_an_unknown_engine_names_the_known_ones() -> None:
    with pytest.raises(DeviceError, match=r"'tensorflow' is unknown; known: .*onnxruntime"):
        open_engine(identity(), Runtime(threads=1, engine="tensorflow"))


@pytest.mark.parametrize("device", ["gpu", "cpu:x", "cpu:0", "cpu:5", "cpu:", "CPU", "cuda:", "npu:0"])
def test_devices_that_are_none(device: str) -> None:
    with pytest.raises(DeviceError, match=r"is not on this machine; here: .*cpu"):
        open_engine(identity(), Runtime(device=device, threads=1))


def test_a_missing_provider_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CPUExecutionProvider"])
    for device in set(PROVIDERS) - {"cpu"}:
        with pytest.raises(DeviceError, match=f"'{device}' is not on this machine; here: cpu"):
            open_engine(identity(), Runtime(device=device, threads=1))


def test_a_provider_that_does_not_start_is_no_silent_fall_back(monkeypatch: pytest.MonkeyPatch) -> None:
    here = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(ort, "get_available_providers", lambda: here)
    real = ort.InferenceSession

    def fallen_back(graph: bytes, options: Any, providers: Any, **more: Any) -> Any:
        assert providers == [("CUDAExecutionProvider", {"device_id": "1"})]
        return real(graph, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(ort, "InferenceSession", fallen_back)
    with pytest.raises(DeviceError, match="'cuda:1' did not start"):
        open_engine(identity(), Runtime(device="cuda:1", threads=1))


@pytest.mark.parametrize("graph", [b"", b"not a graph", identity()[:-40]], ids=["empty", "text", "cut"])
def test_what_is_no_graph(graph: bytes) -> None:
    with pytest.raises(GraphError, match=r"refuses this graph|one float input"):
        open_engine(graph, ONE_THREAD)


def with_inputs(*kinds: int) -> bytes:
    graph = graph_of([helper.make_node("Identity", ["input"], ["output"])], ("n",), {"output": ("n",)}, {})
    del graph.input[:]
    names = ("input", "other")
    graph.input.extend(helper.make_tensor_value_info(n, k, ["n"]) for n, k in zip(names, kinds, strict=False))
    graph.output[0].type.tensor_type.elem_type = kinds[0]
    return serialised(graph)


@pytest.mark.parametrize("kinds", [(TensorProto.INT64,), (TensorProto.FLOAT, TensorProto.FLOAT)])
def test_other_than_one_float_input(kinds: tuple[int, ...]) -> None:
    with pytest.raises(GraphError, match="one float input is wanted, the graph takes"):
        open_engine(with_inputs(*kinds), ONE_THREAD)


def test_a_batch_that_does_not_fit() -> None:
    engine = open_engine(identity((1, 3, 4, 4)), ONE_THREAD)
    with pytest.raises(GraphError, match=r"failed on a batch of shape \(1, 3, 5, 4\)"):
        engine.run(np.zeros((1, 3, 5, 4), np.float32))


@pytest.mark.parametrize("spinning", [False, True])
def test_threads_and_spinning_reach_the_session(monkeypatch: pytest.MonkeyPatch, spinning: bool) -> None:
    seen: list[ort.SessionOptions] = []
    real = ort.InferenceSession

    def kept(graph: bytes, options: Any, **more: Any) -> Any:
        seen.append(options)
        return real(graph, options, **more)

    monkeypatch.setattr(ort, "InferenceSession", kept)
    open_engine(identity(), Runtime(threads=3, spinning=spinning))
    assert seen[0].intra_op_num_threads == 3
    assert seen[0].get_session_config_entry("session.intra_op.allow_spinning") == str(int(spinning))
