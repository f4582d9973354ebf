from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mien.errors import InputError
from mien.training.with_torch.losses.row_sgd import RowSGD

SETTINGS: list[dict[str, Any]] = [
    {"lr": 0.1},
    {"lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4},
    {"lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4, "nesterov": True},
]
ROWS, DIMENSION = 7, 4


def table(seed: int = 0) -> nn.Parameter:
    return nn.Parameter(torch.randn(ROWS, DIMENSION, generator=torch.Generator().manual_seed(seed)))


def gradient(step: int, rows: list[int]) -> Tensor:
    """Sparse; as an accumulated one it may name a row twice."""
    values = torch.randn(len(rows), DIMENSION, generator=torch.Generator().manual_seed(100 + step))
    return torch.sparse_coo_tensor(torch.tensor([rows]), values, (ROWS, DIMENSION), check_invariants=True)


@pytest.mark.parametrize("settings", [*SETTINGS, {"lr": 0.1, "momentum": 0.9, "dampening": 0.1}])
def test_dense_gradients_move_as_by_sgd_bit_for_bit(settings: dict[str, Any]) -> None:
    one, two = nn.Linear(5, 3), nn.Linear(5, 3)
    two.load_state_dict(one.state_dict())
    learners = [
        (one, RowSGD(one.parameters(), **settings)),
        (two, torch.optim.SGD(two.parameters(), **settings)),
    ]
    for step in range(4):
        x = torch.randn(6, 5, generator=torch.Generator().manual_seed(step))
        for net, optimiser in learners:
            optimiser.zero_grad()
            net(x).square().mean().backward()
            optimiser.step()
    assert torch.equal(one.weight, two.weight)
    assert torch.equal(one.bias, two.bias)


@pytest.mark.parametrize("settings", SETTINGS)
def test_a_sparse_gradient_of_every_row_moves_as_its_dense_one_by_sgd(settings: dict[str, Any]) -> None:
    mine, theirs = table(), table()
    optimisers = RowSGD([mine], **settings), torch.optim.SGD([theirs], **settings)
    for step in range(4):
        mine.grad = gradient(step, [3, 0, 6, 1, 2, 5, 4, 3])
        theirs.grad = mine.grad.to_dense()
        for optimiser in optimisers:
            optimiser.step()
    torch.testing.assert_close(mine, theirs)


def test_rows_without_a_gradient_rest_and_their_momentum_too() -> None:
    weights = table()
    before = weights.detach().clone()
    optimiser = RowSGD([weights], lr=0.1, momentum=0.9, weight_decay=0.1)
    speeds = torch.zeros(ROWS, DIMENSION)
    by_hand = before.clone()
    for step, rows in enumerate(([1, 4], [4, 6], [1, 6])):
        weights.grad = gradient(step, rows)
        values = weights.grad.to_dense()
        for row in rows:
            speeds[row] = 0.9 * speeds[row] + values[row] + 0.1 * by_hand[row]
            by_hand[row] -= 0.1 * speeds[row]
        optimiser.step()
    torch.testing.assert_close(weights.detach(), by_hand)
    torch.testing.assert_close(optimiser.state[weights]["momentum_buffer"], speeds)
    assert torch.equal(weights[[0, 2, 3, 5]], before[[0, 2, 3, 5]])


def test_each_group_has_its_own_rate_and_the_gradient_stays() -> None:
    dense, sparse = table(1), table(2)
    before = sparse.detach().clone()
    optimiser = RowSGD([{"params": [dense]}, {"params": [sparse], "lr": 0.5}], lr=0.1)
    dense.grad = torch.zeros(ROWS, DIMENSION)
    sparse.grad = gradient(0, [2])
    values = sparse.grad.to_dense()
    optimiser.step()
    torch.testing.assert_close(sparse.detach(), before - 0.5 * values)
    assert sparse.grad.is_sparse


def test_its_state_is_sgd_s() -> None:
    weights = table()
    optimiser = RowSGD([weights], lr=0.1, momentum=0.9)
    weights.grad = gradient(0, [2, 5])
    optimiser.step()
    copied = nn.Parameter(weights.detach().clone())
    plain = torch.optim.SGD([copied], lr=0.7, momentum=0.1)
    plain.load_state_dict(optimiser.state_dict())
    again = RowSGD([weights], lr=0.7, momentum=0.1)
    again.load_state_dict(plain.state_dict())
    assert again.param_groups[0]["lr"] == 0.1
    torch.testing.assert_close(again.state[weights], optimiser.state[weights])


def test_a_closure_is_called_once_with_gradients_on() -> None:
    weights = table()
    optimiser = RowSGD([weights], lr=0.1)
    calls = []

    def closure() -> float:
        calls.append(torch.is_grad_enabled())
        weights.grad = gradient(0, [2])
        return 3.5

    assert optimiser.step(closure) == 3.5
    assert calls == [True]


@pytest.mark.parametrize("settings", [{"momentum": 0.9, "dampening": 0.1}, {"maximize": True}])
def test_what_rows_cannot_do_is_refused(settings: dict[str, Any]) -> None:
    weights = table()
    optimiser = RowSGD([weights], lr=0.1, **settings)
    weights.grad = gradient(0, [2])
    with pytest.raises(InputError, match="neither dampening nor maximize"):
        optimiser.step()
