"""What a gallery is told and what it answers: people, consents, matches, enrolments, reviews, receipts."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any, Literal

from mien.errors import InputError
from mien.values import rate_text

SearchVerdict = Literal["known", "review", "unknown", "uncalibrated"]
UNSTATED = "unstated"
MAX_TEXT = 200  # letters of a name, a reference, a consent's basis


@dataclass(frozen=True, slots=True)
class Consent:
    """On what ground a person is in the gallery.

    basis: in words, such as "explicit consent 2026-11-24". keep_crops: whether a small picture of the face
    may be kept, from which another model can make a new template. until: the last day; `purge` forgets the
    person after it.
    """

    basis: str = UNSTATED
    keep_crops: bool = False
    until: datetime.date | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "basis", clean("consent", self.basis))
        if self.until is not None and type(self.until) is not datetime.date:
            raise InputError(f"until={self.until!r}: a datetime.date is wanted")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in the gallery. id: random, and all that the audit log knows of them."""

    id: str
    name: str
    reference: str | None
    consent: Consent
    created: str
    templates: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """Who a face may be. score: cosine to the mean of the person's templates, as of one template, −1..1.

    fpir: how often the best match of somebody who is not in the gallery scores as high; None when uncalibrated.
    """

    person: str
    id: str
    score: float
    fpir: float | None


@dataclass(frozen=True, slots=True, repr=False)
class Match:
    """Who one face of a picture is. person and id: None unless known or to be reviewed.

    face: its number in the reading. box: x1, y1, x2, y2. score, score_fpir: of the best candidate (see
    `Candidate`). fpir: the rate asked for; basis: what its threshold stands on, "measured", "bound" or
    "extrapolated", more of which says basis_note; fpir_high: up to where the rate may lie on people like
    those it was measured on. note: what weakens the verdict.
    """

    face: int
    box: tuple[float, float, float, float]
    person: str | None
    id: str | None
    verdict: SearchVerdict
    score: float | None
    fpir: float
    score_fpir: float | None
    basis: str
    fpir_high: float | None
    candidates: tuple[Candidate, ...] = ()
    note: str = ""
    basis_note: str = ""

    def __repr__(self) -> str:
        score = "None" if self.score is None else f"{self.score:.3f}"
        note = f", note={self.note!r}" if self.note else ""
        return (
            f"Match(person={self.person!r}, verdict={self.verdict!r}, score={score}, "
            f"fpir={rate_text(self.fpir)}, score_fpir={rate_text(self.score_fpir)}, basis={self.basis!r}{note})"
        )


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A face taken in. new: the person was not in the gallery before. allowed: reasons that were let pass."""

    person: Person
    template: int
    new: bool
    quality: float
    allowed: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Review:
    """A face that was perhaps this person, waiting for somebody to say so."""

    number: int
    person: str
    id: str
    score: float
    fpir: float
    source: str
    picture: str
    box: tuple[float, float, float, float]
    created: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a person's data. state "done", or "pending" with what still has to be done.

    document: all of it as JSON would have it, signed; without the name. It is what `mien gallery receipt`
    checks.
    """

    person: str
    state: Literal["done", "pending"]
    document: dict[str, Any]


def clean(what: str, text: str) -> str:
    """The text without spaces around it. InputError where it is empty, long, or holds what no line may hold."""
    found = text.strip() if isinstance(text, str) else ""
    if not found or len(found) > MAX_TEXT or not found.isprintable():
        raise InputError(f"{what} {text!r:.40}: 1 to {MAX_TEXT} printable letters are wanted")
    return found
