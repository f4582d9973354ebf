"""The verbs of measuring: mien evaluate pairs, bin, folder, ijb, diff; mien calibrate."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.bundle.calibration import DEFAULT_FMR
from mien.cli import options as o
from mien.cli.evaluation_options import Evaluating, Reading, taking_options
from mien.cli.output import complain, print_json, require_place
from mien.values import rate_text

if TYPE_CHECKING:
    from mien.bundle.bundle import Bundle
    from mien.bundle.calibration import Calibration
    from mien.cli.evaluation_run import Run
    from mien.evaluation.protocols.pairs import PairList
    from mien.evaluation.samples import Samples

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Pictures, one folder a person.")]
CropPoints = Annotated[
    str | None,
    typer.Option(
        help="Where eyes, nose and mouth corners lie on its crops: x,y five times.  [default: ArcFace's]"
    ),
]


def register(app: typer.Typer) -> None:
    """Add this wing's verbs."""
    evaluate = typer.Typer(
        help="Measure how good a system is: pairs, bin, folder, ijb, diff.", no_args_is_help=True
    )
    for verb in (pairs, bin_, folder, ijb):
        evaluate.command(name=verb.__name__.rstrip("_"))(taking_options(verb))
    evaluate.command()(diff)
    app.add_typer(evaluate, name="evaluate")
    app.command()(taking_options(calibrate))


def pairs(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The data set's folder.")],
    pairs_file: Annotated[
        Path | None, typer.Argument(metavar="PAIRS.txt", help="The list; else where the set has it.")
    ] = None,
    set_: Annotated[
        str, typer.Option("--set", help="Whose layout: lfw, cfp-fp, cfp-ff, agedb-30, calfw, cplfw.")
    ] = "lfw",
    *,
    options: Evaluating,
) -> None:
    """Measure on a list of pairs in folds: LFW's protocol, and the sets that follow it.

    Example: mien evaluate pairs lfw/ lfw/pairs.txt --report lfw.html

    Accuracy is that of each fold at the threshold that is best on the others. Error rates are given as far as
    the pairs support them; `mien evaluate folder` compares all with all and reaches further.
    """
    from mien.cli.evaluation_run import Run
    from mien.evaluation.enrol import Entry
    from mien.evaluation.protocols.named import read_named
    from mien.evaluation.protocols.pairs import locate
    from mien.evaluation.trials import listed_pairs

    run = Run.start(options, f"pairs ({set_})", folder)
    listing = read_named(set_, folder, pairs_file)
    people = listing.people or (None,) * len(listing.pictures)
    places = listing.pictures if options.embeddings else locate(folder, listing.pictures)
    entries = [Entry(*each) for each in zip(listing.pictures, people, map(Path, places), strict=True)]
    run.finish(run.samples(entries), partial(listed_pairs, pairs=listing), pairs=listing)


def bin_(
    file: Annotated[Path, typer.Argument(metavar="FILE.bin", help="insightface's verification form.")],
    crop_points: CropPoints = None,
    *,
    options: Evaluating,
) -> None:
    """Measure on a verification set of aligned crops: insightface's .bin. No detector is used.

    Example: mien evaluate bin agedb_30.bin --bundle models/r50

    The crops are warped from the points they declare to the embedder's own; where the embedder looks at more
    than they show, that is an error. The file names no people: intervals are over pairs, and too narrow for
    that.
    """
    from mien.cli.evaluation_run import Run
    from mien.evaluation.trials import listed_pairs

    run = Run.start(options, "bin", file, crop_points=crop_points, crops=True)
    samples, listing = _of_bin(run, file)
    run.finish(samples, partial(listed_pairs, pairs=listing), pairs=listing)


def folder(folder: Folder, *, options: Evaluating) -> None:
    """Measure on your own photographs: everyone with everyone 1:1, and finding people among strangers 1:N.

    Example: mien evaluate folder photos/ --report photos.html --out photos-study

    FOLDER holds one folder a person. Figures count every person alike, and stand beside those over all pairs.
    """
    from mien.cli.evaluation_run import Run
    from mien.evaluation.enrol import people_in
    from mien.evaluation.identification import open_set
    from mien.evaluation.trials import all_pairs

    run = Run.start(options, "folder: all pairs", folder)
    samples = run.samples(None if options.embeddings and not folder.is_dir() else people_in(folder))
    run.finish(samples, all_pairs, identification=open_set(samples))


