"""Recipes as TOML: read, changed on the command line, written as resolved."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from mien.errors import InputError, MissingExtraError
from mien.files import read_bounded, write_whole
from mien.training.recipe import Recipe

MAX_BYTES = 1 << 20
DEFAULT_LOSS = "arcface"
AT = re.compile(r" - at `\$\.?(.*)`$")
UNKNOWN = re.compile(r"unknown field `([^`]+)`")
UNIONS = (typing.Union, types.UnionType)
CHOICE = re.compile(r"Invalid (enum )?value '(.+)'")


def read_recipe(path: str | os.PathLike[str], changes: Iterable[str] = ()) -> Recipe:
    """The recipe in a TOML file, with changes such as "optimizer.lr=0.05" applied.

    Raises InputError where the file is no TOML, or a key or a value is not a recipe's: the nearest known one is
    named.
    """
    file = Path(path)
    text = read_bounded(file, MAX_BYTES)
    try:
        given = tomllib.loads(text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: this is no TOML ({error})") from error
    given.setdefault("name", file.stem)
    return recipe_of(given, changes, str(file))


def recipe_of(given: Mapping[str, Any], changes: Iterable[str] = (), where: str = "recipe") -> Recipe:
    """The recipe of nested tables. InputError as `read_recipe`."""
    tables = dict(given)
    for change in changes:
        tables = _changed(tables, change)
    if isinstance(tables.get("loss"), dict):
        tables["loss"] = {"name": DEFAULT_LOSS, **tables["loss"]}
    try:
        return msgspec.convert(tables, Recipe)
    except msgspec.ValidationError as error:
        raise InputError(f"{where}: {_explained(str(error), tables)}") from error


def encode_recipe(recipe: Recipe) -> str:
    """The recipe as TOML, every default written out."""
    try:
        import tomli_w
    except ImportError as error:
        raise MissingExtraError("tomli-w", "train") from error
    return tomli_w.dumps(msgspec.to_builtins(recipe))


def write_recipe(path: Path, recipe: Recipe) -> None:
    """Write the recipe as resolved. InputError where it cannot be written."""
    write_whole(path, encode_recipe(recipe).encode())


def _changed(tables: dict[str, Any], change: str) -> dict[str, Any]:
    """The tables with one value set, `section.key=value`, the value in TOML or a bare word."""
    key, equals, text = change.partition("=")
    parts = [part.strip() for part in key.split(".")]
    if not equals or not all(parts):
        raise InputError(f"--set {change!r}: section.key=value is wanted, optimizer.lr=0.05 say")
    return _placed(tables, parts, _value(text.strip()), change)


def _placed(tables: Any, parts: list[str], value: Any, change: str) -> dict[str, Any]:
    if not isinstance(tables, dict):
        raise InputError(f"--set {change!r}: {parts[0]!r} would stand within what is no section")
    first, *rest = parts
    return {**tables, first: _placed(tables.get(first, {}), rest, value, change) if rest else value}


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text  # a bare word: --set loss.name=cosface


def _explained(message: str, tables: Mapping[str, Any]) -> str:
    """msgspec's complaint with its place as a recipe's user names it, and with what is known there."""
    place = AT.search(message)
    path = place.group(1) if place else ""
    plain = AT.sub("", message)
    if found := UNKNOWN.search(message):
        return _unknown_key(found.group(1), path, tables)
    if CHOICE.search(message):
        return f"{path}: {plain}; known: {', '.join(map(str, _choices(path, tables)))}"
    return f"{path}: {plain}" if path else plain


def _unknown_key(key: str, path: str, tables: Mapping[str, Any]) -> str:
    known = sorted(_fields(_type_at(path, tables)))
    near = difflib.get_close_matches(key, known, n=1)
    elsewhere = [full for full in all_keys() if full.split(".")[-1] == key]
    where = f"{path}.{key}" if path else key
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
    if elsewhere and not near:
        hint = f"did you mean {elsewhere[0]!r}?"
    return f"{where}: no such key; {hint}"


def all_keys() -> Iterator[str]:
    """Every key of a recipe with its section: data.train, data.validation, …; a loss's own are left out."""
    for section, kind in get_type_hints(Recipe).items():
        fields = _fields(kind)
        yield from (f"{section}.{field}" for field in fields) if fields else [section]


def _fields(kind: Any) -> dict[str, Any]:
    """The keys of a section and their types; of a choice of sections, none."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        tag = kind.__struct_config__.tag_field
        hints = get_type_hints(kind)
        own = {field.name: hints[field.name] for field in msgspec.structs.fields(kind)}
        return {tag: str, **own} if tag else own
    return {}


def _type_at(path: str, tables: Mapping[str, Any]) -> Any:
    return _narrowed(*_walked(path, tables))


def _walked(path: str, tables: Mapping[str, Any]) -> tuple[Any, Any]:
    """The type at a path, a choice of sections as it stands, and what the tables have there."""
    kind: Any = Recipe
    here: Any = tables
    for part in filter(None, re.split(r"[.\[\]]+", path)):
        kind = _narrowed(kind, here)
        if get_origin(kind) is tuple:
            here, kind = here[int(part)], get_args(kind)[0]
        else:
            here = here.get(part, {}) if isinstance(here, Mapping) else {}
            kind = _fields(kind).get(part)
    return kind, here


def _narrowed(kind: Any, here: Any) -> Any:
    """Of a choice of sections, the one that the tables name."""
    if get_origin(kind) in UNIONS:
        named = here.get("name") if isinstance(here, Mapping) else None
        return next((each for each in get_args(kind) if each.__struct_config__.tag == named), None)
    return kind


def _choices(path: str, tables: Mapping[str, Any]) -> tuple[Any, ...]:
    section, _, key = path.rpartition(".")
    kind, here = _walked(section, tables)
    if key == "name" and get_origin(kind) in UNIONS:
        return tuple(each.__struct_config__.tag for each in get_args(kind))
    return get_args(_fields(_narrowed(kind, here)).get(key))
