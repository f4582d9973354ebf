"""Receipts of erasures: told, written to a file, read again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import typer

from mien.cli.output import REVIEW, YES, print_json, print_table, require_place
from mien.errors import InputError
from mien.files import read_bounded, write_whole
from mien.gallery.answers import Receipt

LIMIT = 64 << 20  # bytes of a file of receipts


def require_receipts_place(out: Path | None) -> None:
    """InputError where receipts could not be written: before anybody is forgotten, not after."""
    if out is not None:
        require_place(out)


def tell_receipts(receipts: Sequence[Receipt], out: Path | None, json: bool) -> None:
    """Say what became of these people's data, write it where asked, and exit: 3 where something is left to
    do.
    """
    if out is not None:
        documents = [receipt.document for receipt in receipts]
        write_whole(out, msgspec.json.format(msgspec.json.encode(documents), indent=2) + b"\n", mode=0o600)
    if json:
        for receipt in receipts:
            print_json(receipt.document)
    else:
        print_table(
            ("person", "state", "removed", "looked for"), [_line(receipt.document) for receipt in receipts]
        )
        for beyond in receipts[0].document["out_of_reach"] if receipts else ():
            print(f"out of reach: {beyond}")
    raise typer.Exit(REVIEW if any(receipt.state == "pending" for receipt in receipts) else YES)


def _line(document: dict[str, Any]) -> tuple[str, ...]:
    removed = ", ".join(f"{count} {kind}" for kind, count in document["removed"].items() if count)
    return (document["person"], document["state"], removed, _search_words(document["check"]))


def _search_words(check: dict[str, Any]) -> str:
    if not check:
        return "not yet: the database still holds it"
    if not check["searched"]:
        return f"not searched: {check['why']}"
    sought = f"{check['values']} values, {check['words']} words in {check['bytes'] / 1e6:,.1f} MB"
    return f"{sought}: {check['found'] or 'nothing'} found"


def read_receipts(files: Sequence[Path]) -> list[dict[str, Any]]:
    """The receipts in files that `--receipt` wrote. InputError where one holds something else."""
    found: list[dict[str, Any]] = []
    for file in files:
        try:
            found += msgspec.json.decode(read_bounded(file, LIMIT), type=list[dict[str, Any]])
        except msgspec.DecodeError as error:
            raise InputError(f"{file}: no receipts ({error})") from error
    return found
