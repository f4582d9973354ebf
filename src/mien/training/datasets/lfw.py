"""LFW's lists of people (Huang et al. 2007): peopleDevTrain.txt, peopleDevTest.txt, and people.txt of View 2.

A number says how many lines follow, `name pictures`; in people.txt the first line says how many such lists
there are. The pictures are a folder a person.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mien.errors import InputError
from mien.evaluation.protocols.pairs import number_in, rows, wrong
from mien.training.datasets.dataset import Dataset
from mien.training.datasets.folders import read_folders

DIGITS = 6


def read_people(file: Path) -> tuple[str, ...]:
    """The names on a list, in its order. InputError names the line that is wrong, or says what is missing."""
    names: dict[str, None] = {}
    promised: list[int] = []
    for line, words in rows(file):
        number = number_in(words[-1], DIGITS)
        if number is None or len(words) > 2:
            raise wrong(file, line, " ".join(words), "`name pictures` or a number alone,")
        if len(words) == 1:
            promised.append(number)
        else:
            names[words[0]] = None
    lists = promised if len(promised) < 2 else promised[1:]
    if not names or len(names) != sum(lists):
        raise InputError(f"{file}: it promises {sum(lists)} people, and {len(names)} are listed; fetch it anew")
    return tuple(names)


def listed(name: str) -> Callable[[Path], Dataset]:
    """The reader of the people on a list of this name, which lies in the folder of the people or beside it."""

    def read(root: Path) -> Dataset:
        file = next((each / name for each in (root, root.parent) if (each / name).is_file()), None)
        if file is None:
            raise InputError(f"{root}: {name} is wanted there or beside it; it is at vis-www.cs.umass.edu/lfw")
        return read_folders(root).of_people(read_people(file))

    return read
