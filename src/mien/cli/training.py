"""The verbs of training: mien train, distil, publish."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from mien.bundle.card import plain_name
from mien.cli.options import JsonOption
from mien.cli.output import complain, print_json, print_table
from mien.errors import InputError
from mien.training import trainer
from mien.training.publish import Published
from mien.training.recipe import Recipe
from mien.training.recipe_file import read_recipe
from mien.training.recipes import find, names
from mien.training.run import Measurement, Run, first_process
from mien.values import rate_text

SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="SECTION.KEY=VALUE", help="Change the recipe: optimizer.lr=0.05. Repeatable."
    ),
]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="The run's new folder.  [default: runs/RECIPE-DATE-TIME]")
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="What to train on: a folder a person, .rec, shards … (data.train)."),
]
ValidationOption = Annotated[
    Path | None, typer.Option("--validation", help="What to measure on, of other people; a .bin does, too.")
]
DevicesOption = Annotated[
    int | None, typer.Option("--devices", min=1, help="Processes, a GPU each if there are.")
]
NodesOption = Annotated[int | None, typer.Option("--nodes", min=1, help="Machines that train together.")]
DeviceOption = Annotated[
    str | None, typer.Option("--device", help="auto, cpu or cuda.  [default: the recipe's]")
]
PlanOption = Annotated[
    bool, typer.Option("--dry-run", help="Build everything, look at the data, write nothing.")
]
LicenceOption = Annotated[str, typer.Option("--licence", help="Of the weights, for the bundle's card.")]


def register(app: typer.Typer) -> None:
    """Add this wing's verbs."""
    for verb in (train, distil, publish):
        app.command()(verb)


def train(
    recipe: Annotated[
        str | None, typer.Argument(metavar="RECIPE", help=f"A TOML file, or one of {', '.join(names())}.")
    ] = None,
    data: DataOption = None,
    validation: ValidationOption = None,
    out: OutOption = None,
    set_: SetOption = None,
    device: DeviceOption = None,
    devices: DevicesOption = None,
    nodes: NodesOption = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            "--resume", metavar="RUN", help="Go on with this run from its last checkpoint, here or elsewhere."
        ),
    ] = None,
    dry_run: PlanOption = False,
    publish: Annotated[bool, typer.Option("--publish/--no-publish", help="End in a bundle.")] = True,
    licence: LicenceOption = "unknown",
    json: JsonOption = False,
) -> None:
    """Train a network on prepared faces, and make a bundle of it.

    The run's folder holds the recipe as resolved, checkpoints, measurements, events for TensorBoard, a report
    and the bundle.

    Example: mien train arcface-mobilefacenet --data crops/ --set data.held_out=50

    Example: mien train my.toml --set optimizer.lr=0.05 --devices 2 --dry-run

    Example: mien train --resume runs/my
    """
    where = _changes({"machine.device": device, "machine.devices": devices, "machine.nodes": nodes})
    end = End(publish=publish, licence=licence, json=json)
    if resume is not None:
        told = {"RECIPE": recipe, "--data": data, "--validation": validation, "--out": out, "--set": set_}
        _refuse_beside_resume({**told, "--dry-run": dry_run})
        _finish(trainer.resume(resume, _teller(json), where), end)
        return
    if recipe is None:
        raise InputError(f"a recipe is wanted: a TOML file, or one of {', '.join(names())}")
    changes = [*_changes({"data.train": data, "data.validation": validation}), *where, *(set_ or [])]
    _begin(read_recipe(find(recipe), changes), out, end, dry_run=dry_run)


def distil(
    teacher: Annotated[str, typer.Argument(metavar="TEACHER", help="A bundle: catalogue name or folder.")],
    data: Annotated[
        Path, typer.Argument(metavar="FACES", help="Prepared faces; whose they are does not matter.")
    ],
    recipe: Annotated[str, typer.Option("--recipe", help="A TOML file, or one of mien's.")] = "distil",
    validation: ValidationOption = None,
    out: OutOption = None,
    set_: SetOption = None,
    device: DeviceOption = None,
    devices: DevicesOption = None,
    dry_run: PlanOption = False,
    licence: LicenceOption = "unknown",
    json: JsonOption = False,
) -> None:
    """Teach a small network what a bundle knows, on faces that need no names.

    The faces' crops must show what the teacher's do: prepare them with `--reference wide`.

    Example: mien distil dlib-resnet wide/ --validation crops/ --set schedule.epochs=50
    """
    taught = {"distil.teacher": teacher, "data.train": data, "data.validation": validation}
    changes = [
        *_changes(taught),
        *_changes({"machine.device": device, "machine.devices": devices}),
        *(set_ or []),
    ]
    _begin(read_recipe(find(recipe), changes), out, End(licence=licence, json=json), dry_run=dry_run)


