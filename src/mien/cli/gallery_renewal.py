"""The verbs that give a gallery other secrets or another model: mien gallery rotate, renew, migrate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import typer

from mien.cli import options as o
from mien.cli.gallery_options import (
    DEFAULT_GALLERY,
    GalleryOption,
    KeyFile,
    Passphrase,
    new_key,
    opened,
    tell,
)
from mien.cli.output import NO, YES, complain, print_json
from mien.gallery.cutout import Cutout
from mien.gallery.vault import Origin
from mien.progress import progress
from mien.recognition.recognizer import Recognizer
from mien.values import Embeddings, Faces


def rotate(
    key_file: KeyFile = None,
    passphrase: Passphrase = False,
    gallery: GalleryOption = DEFAULT_GALLERY,
    json: o.JsonOption = False,
) -> None:
    """Seal everything with a new key; interrupted, it is gone on with. An open gallery is encrypted by it.

    Example: mien gallery rotate --key-file people-2027.key

    With --key-file or --passphrase the main key changes, too.
    """
    new = new_key(key_file, passphrase)
    with opened(gallery) as held:
        rows = held.rows()
        done = sum(progress(held.rotate(new), max(rows // 500, 1), "sealing"))
    tell(json, f"{done} rows sealed with a new key; the old one is destroyed", sealed=done)


def renew(
    key_file: KeyFile = None,
    passphrase: Passphrase = False,
    gallery: GalleryOption = DEFAULT_GALLERY,
    json: o.JsonOption = False,
) -> None:
    """Issue new templates, without photographs: the old ones match nothing any more.

    Example: mien gallery renew
    """
    with opened(gallery) as held:
        count = held.renew(new_key(key_file, passphrase))
    tell(json, f"{count} vectors renewed", renewed=count)


def migrate(
    to: Annotated[
        str, typer.Option("--to", metavar="BUNDLE", help="The other embedder: catalogue name or folder.")
    ],
    detector: o.DetectorOption = o.DEFAULT_DETECTOR,
    device: o.DeviceOption = "cpu",
    threads: o.ThreadsOption = None,
    gallery: GalleryOption = DEFAULT_GALLERY,
    json: o.JsonOption = False,
) -> None:
    """Move to another model by the crops that were kept; names, ids and marks stay.

    Example: mien gallery migrate --to models/mobilefacenet

    Exit code 1: some people had no crop and must be enrolled again; they are named.
    """
    recognizer = o.recognizer(to, detector, device, threads)
    origin = Origin(recognizer.bundle.digest, recognizer.aligner.digest, recognizer.dimension)
    with opened(gallery, calibration=recognizer.calibration) as held:
        moved = held.migrate(lambda cutouts: _embedded(recognizer, cutouts), origin)
    if json:
        behind = [person.id for person in moved.left_behind]
        print_json({"templates": moved.templates, "marks": moved.marks, "left_behind": behind})
    else:
        print(f"{moved.templates} templates and {moved.marks} marks made anew")
        for person in moved.left_behind:
            complain(f"{person.name} ({person.id}): no crop was kept; enrol again")
    raise typer.Exit(NO if moved.left_behind else YES)


def _embedded(recognizer: Recognizer, cutouts: Sequence[Cutout]) -> Embeddings:
    """The vectors of kept faces, whose landmarks are known."""
    crops = [recognizer.align(each.image, _face(each)) for each in cutouts]
    parts = [reading.embeddings for reading in recognizer.embed(crops)]
    vectors, norms = (np.concatenate([getattr(part, name) for part in parts]) for name in ("vectors", "norms"))
    return Embeddings(vectors, norms, recognizer.bundle.digest, recognizer.aligner.digest)


def _face(cutout: Cutout) -> Faces:
    low, high = cutout.landmarks.min(axis=0), cutout.landmarks.max(axis=0)
    return Faces(np.concatenate([low, high])[None], cutout.landmarks[None], np.ones(1, np.float32))
