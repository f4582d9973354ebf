"""ONNX Runtime: the only place that opens it."""

from __future__ import annotations

from typing import Any

import onnxruntime as ort
from numpy.typing import NDArray

from mien.bundle.runtime import Runtime
from mien.errors import DeviceError, GraphError
from mien.values import Floats

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
}
SILENT = 4  # log severity: fatal only; what matters is raised


class OnnxRuntime:
    """One graph in one inference session, on exactly the provider that was asked for."""

    def __init__(self, graph: bytes, runtime: Runtime) -> None:
        self._session = _session(graph, runtime)
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type != "tensor(float)":
            raise GraphError(f"one float input is wanted, the graph takes {[(i.name, i.type) for i in inputs]}")
        self._input = inputs[0].name
        self.input_shape = tuple(size if isinstance(size, int) else None for size in inputs[0].shape)
        self.output_names = tuple(output.name for output in self._session.get_outputs())

    def run(self, batch: Floats) -> list[Floats]:
        """Every output, in the graph's order. GraphError where the batch does not fit."""
        try:
            outputs: list[Floats] = self._session.run(None, {self._input: batch})
        except Exception as error:  # the same dozen kinds
            raise GraphError(
                f"the model failed on a batch of shape {batch.shape}: {_first_line(error)}"
            ) from error
        return outputs


class OnnxProduct:
    """A graph of one matrix product: several inputs of any type, one output."""

    def __init__(self, graph: bytes, runtime: Runtime) -> None:
        self._session = _session(graph, runtime)

    def __call__(self, **inputs: NDArray[Any]) -> Floats:
        """The product. GraphError where an input does not fit."""
        try:
            output: Floats = self._session.run(None, inputs)[0]
        except Exception as error:  # a dozen kinds, with no common root
            raise GraphError(f"the matrix product failed: {_first_line(error)}") from error
        return output


def open_engine(graph: bytes, runtime: Runtime) -> OnnxRuntime:
    """The graph in an inference session, set up as `runtime` says."""
    return OnnxRuntime(graph, runtime)


def open_product(graph: bytes, runtime: Runtime) -> OnnxProduct:
    """The product in an inference session, set up as `runtime` says."""
    return OnnxProduct(graph, runtime)


def _session(graph: bytes, runtime: Runtime) -> ort.InferenceSession:
    provider, options = _provider(runtime.device)
    try:
        # Else it prints what failed, on standard output, and tries again on the CPU.
        session = ort.InferenceSession(
            graph, _session_options(runtime), providers=[(provider, options)], enable_fallback=0
        )
    except Exception as error:  # ONNX Runtime raises a dozen kinds of its own, with no common root
        raise GraphError(f"ONNX Runtime refuses this graph: {_first_line(error)}") from error
    # A provider that fails to start is dropped with a warning only: asking is the one way to know.
    if provider not in session.get_providers():
        raise DeviceError(f"device {runtime.device!r} did not start; its drivers may be missing")
    session.disable_fallback()
    return session


def _provider(device: str) -> tuple[str, dict[str, str]]:
    kind, colon, number = device.partition(":")
    here = ort.get_available_providers()
    known = [name for name, provider in PROVIDERS.items() if provider in here]
    numbered = kind != "cpu" and number.isdecimal()  # there is one CPU
    if kind not in known or (colon and not numbered):
        raise DeviceError(f"device {device!r} is not on this machine; here: {', '.join(known)}")
    return PROVIDERS[kind], {"device_id": number} if number else {}


def _session_options(runtime: Runtime) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = runtime.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = SILENT
    # Bytes that pass for an ONNX graph must not be taken for ONNX Runtime's own format.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(runtime.spinning)))
    options.add_session_config_entry("session.force_spinning_stop", "1")  # when the last run returns
    return options


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
