"""What is written for training: the crops that stay, in the form that is wanted."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from mien.errors import InputError
from mien.files import read_bounded, write_whole
from mien.training.datasets.dataset import Dataset, Rows
from mien.training.datasets.record_writer import write_records
from mien.training.datasets.records import TRAIN
from mien.training.datasets.shard_writer import write_shards
from mien.training.datasets.words import Words
from mien.training.prepare.journal import Looked
from mien.training.prepare.review import Outcome
from mien.training.prepare.store import MAX_BYTES, Store

WRITTEN, NEW = "written.json", "new"
Places = Mapping[str, Looked]  # PERSON/NAME → whose crop


def placed(outcomes: Sequence[Outcome], least_pictures: int) -> dict[str, Looked]:
    """Where each crop that stays goes, PERSON/NAME, sorted; people with too few pictures are left out.

    InputError where two would have one name.
    """
    counts = Counter(each.person for each in outcomes)
    places: dict[str, Looked] = {}
    for each in outcomes:
        if each.person is None or counts[each.person] < least_pictures:
            continue
        name = _name(each)
        if name in places:
            raise InputError(
                f"{each.looked.picture} and {places[name].picture} would both be {name}; rename one of them"
            )
        places[name] = each.looked
    return dict(sorted(places.items()))


def _name(outcome: Outcome) -> str:
    """A picture's own name with the crop's suffix; one that moved has a name that nobody there has."""
    looked, suffix = outcome.looked, Path(outcome.looked.crop).suffix
    if outcome.person != looked.person:
        return f"{outcome.person}/{hashlib.sha256(looked.picture.encode()).hexdigest()[:16]}{suffix}"
    return looked.picture if looked.picture.lower().endswith(suffix) else f"{looked.picture}{suffix}"


def write_folder(store: Store, places: Places) -> None:
    """A folder a person, each crop one more name of the store's file."""
    _replace_earlier(store, set(places), lambda name: _link(store.crop(places[name]), store.out / name))


def _write_whole(write: Callable[[Path, Dataset], None], store: Store, places: Places) -> None:
    """A form of few large files: written in the store, and moved out when they are whole."""
    new = store.folder / NEW
    shutil.rmtree(new, ignore_errors=True)
    write(new, _dataset(store, places))
    names = {each.relative_to(new).as_posix() for each in new.rglob("*") if each.is_file()}
    _replace_earlier(store, names, lambda name: _move(new / name, store.out / name))
    shutil.rmtree(new, ignore_errors=True)


def _records(folder: Path, dataset: Dataset) -> None:
    folder.mkdir()
    write_records(folder / TRAIN, dataset)


WRITERS: dict[str, Callable[[Store, Places], None]] = {
    "folder": write_folder,
    "records": partial(_write_whole, _records),
    "shards": partial(_write_whole, write_shards),
}


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """Crops of the store under the names that they are given."""

    root: str
    crops: Words
    names: Words

    def encoded(self, row: int) -> bytes:
        """The crop's bytes. InputError where they cannot be read."""
        return read_bounded(Path(self.root, self.crops[row]), MAX_BYTES)

    def taken(self, rows: Rows) -> Chosen:
        """These crops."""
        return Chosen(self.root, self.crops.taken(rows), self.names.taken(rows))


def _dataset(store: Store, places: Places) -> Dataset:
    owners = [name.split("/")[0] for name in places]
    people, labels = np.unique(np.array(owners, np.str_), return_inverse=True)
    crops = Words.of(looked.crop for looked in places.values())
    source = Chosen(str(store.crops), crops, Words.of(places))
    name = store.out.resolve().name
    return Dataset(name, tuple(map(str, people)), labels.astype(np.int32), source, store.contract)


def _replace_earlier(store: Store, names: set[str], bring: Callable[[str], None]) -> None:
    """Bring these files; what an earlier writing brought and is no longer wanted goes, nothing else does."""
    before = _before(store)
    # First the list of all that may be there, so that nothing is forgotten where this is cut short.
    _note(store, before | names)
    for name in sorted(before - names):
        (store.out / name).unlink(missing_ok=True)
        _remove_empty((store.out / name).parent, store.out)
    for name in sorted(names):
        bring(name)
    _note(store, names)


def _before(store: Store) -> set[str]:
    file = store.folder / WRITTEN
    try:
        return msgspec.json.decode(read_bounded(file, MAX_BYTES), type=set[str]) if file.is_file() else set()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: {error}; what was written cannot be told, so name another place") from error


def _note(store: Store, names: set[str]) -> None:
    write_whole(store.folder / WRITTEN, msgspec.json.encode(sorted(names)))


def _link(crop: Path, place: Path) -> None:
    """One more name of the same file, or a copy where the disk has no such thing."""
    try:
        if place.exists() and place.samefile(crop):
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        try:
            os.link(crop, place)
        except OSError:
            shutil.copyfile(crop, place)
    except OSError as error:
        raise InputError(f"{place}: cannot be written ({error.strerror or error})") from error


def _move(file: Path, place: Path) -> None:
    try:
        file.replace(place)
    except OSError as error:
        raise InputError(f"{place}: cannot be written ({error.strerror or error})") from error


def _remove_empty(folder: Path, top: Path) -> None:
    while folder != top and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
