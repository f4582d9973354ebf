"""Functions of test files run in several processes at once, as a training on several devices is.

Run as a script, this is one of the processes.
"""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

Worker = Callable[[], dict[str, Any]]
LONGEST = 120.0  # seconds until what hangs is ended


def together(worker: Worker, folder: Path, *, ranks: int = 2) -> list[dict[str, Any]]:
    """What a test file's function returns in each of so many processes joined by gloo.

    It may return tensors, numbers, text and dicts of them. AssertionError holds the processes' words where one
    fails, or all of them hang.
    """
    orders = [[inspect.getfile(worker), worker.__name__, str(n), str(ranks), str(folder)] for n in range(ranks)]
    settings = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    outputs = [(folder / f"{n}.txt").open("w+b") for n in range(ranks)]
    running = [
        subprocess.Popen([sys.executable, __file__, *order], stdout=out, stderr=out, env=settings)
        for order, out in zip(orders, outputs, strict=True)
    ]
    try:
        _wait(running)
    finally:
        for process in running:
            process.kill()
            process.wait()
        for output in outputs:
            output.close()
    words = "\n".join((folder / f"{n}.txt").read_text("utf-8", "replace") for n in range(ranks))
    assert all(process.returncode == 0 for process in running), words
    return [torch.load(folder / f"{n}.pt", weights_only=True) for n in range(ranks)]


def _wait(running: list[subprocess.Popen[bytes]]) -> None:
    """Until all have ended, one has failed, or it is too late."""
    late = time.monotonic() + LONGEST
    for process in running:
        try:
            process.wait(max(late - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            return
        if process.returncode:
            return


def _main(file: str, name: str, rank: str, ranks: str, folder: str) -> None:
    torch.set_num_threads(1)
    spec = spec_from_file_location("worker", file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    store = f"file://{folder}/store"
    wait = timedelta(seconds=LONGEST / 2)
    dist.init_process_group("gloo", store, rank=int(rank), world_size=int(ranks), timeout=wait)
    try:
        torch.save(getattr(module, name)(), Path(folder) / f"{rank}.pt")
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    _main(*sys.argv[1:])
