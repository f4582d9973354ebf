"""The verb prepare: pictures of people → crops that a network is trained on, and a review of what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mien.bundle.catalog import find_bundle
from mien.bundle.runtime import Runtime
from mien.cli import options as o
from mien.cli.output import NO, YES, complain, plain, print_json, print_table, require_folder
from mien.errors import InputError

if TYPE_CHECKING:
    from mien.recognition.recognizer import Recognizer
    from mien.recognition.recrop import CropReader
    from mien.training.datasets.contract import CropContract
    from mien.training.prepare.prepared import Prepared
    from mien.training.prepare.settings import PrepareSettings
    from mien.training.prepare.video import Collected

NAMED = 10  # pictures without a face that are called by name


def register(app: typer.Typer) -> None:
    """Add this wing's verb."""
    app.command()(prepare)


def prepare(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="FOLDER", help="A folder a person, or another data set; not with --from-video."),
    ] = None,
    out: Annotated[Path | None, typer.Argument(metavar="OUT", help="The folder to write.")] = None,
    reference: Annotated[
        Literal["arcface", "facenet", "wide"],
        typer.Option("--reference", help="Where eyes, nose and mouth go."),
    ] = "arcface",
    size: Annotated[
        int | None,
        typer.Option("--size", metavar="N", help="Pixels of a side.  [default: the reference's own]"),
    ] = None,
    to: Annotated[
        Literal["folder", "records", "shards"], typer.Option("--to", help="The form that is written.")
    ] = "folder",
    already_aligned: Annotated[
        bool, typer.Option("--already-aligned", help="The pictures are such crops already: detect nothing.")
    ] = False,
    keep_poor: Annotated[
        bool, typer.Option("--keep-poor", help="Keep small, blurred, dark … faces, too.")
    ] = False,
    min_pictures: Annotated[
        int, typer.Option("--min-pictures", min=1, metavar="K", help="Leave people with fewer out.")
    ] = 1,
    drop_suspects: Annotated[
        bool, typer.Option("--drop-suspects", help="Do at once what the review suggests.")
    ] = False,
    apply_review: Annotated[
        Path | None, typer.Option("--apply-review", metavar="FILE", help="An edited review.csv or review.json.")
    ] = None,
    from_video: Annotated[
        str | None,
        typer.Option("--from-video", metavar="FILE|CAMERA", help="Collect PERSON's pictures in OUT."),
    ] = None,
    person: Annotated[str, typer.Option("--person", metavar="NAME", help="Who is in the video.")] = "",
    face: Annotated[
        Literal["central", "largest", "only"],
        typer.Option("--face", help="Which face where there are several."),
    ] = "central",
    bundle: o.BundleOption = o.DEFAULT_BUNDLE,
    detector: o.DetectorOption = o.DEFAULT_DETECTOR,
    device: o.DeviceOption = "cpu",
    threads: o.ThreadsOption = None,
    json: o.JsonOption = False,
) -> None:
    """Make crops for training of pictures of people, and find what is wrong in them.

    Example: mien prepare people/ crops/ && mien prepare people/ crops/ --apply-review crops/review.csv

    Found are copies of one picture, pictures of somebody else, and people who are one; OUT/review.html shows
    them. A run that was killed goes on where it was. OUT holds biometric data.
    Exit code 0: done; 1: no picture could be used; 2: bad input.
    """
    if from_video is not None:
        place = _only_out(folder, out)
        _tell_collected(
            _collected(from_video, person, place, o.recognizer(bundle, detector, device, threads)), json
        )
        return
    if folder is None or out is None:
        raise InputError("FOLDER and OUT are wanted: where the pictures are, and the folder to write")
    from mien.training.prepare.prepare import prepare as prepared
    from mien.training.prepare.settings import PrepareSettings

    require_folder(out)
    settings = PrepareSettings(
        crops=_crops(reference, size),
        aligned=already_aligned,
        face=face,
        form=to,
        keep_poor=keep_poor,
        least_pictures=min_pictures,
        drop_suspects=drop_suspects,
    )
    reader = _reader(settings, bundle, detector, device, threads)
    _tell(prepared(folder, out, settings, recognizer=reader, review=apply_review), json)


