"""The verb demo: real faces found, aligned, embedded and compared, on one page that explains itself."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli import options as o
from mien.cli.output import BAD_INPUT, YES, complain, print_json, print_table, require_place
from mien.errors import InputError

if TYPE_CHECKING:
    from mien.recognition.recognizer import Recognizer


def register(app: typer.Typer) -> None:
    """Add this wing's verb."""
    app.command()(demo)


def demo(
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="Your own photographs; without it, a portrait.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("mien-demo.html"),
    bundle: o.BundleOption = o.DEFAULT_BUNDLE,
    detector: o.DetectorOption = o.DEFAULT_DETECTOR,
    device: o.DeviceOption = "cpu",
    threads: o.ThreadsOption = None,
    any_rotation: o.RotationOption = False,
    json: o.JsonOption = False,
) -> None:
    """Show what mien does, as one HTML page: on a public-domain portrait, or on a folder of yours.

    Example: mien demo holiday/ --out holiday.html

    Needs no network. Your photographs stay where they are; the page holds small pictures of the faces.
    Exit code 2: some picture could not be read; the page says which, and shows the rest.
    """
    started = time.perf_counter()
    files = _checked(folder, out)
    recognizer = o.recognizer(bundle, detector, device, threads, any_rotation)
    if folder is None:
        summary = _portrait(recognizer, out, quiet=json)
    else:
        summary = _folder(recognizer, folder, files, out, quiet=json)
    seconds = round(time.perf_counter() - started, 1)
    if json:
        print_json({"page": str(out), "seconds": seconds, **summary})
    else:
        print(f"\nThe page, made in {seconds:.1f} s: {out.absolute().as_uri()}")
    raise typer.Exit(BAD_INPUT if summary.get("failures") else YES)


def _checked(folder: Path | None, out: Path) -> list[Path]:
    """The pictures of the folder; what is wrong with either path is said before any work is done."""
    from mien.images import find_pictures

    require_place(out)
    if folder is None:
        return []
    files = find_pictures([folder])
    if files == [folder]:
        raise InputError(f"{folder}: a file, where a folder of pictures is wanted")
    return files


def _portrait(recognizer: Recognizer, out: Path, *, quiet: bool) -> dict[str, Any]:
    from mien.demo import portrait as study
    from mien.demo.portrait_page import build
    from mien.pages.page import write

    portrait = study.read_portrait(recognizer)
    series = study.try_stresses(recognizer, portrait)
    crowd = study.read_strangers(recognizer)
    write(out, build(recognizer, portrait, series, crowd))
    if not quiet:
        print_table(("a portrait, after", "holds", "then"), [each.summary() for each in series])
        print(f"\n{crowd.summary()}")
    return study.as_json(series, crowd)


def _folder(
    recognizer: Recognizer, folder: Path, files: list[Path], out: Path, *, quiet: bool
) -> dict[str, Any]:
    from mien.demo.album import read_album
    from mien.demo.album_page import build
    from mien.pages.page import write

    album = read_album(recognizer, folder, files)
    write(out, build(recognizer, folder, album))
    for failure in album.failures:
        complain(str(failure.error))
    if not quiet:
        if album.groups:
            print_table(("group", "faces", "for instance"), album.summary())
        print(f"\n{len(album.faces)} faces in {album.pictures} pictures, {len(album.empty)} without a face")
        if recognizer.calibration is None:
            print("uncalibrated: similarities only, no verdicts and no groups")
    return album.as_json()
