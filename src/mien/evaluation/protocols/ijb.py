"""IJB-B and IJB-C: templates, each of several pictures and videos of a person, compared 1:1 and searched 1:N.

As insightface repackages them (its recognition/_evaluation_/ijb), one folder a set, SET being ijbb or ijbc:
meta/SET_face_tid_mid.txt, a line `picture template media`, the pictures being in loose_crop/ and the frames of
one video being one medium; meta/SET_template_pair_label.txt, a line `template template label`, 1 one person,
0 two; and as NIST publishes them (Whitelam et al. 2017, Maze et al. 2018) meta/SET_1N_gallery_*.csv (S1 and S2
of IJB-B, G1 and G2 of IJB-C) and meta/SET_1N_probe_mixed.csv, whose columns begin TEMPLATE_ID,SUBJECT_ID. These
may be absent. SET_name_5pts_score.txt is not read: mien finds the landmarks itself.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError
from mien.evaluation.protocols.columns import table_lines
from mien.evaluation.protocols.pairs import (
    frozen_marks,
    frozen_numbers,
    number_in,
    read_text,
    rows,
    stays_inside,
    wrong,
)
from mien.evaluation.samples import Numbers
from mien.files import read_bounded

SETS = ("ijbb", "ijbc")
META_BYTES = 512 << 20
PAIR_BYTES = 1 << 30  # IJB-C's fifteen million lines are a quarter of that
PICTURES = "loose_crop"
DIGITS = 9
PLAIN = b"0123456789 \t\r\n"
Faces = tuple[tuple[str, ...], Numbers, Numbers]


@dataclass(frozen=True, slots=True, eq=False)
class TemplateSet:
    """Templates, the pictures in each, and what is compared and searched.

    pictures: the path of each row (n,), relative to the set's folder; one may be in several templates.
    template, media (n,) int32: the number of each row's template in `template_names`, and its medium as the
    list numbers it. subjects: of each template, "" where no list says, None where there is no list.
    pairs_first, pairs_second (k,) int32 templates, pairs_same (k,) bool. galleries: name → its templates (m,)
    int32; probes (m,) int32. Raises InputError where these do not fit together.
    """

    pictures: tuple[str, ...]
    template: Numbers
    media: Numbers
    template_names: tuple[str, ...]
    subjects: tuple[str, ...] | None
    pairs_first: Numbers
    pairs_second: Numbers
    pairs_same: NDArray[np.bool_]
    galleries: tuple[tuple[str, Numbers], ...] = ()
    probes: Numbers | None = None

    def __post_init__(self) -> None:
        n, t, k = len(self.pictures), len(self.template_names), len(np.atleast_1d(self.pairs_same))
        if self.subjects is not None and len(self.subjects) != t:
            raise InputError(f"subjects: {t} are wanted, one a template, {len(self.subjects)} given")
        if not all(map(stays_inside, self.pictures)):
            raise InputError("pictures: paths within the set's folder are wanted")
        for name, length, below in (("template", n, t), ("pairs_first", k, t), ("pairs_second", k, t)):
            object.__setattr__(self, name, frozen_numbers(name, getattr(self, name), length, below=below))
        object.__setattr__(self, "media", frozen_numbers("media", self.media, n))
        object.__setattr__(self, "pairs_same", frozen_marks("pairs_same", self.pairs_same, k))
        galleries = tuple(
            (name, frozen_numbers(name, listed, len(listed), below=t)) for name, listed in self.galleries
        )
        object.__setattr__(self, "galleries", galleries)
        if self.probes is not None:
            object.__setattr__(self, "probes", frozen_numbers("probes", self.probes, len(self.probes), below=t))


def read_ijb(folder: str | os.PathLike[str]) -> TemplateSet:
    """IJB-B or IJB-C, whichever lies in the folder. Raises InputError naming file and line."""
    root = Path(folder)
    name = _set_in(root)
    pictures, given, media = _faces(root / "meta" / f"{name}_face_tid_mid.txt")
    ids = np.unique(given)
    first, second, same = _pairs(root / "meta" / f"{name}_template_pair_label.txt", ids)
    galleries = {file.stem: _entries(file, ids) for file in sorted(root.glob(f"meta/{name}_1N_gallery_*.csv"))}
    probe_list = root / "meta" / f"{name}_1N_probe_mixed.csv"
    probes = _entries(probe_list, ids) if probe_list.is_file() else None
    return TemplateSet(
        pictures=pictures,
        template=np.searchsorted(ids, given).astype(np.int32),
        media=media,
        template_names=tuple(map(str, ids.tolist())),
        subjects=_subjects(root, (*galleries.values(), probes or {}), ids),
        pairs_first=first,
        pairs_second=second,
        pairs_same=same,
        galleries=tuple((stem.rsplit("_", 1)[1], _numbers(listed)) for stem, listed in galleries.items()),
        probes=None if probes is None else _numbers(probes),
    )


def _set_in(root: Path) -> str:
    found = [name for name in SETS if (root / "meta" / f"{name}_face_tid_mid.txt").is_file()]
    if len(found) != 1:
        raise InputError(
            f"{root}: {' and '.join(found) or 'no set'} found, one of meta/ijbb_face_tid_mid.txt and "
            f"meta/ijbc_face_tid_mid.txt wanted; name the folder IJBB or IJBC itself"
        )
    return found[0]


def _faces(file: Path) -> Faces:
    pictures, templates, media = [], [], []
    for line, words in rows(file, META_BYTES):
        numbers = [number_in(word, DIGITS) for word in words[1:]]
        if len(words) != 3 or None in numbers or not stays_inside(words[0]):
            raise wrong(file, line, " ".join(words), "`picture template media`, a path and two numbers,")
        pictures.append(f"{PICTURES}/{words[0]}")
        templates.append(numbers[0])
        media.append(numbers[1])
    if not pictures:
        raise InputError(f"{file}: empty; lines `picture template media` are wanted")
    return tuple(pictures), np.array(templates, np.int32), np.array(media, np.int32)


def _pairs(file: Path, ids: Numbers) -> tuple[Numbers, Numbers, NDArray[np.bool_]]:
    table = _table(file)
    places = [np.minimum(np.searchsorted(ids, column), len(ids) - 1).astype(np.int32) for column in table.T[:2]]
    known = (ids[places[0]] == table[:, 0]) & (ids[places[1]] == table[:, 1]) & (table[:, 2] <= 1)
    if not known.all():
        line, found = _line_of(file, int(known.argmin()))
        raise wrong(file, line, found, "two templates of the list of faces, and 0 or 1,")
    return places[0], places[1], table[:, 2] == 1


def _table(file: Path) -> Numbers:
    """The lines of a file as rows of three numbers, (k,3) int32: IJB-C's in seconds, so NumPy reads them."""
    data = read_bounded(file, PAIR_BYTES)
    if data.strip() and not data.translate(None, PLAIN):
        try:
            table: Numbers = np.loadtxt(io.BytesIO(data), np.int32, comments=None, ndmin=2)
        except ValueError:  # `_wrong_line` says it better
            table = np.empty((0, 0), np.int32)
        if table.shape[1] == 3:
            return table
    raise _wrong_line(file, data)


