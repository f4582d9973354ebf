"""The options that every way to evaluate takes, as one value: one wording, one place."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from mien.cli import options as o
from mien.values import FaceChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How pictures become vectors."""

    bundle: o.BundleOption = o.DEFAULT_BUNDLE
    detector: o.DetectorOption = o.DEFAULT_DETECTOR
    face: Annotated[
        FaceChoice, typer.Option(help="Which face of a picture with several; with 'only' it is a failure.")
    ] = "central"
    embeddings: Annotated[
        Path | None,
        typer.Option(
            help="Vectors in place of pictures: an .npz by `mien embed`, or of any system (vectors, names)."
        ),
    ] = None
    cache: Annotated[
        bool,
        typer.Option(
            "--cache/--no-cache", help="Keep vectors in mien's cache, so that the next time is quick."
        ),
    ] = True
    device: o.DeviceOption = "cpu"
    threads: o.ThreadsOption = None
    any_rotation: o.RotationOption = False
    json: o.JsonOption = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluating(Reading):
    """What is measured beside the usual, and what is written."""

    protocol: Annotated[
        Path | None,
        typer.Option(help="CSV, a row a picture, whose columns split the figures: group, camera, age …"),
    ] = None
    report: Annotated[Path | None, typer.Option(help="HTML page to write.")] = None
    out: Annotated[
        Path | None, typer.Option(help="Folder to leave the study in, vectors included: for evaluate diff.")
    ] = None
    scores: Annotated[Path | None, typer.Option(help="CSV of every comparison to write, for others.")] = None
    traps: Annotated[
        bool,
        typer.Option("--traps", help="Also change one setting of the card at a time, and say what it costs."),
    ] = False


def taking_options(verb: Callable[..., None]) -> Callable[..., None]:
    """A verb with an `options` argument, as a command: each field of its class becomes an option.

    Typer reads a command from its signature, so that is put together here, once, in place of a dozen lines a
    verb.
    """
    hints = get_type_hints(verb, include_extras=True)
    kind = hints.pop("options")
    options = _parameters(kind)
    own = [each.replace(annotation=hints[name]) for name, each in _own(verb).items()]

    def command(*args: Any, **given: Any) -> None:
        chosen = {each.name: given.pop(each.name) for each in options}
        verb(*args, **given, options=kind(**chosen))

    command.__name__, command.__doc__ = verb.__name__, verb.__doc__
    command.__signature__ = inspect.Signature([*own, *options])  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in (*own, *options)}
    return command


def _own(verb: Callable[..., None]) -> dict[str, inspect.Parameter]:
    return {name: each for name, each in inspect.signature(verb).parameters.items() if name != "options"}


def _parameters(kind: type[Reading]) -> list[inspect.Parameter]:
    hints = get_type_hints(kind, include_extras=True)
    by_name = inspect.Parameter.KEYWORD_ONLY
    return [
        inspect.Parameter(field.name, by_name, default=field.default, annotation=hints[field.name])
        for field in fields(kind)
    ]
