"""The named pair sets: where each one's list lies in its published folder, and how it is written.

lfw: pairs.txt in the folder or beside it (vis-www.cs.umass.edu/lfw).
cfp-ff, cfp-fp (Sengupta et al. 2016, cfpw.io): Protocol/Pair_list_F.txt and Pair_list_P.txt number the frontal
and the profile pictures, `1 ../Data/Images/001/frontal/01.jpg`; Protocol/Split/FF/01 … 10 and FP/01 … 10 hold
same.txt and diff.txt, a line `3,7` for frontal picture 3 with frontal (FF) or profile (FP) picture 7.
calfw, cplfw (Zheng et al. 2017, 2018, whdeng.cn): pairs_CALFW.txt, pairs_CPLFW.txt; two lines a pair,
`Name_0001.jpg label`, both with the same label: 0 two people, 1 one person, or in CALFW the pair's fold from 1.
All pairs of one person come first. Pairs of two people carry no fold; that they, too, fall into ten equal
parts in their order is assumed, as FaceX-Zoo does it.
agedb-30 (Moschoglou et al. 2017): published as a MATLAB file, which is not read. Its conversions to text are:
`first second label` a line, or `label first second`, label 1 one person, 0 or −1 two people, ten equal folds
in their order, which is assumed to be the order of the published splits. Names may lack their .jpg.

A list given by hand may have any of these forms but CFP's (name its Protocol folder for that), known by its
first line; only LFW's, CFP's and the two-line form say whom a picture shows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from types import MappingProxyType

import numpy as np

from mien.errors import InputError
from mien.evaluation.protocols.pairs import (
    FOLDS,
    Pair,
    PairList,
    folds_of,
    gathered,
    locate,
    number_in,
    read_lfw,
    rows,
    stays_inside,
    wrong,
)
from mien.images.files import SUFFIXES

LABELS = {"1": True, "0": False, "-1": False}
NUMBERED = re.compile(r"(.+)_\d+")
Layout = Callable[[Path, Path | None], PairList]


def read_named(name: str, folder: Path, pairs: Path | None = None) -> PairList:
    """A published set's pairs. pairs: its list, where that lies in no usual place. Raises InputError."""
    if name not in LAYOUTS:
        raise InputError(f"the set {name!r} is unknown; known: {', '.join(LAYOUTS)}")
    return LAYOUTS[name](folder, pairs)


def _published(
    folder: Path,
    pairs: Path | None,
    *,
    pattern: str,
    beside: bool = True,
    rooms: tuple[str, ...],
    note: str = "",
) -> PairList:
    """A set with one list. rooms: where in the folder its pictures may lie, originals before aligned ones."""
    listed = _read_list(pairs or _list_in(folder, pattern, ("", "..") if beside else ("",), note))
    for room in rooms:
        try:
            locate(folder / room, listed.pictures[:1])
        except InputError:
            continue
        return replace(listed, pictures=tuple(str(PurePosixPath(room, name)) for name in listed.pictures))
    return listed  # whoever wants the pictures hears from `locate` what is missing


def _list_in(folder: Path, pattern: str, places: tuple[str, ...], note: str) -> Path:
    for place in places:
        found = sorted((folder / place).glob(pattern))
        if len(found) > 1:
            names = ", ".join(path.name for path in found[:3])
            raise InputError(f"{folder}: several lists are there ({names}); name the one that is meant")
        if found:
            return found[0]
    raise InputError(f"{folder}: no list of pairs is there, {pattern} is looked for; name its file{note}")


def _read_list(file: Path) -> PairList:
    line, words = next(rows(file), (1, []))
    numbers = len(words) < 3 and all(number_in(word) is not None for word in words)
    form = "numbers" if words and numbers else f"{len(words)} words"
    if form not in FORMS:
        raise wrong(file, line, " ".join(words), "`folds n`, `picture label` or `picture picture label`")
    return FORMS[form](file)


def _two_lines(file: Path) -> PairList:
    lines = list(rows(file))
    if len(lines) % 2:
        raise InputError(f"{file}: {len(lines)} lines found, an even number wanted: two a pair; fetch it anew")
    names, labels = [], []
    for (_, one), (line, other) in zip(lines[::2], lines[1::2], strict=True):
        label = number_in(one[-1])
        plain = all(len(words) == 2 and _person(words[0]) and stays_inside(words[0]) for words in (one, other))
        if not plain or one[1] != other[1] or label is None or label > FOLDS:
            found = " / ".join((*one, *other))
            raise wrong(file, line, found, f"twice `Name_NUMBER.jpg label`, one label, 0 to {FOLDS},")
        names.append((one[0], other[0]))
        labels.append(label)
    folds = _folds(labels)
    pairs = [(*pair, label > 0, fold) for pair, label, fold in zip(names, labels, folds, strict=True)]
    return gathered(pairs, _person)


