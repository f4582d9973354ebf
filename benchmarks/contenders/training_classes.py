"""A classifier over many people, alone: its weights, one batch, its optimiser."""

from __future__ import annotations

import time
from pathlib import Path

import torch
from clock import Measured, peak_mb, rss_mb

from mien.training.loss_settings import ArcFace
from mien.training.with_torch.losses import build
from mien.training.with_torch.losses.row_sgd import RowSGD

BATCH, DIMENSION, STEPS = 128, 512, 3


def run(*, classes: int, rate: float) -> Measured:
    """value: the most memory held in some steps beyond what libraries take, MB. cpu_ms: a step's wall."""
    empty = rss_mb()
    loss = build(ArcFace(sample=rate), dimension=DIMENSION, classes=classes)
    optimizer = RowSGD(loss.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    Path("/proc/self/clear_refs").write_text("5")  # what building took is not a step's
    seconds = 0.0
    for step in range(STEPS):
        features = torch.randn(BATCH, DIMENSION, requires_grad=True)
        labels = torch.randint(classes, (BATCH,))
        started = time.perf_counter()
        loss.begin_step(0, step)
        optimizer.zero_grad()
        loss(features, labels).backward()
        optimizer.step()
        seconds = time.perf_counter() - started
    return {"value": peak_mb() - empty, "cpu_ms": 1000 * seconds}
