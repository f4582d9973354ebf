"""Folders written whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mien.errors import InputError


@contextmanager
def folder_whole(target: Path) -> Iterator[Path]:
    """A scratch folder beside the target, moved there once the block has ended well; else nothing is left.

    InputError where something stands at the target (an empty folder may), or where it cannot be written.
    """
    require_free(target)
    scratch = ""
    try:
        scratch = tempfile.mkdtemp(prefix=".mien-", dir=target.parent)
        yield Path(scratch)
        Path(scratch).chmod(0o755)
        Path(scratch).replace(target)
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error.strerror or error})") from error
    finally:
        if scratch:
            shutil.rmtree(scratch, ignore_errors=True)


def require_free(target: Path) -> None:
    """InputError where something stands at the target that is no empty folder."""
    try:
        taken = target.is_symlink() or (any(target.iterdir()) if target.is_dir() else target.exists())
    except (OSError, ValueError) as error:
        raise InputError(f"{target}: cannot be looked up ({error})") from error
    if taken:
        raise InputError(f"{target}: something is there already; name another place, or remove it")
