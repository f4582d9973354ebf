"""Pictures' vectors → templates' vectors, and what IJB compares and searches: 1:1 and 1:N.

IJB-B and IJB-C (Whitelam et al. 2017, Maze et al. 2018) compare templates: photographs and video frames of a
person that are used together. Their papers leave the fusion to the system; this is the usual one, as in
insightface's recognition/_evaluation_/ijb: the vectors of each medium are averaged, the media's means summed,
and the sum is brought to length one,

    template = s / |s|,  s = Σ_m (1 / n_m) Σ_i v_i  over the n_m pictures i of every medium m,

so that a video of a thousand frames counts as much as one photograph. v_i are unit vectors, and only of
pictures that were enrolled. insightface's script as it is published also weighs them by their length before
that and by the detector's score, and adds the mirrored picture's: its figures are those of another system.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError
from mien.evaluation.comparisons import Mask
from mien.evaluation.enrol import Entry, printable
from mien.evaluation.identification import from_lists
from mien.evaluation.protocols.ijb import TemplateSet
from mien.evaluation.protocols.pairs import PairList, locate
from mien.evaluation.samples import Numbers, Samples
from mien.evaluation.study import Identification, Missed
from mien.values import Floats

BLOCK = 1024  # templates summed at a time, so that no copy of all pictures' vectors is made
LEAST = 1e-6  # a sum of unit vectors so short is what rounding leaves of vectors that cancel out


def entries(templates: TemplateSet, folder: str | os.PathLike[str] | None) -> list[Entry]:
    """The set's pictures, each once however many templates hold it, in the order in which they are listed.

    They name no person: whose a template is, `fuse` finds. folder: None where the pictures need not be there,
    as for stored vectors. InputError where they are not in the folder.
    """
    pictures = tuple(dict.fromkeys(templates.pictures))
    places = locate(Path(folder), pictures) if folder is not None else map(Path, pictures)
    return [Entry(picture, None, place) for picture, place in zip(pictures, places, strict=True)]


def fuse(samples: Samples, templates: TemplateSet) -> Samples:
    """One row a template, by its name; samples: one row a picture, as `entries` lists them.

    A template of which no picture was enrolled is not enrolled itself. Its person is the subject that the lists
    name; templates of a pair labelled as of one person are of one person, and one that is in no such pair and
    no list is of somebody of its own. A group is the word that all pictures of a template share, else "".
    InputError where the samples are other pictures, or the labels contradict each other or the lists.
    """
    rows = _Rows.of(samples, templates)
    sums = rows.sums(samples)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    subjects, people = _people(templates)
    enrolled = lengths[:, 0] > LEAST
    return Samples(
        names=templates.template_names,
        subjects=subjects,
        people=people,
        vectors=np.divide(sums, lengths, out=np.zeros_like(sums), where=enrolled[:, None]),
        enrolled=enrolled,
        bundle=samples.bundle,
        aligner=samples.aligner,
        groups={column: rows.shared(labels) for column, labels in samples.groups.items()},
        missed=tuple(rows.missed(samples, templates.template_names, ~enrolled)),
        several=samples.several,
    )


def pair_list(templates: TemplateSet, samples: Samples) -> PairList:
    """The pairs of templates in one fold; samples: what `fuse` made, which its numbers are of."""
    _require_fused(samples, templates)
    return PairList(
        pictures=samples.names,
        people=tuple(samples.people[subject] for subject in samples.subjects.tolist()),
        first=templates.pairs_first,
        second=templates.pairs_second,
        same=templates.pairs_same,
        fold=np.zeros(len(templates.pairs_same), np.int32),
    )


def identify(samples: Samples, templates: TemplateSet) -> Identification | None:
    """The probes searched for in each gallery, figures averaged over the galleries; None without their lists.

    samples: what `fuse` made.
    """
    _require_fused(samples, templates)
    if not templates.galleries or templates.probes is None:
        return None
    return from_lists(samples, [listed for _, listed in templates.galleries], templates.probes)


def _require_fused(samples: Samples, templates: TemplateSet) -> None:
    if samples.names != templates.template_names:
        raise InputError(f"{len(templates.template_names)} templates are wanted, as `fuse` gives them")


# ── Pictures to templates ──


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Which picture is where. pictures (n,): the sample of each row of the set's list; template, media (n,):
    its template and medium. count: how many templates there are.
    """

    pictures: Numbers
    template: Numbers
    media: Numbers
    count: int

    @classmethod
    def of(cls, samples: Samples, templates: TemplateSet) -> Self:
        pictures, names = _numbered(templates.pictures)
        if samples.names != tuple(map(printable, names)):
            raise InputError(
                f"{len(names)} different pictures are wanted, as `entries` lists them, "
                f"not these {len(samples)} samples"
            )
        return cls(pictures, templates.template, templates.media, len(templates.template_names))

    def sums(self, samples: Samples) -> Floats:
        """(templates, d) the sums of their media's means; zeros where no picture was enrolled."""
        kept = np.flatnonzero(samples.enrolled[self.pictures])
        kept = kept[np.argsort(self.template[kept], kind="stable")]
        weights = self._weights(kept)
        present, starts = np.unique(self.template[kept], return_index=True)
        ends = np.append(starts[1:], len(kept))
        sums = np.zeros((self.count, samples.vectors.shape[1]), np.float32)
        for first in range(0, len(present), BLOCK):
            some = slice(first, first + BLOCK)
            here = slice(starts[first], ends[some][-1])
            weighed = samples.vectors[self.pictures[kept[here]]] * weights[here, None]
            sums[present[some]] = np.add.reduceat(weighed, starts[some] - starts[first], axis=0)
        return sums

    def shared(self, labels: Sequence[str]) -> tuple[str, ...]:
        """The word that all pictures of a template have, one a template; "" where they differ."""
        codes, words = _numbered(labels)
        low, high = np.full(self.count, len(words), np.int32), np.full(self.count, -1, np.int32)
        np.minimum.at(low, self.template, codes[self.pictures])
        np.maximum.at(high, self.template, codes[self.pictures])
        return tuple(
            words[code] if code == other else ""
            for code, other in zip(low.tolist(), high.tolist(), strict=True)
        )

    def missed(self, samples: Samples, names: Sequence[str], chosen: Mask) -> Iterator[Missed]:
        """Why the chosen templates (templates,) were not enrolled. names: of all templates."""
        reasons = {each.picture: each.why for each in samples.missed}
        order = np.argsort(self.template, kind="stable")
        starts, ends = (
            np.searchsorted(self.template[order], np.arange(self.count), s) for s in ("left", "right")
        )
        for number in np.flatnonzero(chosen).tolist():
            pictures = self.pictures[order[starts[number] : ends[number]]]
            yield Missed(picture=names[number], why=_why(samples, pictures, reasons))

    def _weights(self, kept: NDArray[np.intp]) -> Floats:
        """(kept,) the part of each row in its medium's mean. Media are told apart within a template."""
        medium = self.template[kept].astype(np.int64) << 32 | self.media[kept]
        _, where, counts = np.unique(medium, return_inverse=True, return_counts=True)
        parts: Floats = (1 / counts[where]).astype(np.float32)
        return parts