def _person(picture: str) -> str:
    """Name_Surname of Name_Surname_0007.jpg, "" where a name is of another form."""
    match = NUMBERED.fullmatch(PurePosixPath(picture).stem)
    return match.group(1) if match else ""


def _folds(labels: list[int]) -> list[int]:
    """Labels above 1 among a list's are folds from 1; else each kind of pair falls into folds by itself."""
    given = np.array(labels)
    folds = given - 1
    folds[given == 0] = folds_of(int((given == 0).sum()))
    if max(labels) <= 1:
        folds[given > 0] = folds_of(int((given > 0).sum()))
    found: list[int] = folds.tolist()
    return found


def _three_words(file: Path) -> PairList:
    lines = list(rows(file))
    at = 2 if lines[0][1][2] in LABELS else 0  # where the label stands
    pairs: list[Pair] = []
    for (line, words), fold in zip(lines, folds_of(len(lines)).tolist(), strict=True):
        names = [_suffixed(word) for i, word in enumerate(words) if i != at]
        if len(words) != 3 or words[at] not in LABELS or not all(map(stays_inside, names)):
            form = "`picture picture label`" if at else "`label picture picture`"
            raise wrong(file, line, " ".join(words), f"{form}, the label 1, 0 or -1,")
        pairs.append((names[0], names[1], LABELS[words[at]], fold))
    return gathered(pairs)


def _suffixed(name: str) -> str:
    return name if PurePosixPath(name).suffix.lower() in SUFFIXES else f"{name}.jpg"


def _cfp(folder: Path, pairs: Path | None, *, split: str, partner: str) -> PairList:
    if pairs is not None and not pairs.is_dir():
        return _read_list(pairs)
    protocol = pairs or folder / "Protocol"
    lists = [_numbered(protocol / name) for name in ("Pair_list_F.txt", partner)]
    return gathered(_cfp_pairs(protocol / "Split" / split, *lists), lambda name: PurePosixPath(name).parts[-3])


def _numbered(file: Path) -> dict[int, str]:
    """Number → picture, relative to the set's folder: the list writes it relative to Protocol."""
    pictures: dict[int, str] = {}
    for line, words in rows(file):
        number, name = number_in(words[0]), words[-1].removeprefix("../")
        posed = PurePosixPath(name).parts[-2:-1] in (("frontal",), ("profile",)) and name.count("/") > 1
        if len(words) != 2 or number is None or number in pictures or not posed or not stays_inside(name):
            raise wrong(
                file, line, " ".join(words), "`number ../Data/Images/ID/frontal/NN.jpg`, each number once,"
            )
        pictures[number] = name
    return pictures


def _cfp_pairs(split: Path, first: Mapping[int, str], second: Mapping[int, str]) -> Iterator[Pair]:
    for fold in range(FOLDS):
        for name, same in (("same.txt", True), ("diff.txt", False)):
            file = split / f"{fold + 1:02d}" / name
            for line, words in rows(file):
                numbers = [number_in(word.strip()) for word in " ".join(words).split(",")]
                if len(numbers) != 2 or numbers[0] not in first or numbers[1] not in second:
                    raise wrong(
                        file, line, " ".join(words), "`i,j`, two numbers of Pair_list_F.txt and its partner,"
                    )
                yield first[numbers[0] or 0], second[numbers[1] or 0], same, fold


FORMS: Mapping[str, Callable[[Path], PairList]] = MappingProxyType(
    {"numbers": read_lfw, "2 words": _two_lines, "3 words": _three_words}
)
MATLAB = "; AgeDB's own .mat is not read: write it as text, `first second 1` or `first second 0` a line"
ALIGNED = "aligned images"
LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        "lfw": partial(_published, pattern="pairs.txt", rooms=("", "lfw", "lfw_funneled", "lfw-deepfunneled")),
        "cfp-fp": partial(_cfp, split="FP", partner="Pair_list_P.txt"),
        "cfp-ff": partial(_cfp, split="FF", partner="Pair_list_F.txt"),
        "agedb-30": partial(
            _published, pattern="*30*.txt", beside=False, rooms=("", "03_Protocol_Images", "AgeDB"), note=MATLAB
        ),
        "calfw": partial(
            _published, pattern="pairs_CALFW.txt", rooms=("", "images", "images&landmarks/images", ALIGNED)
        ),
        "cplfw": partial(_published, pattern="pairs_CPLFW.txt", rooms=("", "images", ALIGNED)),
    }
)
