"""The verb that takes people in: enroll."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from mien.cli import options as o
from mien.cli.gallery_options import DEFAULT_GALLERY, GalleryOption, day, opened
from mien.cli.output import BAD_INPUT, NO, YES, complain, print_json, print_table
from mien.errors import EnrolmentError, InputError, MienError
from mien.gallery.answers import Consent, Enrolment
from mien.gallery.enrol import GATE
from mien.gallery.gallery import Gallery
from mien.images import find_pictures
from mien.progress import progress
from mien.values import Failure, Reading


def register(app: typer.Typer) -> None:
    """Add this wing's verb."""
    app.command()(enroll)


@dataclass(frozen=True, slots=True)
class Entry:
    """A picture to enrol, and as whom."""

    name: str
    file: Path


def enroll(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Who it is; not with --from.")] = None,
    pictures: Annotated[
        list[Path] | None, typer.Argument(metavar="FILES|FOLDER", help="Pictures of this person.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--from", metavar="FOLDER", help="A folder of people, one folder a person.")
    ] = None,
    crops: Annotated[
        bool, typer.Option("--crops", help="Pictures are aligned crops of 112×112 pixels already.")
    ] = False,
    face: o.FaceOption = "only",
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="REASON", help=f"Let this reason pass: {', '.join(GATE)}. Repeatable."),
    ] = None,
    reference: Annotated[str | None, typer.Option(help="The person's number in your own books.")] = None,
    consent: Annotated[str | None, typer.Option(help="The ground to hold their data on, in words.")] = None,
    keep_crops: Annotated[
        bool | None,
        typer.Option(help="Keep a small picture of each face, for `gallery migrate`.", show_default="no"),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Last day, 2027-12-31 or 365d; `gallery purge` forgets them after it.")
    ] = None,
    gallery: GalleryOption = DEFAULT_GALLERY,
    bundle: o.BundleOption = o.DEFAULT_BUNDLE,
    detector: o.DetectorOption = o.DEFAULT_DETECTOR,
    device: o.DeviceOption = "cpu",
    threads: o.ThreadsOption = None,
    json: o.JsonOption = False,
) -> None:
    """Take people in: one person's pictures, or a folder with a folder a person.

    Example: mien enroll Ann ann1.jpg ann2.jpg --consent "signed 2026-11-24"

    Example: mien enroll --from staff/ --keep-crops --until 365d

    A face has to pass a gate; each reason against it can be allowed by name. Pictures that are enrolled
    already are passed over, so that an interrupted run is simply done again. Exit code 1: some face was
    refused; 2: some picture could not be read.
    """
    entries = _entries(name, pictures or [], folder)
    stated = _Stated(consent, keep_crops, day("--until", until))
    if folder is not None and reference is not None:
        raise InputError("--reference is one person's: it does not go with --from")
    reader = o.reader(bundle, detector, device, threads, crops=crops)
    with opened(gallery, create=True, calibration=reader.calibration) as people:
        todo = [entry for entry in entries if not people.holds(entry.name, _sha256(entry.file))]
        readings = progress(reader.read_many([entry.file for entry in todo]), len(todo), "enrolling")
        told = _Told(json, [])
        for entry, read in zip(todo, readings, strict=True):
            told.add(
                entry,
                _enrolled(people, entry, read, face, reference, stated.of(people, entry.name), allow or []),
            )
    told.end(len(entries) - len(todo), gallery)


@dataclass(frozen=True, slots=True)
class _Stated:
    """What the options say of the consent; what they leave out stays as it was."""

    basis: str | None
    keep_crops: bool | None
    until: datetime.date | None

    def of(self, people: Gallery, name: str) -> Consent | None:
        """The consent of somebody as it is from now on; None where nothing was said."""
        said = {
            key: value for key in ("basis", "keep_crops", "until") if (value := getattr(self, key)) is not None
        }
        if not said:
            return None
        return replace(people.person(name).consent if name in people else Consent(), **said)


def _entries(name: str | None, pictures: Sequence[Path], folder: Path | None) -> list[Entry]:
    """Who is on which picture. InputError where that is not said in one way."""
    if folder is None:
        if name is None or not pictures:
            raise InputError("a name and pictures are wanted, or --from FOLDER (one folder a person)")
        return [Entry(name, file) for file in find_pictures(pictures)]
    if name is not None or pictures:
        raise InputError("--from takes the names from the folders: give either a name and pictures, or --from")
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder")
    people = sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
    if not people:
        raise InputError(f"{folder}: no folder of a person in it; one folder a person is wanted")
    return [Entry(each.name, file) for each in people for file in _pictures_of(each)]


def _pictures_of(folder: Path) -> list[Path]:
    try:
        return find_pictures([folder])
    except InputError as error:  # an empty folder is no reason to stop
        complain(str(error))
        return []


def _sha256(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""  # it will be said when it is read


def _enrolled(
    people: Gallery,
    entry: Entry,
    read: Reading | Failure,
    face: Any,
    reference: str | None,
    consent: Consent | None,
    allow: Iterable[str],
) -> Enrolment | MienError:
    if isinstance(read, Failure):
        return read.error
    try:
        return people.enroll(
            entry.name,
            read,
            face=face,
            reference=reference,
            consent=consent,
            allow=allow,
            picture=entry.file,
        )
    except EnrolmentError as error:
        return error


@dataclass(slots=True)
class _Told:
    """What is said of an enrolment, picture by picture, and the exit code that comes of it."""

    json: bool
    lines: list[tuple[str, ...]]
    code: int = YES
    counts: tuple[int, int, int] = (0, 0, 0)  # taken in, refused, failed

    def add(self, entry: Entry, done: Enrolment | MienError) -> None:
        """One picture more."""
        taken, refused, failed = self.counts
        if isinstance(done, Enrolment):
            self.counts = (taken + 1, refused, failed)
            self._say(entry, _taken_json(done), "enrolled" if done.new else "one more", done.note)
        elif isinstance(done, EnrolmentError):
            self.counts, self.code = (taken, refused + 1, failed), max(self.code, NO)
            self._say(entry, {"error": str(done), "reasons": done.reasons}, "refused", ", ".join(done.reasons))
            if not self.json:
                complain(str(done))
        else:
            self.counts, self.code = (taken, refused, failed + 1), BAD_INPUT
            self._say(entry, {"error": str(done), "reasons": ()}, "failed", "")
            if not self.json:
                complain(str(done))

    def end(self, known: int, gallery: str) -> None:
        """The last words, and the exit code."""
        taken, refused, failed = self.counts
        if not self.json:
            print_table(("picture", "person", "", "notes"), self.lines)
            rest = ((known, "there already"), (refused, "refused"), (failed, "failed"))
            more = "".join(f", {count} {word}" for count, word in rest if count)
            print(f"{taken} faces enrolled{more} → {_shown(gallery)}")
        raise typer.Exit(self.code)

    def _say(self, entry: Entry, more: dict[str, Any], word: str, note: str) -> None:
        if self.json:
            print_json({"file": str(entry.file), "name": entry.name, "result": word, **more})
        else:
            self.lines.append((str(entry.file), entry.name, word, note))


def _taken_json(done: Enrolment) -> dict[str, Any]:
    who = {"id": done.person.id, "templates": done.person.templates}
    return {
        **who,
        "template": done.template,
        "quality": done.quality,
        "allowed": done.allowed,
        "note": done.note,
    }


def _shown(url: str) -> str:
    """A gallery's place without a password."""
    from mien.gallery.store.store import parse

    return parse(url).render_as_string() if "://" in url else url
