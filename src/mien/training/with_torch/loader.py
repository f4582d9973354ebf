"""Pictures → the batches that a process trains on, decoded ahead."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler
from torch.utils.data import Dataset as TorchDataset

from mien.training.augmentation import draws
from mien.training.batches import Batches, Chosen
from mien.training.datasets.dataset import Dataset, decode

MOST_WORKERS = 8
FEW_CORES = 4  # with fewer, processes that decode take from the network what they give


@dataclass(frozen=True, slots=True)
class Batch:
    """What a step sees. pixels (n,h,w,3) uint8 RGB, labels (n,) int64, draws (n,k) float32, rows (n,) int64:
    which pictures of the data they are.
    """

    pixels: Tensor
    labels: Tensor
    draws: Tensor
    rows: Tensor

    def pin_memory(self) -> Batch:
        """The same in pinned memory, so that a GPU can fetch it while it works."""
        return Batch(self.pixels.pin_memory(), self.labels.pin_memory(), self.draws, self.rows)


class Decoded(TorchDataset[Batch]):
    """A data set, read a batch at a time."""

    def __init__(self, dataset: Dataset, seed: int) -> None:
        self._dataset, self._seed = dataset, seed

    def __getitem__(self, chosen: Chosen) -> Batch:
        """The batch of these pictures. ImageError names the one that cannot be read."""
        pixels = np.stack([decode(self._dataset, int(row)) for row in chosen.rows])
        return Batch(
            torch.from_numpy(pixels),
            torch.from_numpy(self._dataset.labels[chosen.rows].astype(np.int64)),
            torch.from_numpy(draws(self._seed, chosen.epoch, chosen.numbers)),
            torch.from_numpy(chosen.rows),
        )


@dataclass(frozen=True, slots=True)
class Parts(Sampler[Chosen]):
    """This process's parts of the batches from step `start` to `stop`, a batch in `accumulate` parts."""

    batches: Batches
    start: int
    stop: int
    accumulate: int
    rank: int
    ranks: int

    def __len__(self) -> int:
        return (self.stop - self.start) * self.accumulate

    def __iter__(self) -> Iterator[Chosen]:
        for chosen in islice(self.batches.since(self.start), self.stop - self.start):
            for turn in range(self.accumulate):
                yield chosen.part(turn * self.ranks + self.rank, self.accumulate * self.ranks)


def loader(dataset: Dataset, parts: Parts, seed: int, workers: int, *, pin: bool) -> DataLoader[Batch]:
    """The process's batches. workers: processes that decode, −1 for as many as the cores suggest."""
    many = suggested_workers() if workers < 0 else workers
    return DataLoader(
        Decoded(dataset, seed),
        sampler=parts,
        batch_size=None,  # the sampler's items are batches already
        num_workers=many,
        pin_memory=pin,
        prefetch_factor=4 if many else None,
    )


def suggested_workers() -> int:
    """Decoding processes for the cores that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 0 if cores < FEW_CORES else min(cores // 2, MOST_WORKERS)
