"""Several processes as one: their batches joined, their sums added up, with gradients that stay right.

With one process every function here hands back what it was given. Convention: all processes descend one loss,
and DDP divides the gradients that reach the network by the number of processes.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def count() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def number() -> int:
    """Which of them this is, from 0."""
    return dist.get_rank() if count() > 1 else 0


def share(things: int) -> range:
    """Which of so many things are this process's: as equal parts as can be, in order."""
    here, ranks = number(), count()
    return range(things * here // ranks, things * (here + 1) // ranks)


def everyone(tensor: Tensor) -> Tensor:
    """(n,…) of every process → (ranks · n,…), in the order of the processes, without gradient."""
    tensor = tensor.detach()
    if count() == 1:
        return tensor
    parts = [torch.empty_like(tensor) for _ in range(count())]
    dist.all_gather(parts, tensor.contiguous())
    return torch.cat(parts)


def gathered(tensor: Tensor, *, parts: bool = False) -> Tensor:
    """`everyone` with a gradient, multiplied by the number of processes against DDP's division.

    parts: each process computes only a part of the loss from it, so the parts' gradients must be added up; else
    each computes the whole, and its own gradient says all.
    """
    if count() == 1:
        return tensor
    joined: Tensor = _Gathered.apply(tensor, parts)  # type: ignore[no-untyped-call]
    return joined


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor, parts: bool) -> Tensor:
        ctx.parts = parts
        return everyone(tensor)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        grad = grads[0].clone(memory_format=torch.contiguous_format)
        if ctx.parts:
            dist.all_reduce(grad)
        return grad.chunk(count())[number()] * count(), None


def total(tensor: Tensor) -> Tensor:
    """The sum over the processes, without gradient."""
    if count() == 1:
        return tensor.detach()
    summed = tensor.detach().clone()
    dist.all_reduce(summed)
    return summed


def summed(tensor: Tensor) -> Tensor:
    """The sum over the processes; each one's gradient is the sum's, for all descend one and the same loss."""
    if count() == 1:
        return tensor
    whole: Tensor = _Summed.apply(tensor)  # type: ignore[no-untyped-call]
    return whole


class _Summed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        return total(tensor)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0]


def logsumexp(tensor: Tensor) -> Tensor:
    """log Σ exp over the processes, element by element, with its gradient."""
    if count() == 1:
        return tensor
    top = tensor.detach().clone()
    dist.all_reduce(top, dist.ReduceOp.MAX)
    return summed((tensor - top).exp()).log() + top


def joined(rows: Tensor, things: int) -> Tensor:
    """The rows (own, …) of every process's `share` of so many things → (things, …) on each one's CPU.

    One process's rows at a time travel, so an accelerator holds no more than two shares.
    """
    parts = []
    for rank in range(count()):
        own = rank == number()
        start, stop = things * rank // count(), things * (rank + 1) // count()
        part = rows.detach().contiguous() if own else rows.new_empty((stop - start, *rows.shape[1:]))
        if count() > 1:
            dist.broadcast(part, rank)
        parts.append(part.cpu())
    return torch.cat(parts)
