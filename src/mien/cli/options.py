"""The options that every verb which reads pictures takes, with one wording each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from mien.bundle.bundle import Bundle
from mien.bundle.card import Reference
from mien.bundle.catalog import find_bundle
from mien.bundle.importers.onnx import ARCFACE, ARCFACE_SIDE
from mien.bundle.runtime import MAX_THREADS, Runtime
from mien.errors import InputError
from mien.recognition.recognizer import Recognizer
from mien.recognition.recrop import CropReader

BundleOption = Annotated[str, typer.Option("--bundle", help="Embedder: catalogue name or folder.")]
DetectorOption = Annotated[str, typer.Option("--detector", help="Detector: catalogue name or folder.")]
DeviceOption = Annotated[
    str, typer.Option("--device", help="cpu, cuda, cuda:1 …; one that is missing is an error.")
]
ThreadsOption = Annotated[
    int | None,
    typer.Option("--threads", min=1, max=MAX_THREADS, help="Cores to use; else $MIEN_THREADS, else all."),
]
RotationOption = Annotated[
    bool, typer.Option("--any-rotation", help="Find faces lying on their side or head too (4 × the time).")
]
JsonOption = Annotated[bool, typer.Option("--json", help="For machines: one JSON object a line.")]
FaceOption = Annotated[
    Literal["only", "largest", "central"], typer.Option("--face", help="Which face where there are several.")
]
Pictures = Annotated[list[Path], typer.Argument(metavar="FILES|FOLDER", help="Pictures, or folders of them.")]

DEFAULT_BUNDLE, DEFAULT_DETECTOR = "dlib-resnet", "mtcnn"


def points(option: str, text: str) -> Reference:
    """Five points as an option gives them, x,y x,y x,y x,y x,y. InputError naming the option."""
    try:
        pairs = [pair.split(",") for pair in text.split()]
        return Reference(points=tuple((float(x), float(y)) for x, y in pairs))
    except ValueError as error:
        wanted = "five points are wanted, x,y x,y x,y x,y x,y"
        raise InputError(f"{option} {text!r}: {wanted} ({error})") from error


def reader(
    bundle: str, detector: str, device: str, threads: int | None, *, crops: bool
) -> Recognizer | CropReader:
    """What reads pictures, or, where they are aligned crops (ArcFace's points, 112×112), those."""
    if not crops:
        return recognizer(bundle, detector, device, threads)
    runtime = Runtime(device=device) if threads is None else Runtime(device=device, threads=threads)
    return CropReader(find_bundle(bundle), Reference(points=ARCFACE), (ARCFACE_SIDE, ARCFACE_SIDE), runtime)


def recognizer(
    bundle: str | Bundle, detector: str, device: str, threads: int | None, any_rotation: bool = False
) -> Recognizer:
    """The recogniser that the options describe."""
    return Recognizer.load(bundle, detector, device=device, threads=threads, any_rotation=any_rotation)
