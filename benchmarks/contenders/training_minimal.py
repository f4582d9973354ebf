"""The loop that anybody writes: a DataLoader, a mirror, a network, ArcFace, SGD."""

from __future__ import annotations

import math
import time
from pathlib import Path

import cv2
import torch
import torch.nn.functional as F  # noqa: N812
from clock import Measured
from torch import nn
from torch.utils.data import DataLoader, Dataset

from mien.training.with_torch.backbones import build

WARM = 2
Order = torch.memory_format


class Crops(Dataset[tuple[torch.Tensor, int]]):
    def __init__(self, folder: str) -> None:
        people = sorted(Path(folder).iterdir())
        self.items = [
            (str(file), label) for label, person in enumerate(people) for file in sorted(person.iterdir())
        ]
        self.classes = len(people)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        path, label = self.items[row]
        pixels = cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB)  # type: ignore[arg-type]
        if torch.rand(()) < 0.5:
            pixels = pixels[:, ::-1].copy()
        return torch.from_numpy(pixels).permute(2, 0, 1).float().sub(127.5).div(127.5), label


def run(
    *, crops: str, network: str, steps: int, batch: int, memory: torch.memory_format | None = None
) -> Measured:
    """Faces a second over `steps`."""
    torch.manual_seed(0)
    data = Crops(crops)
    model = build(network, dimension=512).to(memory_format=memory or torch.contiguous_format)  # type: ignore[call-overload]
    weight = nn.Parameter(torch.randn(data.classes, 512) * 0.01)
    optimizer = torch.optim.SGD([*model.parameters(), weight], lr=0.025, momentum=0.9, weight_decay=5e-4)
    done, wall, processor = 0, 0.0, 0.0
    while True:
        for pixels, labels in DataLoader(data, batch, shuffle=True, drop_last=True):
            if done == WARM:
                wall, processor = time.perf_counter(), time.process_time()
            if done == WARM + steps:
                seconds, used = time.perf_counter() - wall, time.process_time() - processor
                return {"value": steps * batch / seconds, "cpu_ms": 1000 * used / (steps * batch)}
            if memory is not None:
                pixels = pixels.contiguous(memory_format=memory)
            loss = arcface(model(pixels), weight, labels)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            done += 1


def run_channels_last(*, crops: str, network: str, steps: int, batch: int) -> Measured:
    """The same by somebody who knows which order of memory is quick."""
    return run(crops=crops, network=network, steps=steps, batch=batch, memory=torch.channels_last)


def arcface(features: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    cosines = F.linear(F.normalize(features), F.normalize(weight))
    own = cosines.gather(1, labels[:, None])
    turned = own * math.cos(0.5) - (1 - own * own).clamp_min(1e-7).sqrt() * math.sin(0.5)
    return F.cross_entropy(64 * cosines.scatter(1, labels[:, None], turned), labels)