def _numbered(words: Sequence[str]) -> tuple[Numbers, tuple[str, ...]]:
    """The number of each word (n,) among the different ones, which are numbered as they come."""
    different = tuple(dict.fromkeys(words))
    numbers = dict(zip(different, range(len(different)), strict=True))
    return np.fromiter(map(numbers.__getitem__, words), np.int32, len(words)), different


def _why(samples: Samples, pictures: Numbers, reasons: Mapping[str, str]) -> str:
    if not len(pictures):
        return "no picture of it is listed"
    if samples.enrolled[pictures].any():
        return "the vectors of its pictures cancel out"
    name = samples.names[pictures[0]]
    why = f"{name}: {reasons.get(name, 'not enrolled')}"
    return why if len(pictures) == 1 else f"none of its {len(pictures)} pictures was enrolled; {why}"


# ── Whose a template is ──


def _people(templates: TemplateSet) -> tuple[Numbers, tuple[str, ...]]:
    """The number of each template's person (templates,), and the people in that numbering."""
    names = templates.template_names
    codes, subjects = _numbered(templates.subjects or ("",) * len(names))
    stated = np.flatnonzero(np.array([subject != "" for subject in subjects], np.bool_)[codes])
    start = np.arange(len(names), dtype=np.int32)
    start[stated] = _leads(codes[stated], stated, len(subjects))[codes[stated]]
    same = templates.pairs_same
    root = _joined(start, templates.pairs_first[same], templates.pairs_second[same])
    leads = _leads(root[stated], stated, len(names))
    _require_one_subject(templates, stated, leads[root[stated]])
    _require_two_people(templates, root)
    roots, numbers = np.unique(root, return_inverse=True)
    led = zip(roots.tolist(), leads[roots].tolist(), strict=True)
    people = (subjects[codes[lead]] if lead >= 0 else f"template {names[each]}" for each, lead in led)
    return numbers.astype(np.int32), tuple(people)


def _leads(groups: Numbers, members: NDArray[np.intp], count: int) -> Numbers:
    """(count,) the first of the rising members (m,) in each of their groups (m,); -1 in a group without."""
    leads = np.full(count, -1, np.int32)
    present, places = np.unique(groups, return_index=True)
    leads[present] = members[places]
    return leads


def _joined(root: Numbers, first: Numbers, second: Numbers) -> Numbers:
    """The components of a graph: the lowest node that each (n,) hangs together with by the edges (k,).

    root (n,): the lowest of those that are together beforehand. Trees are hooked to lower ones and flattened
    until no edge joins two (Shiloach and Vishkin 1982).
    """
    while True:
        low = np.minimum(root[first], root[second])
        hooked = root.copy()
        np.minimum.at(hooked, root[first], low)
        np.minimum.at(hooked, root[second], low)
        if (hooked == root).all():
            return root
        root = _flat(hooked)


def _flat(parents: Numbers) -> Numbers:
    """Of a forest's parents (n,), a root being its own: the root of each node."""
    while ((above := parents[parents]) != parents).any():
        parents = above
    return parents


def _require_one_subject(templates: TemplateSet, stated: NDArray[np.intp], leads: Numbers) -> None:
    """leads: of each template with a subject, the first with one among those labelled as of its person."""
    subjects, names = templates.subjects or (), templates.template_names
    for one, other in zip(leads.tolist(), stated.tolist(), strict=True):
        if subjects[one] != subjects[other]:
            raise InputError(
                f"templates {names[one]} of subject {subjects[one]!r} and {names[other]} of subject "
                f"{subjects[other]!r} are of one person by the labels of the pairs; fetch the lists anew"
            )


def _require_two_people(templates: TemplateSet, root: Numbers) -> None:
    first, second = templates.pairs_first, templates.pairs_second
    wrong = np.flatnonzero(~templates.pairs_same & (root[first] == root[second]))
    if len(wrong):
        one, other = (templates.template_names[column[wrong[0]]] for column in (first, second))
        raise InputError(
            f"templates {one} and {other} are of two people by their label, of one by the subjects' lists or "
            f"by the labels of other pairs ({len(wrong)} such pairs); fetch the lists anew"
        )