def _crops(reference: str, size: int | None) -> CropContract:
    from mien.training.datasets.contract import named_contract, resized

    contract = named_contract(reference)
    return contract if size is None else resized(contract, size)


def _reader(
    settings: PrepareSettings, bundle: str, detector: str, device: str, threads: int | None
) -> Recognizer | CropReader:
    if not settings.aligned:
        return o.recognizer(bundle, detector, device, threads)
    from mien.recognition.recrop import CropReader

    runtime = Runtime(device=device) if threads is None else Runtime(device=device, threads=threads)
    return CropReader(find_bundle(bundle), settings.crops.reference, settings.crops.size, runtime)


def _only_out(folder: Path | None, out: Path | None) -> Path:
    if folder is None or out is not None:
        raise InputError("with --from-video one folder is wanted, OUT, into which the pictures go")
    require_folder(folder)
    return folder


def _collected(video: str, person: str, out: Path, recognizer: Recognizer) -> Collected:
    from mien.training.prepare.video import collect

    return collect(video, person, out, recognizer, say=complain)


def _tell_collected(collected: Collected, json: bool) -> None:
    counts = {side: len(files) for side, files in collected.written.items()}
    if json:
        pictures = [str(file) for files in collected.written.values() for file in files]
        told: dict[str, Any] = {"pictures": pictures, "sides": counts, "missing": collected.missing}
        print_json(told | {"frames": collected.frames, "left_out": collected.left_out})
    else:
        rows = [(side, str(count), str(collected.missing.get(side, 0))) for side, count in counts.items()]
        print_table(("side", "pictures", "missing"), rows)
        print(f"\n{sum(counts.values())} pictures from {collected.frames} frames")
        print(f"left out: {_words(collected.left_out)}")
    raise typer.Exit(YES if any(counts.values()) else NO)


def _tell(prepared: Prepared, json: bool) -> None:
    for warning in prepared.warnings:
        complain(warning)
    unused = [each for each in prepared.outcomes if not each.looked.crop]
    for each in unused[:NAMED]:
        complain(f"{each.looked.picture}: {each.why}")
    if len(unused) > NAMED:
        complain(f"… and {len(unused) - NAMED} more pictures without a face to use; {prepared.page} has them")
    print_json(_answer(prepared)) if json else _print(prepared)
    raise typer.Exit(YES if prepared.crops else NO)


def _print(prepared: Prepared) -> None:
    print(
        f"{prepared.crops:,} crops of {prepared.kept_people:,} people, from {prepared.pictures:,} pictures of "
        f"{prepared.people:,}; left out: {_words(prepared.dropped)}"
    )
    if prepared.several:
        print(f"{prepared.several:,} pictures show several faces, of which one was taken")
    if prepared.moved:
        print(f"{prepared.moved:,} pictures moved to somebody else")
    print(f"to review: {_words(prepared.found)}\n→ {plain(str(prepared.page))}")


def _words(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in counts.items()) or "none"


def _answer(prepared: Prepared) -> dict[str, Any]:
    """For machines."""
    return {
        "out": str(prepared.out),
        "pictures": prepared.pictures,
        "people": prepared.people,
        "crops": prepared.crops,
        "kept_people": prepared.kept_people,
        "left_out": prepared.dropped,
        "moved": prepared.moved,
        "several_faces": prepared.several,
        "found": prepared.found,
        "decided": prepared.decided,
        "review": str(prepared.page),
        "warnings": list(prepared.warnings),
        "unusable": {each.looked.picture: each.why for each in prepared.outcomes if not each.looked.crop},
    }
