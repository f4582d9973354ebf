"""Gradient descent that touches only the rows that have a gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mien.errors import InputError


class RowSGD(torch.optim.SGD):
    """`torch.optim.SGD`, bit for bit, but for sparse gradients, as Partial FC's weights have them.

    There only the gradient's rows move: their weights, their momentum, their weight decay. Rows that a step did
    not draw stay as they are, their momentum too, as in InsightFace's Partial FC; SGD itself would coast and
    decay all of them. Raises InputError at a step with a sparse gradient and `dampening` or `maximize`.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step, the sparse gradients first."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        sparse = [
            (parameter, parameter.grad, group)
            for group in self.param_groups
            for parameter in group["params"]
            if parameter.grad is not None and parameter.grad.is_sparse
        ]
        for parameter, gradient, group in sparse:
            self._move_rows(parameter, gradient.coalesce(), group)
            parameter.grad = None  # hidden from SGD, which then leaves this parameter alone
        super().step()
        for parameter, gradient, _ in sparse:
            parameter.grad = gradient
        return loss

    def _move_rows(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        """SGD's rule (v ← momentum·v + g, w ← w − lr·v), row by row."""
        if group["dampening"] or group["maximize"]:
            raise InputError(
                "sparse gradients want neither dampening nor maximize: leave both at their defaults"
            )
        rows = gradient.indices()[0]
        change = gradient.values()
        if group["weight_decay"]:
            change = change.add(parameter[rows], alpha=group["weight_decay"])
        if group["momentum"]:
            change = self._with_momentum(parameter, rows, change, group)
        parameter.index_add_(0, rows, change * -group["lr"])

    def _with_momentum(self, parameter: Tensor, rows: Tensor, change: Tensor, group: dict[str, Any]) -> Tensor:
        state = self.state[parameter]
        if state.get("momentum_buffer") is None:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        speed = state["momentum_buffer"][rows].mul_(group["momentum"]).add_(change)
        state["momentum_buffer"][rows] = speed
        return change.add(speed, alpha=group["momentum"]) if group["nesterov"] else speed
