"""The batches of a process, read in this process and in others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from made_training import person, write_faces

from mien.errors import ImageError
from mien.training.augmentation import COLUMNS, draws
from mien.training.batches import Batches
from mien.training.datasets import open_dataset
from mien.training.datasets.dataset import Dataset
from mien.training.with_torch.loader import Batch, Decoded, Parts, loader, suggested_workers


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return open_dataset(write_faces(tmp_path / "faces", 4, 6))


def parts(
    dataset: Dataset, *, start: int = 0, stop: int = 6, accumulate: int = 1, rank: int = 0, ranks: int = 1
) -> Parts:
    return Parts(Batches(dataset.labels, 8, seed=5), start, stop, accumulate, rank, ranks)


def same(one: Batch, other: Batch) -> bool:
    names = ("pixels", "labels", "draws", "rows")
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in names)


def test_a_batch_holds_what_was_chosen(dataset: Dataset) -> None:
    chosen = next(iter(parts(dataset)))
    batch = Decoded(dataset, 5)[chosen]
    assert batch.rows.tolist() == chosen.rows.tolist()
    assert batch.labels.tolist() == dataset.labels[chosen.rows].tolist()
    assert batch.labels.dtype == torch.int64
    for row, pixels in zip(chosen.rows, batch.pixels, strict=True):
        assert np.array_equal(pixels.numpy(), person(int(row) // 6, 6)[row % 6])
    assert batch.draws.shape == (8, len(COLUMNS))
    assert np.array_equal(batch.draws.numpy(), draws(5, 0, chosen.numbers))


def test_chance_is_another_in_each_epoch(dataset: Dataset) -> None:
    batches = list(loader(dataset, parts(dataset), 5, 0, pin=False))
    row = int(batches[0].rows[0])
    again = next(each for each in batches[3:] if row in each.rows.tolist())
    place = again.rows.tolist().index(row)
    assert not torch.equal(batches[0].draws[0], again.draws[place])
    assert torch.equal(batches[0].pixels[0], again.pixels[place])


def test_all_steps_come_in_order_from_anywhere(dataset: Dataset) -> None:
    whole = list(loader(dataset, parts(dataset), 5, 0, pin=False))
    assert len(whole) == len(parts(dataset)) == 6
    later = list(loader(dataset, parts(dataset, start=4), 5, 0, pin=False))
    assert len(later) == len(parts(dataset, start=4)) == 2
    assert all(map(same, whole[4:], later))


@pytest.mark.parametrize(("accumulate", "ranks"), [(2, 1), (1, 2), (2, 2), (4, 2)])
def test_the_parts_of_all_processes_make_up_the_batch(dataset: Dataset, accumulate: int, ranks: int) -> None:
    whole = list(loader(dataset, parts(dataset), 5, 0, pin=False))
    split = [
        list(loader(dataset, parts(dataset, accumulate=accumulate, rank=rank, ranks=ranks), 5, 0, pin=False))
        for rank in range(ranks)
    ]
    for step, batch in enumerate(whole):
        turns = range(step * accumulate, (step + 1) * accumulate)
        pieces = [split[rank][turn] for turn in turns for rank in range(ranks)]
        assert torch.equal(torch.cat([each.pixels for each in pieces]), batch.pixels)
        assert torch.equal(torch.cat([each.draws for each in pieces]), batch.draws)


def test_processes_that_decode_give_the_same(dataset: Dataset) -> None:
    here = list(loader(dataset, parts(dataset), 5, 0, pin=False))
    torch.manual_seed(1)
    there = list(loader(dataset, parts(dataset), 5, 2, pin=False))
    assert len(here) == len(there)
    assert all(map(same, here, there))


def test_a_picture_that_went_bad_is_named(tmp_path: Path) -> None:
    root = write_faces(tmp_path / "faces", 4, 6)
    dataset = open_dataset(root)
    (root / "p002" / "3.png").write_bytes(b"nothing")
    with pytest.raises(ImageError, match=r"faces: p002/3.png"):
        list(loader(dataset, parts(dataset), 5, 0, pin=False))


@pytest.mark.parametrize(("cores", "workers"), [(1, 0), (2, 0), (3, 0), (4, 2), (8, 4), (16, 8), (64, 8)])
def test_few_cores_are_left_to_the_network(monkeypatch: pytest.MonkeyPatch, cores: int, workers: int) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)))
    assert suggested_workers() == workers
