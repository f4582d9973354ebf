"""The review: what is suggested, as a table that somebody edits, and what follows from their decisions."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mien.errors import InputError
from mien.files import read_bounded, write_whole
from mien.training.prepare.findings import Suggestion
from mien.training.prepare.journal import PRIVATE, Looked
from mien.training.prepare.store import DO, MAX_BYTES, Decision

JSON, CSV = "review.json", "review.csv"
COLUMNS = ("picture", "person", "finding", "suggestion", "decision", "to", "why")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of a picture: whose it is in what is written; None: it is left out, as `why` says."""

    looked: Looked
    person: str | None
    why: str = ""


def write_review(folder: Path, suggested: Sequence[Suggestion], decisions: Sequence[Decision]) -> None:
    """Both files, the decision filled in with what was decided, or else with what is suggested."""
    made = {(each.picture, each.person): each for each in decisions}
    lines = [_line(each, made.get((each.picture, each.person))) for each in suggested]
    write_whole(folder / JSON, msgspec.json.format(msgspec.json.encode(lines), indent=1) + b"\n", mode=PRIVATE)
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, COLUMNS)
    table.writeheader()
    table.writerows(lines)
    write_whole(folder / CSV, text.getvalue().encode(), mode=PRIVATE)


def _line(each: Suggestion, made: Decision | None) -> dict[str, str]:
    decided = (made.do, made.to) if made else (each.do, each.to)
    values = (each.picture, each.person, each.finding, each.do, *decided, each.why)
    return dict(zip(COLUMNS, values, strict=True))


def read_review(file: Path, looked: Sequence[Looked]) -> list[Decision]:
    """The decisions in an edited review, CSV or JSON by its suffix. InputError names the line at fault."""
    if file.suffix.lower() not in READERS:
        raise InputError(f"{file}: a review is one of {', '.join(READERS)}, by its suffix")
    try:
        lines = READERS[file.suffix.lower()](read_bounded(file, MAX_BYTES))
    except (msgspec.DecodeError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file}: no review that mien wrote ({error})") from error
    pictures = {each.picture: each.person for each in looked if each.crop}
    people = set(pictures.values())
    return [_decision(f"{file}, line {number}", line, pictures, people) for number, line in enumerate(lines, 1)]


def _from_json(data: bytes) -> list[dict[str, str]]:
    return msgspec.json.decode(data, type=list[dict[str, str]])


def _from_csv(data: bytes) -> list[dict[str, str]]:
    # utf-8-sig: spreadsheets put a mark before the first letter.
    table = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), restval="")
    lines = list(table)
    if not {"picture", "person", "decision", "to"} <= set(table.fieldnames or ()):
        raise csv.Error(f"columns {', '.join(COLUMNS)} are wanted")
    return lines


READERS = {".csv": _from_csv, ".json": _from_json}


def _decision(where: str, line: Mapping[str, str], pictures: Mapping[str, str], people: set[str]) -> Decision:
    picture, person, do = (line.get(key, "").strip() for key in ("picture", "person", "decision"))
    known = pictures.get(picture) == person if picture else person in people
    if not known:
        raise InputError(f"{where}: there is no face of {person!r} in {picture or 'any picture'!r}")
    try:
        to = line.get("to", "").strip() if do == "move" else ""
        return Decision(picture=picture, person=person, do=do, to=to)
    except ValueError as error:
        raise InputError(f"{where}: {error}; decide {', '.join(DO)}") from error


def outcomes(
    looked: Sequence[Looked], suggested: Sequence[Suggestion], decisions: Sequence[Decision], *, at_once: bool
) -> Iterator[Outcome]:
    """What becomes of each picture. Undecided, those called poor are left out and all others stay.

    at_once: what is suggested is done wherever nothing was decided.
    """
    whys = {(each.picture, each.person): each.finding for each in suggested}
    followed = [each for each in suggested if at_once or each.finding == "poor"]
    made = {(each.picture, each.person): (each.do, each.to) for each in followed}
    made |= {(each.picture, each.person): (each.do, each.to) for each in decisions}
    united = {person: to for (picture, person), (do, to) in made.items() if do == "move" and not picture}
    gone = {person for (picture, person), (do, _) in made.items() if do == "drop" and not picture}
    for each in looked:
        do, to = made.get((each.picture, each.person), ("keep", ""))
        person = _united(to if do == "move" else each.person, united)
        if not each.crop:
            yield Outcome(each, None, each.why)
        elif do == "drop" or person in gone:
            yield Outcome(each, None, whys.get((each.picture, each.person), "decided in the review"))
        else:
            yield Outcome(each, person)


def _united(person: str, united: Mapping[str, str]) -> str:
    """Whom a person was moved to, and on; in a ring of moves, the first name of it by the alphabet."""
    passed = [person]
    while (after := united.get(passed[-1])) is not None:
        if after in passed:
            return min(passed[passed.index(after) :])
        passed.append(after)
    return passed[-1]
