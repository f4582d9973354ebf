"""The verbs of a gallery's upkeep: mien gallery create, info, audit, purge, rotate, renew, migrate, …"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from mien.cli import options as o
from mien.cli.gallery_options import DEFAULT_GALLERY, GalleryOption, KeyFile, Passphrase, new_key, opened, tell
from mien.cli.gallery_receipts import read_receipts, require_receipts_place, tell_receipts
from mien.cli.gallery_renewal import migrate, renew, rotate
from mien.cli.output import NO, YES, complain, print_json, print_table
from mien.errors import InputError
from mien.gallery.backup import restore
from mien.gallery.protection.signing import check_document

Backup = Annotated[Path, typer.Argument(metavar="FILE", help="The backup's file.")]


def register(app: typer.Typer) -> None:
    """Add this wing's verbs."""
    gallery = typer.Typer(help="A gallery's upkeep: protection, log, retention, backup.", no_args_is_help=True)
    verbs = (create, info, audit, purge, rotate, renew, migrate, backup, restore_, receipt, receipts)
    for verb in verbs:
        gallery.command(name=verb.__name__.rstrip("_"))(verb)
    app.add_typer(gallery, name="gallery")


def create(
    encrypt: Annotated[
        bool, typer.Option("--encrypt", help="Vectors, names and crops encrypted (AES-256-GCM).")
    ] = False,
    renewable: Annotated[
        bool,
        typer.Option(
            "--renewable", help="Vectors turned by a secret: a stolen table matches nothing elsewhere."
        ),
    ] = False,
    key_file: KeyFile = None,
    passphrase: Passphrase = False,
    gallery: GalleryOption = DEFAULT_GALLERY,
    json: o.JsonOption = False,
) -> None:
    """Make a gallery, protected as you say. `enroll` makes an unprotected one by itself.

    Example: mien gallery create --encrypt --renewable --key-file people.key

    The key stands in $MIEN_GALLERY_KEY (base64 of 32 bytes), in the file that $MIEN_GALLERY_KEY_FILE names,
    or is made from a passphrase. It is nowhere in the database: without it nobody can read the gallery, you
    included.
    """
    if (key_file or passphrase) and not (encrypt or renewable):
        raise InputError("a key is for --encrypt or --renewable: say which protection is meant")
    key = new_key(key_file, passphrase)
    if renewable and not encrypt:
        complain(
            "renewable templates alone hide little: whole tables can be told by their shape; add --encrypt"
        )
    with opened(gallery, create=True, key=key, encrypt=encrypt, renewable=renewable, fresh=True) as held:
        _tell_info(held.info(), json)


def info(gallery: GalleryOption = DEFAULT_GALLERY, json: o.JsonOption = False) -> None:
    """What the gallery is: its model, its protection, how much it holds.

    Example: mien gallery info
    """
    with opened(gallery) as held:
        _tell_info(held.info(), json)


def audit(
    verify: Annotated[
        bool, typer.Option("--verify", help="Prove that no row was changed, removed or moved.")
    ] = False,
    signed_by: Annotated[
        list[str] | None, typer.Option(help="The key of another machine that writes to it. Repeatable.")
    ] = None,
    most: Annotated[int, typer.Option("--last", min=1, help="So many rows, newest first.")] = 50,
    gallery: GalleryOption = DEFAULT_GALLERY,
    json: o.JsonOption = False,
) -> None:
    """Who did what, when, with how many results.

    Example: mien gallery audit --verify

    Exit code 1: the log was tampered with. Keep the printed state somewhere else: a log that was put back to
    an older one whole shows only beside it.
    """
    with opened(gallery) as held:
        if verify:
            raise typer.Exit(_verified(held.check_log(signed_by or ()), held.log_state(), json))
        rows = held.log(most)
    if json:
        for row in rows:
            print_json(row)
        return
    lines = [
        (r["at"][:19], r["actor"], r["action"], ", ".join(r["people"][:5]), str(r["results"])) for r in rows
    ]
    print_table(("at (UTC)", "who", "what", "people", "results"), lines)


