"""Known faults put into folders of people: pictures moved to somebody else, and copies of pictures.

What is planted is what a cleaner must find again; the originals stay as they are.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator

from mien.values import Pixels

Change = Callable[[Pixels, Generator], Pixels]


@dataclass(frozen=True, slots=True)
class Planted:
    """moved: where a wrong picture lies now → whose it is. copies: where a copy lies → what it is a copy of."""

    moved: dict[str, str]
    copies: dict[str, str]


def plant(source: Path, out: Path, *, seed: int, share: float = 0.05, least: int = 2) -> Planted:
    """The people of `source` with at least `least` pictures, copied to `out` with `share` of either fault.

    A picture that is moved is never copied. Half of the copies lie with their own person, half with others.
    """
    rng = np.random.default_rng(seed)
    people = {each.name: sorted(p.name for p in each.iterdir()) for each in sorted(source.iterdir())}
    people = {name: pictures for name, pictures in people.items() if len(pictures) >= least}
    for name in people:
        shutil.copytree(source / name, out / name, copy_function=shutil.copyfile)
    every = [(name, picture) for name, pictures in people.items() for picture in pictures]
    count = round(share * len(every))
    drawn = [every[i] for i in rng.permutation(len(every))[: 2 * count]]
    moved = {_move(out, *each, list(people), rng): each[0] for each in drawn[:count]}
    copies = {_copy(out, i, *each, list(people), rng): "/".join(each) for i, each in enumerate(drawn[count:])}
    return Planted(moved, copies)


def _move(out: Path, person: str, picture: str, people: list[str], rng: Generator) -> str:
    other = _other(person, people, rng)
    (out / person / picture).rename(out / other / f"moved-{person}-{picture}")
    return f"{other}/moved-{person}-{picture}"


def _copy(out: Path, i: int, person: str, picture: str, people: list[str], rng: Generator) -> str:
    owner = person if i % 2 else _other(person, people, rng)
    pixels = cv2.imread(str(out / person / picture))
    assert pixels is not None
    kind = list(CHANGES)[i // 2 % len(CHANGES)]
    name = f"{owner}/copy-{kind}-{person}-{Path(picture).stem}.jpg"
    cv2.imwrite(str(out / name), CHANGES[kind](pixels.astype(np.uint8), rng), [cv2.IMWRITE_JPEG_QUALITY, 75])
    return name


def _other(person: str, people: list[str], rng: Generator) -> str:
    while (other := people[rng.integers(len(people))]) == person:
        pass
    return other


def _resized(pixels: Pixels, rng: Generator) -> Pixels:
    scale = rng.uniform(0.6, 1.5)
    return cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8)


def _recoloured(pixels: Pixels, rng: Generator) -> Pixels:
    lit = pixels * rng.uniform(0.9, 1.1, 3) + rng.uniform(-10, 10)
    return lit.clip(0, 255).astype(np.uint8)


def _mirrored(pixels: Pixels, rng: Generator) -> Pixels:
    return pixels[:, ::-1].copy()


CHANGES: dict[str, Change] = {
    "reencoded": lambda pixels, rng: pixels,
    "resized": _resized,
    "recoloured": _recoloured,
    "mirrored": _mirrored,
    "mirrored-resized": lambda pixels, rng: _resized(_mirrored(pixels, rng), rng),
}
