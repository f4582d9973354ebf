from __future__ import annotations

import torch

from mien.training.with_torch.losses.pairs import distances, relations


def test_nobody_is_their_own_pair() -> None:
    same, other = relations(torch.tensor([4, 4, 7]))
    assert same.tolist() == [[False, True, False], [True, False, False], [False, False, False]]
    assert other.tolist() == [[False, False, True], [False, False, True], [True, True, False]]


def test_distances_are_euclid_s_between_unit_vectors() -> None:
    unit = torch.tensor([[1.0, 0], [0, 1], [-1, 0]], dtype=torch.float64)
    torch.testing.assert_close(distances(unit, squared=True), torch.cdist(unit, unit) ** 2, atol=1e-6, rtol=0)
    torch.testing.assert_close(distances(unit, squared=False), torch.cdist(unit, unit), atol=1e-3, rtol=0)