def ijb(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The set's folder, with meta/ and loose_crop/.")
    ],
    *,
    options: Evaluating,
) -> None:
    """Measure on templates of several pictures: IJB-B and IJB-C, 1:1 and, where its lists are there, 1:N.

    Example: mien evaluate ijb IJBC/ --report ijbc.html
    """
    from mien.cli.evaluation_run import Run
    from mien.evaluation.protocols.ijb import read_ijb
    from mien.evaluation.templates import entries, fuse, identify, pair_list
    from mien.evaluation.trials import listed_pairs

    run = Run.start(options, "ijb", folder)
    lists = read_ijb(folder)
    samples = run.samples(entries(lists, None if options.embeddings else folder))
    templates = fuse(samples, lists)
    listing = pair_list(lists, templates)
    found = identify(templates, lists)
    run.finish(
        samples, lambda each: listed_pairs(fuse(each, lists), listing), pairs=listing, identification=found
    )


def diff(
    a: Annotated[Path, typer.Argument(metavar="A", help="Folder that a study left (--out).")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Folder of another study of the same pictures.")],
    report: Annotated[Path | None, typer.Option(help="HTML page to write.")] = None,
    json: o.JsonOption = False,
) -> None:
    """Say whether B is better than A on the same pairs, or whether it could be chance (paired bootstrap).

    Example: mien evaluate diff study-mtcnn study-yunet --report diff.html
    """
    from mien.cli.evaluation_output import print_differences
    from mien.evaluation.diff import differences
    from mien.evaluation.kept import Kept
    from mien.evaluation.report.differences import build_differences
    from mien.pages.page import write

    if report:
        require_place(report)
    kept = Kept.load(a), Kept.load(b)
    found = differences(*kept)
    if report:
        write(report, build_differences(found, (kept[0].study, kept[1].study)))
    print_json(found) if json else print_differences(found)


def calibrate(
    source: Annotated[
        Path, typer.Argument(metavar="FOLDER|BIN", help="Pictures, one folder a person; or a .bin of crops.")
    ],
    write: Annotated[
        bool, typer.Option("--write", help="Put it beside the bundle's card, where verdicts find it.")
    ] = False,
    data: Annotated[str, typer.Option(help="What the pictures are, in words.  [default: their path]")] = "",
    crop_points: CropPoints = None,
    *,
    options: Reading,
) -> None:
    """Measure the thresholds by which scores become verdicts: one for every false-match rate.

    Example: mien calibrate photos/ --bundle models/r50 --detector models/scrfd --write

    Measure on people like yours: a threshold holds for people like those it comes from. A thousand pictures
    of strangers make half a million pairs, enough for a rate of 1e-5; rates a little beyond are fitted, and
    say so.
    """
    from mien.cli.evaluation_output import print_calibration
    from mien.cli.evaluation_run import Run
    from mien.evaluation.calibrate import calibrate as measured
    from mien.evaluation.enrol import people_in
    from mien.evaluation.trials import all_pairs, listed_pairs

    run = Run.start(options, "calibrate", source, crop_points=crop_points, crops=source.suffix == ".bin")
    if source.suffix == ".bin":
        samples, listing = _of_bin(run, source)
        trial = listed_pairs(samples, listing)
    else:
        samples = run.samples(people_in(source) if source.is_dir() else None)
        trial = all_pairs(samples)
    told = data or f"{len(samples)} pictures of {source.resolve().name}"
    found = measured(trial, samples.bundle, samples.aligner, told)
    path = _written(run.bundle, found) if write else None
    print_calibration(found, samples, path, json=options.json)


def _written(bundle: Bundle, found: Calibration) -> Path:
    before = bundle.calibration(found.aligner)
    least = found.thresholds[-1].fmr
    if least > DEFAULT_FMR:
        complain(
            f"this reaches no further than FMR {rate_text(least)}: ask for that, or measure on more people"
        )
    elif before is not None and least > before.thresholds[-1].fmr:
        reached = rate_text(before.thresholds[-1].fmr)
        complain(f"this reaches FMR {rate_text(least)}; the one it stands in for reached {reached}")
    return bundle.write_calibration(found)


def _of_bin(run: Run, file: Path) -> tuple[Samples, PairList]:
    from mien.evaluation.enrol import Entry
    from mien.evaluation.protocols.bins import read_bin

    held = read_bin(file)
    listing = held.pairs
    entries = [Entry(name, None, data) for name, data in zip(listing.pictures, held.pictures, strict=True)]
    return run.samples(entries), listing
