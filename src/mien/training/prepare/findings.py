"""Everything that is found wrong in a set, and what is suggested to do about each picture."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from mien.bundle.calibration import Calibration
from mien.training.prepare.duplicates import Copies, find_copies
from mien.training.prepare.evidence import Evidence, measured_here
from mien.training.prepare.journal import Looked
from mien.training.prepare.mislabels import Agreed, Stranger, find_strangers
from mien.training.prepare.one_person import OnePerson, find_one_person
from mien.values import rate_text

UNCALIBRATED = (
    "There are too few strangers to say how alike people are, so mislabelled pictures and people who are one "
    "were not looked for. A bundle that is calibrated with this detector would allow it."
)
HERE = (
    "The bundle has no calibration for these crops: how alike strangers are was measured on this set itself, "
    "without those pictures that look mislabelled."
)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What to do with a picture, or (picture empty) with all pictures of `person`, and why.

    finding: a key of `FINDINGS`. do: drop or move; to: whom to. beside: pictures to look at beside it.
    """

    picture: str
    person: str
    finding: str
    do: str
    why: str
    to: str = ""
    beside: tuple[str, ...] = ()


FINDINGS = {
    "same bytes": "The same file twice",
    "copy": "Copies of one photograph",
    "mislabelled": "Pictures of somebody else",
    "torn": "People whose pictures do not agree",
    "one person": "People who are perhaps one",
    "poor": "Faces of low quality",
}


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """What was found, and on which thresholds (None: nobody could be compared). note: what to know of them."""

    evidence: Evidence
    calibration: Calibration | None
    copies: tuple[Copies, ...]
    strangers: tuple[Stranger, ...]
    one_person: tuple[OnePerson, ...]
    note: str


def find(evidence: Evidence, calibration: Calibration | None, bundle: str, aligner: str) -> Findings:
    """Look for all that is wrong. calibration: the bundle's, or None to measure strangers in the set itself."""
    note = ""
    if calibration is None:
        calibration = _own(evidence, bundle, aligner)
        note = UNCALIBRATED if calibration is None else HERE
    copies = find_copies(evidence, calibration)
    if calibration is None:
        return Findings(evidence, None, tuple(copies), (), (), note)
    agreed = _agreed(evidence, copies, calibration)
    one = find_one_person(evidence, agreed.cores, calibration)
    return Findings(evidence, calibration, tuple(copies), agreed.strangers, tuple(one), note)


def _own(evidence: Evidence, bundle: str, aligner: str) -> Calibration | None:
    """Measured twice: what looks wrong by the first measurement is left out of the second."""
    keep = np.ones(len(evidence), np.bool_)
    first = measured_here(evidence, keep, bundle, aligner)
    if first is None:
        return None
    copies = find_copies(evidence, first)
    agreed = _agreed(evidence, copies, first)
    away = [*chain.from_iterable(each.dropped for each in copies), *(each.row for each in agreed.strangers)]
    keep[away] = False
    return measured_here(evidence, keep, bundle, aligner) or first


def _agreed(evidence: Evidence, copies: list[Copies], calibration: Calibration) -> Agreed:
    """One picture of each photograph: a copy would vouch for the other."""
    keep = np.ones(len(evidence), np.bool_)
    keep[list(chain.from_iterable(each.dropped for each in copies))] = False
    return find_strangers(evidence, keep, calibration)


def suggestions(findings: Findings, poor: Sequence[Looked]) -> list[Suggestion]:
    """One a picture, by the finding that weighs most; then those on whole people. poor: faces to leave out."""
    every: dict[str, Suggestion] = {}
    for each in chain(_of_copies(findings), _of_strangers(findings), _of_poor(poor)):
        every.setdefault(each.picture, each)
    return [*every.values(), *_of_people(findings)]


def _of_copies(findings: Findings) -> Iterator[Suggestion]:
    looked = findings.evidence.looked
    for copies in findings.copies:
        finding = "same bytes" if copies.same_bytes else "copy"
        how = "the same bytes" if copies.same_bytes else f"prints correlate by {copies.alike:.3f}"
        how += ", mirrored" if copies.mirrored else ""
        for row in copies.dropped:
            others = tuple(looked[other].picture for other in copies.rows if other != row)
            best = others[0] if copies.kept is None else looked[copies.kept].picture
            why = f"copy of {best}: {how}"
            why += "; whose it is cannot be told" if copies.kept is None else ""
            beside = (best, *(other for other in others if other != best))
            yield Suggestion(looked[row].picture, looked[row].person, finding, "drop", why, beside=beside)


def _of_strangers(findings: Findings) -> Iterator[Suggestion]:
    evidence, calibration = findings.evidence, findings.calibration
    doubted = frozenset(evidence.looked[each.row].picture for each in findings.strangers)
    for each in findings.strangers:
        looked = evidence.looked[each.row]
        best = evidence.people[each.best] if each.best >= 0 else ""
        rate = rate_text(calibration.fmr_at(each.own)) if calibration else ""
        why = (
            f"similarity {each.own:.3f} to {looked.person}'s {each.others} others: strangers reach it at {rate}"
        )
        why += f"; {each.best_similarity:.3f} to {best}" if best else ""
        why += "; which of the pictures is wrong cannot be told" if each.torn else ""
        do, to = ("move", best) if each.known and not each.torn else ("drop", "")
        finding = "torn" if each.torn else "mislabelled"
        own, other = (_examples(evidence, person, doubted) for person in (looked.person, best))
        yield Suggestion(looked.picture, looked.person, finding, do, why, to, own + other[:1])


def _of_poor(poor: Sequence[Looked]) -> Iterator[Suggestion]:
    for each in poor:
        yield Suggestion(each.picture, each.person, "poor", "drop", ", ".join(each.reasons))


def _of_people(findings: Findings) -> Iterator[Suggestion]:
    evidence = findings.evidence
    for each in findings.one_person:
        stays, goes = evidence.people[each.first], evidence.people[each.second]
        why = (
            f"median similarity {each.similarity:.3f} of their pictures to each other's mean; {each.level:.3f} "
            f"is wanted, an FMR of {rate_text(each.rate)} a pair of people"
        )
        beside = _examples(evidence, goes) + _examples(evidence, stays)
        yield Suggestion("", goes, "one person", "move", why, stays, beside)


def _examples(evidence: Evidence, person: str, besides: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Up to two other pictures of somebody, the best ones."""
    number = bisect_left(evidence.people, person)
    if evidence.people[number : number + 1] != (person,):
        return ()
    own = [evidence.looked[row] for row in np.flatnonzero(evidence.owners == number)]
    best = sorted((each for each in own if each.picture not in besides), key=lambda each: -each.quality)
    return tuple(each.picture for each in best[:2])
