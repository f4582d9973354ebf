"""Groups to and from one `.npz` file. It holds biometric data: nobody but its owner may read it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError
from mien.files import write_whole
from mien.gallery.clustering.found import FoundFaces
from mien.gallery.clustering.groups import Groups
from mien.values import Embeddings
from mien.vectors import read_arrays

FORMAT = 1
PRIVATE = 0o600
FIELDS = (
    *("format", "vectors", "norms", "bundle", "aligner", "good", "pictures", "sha256", "places", "thumbs"),
    *("thumb_ends", "numbers", "named", "names", "seen", "next", "fmr"),
)


def save(path: Path, groups: Groups) -> None:
    """Write the file, whole or not at all; nothing in it is pickled."""
    faces, vectors = groups.faces, groups.faces.embeddings
    stream = io.BytesIO()
    np.savez(
        stream,
        format=np.array(FORMAT),
        vectors=vectors.vectors,
        norms=vectors.norms,
        bundle=np.array(vectors.bundle),
        aligner=np.array(vectors.aligner),
        good=faces.good,
        pictures=_words(faces.pictures),
        sha256=_words(faces.sha256),
        places=faces.places,
        thumbs=np.frombuffer(b"".join(faces.thumbs), np.uint8),
        thumb_ends=np.cumsum([len(thumb) for thumb in faces.thumbs], dtype=np.int64),
        numbers=groups.numbers,
        named=np.array(list(groups.names), np.int64),
        names=_words(groups.names.values()),
        seen=_words(sorted(groups.seen)),
        next=np.array(groups.next),
        fmr=np.array(groups.fmr or 0.0),
    )
    write_whole(path, stream.getvalue(), mode=PRIVATE)


def load(path: Path) -> Groups:
    """Read what `save` wrote. InputError where it is something else."""
    arrays = read_arrays(path, FIELDS)
    try:
        return _groups(arrays)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise InputError(f"{path}: not a file of groups that `mien cluster` wrote ({error})") from error


def _groups(arrays: dict[str, NDArray[Any]]) -> Groups:
    if int(arrays["format"]) != FORMAT:
        raise InputError(f"format {arrays['format']}, {FORMAT} wanted: a newer mien wrote these groups")
    content, ends = arrays["thumbs"].tobytes(), arrays["thumb_ends"].tolist()
    faces = FoundFaces(
        Embeddings(arrays["vectors"], arrays["norms"], str(arrays["bundle"]), str(arrays["aligner"])),
        arrays["good"],
        tuple(arrays["pictures"].tolist()),
        tuple(arrays["sha256"].tolist()),
        arrays["places"],
        tuple(content[start:end] for start, end in zip([0, *ends], ends, strict=False)),
    )
    names = dict(zip(arrays["named"].tolist(), arrays["names"].tolist(), strict=True))
    seen = frozenset(arrays["seen"].tolist())
    return Groups(faces, arrays["numbers"], names, seen, int(arrays["next"]), float(arrays["fmr"]) or None)


def _words(words: Any) -> NDArray[np.str_]:
    return np.array(tuple(words), np.str_)
