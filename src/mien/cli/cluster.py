"""The verb cluster: the faces of a folder, grouped by person; more pictures join the groups later."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli import options as o
from mien.cli.output import BAD_INPUT, NO, YES, complain, print_json, print_table
from mien.errors import CalibrationError, InputError
from mien.values import rate_text

if TYPE_CHECKING:
    from mien.bundle.calibration import Calibration
    from mien.cli.cluster_run import Read
    from mien.gallery.clustering.groups import Groups
    from mien.recognition.recognizer import Recognizer

MOST = 30  # groups in the table


def register(app: typer.Typer) -> None:
    """Add this wing's verb."""
    app.command()(cluster)


def cluster(
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="Pictures to group; without it, --out DIR as it is.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR|FILE.html", help="A folder that keeps the groups, and their page; or the page alone."
        ),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", metavar="GROUP=NAME", help="Call a group so (nothing after =: no longer)."),
    ] = None,
    remove: Annotated[
        list[int] | None,
        typer.Option("--remove", metavar="GROUP", help="Forget the faces of a group for good."),
    ] = None,
    fmr: Annotated[
        float | None,
        typer.Option("--fmr", help="False-match rate.  [default: 1e-3, less for more than 10 faces]"),
    ] = None,
    bundle: o.BundleOption = o.DEFAULT_BUNDLE,
    detector: o.DetectorOption = o.DEFAULT_DETECTOR,
    device: o.DeviceOption = "cpu",
    threads: o.ThreadsOption = None,
    any_rotation: o.RotationOption = False,
    json: o.JsonOption = False,
) -> None:
    """Group the faces of a folder by person, whoever they are.

    Example: mien cluster holiday/ --out people/ && mien cluster --out people/ --name 1=Ann

    With --out DIR a later run adds its pictures to the groups that are there: numbers and names stay, and
    pictures that were looked at before are not read again. DIR holds biometric data, readable by you alone.
    Exit code 0: done; 1: no face at all; 2: some picture could not be read, or bad input.
    """
    from mien.cli.cluster_run import Place, read

    place = Place.of(out, folder)
    files = _files(folder)
    names = [_named(text) for text in name or []]
    recognizer = o.recognizer(bundle, detector, device, threads, any_rotation)
    calibration = _calibration(recognizer, fmr)
    groups = _edited(place.load(recognizer, fmr), names, remove or [])
    found = read(recognizer, folder or Path(), files, groups.seen)
    if found.seen or fmr is not None:
        groups = groups.add(found.found, calibration, found.seen)
    place.save(groups, calibration, found.failures)
    for failure in found.failures:
        complain(str(failure.error))
    answer = _answer(groups, calibration, found, out)
    print_json(answer) if json else _tell(groups, answer)
    raise typer.Exit(BAD_INPUT if found.failures else YES if len(groups.faces) else NO)


def _files(folder: Path | None) -> list[Path]:
    from mien.images import find_pictures

    files = find_pictures([folder]) if folder else []
    if files == [folder]:
        raise InputError(f"{folder}: a file, where a folder of pictures is wanted")
    return files


def _named(text: str) -> tuple[int, str]:
    number, equals, name = text.partition("=")
    if not equals or not number.strip().isdecimal():
        raise InputError(f"--name {text!r}: GROUP=NAME is wanted, 3=Ann for instance")
    return int(number), name.strip()


def _calibration(recognizer: Recognizer, fmr: float | None) -> Calibration:
    if recognizer.calibration is None:
        raise CalibrationError(
            "uncalibrated: without thresholds there are no groups; `mien calibrate FOLDER --write` with this "
            "bundle and detector makes them"
        )
    if fmr is not None:
        recognizer.calibration.threshold(fmr)  # refuses a rate outside the table before any picture is read
    return recognizer.calibration


def _edited(groups: Groups, names: Sequence[tuple[int, str]], removed: Sequence[int]) -> Groups:
    for number in removed:
        groups = groups.removed(number)
    for number, name in names:
        groups = groups.named(number, name)
    return groups


def _answer(groups: Groups, calibration: Calibration, found: Read, out: Path | None) -> dict[str, Any]:
    """For machines."""
    faces = groups.faces
    rate = groups.rate(calibration)
    return {
        "out": str(out) if out else None,
        "pictures": len(groups.seen),
        "new_pictures": len(found.seen),
        "known_pictures": found.known,
        "faces": len(faces),
        "new_faces": sum(map(len, found.found)),
        "low_quality": int((~faces.good).sum()),
        "fmr": rate,
        "similarity": calibration.threshold(rate),
        "groups": [
            {"group": number, "name": groups.names.get(number, ""), "faces": [_face(groups, i) for i in rows]}
            for number, rows in groups.members().items()
        ],
        "too_poor": [_face(groups, i) for i in groups.left_over()],
        "without_face": list(found.empty),
        "failures": {failure.source: str(failure.error) for failure in found.failures},
    }


def _face(groups: Groups, row: int) -> dict[str, Any]:
    return {"picture": groups.faces.pictures[row], "face": int(groups.faces.places[row]) + 1}


def _tell(groups: Groups, answer: dict[str, Any]) -> None:
    """For people."""
    shown = {
        number: rows for number, rows in groups.members().items() if len(rows) > 1 or number in groups.names
    }
    lines = [
        (str(number), groups.names.get(number, ""), str(len(rows)), ", ".join(map(groups.faces.name, rows[:3])))
        for number, rows in shown.items()
    ]
    print_table(("group", "name", "faces", "for instance"), lines[:MOST])
    if len(lines) > MOST:
        print(f"… and {len(lines) - MOST:,} smaller groups")
    alone, poor = len(answer["groups"]) - len(shown), len(answer["too_poor"])
    print(
        f"\n{answer['faces']:,} faces in {answer['pictures']:,} pictures ({answer['new_pictures']:,} new): "
        f"{len(shown):,} groups, {alone:,} seen once, {poor:,} too poor to group; "
        f"at an FMR of {rate_text(answer['fmr'])}"
    )
    if answer["out"]:
        print(f"→ {answer['out']}")
