"""The recipes that come with mien, TOML files that say only what differs from the defaults."""

from __future__ import annotations

from pathlib import Path

from mien.errors import InputError

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """What the recipes are called, sorted."""
    return sorted(file.stem for file in FOLDER.glob("*.toml"))


def find(name: str) -> Path:
    """A recipe's file, by its name here or by its path. InputError lists what is here where it is neither."""
    if name in names():
        return FOLDER / f"{name}.toml"
    file = Path(name)
    if not file.is_file():
        raise InputError(f"{name}: neither a recipe file nor one of mien's: {', '.join(names())}")
    return file
