"""The verbs of the road: detect, embed, compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mien.bundle.calibration import DEFAULT_FMR, Calibration
from mien.bundle.catalog import describe_bundle
from mien.cli import options as o
from mien.cli.annotated import make_folder, write_annotated
from mien.cli.output import BAD_INPUT, NO, REVIEW, YES, complain, print_json, print_table, require_place
from mien.errors import FaceCountError
from mien.images import find_pictures
from mien.progress import progress
from mien.values import Comparison, Crops, Failure, Reading, rate_text
from mien.vectors import VectorFile

if TYPE_CHECKING:
    from collections.abc import Iterator

EXIT = {"same": YES, "different": NO, "review": REVIEW, "uncalibrated": REVIEW}


def register(app: typer.Typer) -> None:
    """Add this wing's verbs."""
    app.command()(detect)
    app.command()(embed)
    app.command()(compare)


def detect(
    pictures: o.Pictures,
    annotate: Annotated[
        Path | None, typer.Option(help="Folder to write the pictures into, with boxes and points drawn.")
    ] = None,
    bundle: o.BundleOption = o.DEFAULT_BUNDLE,
    detector: o.DetectorOption = o.DEFAULT_DETECTOR,
    device: o.DeviceOption = "cpu",
    threads: o.ThreadsOption = None,
    any_rotation: o.RotationOption = False,
    json: o.JsonOption = False,
) -> None:
    """Find the faces of pictures: boxes, five landmarks, score and quality.

    Example: mien detect holiday/ --annotate out/

    Exit code 0: a face in every picture; 1: some picture without one; 2: some picture could not be read.
    """
    files = find_pictures(pictures)
    if annotate:
        make_folder(annotate, pictures)
    # Of the embedder only the card is wanted, which says how faces are cut out; it need not be installed.
    recognizer = o.recognizer(describe_bundle(bundle), detector, device, threads, any_rotation)
    found = progress(recognizer.find_many(files), len(files), "detecting")
    codes, lines = set(), []
    for each in found:
        codes.add(_found_code(each))
        if json:
            print_json(_found_json(each))
        elif isinstance(each, Crops):
            lines += _face_lines(each)
        else:
            complain(str(each.error))
        if annotate and isinstance(each, Crops):
            captions = [f"{score:.2f}" for score in each.faces.scores]
            codes.add(write_annotated(each, captions, annotate))
    if not json:
        print_table(("picture", "face", "box", "score", "quality", "reasons"), lines)
    raise typer.Exit(BAD_INPUT if BAD_INPUT in codes else max(codes, default=YES))


def embed(
    pictures: o.Pictures,
    out: Annotated[Path, typer.Option(help="The .npz file to write.")],
    face: Annotated[
        Literal["all", "only", "largest", "central"],
        typer.Option(help="Which faces of a picture; with 'only', pictures with several are failures."),
    ] = "all",
    bundle: o.BundleOption = o.DEFAULT_BUNDLE,
    detector: o.DetectorOption = o.DEFAULT_DETECTOR,
    device: o.DeviceOption = "cpu",
    threads: o.ThreadsOption = None,
    any_rotation: o.RotationOption = False,
    json: o.JsonOption = False,
) -> None:
    """Write the vectors of every face, with names and digests, for other programs.

    Example: mien embed holiday/ --out holiday.npz

    The file opens anywhere with numpy.load: vectors, norms, names, boxes, landmarks, scores, quality,
    sha256 (a row a face), and the digests of bundle and aligner. Exit code 1: some picture without a face.
    """
    files = find_pictures(pictures)
    require_place(out)
    recognizer = o.recognizer(bundle, detector, device, threads, any_rotation)
    readings, failures = _chosen(progress(recognizer.read_many(files), len(files), "embedding"), face)
    for failure in failures:
        complain(str(failure.error))
    vectors = VectorFile.of(readings)
    vectors.save(out)
    empty = sum(not len(reading) for reading in readings)
    _report_embedded(len(files), vectors, out, empty, len(failures), json)
    raise typer.Exit(BAD_INPUT if failures else NO if empty else YES)


