"""What every detector head is, and how it reads its parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from mien.bundle.bundle import Bundle
from mien.errors import CardError
from mien.values import Faces, Pixels

P = TypeVar("P")
RUN_PIXELS = 4_000_000  # of canvas in one run: bounds the memory of a batch


class Head(Protocol):
    """A detector ready to run; made from a bundle and a runtime, safe to call from several threads."""

    def __call__(self, images: Sequence[Pixels]) -> list[Faces]:
        """The faces of each image (h,w,3) uint8 RGB of any size, in that image's pixels, best score first."""
        ...


def decode_parameters(bundle: Bundle, kind: type[P]) -> P:
    """The card's `parameters` decoded strictly as `kind`; CardError names the field at fault."""
    try:
        return msgspec.convert(_parameters(bundle), kind)
    except msgspec.ValidationError as error:
        raise CardError(f"{bundle.folder}: parameters: {error}") from error


def runs(sizes: Sequence[tuple[int, ...]]) -> Iterator[list[int]]:
    """The numbers of the canvases that go through the graph together: of one size, and not too many."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for number, size in enumerate(sizes):
        groups.setdefault(size, []).append(number)
    for (height, width), numbers in groups.items():
        most = max(1, RUN_PIXELS // (height * width))
        yield from (numbers[start : start + most] for start in range(0, len(numbers), most))


def _parameters(bundle: Bundle) -> dict[str, Any]:
    return getattr(bundle.card, "parameters", {})