def _wrong_line(file: Path, data: bytes) -> InputError:
    for number, line in enumerate(data.split(b"\n"), 1):
        words = [number_in(word, DIGITS) for word in line.decode("latin-1").split()]
        if words and (len(words) != 3 or None in words):
            return wrong(file, number, line.decode("latin-1"), "`template template label`, three numbers,")
    return InputError(f"{file}: lines `template template label` are wanted, none found")


def _line_of(file: Path, row: int) -> tuple[int, str]:
    """The number and the text of the row-th line that is not blank."""
    lines = (line for line in enumerate(read_bounded(file, PAIR_BYTES).split(b"\n"), 1) if line[1].strip())
    number, text = next(islice(lines, row, None))
    return number, text.decode("latin-1")


def _numbers(entries: Iterable[int]) -> Numbers:
    return np.array(list(entries), np.int32)


def _entries(file: Path, ids: Numbers) -> dict[int, str]:
    """A 1:N list: the number of each template in its order → whose it is."""
    lines = table_lines(file, ",", read_text(file, META_BYTES))
    line, head = next(lines, (1, []))
    if [word.upper() for word in head[:2]] != ["TEMPLATE_ID", "SUBJECT_ID"]:
        raise wrong(file, line, ",".join(head), "`TEMPLATE_ID,SUBJECT_ID,…`")
    places = {number: place for place, number in enumerate(ids.tolist())}
    entries: dict[int, str] = {}
    for line, words in lines:
        place = places.get(number_in(words[0], DIGITS))
        subject = "".join(words[1:2])
        if place is None or not subject or entries.setdefault(place, subject) != subject:
            raise wrong(file, line, ",".join(words[:3]), "a template of the list of faces and its one subject,")
    return entries


def _subjects(root: Path, lists: Iterable[Mapping[int, str]], ids: Numbers) -> tuple[str, ...] | None:
    merged: dict[int, str] = {}
    for place, subject in (entry for entries in lists for entry in entries.items()):
        if merged.setdefault(place, subject) != subject:
            raise InputError(
                f"{root}: template {ids[place]} is of subject {merged[place]!r} in one list, of {subject!r} "
                f"in another; fetch the lists anew"
            )
    return tuple(merged.get(place, "") for place in range(len(ids))) if merged else None
