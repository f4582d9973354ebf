"""What a graph takes and returns, seen by running it on noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from mien.bundle.card import CHANNELS
from mien.bundle.engines import Engine
from mien.errors import GraphError
from mien.values import Floats

PROBE = (256, 384)  # what a graph of any size is tried with: a multiple of every stride, not square
MOST_SIDE, MOST_PICTURES = 1024, 64  # of a graph's fixed input: bounds what trying it takes
Channels = Literal["RGB", "BGR", "grey"]
Layout = Literal["NCHW", "NHWC"]


@dataclass(frozen=True, slots=True)
class Picture:
    """What a graph takes: how many pictures at once, their (height, width), channels and layout; None: any."""

    batch: int | None
    size: tuple[int, int] | None
    channels: Channels
    layout: Layout

    def noise(self, n: int) -> Floats:
        """n pictures of noise, −1..1, always the same."""
        height, width = self.size or PROBE
        planes = CHANNELS[self.channels]
        sides = (planes, height, width) if self.layout == "NCHW" else (height, width, planes)
        return np.random.default_rng(0).uniform(-1, 1, (n, *sides)).astype(np.float32)


def picture_of(engine: Engine, channels: Channels) -> Picture:
    """What the graph takes; GraphError unless that is pictures of such channels, not too large to try."""
    shape, planes = engine.input_shape, CHANNELS[channels]
    if len(shape) != 4 or planes not in (shape[1], shape[3]):
        raise GraphError(f"pictures of {planes} channels ({channels}) are wanted, the graph takes {shape}")
    layout: Layout = "NCHW" if shape[1] == planes else "NHWC"
    height, width = shape[2:] if layout == "NCHW" else shape[1:3]
    batch = shape[0]
    if (height is None) != (width is None):
        raise GraphError(f"one side of the picture is fixed and the other is not: the graph takes {shape}")
    size = (height, width) if height is not None and width is not None else None
    sides = size or PROBE
    if not (
        1 <= min(sides) <= max(sides) <= MOST_SIDE and 1 <= (1 if batch is None else batch) <= MOST_PICTURES
    ):
        raise GraphError(
            f"1 to {MOST_PICTURES} pictures with sides of 1 to {MOST_SIDE} are wanted, not {shape}"
        )
    return Picture(batch, size, channels, layout)


def run(engine: Engine, batch: Floats) -> dict[str, Floats]:
    """Every output by name; GraphError unless they are finite float32 numbers."""
    outputs = dict(zip(engine.output_names, engine.run(batch), strict=True))
    for name, output in outputs.items():
        numbers = isinstance(output, np.ndarray) and output.dtype == np.float32
        if not numbers or not np.isfinite(output).all():
            raise GraphError(f"output {name!r} is not made of finite float32 numbers")
    return outputs


def batch_of(engine: Engine, picture: Picture) -> int | None:
    """How many pictures the graph takes at once; None only if two together give what each gives alone."""
    if picture.batch:
        return picture.batch
    pictures = picture.noise(2)
    try:
        together = engine.run(pictures)
    except GraphError:
        return 1
    apart = [engine.run(pictures[number : number + 1]) for number in range(2)]
    alone = [np.concatenate(each) for each in zip(*apart, strict=True)]
    same = all(
        both.shape == each.shape and len(both) == 2 and np.allclose(both, each, rtol=1e-3, atol=1e-3)
        for both, each in zip(together, alone, strict=True)
    )
    return None if same else 1
