"""Readings of pictures kept on disk, so that a second evaluation takes seconds.

One folder a key, and in it a few `.npz` shards of many pictures each. A shard is written whole, is named by
its own digest and is never changed, so several processes may write at once. What cannot be read is removed:
a cache may be lost at any time. Vectors are biometric templates: the folder is its owner's alone.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mien.bundle.card import DIGEST, digest_of
from mien.errors import InputError
from mien.files import write_whole
from mien.values import Embeddings, Faces, Quality, Reading
from mien.vectors import read_arrays

# Raised with every change to what a shard holds, and to what code (not a bundle) makes of the same picture.
VERSION = 1
FLUSH_EVERY = 2000  # pictures: what a killed run can lose
MOST_SHARDS = 16  # that are small; more are merged into one
LARGE = 32768  # pictures from which on a shard is left as it is, so that no merge takes long
PICTURE = ("digests", "pictures")
FACE = ("boxes", "landmarks", "scores")
OTHER = ("key", "bundle", "aligner", "vectors", "norms", "quality", "reasons", "measure_names", "measures")
Form = tuple[str, str, int, tuple[str, ...]]


def cache_key(bundle: str, aligner: str, **settings: object) -> str:
    """The key of readings made with these digests and with `settings` (whatever else changes a reading)."""
    return digest_of({"cache": VERSION, "bundle": bundle, "aligner": aligner, "settings": settings})


class ReadingCache:
    """Readings by the SHA-256 of the picture's bytes, in `folder`/`key`; leaving its context flushes it.

    Several processes may share a folder, several threads may not share a cache. InputError where the folder
    cannot be made.
    """

    def __init__(self, folder: Path, key: str, *, flush_every: int = FLUSH_EVERY) -> None:
        if not DIGEST.fullmatch(key):
            raise InputError(f"{key!r}: a key made by `cache_key` is wanted")
        self._folder, self._key, self._flush_every = folder / key, key, flush_every
        self._pending: dict[bytes, Reading] = {}
        self._shards: dict[Path, Shard] = {}
        self._places: dict[bytes, tuple[Shard, int]] = {}
        self._form: Form | None = None
        _make_private(folder, self._folder)
        for path in sorted(self._folder.glob("*.npz")):
            self._open(path)
        self._merge()

    def __len__(self) -> int:
        return len(self._places) + len(self._pending)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()

    def get(self, sha256: str, source: str) -> Reading | None:
        """The reading of the picture with this digest, as if read from `source`; None where it is not kept."""
        digest = bytes.fromhex(sha256)
        if digest in self._pending:
            return replace(self._pending[digest], source=source)
        if digest in self._places:
            shard, row = self._places[digest]
            return shard.reading(row, source)
        return None

    def put(self, reading: Reading) -> None:
        """Keep a reading, on disk after the next flush. InputError where another model or measure made it."""
        form = _form(reading)
        if form != (self._form or form):
            raise InputError(
                f"{self._folder}: holds readings of another bundle, aligner or set of quality measures; "
                f"make the key with `cache_key`, or remove that folder"
            )
        self._form = form
        digest = bytes.fromhex(reading.sha256)
        if digest not in self._places:
            self._pending[digest] = reading
        if len(self._pending) >= self._flush_every:
            self.flush()

    def flush(self) -> None:
        """Write what is not on disk yet. InputError where that fails."""
        if self._pending:
            self._write(Shard.of(self._key, list(self._pending.values())))
            self._pending.clear()
            self._merge()

    def _open(self, path: Path) -> None:
        shard = _read_shard(path, self._key)
        if shard and _form(shard) == (self._form or _form(shard)):
            self._form = _form(shard)
            self._add(path, shard)
        else:
            _remove(path)

    def _write(self, shard: Shard) -> Path:
        path = shard.save(self._folder)
        self._add(path, shard)
        return path

    def _add(self, path: Path, shard: Shard) -> None:
        self._shards[path] = shard
        for row, digest in enumerate(shard.digests):
            self._places[digest.tobytes()] = shard, row

    def _merge(self) -> None:
        small = [path for path, shard in self._shards.items() if len(shard) < LARGE]
        if len(small) <= MOST_SHARDS:
            return
        merged = self._write(Shard.joined([self._shards[path] for path in small]))
        # Another process that merges the same ones at this moment removes no more than it has written again.
        for path in small:
            if path != merged:
                del self._shards[path]
                _remove(path)


@dataclass(frozen=True, slots=True, eq=False)
class Shard:
    """Readings end to end: p pictures with f faces in all.

    digests (p,32) uint8: of each picture's bytes. pictures (p,3) int32: width, height, number of faces.
    `faces`, `embeddings` and `quality` hold the f faces, picture after picture; ends (p,): where each
    picture's end among them.
    """

    key: str
    digests: NDArray[np.uint8]
    pictures: NDArray[np.int32]
    faces: Faces
    embeddings: Embeddings
    quality: Quality
    ends: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        p = len(self.pictures)
        kinds = f"{self.digests.dtype} {self.digests.shape}, {self.pictures.dtype} {self.pictures.shape}"
        if kinds != f"uint8 {(p, 32)}, int32 {(p, 3)}" or not p or self.pictures.min() < 0:
            raise InputError(f"a shard wants uint8 (p,32) and int32 (p,3) of p pictures, not {kinds}")
        object.__setattr__(self, "ends", np.cumsum(self.pictures[:, 2], dtype=np.int64))
        lengths = {int(self.ends[-1]), len(self.faces), len(self.embeddings), len(self.quality)}
        if len(lengths) != 1:
            raise InputError(f"a shard needs as many faces as vectors and qualities, not {lengths}")

    @classmethod
    def of(cls, key: str, readings: Sequence[Reading]) -> Self:
        """The readings, in their order; they must be of one form."""
        digests = b"".join(bytes.fromhex(reading.sha256) for reading in readings)
        pictures = np.array([(*reading.size, len(reading)) for reading in readings], np.int32)
        return cls(key, np.frombuffer(digests, np.uint8).reshape(-1, 32), pictures, *_end_to_end(readings))

    @classmethod
    def joined(cls, shards: Sequence[Shard]) -> Self:
        """One shard with the pictures of all, each once; they must be of one form and key."""
        digests = np.concatenate([shard.digests for shard in shards])
        pictures = np.concatenate([shard.pictures for shard in shards])
        return cls(shards[0].key, digests, pictures, *_end_to_end(shards))._without_repeats()

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Self:
        """A shard of the arrays in a file; raises whatever error damaged ones lead to."""
        names = [str(name) for name in arrays["measure_names"]]
        measures = dict(zip(names, arrays["measures"], strict=True))
        known: dict[str, tuple[str, ...]] = {"": ()}  # a few sets of reasons stand for all faces
        reasons = (known.setdefault(text, tuple(text.split("\n"))) for text in map(str, arrays["reasons"]))
        return cls(
            str(arrays["key"]),
            arrays["digests"],
            arrays["pictures"],
            Faces(*(arrays[name] for name in FACE)),
            Embeddings(arrays["vectors"], arrays["norms"], str(arrays["bundle"]), str(arrays["aligner"])),
            Quality(arrays["quality"], tuple(reasons), measures),
        )

    def __len__(self) -> int:
        return len(self.pictures)

    def reading(self, row: int, source: str) -> Reading:
        """The reading of picture number `row`, as if read from `source`."""
        width, height, count = self.pictures[row].tolist()
        span = slice(int(self.ends[row]) - count, int(self.ends[row]))
        own = self.faces[span], self.embeddings[span], self.quality[span]
        return Reading(source, self.digests[row].tobytes().hex(), (width, height), *own)

    def save(self, folder: Path) -> Path:
        """Write the shard into `folder`, for its owner alone, under a name made of its content."""
        stream = io.BytesIO()
        np.savez(stream, allow_pickle=False, **self._arrays())
        content = stream.getvalue()
        path = folder / f"{hashlib.sha256(content).hexdigest()[:32]}.npz"
        write_whole(path, content, mode=0o600)
        return path

    def _arrays(self) -> dict[str, NDArray[Any]]:
        measures, count = self.quality.measures, len(self.faces)
        reasons = ["\n".join(each) for each in self.quality.reasons]
        return {
            "key": np.array(self.key),
            "bundle": np.array(self.embeddings.bundle),
            "aligner": np.array(self.embeddings.aligner),
            "digests": self.digests,
            "pictures": self.pictures,
            **{name: getattr(self.faces, name) for name in FACE},
            "vectors": self.embeddings.vectors,
            "norms": self.embeddings.norms,
            "quality": self.quality.values,
            "reasons": np.array(reasons, np.str_),
            "measure_names": np.array(list(measures), np.str_),
            "measures": np.array(list(measures.values()), np.float32).reshape(len(measures), count),
        }

    def _without_repeats(self) -> Self:
        rows = {digest.tobytes(): row for row, digest in enumerate(self.digests)}
        if len(rows) == len(self):
            return self
        keep = np.isin(np.arange(len(self)), list(rows.values()))
        each = np.repeat(keep, self.pictures[:, 2])
        own = self.faces[each], self.embeddings[each], self.quality[each]
        return type(self)(self.key, self.digests[keep], self.pictures[keep], *own)


def _end_to_end(parts: Sequence[Reading | Shard]) -> tuple[Faces, Embeddings, Quality]:
    origin, names = parts[0].embeddings, tuple(parts[0].quality.measures)
    faces = [np.concatenate([getattr(part.faces, name) for part in parts]) for name in FACE]
    vectors, norms = (
        np.concatenate([getattr(part.embeddings, name) for part in parts]) for name in ("vectors", "norms")
    )
    return (
        Faces(*faces),
        Embeddings(vectors, norms, origin.bundle, origin.aligner),
        Quality(
            np.concatenate([part.quality.values for part in parts]),
            tuple(reasons for part in parts for reasons in part.quality.reasons),
            {name: np.concatenate([part.quality.measures[name] for part in parts]) for name in names},
        ),
    )


def _form(part: Reading | Shard) -> Form:
    """What readings of one cache have in common: who made them, and of what they consist."""
    embeddings = part.embeddings
    measures = tuple(sorted(part.quality.measures))
    return embeddings.bundle, embeddings.aligner, embeddings.vectors.shape[1], measures


def _read_shard(path: Path, key: str) -> Shard | None:
    """The shard in a file, or None where the file is damaged or of another key."""
    try:
        with np.errstate(all="ignore"):  # what is too large for float32 is refused by its value
            shard = Shard.from_arrays(read_arrays(path, (*PICTURE, *FACE, *OTHER)))
    except Exception:  # arrays that are whole but make no shard raise a dozen kinds
        return None
    return shard if shard.key == key else None


def _make_private(*folders: Path) -> None:
    try:
        for folder in folders:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folders[-1].chmod(0o700)  # also where it was there before
    except OSError as error:
        raise InputError(
            f"{folders[-1]}: cannot be made to keep readings in ({error.strerror}); name another folder"
        ) from error


def _remove(path: Path) -> None:
    with suppress(OSError):  # another process was quicker, or it is no file
        path.unlink(missing_ok=True)
