"""What `mien cluster` does between its options and its answer: groups kept, pictures read, both joined."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from mien.bundle.calibration import Calibration
from mien.cli.output import require_folder, require_place
from mien.errors import InputError, MienError
from mien.files import write_whole
from mien.gallery.clustering.found import FoundFaces
from mien.gallery.clustering.groups import Groups
from mien.gallery.clustering.groups_file import PRIVATE, load, save
from mien.gallery.clustering.page import build
from mien.images import encode_jpeg
from mien.progress import progress
from mien.recognition.recognizer import Recognizer
from mien.values import Crops, Failure, Pixels, Reading

STATE, PAGE = "groups.npz", "index.html"
THUMB = 96  # pixels
TOGETHER = 8  # pictures whose faces meet in one run of the embedder


@dataclass(frozen=True, slots=True)
class Place:
    """Where groups are kept, and their page; either may be nowhere."""

    state: Path | None
    page: Path | None
    title: str

    @classmethod
    def of(cls, out: Path | None, folder: Path | None) -> Place:
        """What --out says; what cannot be written is said before any work is done."""
        title = f"The people in “{(folder or out or Path()).resolve().name}”"
        if out is not None and out.suffix.lower() in {".html", ".htm"}:
            require_place(out)
            state, page = None, out
        elif out is not None:
            require_folder(out)
            state, page = out / STATE, out / PAGE
        else:
            state, page = None, None
        if folder is None and (state is None or not state.is_file()):
            raise InputError("a FOLDER of pictures is wanted, or --out DIR with the groups of an earlier run")
        return cls(state, page, title)

    def load(self, recognizer: Recognizer, fmr: float | None) -> Groups:
        """The groups of earlier runs, or none."""
        own = Groups.none(recognizer.bundle.digest, recognizer.aligner.digest, recognizer.dimension, fmr)
        if self.state is None or not self.state.is_file():
            return own
        kept = load(self.state)
        kept.faces.joined([own.faces])  # refuses another model's before any picture is read
        return kept if fmr is None else replace(kept, fmr=fmr)

    def save(self, groups: Groups, calibration: Calibration, failures: Sequence[Failure]) -> None:
        """Write what is wanted, for its owner's eyes only."""
        if self.state is not None:
            self.state.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            save(self.state, groups)
        if self.page is not None:
            told = {failure.source: str(failure.error) for failure in failures}
            document = build(self.title, groups, calibration, told)
            # A file name that is no UTF-8 reaches us with surrogates, which have no bytes of their own.
            write_whole(self.page, document.encode("utf-8", "replace"), mode=PRIVATE)


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """What pictures gave. empty: those without a face; seen: the digests of all that could be read."""

    found: Sequence[FoundFaces]
    empty: Sequence[str]
    failures: Sequence[Failure]
    seen: frozenset[str]
    known: int


def read(recognizer: Recognizer, folder: Path, files: Sequence[Path], seen: frozenset[str]) -> Read:
    """Every face of the pictures whose digests are not in `seen`; `known` counts those that are."""
    new = [file for file in files if _digest(file) not in seen]
    found: list[FoundFaces] = []
    empty, failures, digests = [], [], set()
    each_found = progress(recognizer.find_many(new), len(new), "your pictures")
    for each in _embedded(recognizer, each_found):
        if isinstance(each, Failure):
            failures.append(each)
            continue
        crops, reading = each
        name = str(Path(crops.source).relative_to(folder))
        if crops.sha256 not in digests and len(crops):  # a copy shows nobody new
            found.append(FoundFaces.of(name, reading, [_thumb(crop) for crop in crops.images]))
        empty += [] if len(crops) else [name]
        digests.add(crops.sha256)
    return Read(found, empty, failures, frozenset(digests), len(files) - len(new))


def _digest(file: Path) -> str:
    """Of the file's bytes; nothing where it cannot be read, which reading it as a picture will say better."""
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""


def _embedded(
    recognizer: Recognizer, found: Iterable[Crops | Failure]
) -> Iterator[tuple[Crops, Reading] | Failure]:
    for batch in _batches(found):
        crops = [each for each in batch if isinstance(each, Crops)]
        yield from (each for each in batch if isinstance(each, Failure))
        try:
            yield from zip(crops, recognizer.embed(crops), strict=True)
        except MienError:
            # One picture's faces spoil the run that others share: each by itself shows whose they are.
            yield from (_embedded_alone(recognizer, each) for each in crops)


def _embedded_alone(recognizer: Recognizer, crops: Crops) -> tuple[Crops, Reading] | Failure:
    try:
        return crops, recognizer.embed([crops])[0]
    except MienError as error:
        return Failure(crops.source, error)


def _batches(found: Iterable[Crops | Failure]) -> Iterator[list[Crops | Failure]]:
    source = iter(found)
    while batch := [each for _, each in zip(range(TOGETHER), source, strict=False)]:
        yield batch


def _thumb(crop: Pixels) -> bytes:
    return encode_jpeg(cv2.resize(crop, (THUMB, THUMB), interpolation=cv2.INTER_AREA).astype(np.uint8), 80)
