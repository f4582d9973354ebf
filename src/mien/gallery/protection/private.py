"""Small files that only their owner may read: what keys are kept in."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from mien.errors import InputError, KeyingError
from mien.files import read_bounded, write_whole

OWNER = 0o600
OTHERS = stat.S_IRWXG | stat.S_IRWXO
LIMIT = 4096  # bytes


def write_private(path: str | os.PathLike[str], content: bytes) -> bool:
    """Make the file, whole, with mode 0600. False, and nothing done, where something stands there already.

    KeyingError where it cannot be made. Of several who make it at once, exactly one does.
    """
    target = Path(path)
    scratch = target.with_name(f".mien-{secrets.token_hex(8)}")
    try:
        write_whole(scratch, content, mode=OWNER)
        os.link(scratch, target)  # which, unlike a move, never replaces what stands there
    except FileExistsError:
        return False
    except (OSError, InputError) as error:
        raise KeyingError(f"{target}: this key file cannot be made ({error})") from error
    finally:
        scratch.unlink(missing_ok=True)
    return True


def read_private(path: str | os.PathLike[str]) -> str:
    """The file's text without white space around it.

    KeyingError where it cannot be read, or where its group or others have a right to it.
    """
    try:
        content = read_bounded(path, LIMIT)
    except InputError as error:
        raise KeyingError(f"no key could be had: {error}") from error
    mode = stat.S_IMODE(Path(path).stat().st_mode)
    if os.name == "posix" and mode & OTHERS:  # Windows keeps no such bits
        raise KeyingError(
            f"{path}: mode {mode:04o} lets others than its owner at this key; run `chmod 600 {path}`, and make "
            f"a new key if somebody may have read it"
        )
    return content.decode("ascii", "replace").strip()
