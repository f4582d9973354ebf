"""Files written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from mien.errors import InputError


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file beside its place and move it there: nobody ever sees half of it.

    Raises InputError where it cannot be written; then nothing is left behind.
    """
    target = Path(path)
    scratch = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        scratch.write_bytes(content)
        scratch.replace(target)
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error.strerror or error})") from error
    finally:
        scratch.unlink(missing_ok=True)
