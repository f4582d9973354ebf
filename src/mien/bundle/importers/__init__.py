"""Importers: one file per foreign model form that needs no training framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from mien.bundle.card import AnyCard
from mien.bundle.importers import dlib, mtcnn, onnx
from mien.errors import CardError, InputError
from mien.files import read_bounded

Imported = tuple[AnyCard, Mapping[str, bytes]]
MAX_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the files cannot say: the bundle's name, where they are from, under which licence.

    source and licence: empty for what the importer of the format knows of them.
    family, embedder and landmarks are for the format onnx alone (see `mien.bundle.importers.onnx`).
    """

    name: str
    source: str = ""
    licence: str = ""
    family: str | None = None
    embedder: onnx.Embedder | None = None
    landmarks: Callable[[], bytes] | None = None


def _from_onnx(files: Sequence[Path], wishes: Wishes) -> Imported:
    (file,) = _exactly(files, "one .onnx file")
    card, graphs = onnx.import_onnx(
        file,
        family=wishes.family,
        embedder=wishes.embedder,
        landmarks=wishes.landmarks,
        **_told(wishes),
    )
    return _named(card, wishes.name), graphs


def _from_dlib(files: Sequence[Path], wishes: Wishes) -> Imported:
    (file,) = _exactly(files, "dlib_face_recognition_resnet_model_v1.dat")
    card, graphs = dlib.embedder(_read(file), **_told(wishes))
    return _named(card, wishes.name), graphs


def _from_mtcnn(files: Sequence[Path], wishes: Wishes) -> Imported:
    pnet, rnet, onet = _exactly(files, "pnet.lz4", "rnet.lz4", "onet.lz4")
    card, graphs = mtcnn.detector(_read(pnet), _read(rnet), _read(onet), **_told(wishes))
    return _named(card, wishes.name), graphs


def _named(card: AnyCard, name: str) -> AnyCard:
    try:
        return replace(card, name=name)
    except ValueError as error:  # what a card raises where it is not being decoded
        raise CardError(f"{error}; letters, digits, points, dashes and underscores are wanted") from error


def _exactly(files: Sequence[Path], *wanted: str) -> Sequence[Path]:
    if len(files) != len(wanted):
        raise InputError(f"{len(files)} files given; this format wants {', '.join(wanted)}, in this order")
    return files


def _read(file: Path) -> bytes:
    return read_bounded(file, MAX_BYTES)


def _told(wishes: Wishes) -> dict[str, str]:
    told = {"source": wishes.source, "licence": wishes.licence}
    return {name: text for name, text in told.items() if text}


IMPORTERS: Mapping[str, Callable[[Sequence[Path], Wishes], Imported]] = {
    "onnx": _from_onnx,
    "dlib": _from_dlib,
    "mtcnn": _from_mtcnn,
}
