"""What every detector head is, and how it reads its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from mien.bundle.bundle import Bundle
from mien.errors import CardError
from mien.values import Faces, Pixels

P = TypeVar("P")


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


def _parameters(bundle: Bundle) -> dict[str, Any]:
    return getattr(bundle.card, "parameters", {})