def _verified(wrong: Sequence[str], state: dict[str, Any], json: bool) -> int:
    if json:
        print_json({"whole": not wrong, "problems": wrong, **state})
    else:
        for problem in wrong:
            complain(problem)
        words = "the log is whole" if not wrong else f"the log was tampered with in {len(wrong)} places"
        print(f"{words}: {state['rows']} rows in {state['chains']} chains, state {state['state']}")
    return NO if wrong else YES


def purge(
    receipt: Annotated[
        Path | None, typer.Option(help="File to write the signed receipts into, as JSON.")
    ] = None,
    gallery: GalleryOption = DEFAULT_GALLERY,
    json: o.JsonOption = False,
) -> None:
    """Forget everybody whose last day has passed, and complete erasures that wait.

    Example: mien gallery purge --receipt purged.json
    """
    require_receipts_place(receipt)
    with opened(gallery) as held:
        receipts = held.purge()
    tell_receipts(receipts, receipt, json)


def receipts(
    out: Annotated[Path | None, typer.Option(help="File to write them into, as JSON.")] = None,
    gallery: GalleryOption = DEFAULT_GALLERY,
    json: o.JsonOption = False,
) -> None:
    """The receipts on record of everybody who was forgotten.

    Example: mien gallery receipts --out receipts.json
    """
    require_receipts_place(out)
    with opened(gallery) as held:
        found = held.receipts()
    tell_receipts(found, out, json)


def backup(
    file: Backup,
    gallery: GalleryOption = DEFAULT_GALLERY,
    json: o.JsonOption = False,
) -> None:
    """Write all of a gallery into one new file; what is encrypted stays so.

    Example: mien gallery backup people-2026-11-24.db
    """
    with opened(gallery) as held:
        counts = held.backup(file)
    tell(json, f"{counts['people']} people, {counts['templates']} templates → {file}", file=str(file), **counts)


def restore_(
    file: Backup,
    forgotten: Annotated[
        list[Path] | None,
        typer.Option(
            "--forgotten", help="Receipts of people forgotten since: they do not come back. Repeatable."
        ),
    ] = None,
    gallery: GalleryOption = DEFAULT_GALLERY,
    json: o.JsonOption = False,
) -> None:
    """Put a backup into a new file or an empty database.

    Example: mien gallery restore people-2026-11-24.db --gallery people.db --forgotten ann.json
    """
    counts = restore(file, gallery, read_receipts(forgotten or []))
    line = f"{counts['people']} people, {counts['templates']} templates ← {file}"
    if counts["left_out"]:
        line += f"; {counts['left_out']} who had been forgotten since were left out"
    tell(json, line, file=str(file), **counts)


def receipt(
    files: Annotated[list[Path], typer.Argument(metavar="FILES", help="Files of receipts.")],
    signed_by: Annotated[
        str | None, typer.Option(help="The gallery's public key, as `gallery info` shows it.")
    ] = None,
    json: o.JsonOption = False,
) -> None:
    """Check receipts: was one changed since it was signed?

    Example: mien gallery receipt ann.json --signed-by ogxpajng+0Hj…

    Exit code 1: one was. Without --signed-by anybody may have signed it.
    """
    found = read_receipts(files)
    if not found:
        raise InputError("no receipt is in these files")
    checked = [
        (str(each.get("person")), str(each.get("state")), _signed_words(each, signed_by)) for each in found
    ]
    if json:
        for person, state, signature in checked:
            print_json({"person": person, "state": state, "signature": signature})
    else:
        print_table(("person", "state", "signature"), checked)
    raise typer.Exit(YES if all(check_document(each, signed_by) for each in found) else NO)


def _signed_words(document: dict[str, Any], signed_by: str | None) -> str:
    if not check_document(document):
        return "does not fit: changed since it was signed, or never signed"
    if signed_by is not None and not check_document(document, signed_by):
        return f"another key signed it: {document['signed_by']}"
    return f"whole, signed by {document['signed_by']}"


def _tell_info(found: dict[str, Any], json: bool) -> None:
    if json:
        print_json(found)
        return
    print_table(("", ""), [(name.replace("_", " "), _plain(value)) for name, value in found.items()])


def _plain(value: Any) -> str:
    words = {True: "yes", False: "no", None: "–"}
    return words[value] if value is None or isinstance(value, bool) else str(value)