def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="A picture.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another picture.")],
    fmr: Annotated[
        float, typer.Option(help="How often strangers may be taken for one person: 1e-3 is one in a thousand.")
    ] = DEFAULT_FMR,
    face: o.FaceOption = "only",
    bundle: o.BundleOption = o.DEFAULT_BUNDLE,
    detector: o.DetectorOption = o.DEFAULT_DETECTOR,
    device: o.DeviceOption = "cpu",
    threads: o.ThreadsOption = None,
    any_rotation: o.RotationOption = False,
    json: o.JsonOption = False,
) -> None:
    """Say whether two pictures show one person, at a false-match rate (FMR) that you choose.

    Example: mien compare passport.jpg selfie.jpg --fmr 1e-4

    Exit code 0: same; 1: different; 3: review (a person should look), or uncalibrated; 2: bad input.
    """
    recognizer = o.recognizer(bundle, detector, device, threads, any_rotation)
    answer = recognizer.compare(a, b, fmr=fmr, face=face)
    if json:
        print_json(_comparison_json(answer, recognizer.bundle.digest, recognizer.aligner.digest))
    else:
        print(_comparison_line(answer, recognizer.calibration))
    raise typer.Exit(EXIT[answer.verdict])


def _found_code(found: Crops | Failure) -> int:
    if isinstance(found, Failure):
        return BAD_INPUT
    return YES if len(found) else NO


def _found_json(found: Crops | Failure) -> dict[str, Any]:
    if isinstance(found, Failure):
        return {"file": found.source, "faces": [], "error": str(found.error)}
    faces = [_face_json(found, i) for i in range(len(found))]
    return {"file": found.source, "faces": faces, "error": None}


def _face_json(found: Crops, i: int) -> dict[str, Any]:
    quality = {"value": _short(found.quality.values[i]), "reasons": found.quality.reasons[i]}
    measures = {name: _short(array[i]) for name, array in found.quality.measures.items()}
    return {
        "box": [_short(v) for v in found.faces.boxes[i]],
        "landmarks": [[_short(x), _short(y)] for x, y in found.faces.landmarks[i]],
        "score": _short(found.faces.scores[i]),
        "quality": {**quality, **measures},
    }


def _short(value: Any) -> float:
    return round(float(value), 4)


def _face_lines(found: Crops) -> list[tuple[str, ...]]:
    if not len(found):
        return [(found.source, "–", "no face found", "", "", "")]
    return [
        (
            found.source,
            str(i + 1),
            " ".join(f"{v:.0f}" for v in found.faces.boxes[i]),
            f"{found.faces.scores[i]:.3f}",
            f"{found.quality.values[i]:.2f}",
            ", ".join(found.quality.reasons[i]),
        )
        for i in range(len(found))
    ]


def _chosen(
    results: Iterator[Reading | Failure], face: Literal["all", "only", "largest", "central"]
) -> tuple[list[Reading], list[Failure]]:
    readings, failures = [], []
    for each in results:
        try:
            if isinstance(each, Failure):
                failures.append(each)
            else:
                readings.append(each if face == "all" or not len(each) else each.choose(face))
        except FaceCountError as error:
            failures.append(Failure(each.source, error))
    return readings, failures


def _report_embedded(
    pictures: int, vectors: VectorFile, out: Path, empty: int, failed: int, json: bool
) -> None:
    counts = {"pictures": pictures, "faces": len(vectors.names), "without_face": empty, "failed": failed}
    if json:
        origin = {"bundle": vectors.embeddings.bundle, "aligner": vectors.embeddings.aligner}
        print_json({"out": str(out), **counts, **origin})
        return
    print(f"{len(vectors.names)} faces of {pictures} pictures → {out}")
    if empty or failed:
        print(f"{empty} pictures without a face, {failed} failed")


def _comparison_json(answer: Comparison, bundle: str, aligner: str) -> dict[str, Any]:
    return {
        "similarity": round(answer.similarity, 6),
        "verdict": answer.verdict,
        "fmr": answer.fmr,
        "score_fmr": answer.score_fmr,
        "note": answer.note,
        "bundle": bundle,
        "aligner": aligner,
    }


def _comparison_line(answer: Comparison, calibration: Calibration | None) -> str:
    stands = f"asked: FMR {rate_text(answer.fmr)}"
    if calibration:
        ends = {calibration.thresholds[-1].fmr: " or less", calibration.thresholds[0].fmr: " or more"}
        beyond = ends.get(answer.score_fmr or 0, "")
        stands += f"; strangers score this high at a rate of {rate_text(answer.score_fmr)}{beyond}"
    note = f"\n{answer.note}" if answer.note else ""
    return f"{answer.verdict}   similarity {answer.similarity:.3f}   ({stands}){note}"
