"""insightface's verification sets, `.bin`: a pickle of encoded pictures and truth values, never unpickled.

Pictures 2i and 2i + 1 are pair i. What the pickle holds is read by `pickles`, which runs nothing of it. The
sets' folds are not in the file; ten equal ones in the file's order are the custom (insightface's
verification.py).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError
from mien.evaluation.protocols.pairs import PairList, folds_of, frozen_marks
from mien.evaluation.protocols.pickles import ANEW, kind_of, value_of
from mien.files import read_bounded

MAX_BYTES = 4 << 30


@dataclass(frozen=True, slots=True, eq=False)
class BinSet:
    """A set's encoded pictures, two a pair, and whether each pair shows one person: same (k,) bool.

    name: the file's, which names the pictures. Raises InputError where pictures and pairs do not fit.
    """

    pictures: tuple[bytes, ...]
    same: NDArray[np.bool_]
    name: str = "set.bin"

    def __post_init__(self) -> None:
        k = len(np.atleast_1d(self.same))
        if not k or len(self.pictures) != 2 * k:
            raise InputError(f"{self.name}: {len(self.pictures)} pictures for {k} pairs, two a pair are wanted")
        if not all(isinstance(picture, bytes) and picture for picture in self.pictures):
            raise InputError(f"{self.name}: every picture is wanted as bytes, and not empty")
        object.__setattr__(self, "same", frozen_marks("same", self.same, k))

    @property
    def pairs(self) -> PairList:
        """The pairs, picture i named `FILE.bin#i`, in ten folds in their order; nobody is named."""
        k = len(self.same)
        return PairList(
            pictures=tuple(f"{self.name}#{i}" for i in range(2 * k)),
            people=None,
            first=np.arange(0, 2 * k, 2, dtype=np.int32),
            second=np.arange(1, 2 * k, 2, dtype=np.int32),
            same=self.same,
            fold=folds_of(k),
        )


def read_bin(path: str | os.PathLike[str]) -> BinSet:
    """A set from its file, at most 4 GiB. Raises InputError at the first thing that no such set holds."""
    file = Path(path)
    content = read_bounded(file, MAX_BYTES)
    try:
        value = value_of(content)
    except ValueError as error:
        raise InputError(f"{file}: {error}") from error
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise InputError(f"{file}: {kind_of(value)} found, a pair of pictures and truth values wanted")
    pictures, same = (_items(file, part, kind) for part, kind in zip(value, (bytes, bool), strict=True))
    return BinSet(tuple(pictures), np.array(same, np.bool_), file.name)


def _items(file: Path, part: object, kind: type) -> list[Any]:
    if not isinstance(part, tuple | list):
        raise InputError(f"{file}: {kind_of(part)} found, a list of {kind.__name__} wanted")
    other = next((kind_of(item) for item in part if type(item) is not kind), None)
    if other:
        raise InputError(f"{file}: {other} found in a list, {kind.__name__} wanted; {ANEW}")
    return list(part)
