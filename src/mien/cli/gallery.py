"""The verbs of who is known: identify, forget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from mien.bundle.search import DEFAULT_FPIR
from mien.cli import options as o
from mien.cli.annotated import make_folder, write_annotated
from mien.cli.gallery_options import DEFAULT_GALLERY, GalleryOption, IndexOption, opened, surely
from mien.cli.gallery_receipts import require_receipts_place, tell_receipts
from mien.cli.output import BAD_INPUT, NO, REVIEW, YES, complain, print_json, print_table
from mien.gallery.answers import Match, Receipt
from mien.gallery.gallery import Gallery
from mien.images import find_pictures
from mien.progress import progress
from mien.values import Failure, Reading, rate_text

EXIT = {"known": YES, "unknown": NO, "review": REVIEW, "uncalibrated": REVIEW}
WORST_FIRST = (BAD_INPUT, NO, REVIEW, YES)


def register(app: typer.Typer) -> None:
    """Add this wing's verbs."""
    app.command()(identify)
    app.command()(forget)


def identify(
    pictures: o.Pictures,
    fpir: Annotated[
        float,
        typer.Option(help="How often a stranger may be taken for somebody here: 1e-2 is one in a hundred."),
    ] = DEFAULT_FPIR,
    top: Annotated[int, typer.Option(min=0, help="Name so many candidates for each face.")] = 0,
    queue: Annotated[bool, typer.Option("--queue", help="Keep what is to be reviewed: `mien review`.")] = False,
    annotate: Annotated[Path | None, typer.Option(help="Folder for the pictures with names drawn.")] = None,
    gallery: GalleryOption = DEFAULT_GALLERY,
    index: IndexOption = "auto",
    bundle: o.BundleOption = o.DEFAULT_BUNDLE,
    detector: o.DetectorOption = o.DEFAULT_DETECTOR,
    device: o.DeviceOption = "cpu",
    threads: o.ThreadsOption = None,
    any_rotation: o.RotationOption = False,
    json: o.JsonOption = False,
) -> None:
    """Say who is on pictures: every face known, to be reviewed, or unknown.

    Example: mien identify party.jpg --fpir 1e-2

    Exit code 0: every face is somebody known; 1: somebody unknown, or no face; 3: something to review; 2: bad
    input.
    """
    files = find_pictures(pictures)
    if annotate:
        make_folder(annotate, pictures)
    recognizer = o.recognizer(bundle, detector, device, threads, any_rotation)
    codes: set[int] = set()
    notes: set[str] = set()
    lines: list[tuple[str, ...]] = []
    with opened(gallery, calibration=recognizer.calibration, index=index) as people:
        for read in progress(recognizer.read_many(files), len(files), "identifying"):
            matches = _identified(people, read, fpir, top, queue)
            codes |= _codes(read, matches)
            if json:
                print_json(_identified_json(read, matches))
            else:
                lines += _identified_lines(read, matches)
                notes |= {match.basis_note for match in matches if match.basis_note}
            if annotate and isinstance(read, Reading):
                codes.add(write_annotated(read, [match.person or match.verdict for match in matches], annotate))
    print_table(
        ("picture", "face", "who", "verdict", "score", "FPIR of the score", "stands on", "notes"), lines
    )
    for note in sorted(notes):
        print(f"note: {note}")
    raise typer.Exit(next(code for code in WORST_FIRST if code in codes))


def _identified(people: Gallery, read: Reading | Failure, fpir: float, top: int, queue: bool) -> list[Match]:
    if isinstance(read, Failure):
        complain(str(read.error))
        return []
    return people.identify(read, fpir=fpir, top=top, queue=queue)


def _codes(read: Reading | Failure, matches: Sequence[Match]) -> set[int]:
    if isinstance(read, Failure):
        return {BAD_INPUT}
    return {EXIT[match.verdict] for match in matches} or {NO}


def _identified_json(read: Reading | Failure, matches: Sequence[Match]) -> dict[str, Any]:
    if isinstance(read, Failure):
        return {"file": read.source, "faces": [], "error": str(read.error)}
    return {"file": read.source, "faces": matches, "error": None}


def _identified_lines(read: Reading | Failure, matches: Sequence[Match]) -> Iterator[tuple[str, ...]]:
    if isinstance(read, Failure):
        return
    if not matches:
        yield (read.source, "–", "no face found", "", "", "", "", "")
    for match in matches:
        score = "" if match.score is None else f"{match.score:.3f}"
        face = f"{match.face + 1} of {len(matches)}"
        rate = "" if match.score_fpir is None else rate_text(match.score_fpir)
        who = match.person or "–"
        yield (read.source, face, who, match.verdict, score, rate, match.basis, match.note)
        for candidate in match.candidates:
            seen = "" if candidate.fpir is None else rate_text(candidate.fpir)
            yield (
                "",
                "",
                f"  {candidate.person}",
                "candidate",
                f"{candidate.score:.3f}",
                seen,
                "",
                candidate.id,
            )


def forget(
    people: Annotated[list[str], typer.Argument(metavar="PERSON…", help="Names, ids or references.")],
    receipt: Annotated[
        Path | None, typer.Option(help="File to write the signed receipts into, as JSON.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    gallery: GalleryOption = DEFAULT_GALLERY,
    json: o.JsonOption = False,
) -> None:
    """Remove people from every table and file, with a signed receipt of what was removed and looked for.

    Example: mien forget Ann --receipt ann.json

    Exit code 0: nothing of them is left; 3: something has still to be done, as the receipt says.
    """
    require_receipts_place(receipt)
    with opened(gallery) as held:
        persons = [held.person(who) for who in people]
        surely(f"forgetting {', '.join(person.name for person in persons)}", yes)
        receipts: list[Receipt] = held.forget_all([person.id for person in persons])
    tell_receipts(receipts, receipt, json)
