"""The verbs of the register: mien people list, show, rename, merge, split, mark, export; mien review."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from mien.cli import options as o
from mien.cli.gallery_options import DEFAULT_GALLERY, GalleryOption, Who, opened, tell
from mien.cli.output import print_json, print_table, require_place
from mien.files import write_whole
from mien.gallery.answers import Person
from mien.values import rate_text

Number = Annotated[int, typer.Argument(metavar="NUMBER", help="Of the face in the queue.")]


def register(app: typer.Typer) -> None:
    """Add this wing's verbs."""
    people = typer.Typer(help="Who is in the gallery.", no_args_is_help=True)
    for verb in (list_, show, rename, merge, split, mark, export):
        people.command(name=verb.__name__.rstrip("_"))(verb)
    review = typer.Typer(help="Faces that were perhaps somebody: look, then say.", no_args_is_help=True)
    review.command(name="list")(waiting)
    review.command()(confirm)
    review.command()(reject)
    app.add_typer(people, name="people")
    app.add_typer(review, name="review")


def list_(gallery: GalleryOption = DEFAULT_GALLERY, json: o.JsonOption = False) -> None:
    """Everybody in the gallery.

    Example: mien people list
    """
    with opened(gallery) as held:
        _tell(held.people(), json)


def show(who: Who, gallery: GalleryOption = DEFAULT_GALLERY, json: o.JsonOption = False) -> None:
    """One person, and the templates held of them.

    Example: mien people show Ann
    """
    with opened(gallery) as held:
        person = held.person(who)
        templates = held.templates(person.id)
    if json:
        print_json({**_json(person), "held": templates})
        return
    _tell([person], json)
    rows = [
        (
            str(each["number"]),
            each["created"][:10],
            f"{each['quality']:.2f}",
            each["reasons"],
            each["picture"][:12],
        )
        for each in templates
    ]
    print()
    print_table(("template", "since", "quality", "let pass", "picture (SHA-256)"), rows)


def rename(
    who: Who,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new name.")],
    gallery: GalleryOption = DEFAULT_GALLERY,
    json: o.JsonOption = False,
) -> None:
    """Give a person another name.

    Example: mien people rename Ann "Ann Miller"
    """
    with opened(gallery) as held:
        _tell([held.rename(who, name)], json)


def merge(
    into: Annotated[str, typer.Argument(metavar="INTO", help="Who stays, with name, id and consent.")],
    other: Annotated[str, typer.Argument(metavar="OTHER", help="Who is the same person.")],
    gallery: GalleryOption = DEFAULT_GALLERY,
    json: o.JsonOption = False,
) -> None:
    """Make one person of two entries.

    Example: mien people merge "Ann Miller" Anny
    """
    with opened(gallery) as held:
        _tell([held.merge(into, other)], json)


def split(
    who: Who,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who the others are.")],
    templates: Annotated[
        list[int],
        typer.Option("--template", help="A template that is NAME's; `people show` lists them. Repeatable."),
    ],
    gallery: GalleryOption = DEFAULT_GALLERY,
    json: o.JsonOption = False,
) -> None:
    """Make two people of one entry.

    Example: mien people split Ann Beth --template 7 --template 9
    """
    with opened(gallery) as held:
        new = held.split(who, templates, name)
        _tell([held.person(who), new], json)


def mark(
    who: Who,
    picture: Annotated[Path, typer.Argument(metavar="PICTURE", help="A picture of somebody else.")],
    face: o.FaceOption = "only",
    gallery: GalleryOption = DEFAULT_GALLERY,
    bundle: o.BundleOption = o.DEFAULT_BUNDLE,
    detector: o.DetectorOption = o.DEFAULT_DETECTOR,
    device: o.DeviceOption = "cpu",
    threads: o.ThreadsOption = None,
    json: o.JsonOption = False,
) -> None:
    """Say that a face is not this person, however alike: searches hold to it.

    Example: mien people mark Ann her_twin.jpg
    """
    reading = o.recognizer(bundle, detector, device, threads).read(picture).choose(face)
    with opened(gallery) as held:
        held.mark(who, reading)
        person = held.person(who)
    tell(json, f"{picture}: marked as not {person.name}", picture=str(picture), not_person=person.id)


def export(
    who: Who,
    out: Annotated[Path | None, typer.Option(help="The JSON file to write; else it is printed.")] = None,
    gallery: GalleryOption = DEFAULT_GALLERY,
    json: o.JsonOption = False,
) -> None:
    """All that the gallery holds of a person, as JSON (GDPR, articles 15 and 20).

    Example: mien people export Ann --out ann.json
    """
    if out is not None:
        require_place(out)
    with opened(gallery) as held:
        document = held.export(who)
    if out is None:
        print_json(document)
        return
    write_whole(out, msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n", mode=0o600)
    counts = {kind: len(document[kind]) for kind in ("templates", "crops")}
    line = f"{counts['templates']} templates, {counts['crops']} crops of {who} → {out}"
    tell(json, line, out=str(out), person=document["person"]["id"], **counts)


def waiting(gallery: GalleryOption = DEFAULT_GALLERY, json: o.JsonOption = False) -> None:
    """Faces that `identify --queue` kept for somebody to look at.

    Example: mien review list
    """
    with opened(gallery) as held:
        queue = held.reviews()
    if json:
        for each in queue:
            print_json(each)
        return
    rows = [
        (
            str(e.number),
            e.person,
            f"{e.score:.3f}",
            rate_text(e.fpir),
            e.source,
            " ".join(f"{v:.0f}" for v in e.box),
        )
        for e in queue
    ]
    print_table(("number", "perhaps", "score", "FPIR of the score", "picture", "box"), rows)


def confirm(number: Number, gallery: GalleryOption = DEFAULT_GALLERY, json: o.JsonOption = False) -> None:
    """It is that person: the face becomes one more of their templates.

    Example: mien review confirm 3
    """
    with opened(gallery) as held:
        held.confirm(number)
    tell(json, f"{number}: confirmed", number=number, result="confirmed")


def reject(number: Number, gallery: GalleryOption = DEFAULT_GALLERY, json: o.JsonOption = False) -> None:
    """It is not that person: the face is marked so, and will not be taken for them again.

    Example: mien review reject 3
    """
    with opened(gallery) as held:
        held.reject(number)
    tell(json, f"{number}: rejected", number=number, result="rejected")


def _tell(people: Sequence[Person], json: bool) -> None:
    if json:
        for person in people:
            print_json(_json(person))
        return
    rows = [
        (
            each.id,
            each.name,
            each.reference or "",
            str(each.templates),
            each.consent.basis,
            "crops kept" if each.consent.keep_crops else "",
            each.consent.until.isoformat() if each.consent.until else "",
        )
        for each in people
    ]
    print_table(("id", "name", "reference", "templates", "consent", "", "until"), rows)


def _json(person: Person) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(person)
    return found
