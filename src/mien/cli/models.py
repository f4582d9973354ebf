"""The verbs of bundles: mien models list, show, verify, import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer

from mien.bundle.bundle import Bundle
from mien.bundle.card import encode_card
from mien.bundle.catalog import entries, find_bundle, landmark_network, starter_folder
from mien.bundle.golden import verify as verify_golden
from mien.bundle.golden import write_proved
from mien.bundle.importers import IMPORTERS, Wishes
from mien.bundle.importers.onnx import Embedder
from mien.cli.options import JsonOption, points
from mien.cli.output import print_json, print_table
from mien.errors import InputError

Name = Annotated[str, typer.Argument(metavar="NAME|FOLDER", help="A catalogue name, or a bundle's folder.")]


def register(app: typer.Typer) -> None:
    """Add this wing's verbs."""
    models = typer.Typer(help="The models: list, show, verify, import.", no_args_is_help=True)
    for verb in (list_, show, verify, import_):
        models.command(name=verb.__name__.rstrip("_"))(verb)
    app.add_typer(models, name="models")


def list_(json: JsonOption = False) -> None:
    """The bundles that mien knows by name.

    Example: mien models list
    """
    known = entries()
    if json:
        for name, entry in known.items():
            print_json({"name": name, "built": starter_folder(name).exists(), **msgspec.to_builtins(entry)})
        return
    rows = [
        (name, "ready" if starter_folder(name).exists() else "built on first use", entry.licence, entry.summary)
        for name, entry in known.items()
    ]
    print_table(("name", "state", "licence", "what it is"), rows)


def show(bundle: Name, json: JsonOption = False) -> None:
    """A bundle's card: what the model expects, returns and promises, and its calibrations.

    Example: mien models show dlib-resnet
    """
    found = find_bundle(bundle)
    calibrations = [_calibration_summary(found, aligner) for aligner in found.calibrations()]
    if json:
        card = msgspec.to_builtins(found.card)
        where = {"folder": str(found.folder), "digest": found.digest}
        print_json({**where, "card": card, "calibrations": calibrations})
        return
    print(f"folder  {found.folder}\ndigest  {found.digest}")
    print(encode_card(found.card).decode(), end="")
    for each in calibrations:
        print("calibration  " + "  ".join(f"{key}={value}" for key, value in each.items()))


def verify(bundle: Name, json: JsonOption = False) -> None:
    """Prove a bundle: its files' digests, and its golden numbers recomputed on this machine.

    Example: mien models verify dlib-resnet
    """
    found = find_bundle(bundle)
    deviation = verify_golden(found)
    if json:
        print_json({"bundle": found.card.name, "digest": found.digest, "proved": True, "deviation": deviation})
        return
    files, numbers = len(found.card.files), sum(len(golden.values) for golden in found.card.golden)
    print(
        f"{found.card.name}: proved ({files} files, {numbers} golden numbers, off by {deviation:.1e} at most)"
    )


def import_(
    format: Annotated[str, typer.Argument(help=f"What the files are: {', '.join(IMPORTERS)}.")],
    files: Annotated[list[Path], typer.Argument(metavar="FILES…", help="The model's file or files.")],
    out: Annotated[Path, typer.Option(help="The bundle's new folder.")],
    family: Annotated[
        str | None,
        typer.Option(help="onnx: scrfd, yunet or arcface; without it the graph decides, and it is said."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The bundle's name.  [default: the folder's]")] = None,
    source: Annotated[str, typer.Option(help="Where the model was published.")] = "",
    licence: Annotated[str, typer.Option(help="The weights' licence; else the format's own, or unknown.")] = "",
    channels: Annotated[
        Literal["RGB", "BGR", "grey"] | None, typer.Option(help="arcface: colour order.  [default: RGB]")
    ] = None,
    mean: Annotated[
        float | None, typer.Option(help="arcface: it takes (pixel − mean) × scale.  [default: 127.5]")
    ] = None,
    scale: Annotated[float | None, typer.Option(help="arcface: see --mean.  [default: 1/127.5]")] = None,
    mirror: Annotated[bool | None, typer.Option(help="arcface: average with the mirrored crop.")] = None,
    reference: Annotated[
        str | None,
        typer.Option(help="arcface: where eyes, nose and mouth corners go on the crop, x,y x,y x,y x,y x,y."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Make a bundle of a public model's files, or say why they do not fit.

    Example: mien models import onnx scrfd_500m.onnx --out models/scrfd

    Example: mien models import onnx w600k_r50.onnx --out models/r50 --licence non-commercial
    """
    if format not in IMPORTERS:
        raise InputError(f"format {format!r} is unknown; known: {', '.join(IMPORTERS)}")
    settings = _given(channels=channels, mean=mean, scale=scale, mirror=mirror, reference=reference)
    alien = _given(family=family) | settings
    if alien and format != "onnx":
        raise InputError(f"{', '.join(f'--{key}' for key in alien)}: for the format onnx, not for {format}")
    if settings and family is None:
        family = "arcface"
    wishes = Wishes(name or out.name, source, licence, family, _embedder(settings), landmark_network)
    bundle = write_proved(out, *IMPORTERS[format](files, wishes))
    if json:
        print_json({"folder": str(out), "digest": bundle.digest, "card": msgspec.to_builtins(bundle.card)})
        return
    card = bundle.card
    print(f"{out}: {card.name}, to {card.task} ({card.provenance.recipe or card.provenance.framework})")
    print(f"digest {bundle.digest}, {len(card.golden)} outputs proved")
    print(f"licence of the weights: {card.provenance.licence}")


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _embedder(settings: dict[str, Any]) -> Embedder | None:
    if "reference" in settings:
        settings = {**settings, "reference": points("--reference", settings["reference"])}
    return Embedder(**settings) if settings else None


def _calibration_summary(bundle: Bundle, aligner: str) -> dict[str, str | int]:
    found = bundle.calibration(aligner)
    if found is None:
        return {"aligner": aligner}
    return {
        "aligner": aligner,
        "people": found.people,
        "impostor_pairs": found.impostor_pairs,
        "smallest_fmr": f"{found.thresholds[-1].fmr:g}",
        "data": found.data,
        "date": found.date,
    }
