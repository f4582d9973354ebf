"""The hidden folder in which a preparation keeps what it made: the journal, every crop, the decisions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from mien.errors import InputError
from mien.files import read_bounded, write_whole
from mien.training.datasets.contract import FILE, CropContract, read_contract, write_contract
from mien.training.prepare.journal import PRIVATE, Journal, Looked
from mien.training.prepare.listing import Listed
from mien.training.prepare.reading import Reader, suffix_of
from mien.training.prepare.settings import PrepareSettings

FOLDER, JOURNAL, CROPS, DECISIONS = ".prepare", "journal.jsonl", "crops", "decisions.json"
MAX_BYTES = 1 << 30


class Decision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody decided: of one picture, or (picture empty) of everybody's pictures of `person`.

    do: keep, drop or move; to: whom to, where it is moved.
    """

    picture: str
    person: str
    do: str
    to: str = ""

    def __post_init__(self) -> None:
        """Refuse unknown decisions, and moves to nobody."""
        if self.do not in DO:
            raise ValueError(f"decision {self.do!r} is unknown; known: {', '.join(DO)}")
        if self.do == "move" and not self.to.strip("./ "):
            raise ValueError("a move wants the person it goes to")
        if "/" in self.to or "\\" in self.to or self.to.startswith(".") or "\0" in self.to:
            raise ValueError(f"{self.to!r} is no person's name: no slashes, no leading dot")


DO = ("keep", "drop", "move")


class Store:
    """The store in `out`, made where it is missing. InputError where it cannot be, or is of other crops."""

    def __init__(self, out: Path, contract: CropContract) -> None:
        self.out, self.contract, self.folder = out, contract, out / FOLDER
        self.crops = self.folder / CROPS
        found = read_contract(out) if out.is_dir() else None
        if found is not None and found != contract:
            raise InputError(
                f"{out}: its {FILE} says {found.described}, not {contract.described}; name another place"
            )
        if found is None and out.is_dir() and not self.folder.exists() and any(out.iterdir()):
            raise InputError(f"{out}: there is something else in it; name a new folder")
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.crops.mkdir(exist_ok=True)
        except OSError as error:
            raise InputError(f"{out}: the folder cannot be made ({error.strerror or error})") from error
        if found is None:
            write_contract(out, contract)

    def crop(self, looked: Looked) -> Path:
        """Where a picture's crop lies."""
        return self.crops / looked.crop

    def read(self, pictures: Sequence[Listed], reader: Reader, settings: PrepareSettings) -> Iterator[Looked]:
        """The line of each picture, in no order: first of those read before, then of the others as they come.

        A picture that changed is read again. Killed at any moment, the next call goes on where this one was.
        """
        reading = settings.reading(reader.contract, reader.bundle)
        with Journal(self.folder / JOURNAL, reading) as journal:
            new: list[Listed] = []
            for listed in pictures:
                known = journal.looked.get(listed.name)
                if known is None or known.stamp != listed.stamp or not self._has(known):
                    new.append(listed)
                else:
                    yield known
            for looked, crop in reader.look(new):
                kept = self._kept(looked, crop) if crop else looked
                journal.add(kept)
                yield kept

    def decisions(self) -> list[Decision]:
        """What was decided in earlier reviews."""
        file = self.folder / DECISIONS
        if not file.is_file():
            return []
        try:
            return msgspec.json.decode(read_bounded(file, MAX_BYTES), type=list[Decision])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{file}: {error}; remove it to decide anew") from error

    def decide(self, decisions: Sequence[Decision]) -> None:
        """Keep the decisions, beside those made before on other pictures."""
        every = {(each.picture, each.person): each for each in (*self.decisions(), *decisions)}
        text = msgspec.json.encode(list(every.values()))
        write_whole(self.folder / DECISIONS, msgspec.json.format(text, indent=1) + b"\n", mode=PRIVATE)

    def _has(self, looked: Looked) -> bool:
        return not looked.crop or self.crop(looked).is_file()

    def _kept(self, looked: Looked, crop: bytes) -> Looked:
        """The crop first, then its line: a line promises its crop."""
        name = hashlib.sha256(looked.picture.encode()).hexdigest()[:24]
        place = f"{name[:2]}/{name}{suffix_of(crop)}"
        folder = self.crops / name[:2]
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise InputError(f"{folder}: cannot be made ({error.strerror or error})") from error
        write_whole(folder / f"{name}{suffix_of(crop)}", crop)
        return msgspec.structs.replace(looked, crop=place)