def publish(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The bundle's new folder.")],
    name: Annotated[str, typer.Option("--name", help="The bundle's name.  [default: the folder's]")] = "",
    licence: LicenceOption = "unknown",
    json: JsonOption = False,
) -> None:
    """Make a bundle of a run's best network: proved, measured, calibrated.

    Refused where the graph does not return what the network does.

    Example: mien publish runs/my models/mine --licence Apache-2.0
    """
    _told(trainer.publish_run(run, out, name=name, licence=licence), out, json)


def _changes(options: Mapping[str, object]) -> list[str]:
    """Options as changes of the recipe; text in TOML's quotes, which hold any path."""
    return [
        f"{key}={value}" if isinstance(value, int) else f"{key}={_quoted(str(value))}"
        for key, value in options.items()
        if value is not None
    ]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _refuse_beside_resume(options: Mapping[str, object]) -> None:
    given = [name for name, value in options.items() if value]
    if given:
        raise InputError(
            f"--resume goes on with the run's own recipe; {', '.join(given)} cannot be given beside it"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """What is to come of a training, and how it is told."""

    publish: bool = True
    licence: str
    json: bool


def _begin(recipe: Recipe, out: Path | None, end: End, *, dry_run: bool) -> None:
    if dry_run:
        _show_plan(recipe, end.json)
        return
    _finish(trainer.train(recipe, out or _new_place(recipe), _teller(end.json)), end)


def _new_place(recipe: Recipe) -> Path:
    return Path("runs") / f"{recipe.name}-{time.strftime('%Y%m%d-%H%M%S')}"


def _show_plan(recipe: Recipe, json: bool) -> None:
    found = trainer.plan(recipe)
    if json:
        print_json({"plan": found, "recipe": recipe})
        return
    print_table(("what", "how"), list(found.items()))


def _teller(json: bool) -> trainer.Told:
    """What says each measurement: a line for people, or one of JSON."""

    def tell(measurement: Measurement) -> None:
        print_json(measurement) if json else print(_line(measurement), flush=True)

    return tell


def _line(found: Measurement) -> str:
    tar = f"{found.tar:.2%}" if found.tar is not None else "not stated"
    words = [f"epoch {found.epoch:g}", f"EER {found.eer:.2%}", f"TAR at FMR {rate_text(found.fmr)} {tar}"]
    words += [f"accuracy {found.accuracy:.2%}"] if found.accuracy is not None else []
    words += [f"loss {found.loss:.3f}"] if found.loss is not None else []
    return "  ".join(words)


def _finish(run: Run, end: End) -> None:
    """What stands when a training has ended; other processes than the first have nothing to say."""
    if not first_process():
        return
    if end.publish and not run.bundle.exists():
        published = trainer.publish_run(
            run.folder, run.bundle, name=plain_name(run.recipe().name), licence=end.licence
        )
        _told(published, run.bundle, end.json)
    history = run.history()
    if end.json:
        print_json({"run": str(run.folder), "bundle": str(run.bundle) if run.bundle.exists() else None})
        return
    if len(history) > 1:
        print(f"before  {_line(history[0])}\nafter   {_line(history[-1])}")
    print(f"run     {run.folder}; look at it with: tensorboard --logdir {run.events}")
    if run.report.is_file():
        print(f"report  {run.report}")


def _told(published: Published, out: Path, json: bool) -> None:
    bundle, found = published.bundle, published.found
    if json:
        rates = [row.fmr for row in found.calibration.thresholds] if found.calibration is not None else []
        proof = published.proof.figures()
        print_json(
            {"bundle": str(out), "digest": bundle.digest, "proof": proof, "fmrs": rates, "notes": found.notes}
        )
        return
    print(f"bundle  {out}: {bundle.card.name}, proved on {published.proof.pictures} crops")
    print(published.proof.table())
    for measured in found.measured:
        figures = "  ".join(
            f"{name} {value:.4f}"
            for name, value in measured.figures.items()
            if "_low" not in name and "_high" not in name
        )
        print(f"{measured.protocol}: {figures}")
    if found.calibration is not None:
        least = found.calibration.thresholds[-1].fmr
        rate = rate_text(least)
        print(f"calibrated down to FMR {rate}: mien compare A B --bundle {out} --fmr {rate}")
    for note in found.notes:
        complain(f"note: {note}")
