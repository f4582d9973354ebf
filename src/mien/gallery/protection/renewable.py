"""Renewable templates: a stored vector is Q·v, where Q is a secret random rotation or reflection.

Q is orthogonal, so every cosine among stored templates, and with probes turned alike, is that of the vectors.
With a new secret every template changes without a photograph (Q₂·Q₁ᵀ). In the words of ISO/IEC 24745 the stored
vector is the pseudonymous identifier; the secret, one for all of a gallery, stands for the auxiliary data.

What it cannot do: a table of many templates keeps its shape, and two tables are laid over each other by their
shapes alone, without any secret. So the stored templates are sealed besides (docs/privacy.md has the figures).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError, KeyingError
from mien.values import Floats

Doubles = NDArray[np.float64]
SECRET = 32  # bytes
LARGEST = 4096
LABEL = b"mien renewable template 1"
BLOCK = 8192  # vectors turned at a time, which bounds the memory
ORTHOGONAL = 1e-9
ALIKE = 1e-9  # how far two machines' numbers may lie apart; they differ by 1e-13
CHECKED = 4  # numbers of the check
TINY = 1e-12


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Transform:
    """An orthogonal transform: matrix (d,d) float64, read-only. is_identity: whether it changes nothing."""

    matrix: Doubles
    is_identity: bool = field(init=False)

    def __post_init__(self) -> None:
        matrix = np.array(self.matrix, np.float64)
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
            raise InputError(f"a transform has a square matrix, not one of shape {matrix.shape}")
        if not np.abs(matrix @ matrix.T - np.eye(len(matrix))).max(initial=0) < ORTHOGONAL:
            raise InputError("a transform's matrix is orthogonal, and this one is not")
        matrix.flags.writeable = False
        object.__setattr__(self, "matrix", matrix)
        object.__setattr__(self, "is_identity", bool((matrix == np.eye(len(matrix))).all()))

    @classmethod
    def from_secret(cls, secret: bytes, dimension: int) -> Self:
        """The transform of a 32-byte secret, uniform over all orthogonal ones (Haar).

        Stewart 1980, SIAM J. Numer. Anal. 17:403: the product of Householder reflections, each of which takes a
        random direction of its own to the first axis; Mezzadri 2007, Notices AMS 54:592, has the signs. The
        directions are normal numbers from SHAKE-256 of the secret. No step divides by what may be small, as the
        QR of a whole matrix does, so every machine and every NumPy finds the same numbers to 1e-12.
        """
        _require_secret(secret, dimension)
        matrix = np.eye(dimension)
        for direction in _directions(secret, dimension):
            _reflect(matrix[-len(direction) :, -len(direction) :], direction)
        return cls(matrix)

    @classmethod
    def identity(cls, dimension: int) -> Self:
        """What an unprotected gallery has: `apply` gives the vectors back, bit by bit."""
        return cls(np.eye(dimension))

    @property
    def dimension(self) -> int:
        """d, the numbers of a vector."""
        return len(self.matrix)

    def apply(self, vectors: Floats) -> Floats:
        """Vectors (n,d) turned, (n,d) float32 of length one; zeros stay zeros."""
        given = np.asarray(vectors)
        if given.ndim != 2 or given.shape[1] != self.dimension:
            raise InputError(f"vectors: shape (n, {self.dimension}) is wanted, not {given.shape}")
        if self.is_identity:
            return given.astype(np.float32)
        turned = np.empty(given.shape, np.float32)
        for start in range(0, len(given), BLOCK):
            part = given[start : start + BLOCK].astype(np.float64) @ self.matrix.T
            turned[start : start + BLOCK] = part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), TINY)
        return turned

    def change_to(self, other: Transform) -> Transform:
        """What turns templates stored under this one into those under `other`: Q₂·Q₁ᵀ."""
        if other.dimension != self.dimension:
            raise InputError(
                f"a transform of {self.dimension} numbers cannot change to one of {other.dimension}"
            )
        return Transform(other.matrix @ self.matrix.T)

    def check(self) -> bytes:
        """What a gallery keeps, sealed, to see that another machine builds the same transform.

        The first numbers of one turned vector. They say something of Q, so they are never stored openly.
        """
        return self._checked().astype("<f8").tobytes()

    def require(self, check: bytes) -> None:
        """KeyingError unless this is, to 1e-9, the transform that `check` is of."""
        kept = np.frombuffer(check, "<f8") if len(check) % 8 == 0 else np.empty(0)
        own = self._checked()
        if kept.shape != own.shape or not np.abs(kept - own).max(initial=0) < ALIKE:
            raise KeyingError(
                "the secret of this gallery's templates gives another transform here than where it was made; "
                "if the gallery's key is right, say so to mien's authors with both machines' NumPy versions"
            )

    def _checked(self) -> Doubles:
        steps = np.arange(1.0, self.dimension + 1)
        first: Doubles = self.matrix[:CHECKED] @ (steps / np.linalg.norm(steps))
        return first


def _require_secret(secret: bytes, dimension: int) -> None:
    if len(secret) != SECRET:
        raise InputError(f"a transform's secret has {SECRET} bytes, not {len(secret)}")
    if not 1 <= dimension <= LARGEST:
        raise InputError(f"dimension: 1 to {LARGEST} is wanted, not {dimension}")


def _directions(secret: bytes, dimension: int) -> Iterator[Doubles]:
    """Standard normal vectors of 1, 2, … `dimension` numbers, one after the other in one keyed stream."""
    count = dimension * (dimension + 1) // 2
    numbers = _normal(secret + LABEL + dimension.to_bytes(4, "little"), count)
    start = 0
    for length in range(1, dimension + 1):
        yield numbers[start : start + length]
        start += length


def _normal(seed: bytes, count: int) -> Doubles:
    """Standard normal numbers from the bytes of SHAKE-256 (FIPS 202), two at a time (Box and Muller 1958).

    Eight bytes, little-endian, make a number within 0..1: the middle of one of 2⁵³ steps, so never 0 or 1.
    """
    pairs = (count + 1) // 2
    stream = hashlib.shake_256(seed).digest(pairs * 16)
    uniform = ((np.frombuffer(stream, "<u8") >> np.uint64(11)) + 0.5) * 2.0**-53
    radius, angle = np.sqrt(-2 * np.log(uniform[:pairs])), 2 * np.pi * uniform[pairs:]
    normal: Doubles = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])
    return normal[:count]


def _reflect(block: NDArray[Any], direction: Doubles) -> None:
    """Block ← −s·(I − 2uuᵀ)·block, in place: the reflection that takes the first axis to the direction.

    Mezzadri 2007, equations 34 to 36: s is the sign of the direction's first number, and u the unit vector
    along direction + s·|direction|·e₁, a sum in which nothing cancels.
    """
    sign = np.copysign(1.0, direction[0])
    u = direction.copy()
    u[0] += sign * np.linalg.norm(direction)
    u /= np.linalg.norm(u)
    block -= np.outer(2 * u, u @ block)
    block *= -sign
