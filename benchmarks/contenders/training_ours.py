"""`mien train`, whole: guard, events, checkpoints, everything that a user's run does."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from clock import Measured

from mien.training.recipe_file import recipe_of
from mien.training.with_torch.trainer import train

WARM = 2  # steps before the clock


def run(*, crops: str, network: str, steps: int, batch: int) -> Measured:
    """Faces a second over the last `steps` of a run, by the times at which its steps began."""
    from mien.training.with_torch.face_module import FaceModule

    begun: list[tuple[float, float]] = []
    before = FaceModule.on_train_batch_start

    def clocked(self: FaceModule, *args: object) -> None:
        begun.append((time.perf_counter(), time.process_time()))
        before(self, *args)  # type: ignore[arg-type]

    FaceModule.on_train_batch_start = clocked  # type: ignore[method-assign, assignment]
    recipe = recipe_of(
        {
            "data": {"train": crops, "crops": "arcface"},
            "network": {"backbone": network},
            "batch": {"size": batch},
            "schedule": {"steps": WARM + steps + 1},
            "validation": {"settle": 0},
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        train(recipe, Path(folder) / "run", lambda _: None)
    wall, processor = (begun[-1][i] - begun[WARM][i] for i in (0, 1))
    return {"value": steps * batch / wall, "cpu_ms": 1000 * processor / (steps * batch)}
