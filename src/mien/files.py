"""Files written whole or not at all, and read within bounds."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from mien.errors import InputError


def write_whole(path: str | os.PathLike[str], content: bytes, *, mode: int = 0o644) -> None:
    """Write a file beside its place and move it there: nobody ever sees half of it.

    mode: who may read it. Raises InputError where it cannot be written, or where something stands there that is
    no plain file; then nothing is left behind.
    """
    with open_whole(path, mode=mode) as stream:
        stream.write(content)


@contextmanager
def open_whole(path: str | os.PathLike[str], *, mode: int = 0o644) -> Iterator[BinaryIO]:
    """`write_whole` for what is written bit by bit: the file stands in its place once the block has ended
    well.
    """
    target = Path(path)
    require_replaceable(target)
    scratch = ""
    try:
        # A name nobody can know beforehand, in the same folder, so that moving it is one step.
        handle, scratch = tempfile.mkstemp(prefix=".mien-", dir=target.parent)
        with os.fdopen(handle, "wb") as stream:
            yield stream
        Path(scratch).chmod(mode)
        Path(scratch).replace(target)
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error.strerror or error})") from error
    finally:
        if scratch:
            Path(scratch).unlink(missing_ok=True)


def require_replaceable(target: Path) -> None:
    """InputError where something stands at the target that is no plain file, and would be replaced by one."""
    try:
        found = target.lstat().st_mode
    except (OSError, ValueError):  # nothing is there, or it will be said when it is written
        return
    if not stat.S_ISREG(found):
        raise InputError(f"{target}: cannot be written, since what stands there is no plain file")


def read_bounded(path: str | os.PathLike[str], limit: int) -> bytes:
    """A plain file's bytes, at most `limit` of them. Raises InputError where it is larger or cannot be read."""
    file = Path(path)
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would never end
            raise InputError(f"{file}: not a plain file")
        if status.st_size > limit:
            raise InputError(f"{file}: larger than the {limit} bytes that are read")
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror or error})") from error
