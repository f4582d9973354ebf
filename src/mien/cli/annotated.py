"""Pictures written with what was found drawn onto them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from mien.cli.output import BAD_INPUT, YES, complain
from mien.errors import InputError, MienError
from mien.images import load, save
from mien.values import Crops, Reading


def make_folder(folder: Path, inputs: Sequence[Path]) -> None:
    """Make the folder to draw into; InputError where that fails, or where the next run would read from it."""
    try:
        for each in inputs:
            if each.is_dir() and folder.resolve().is_relative_to(each.resolve()):
                raise InputError(f"{folder}: lies in {each}, which is read; name a folder outside it")
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made a folder ({error.strerror})") from error
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder}: cannot be written to; name another folder")


def write_annotated(found: Crops | Reading, captions: Sequence[str], folder: Path) -> int:
    """Write one picture with its faces and a caption each; the exit code, and a line where that failed."""
    try:
        _write(found, captions, folder)
    except MienError as error:
        complain(str(error))
        return BAD_INPUT
    return YES


def _write(found: Crops | Reading, captions: Sequence[str], folder: Path) -> None:
    from mien.draw import annotate

    # The digest's start keeps pictures of one name from two folders apart.
    name = f"{Path(found.source).stem}-{found.sha256[:6]}.jpg"
    save(folder / name, annotate(load(found.source).pixels, found.faces, captions))
