"""Public ONNX files: by family to a bundle's card and file, the file byte for byte as it was published.

A family is told by what the graph takes and returns, seen by running it; the package onnx is not needed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, get_args

import msgspec

from mien.bundle.bundle import MAX_FILE_BYTES
from mien.bundle.card import (
    CHANNELS,
    AnyCard,
    DetectCard,
    EmbedCard,
    Input,
    Provenance,
    Reference,
    listed,
    plain_name,
)
from mien.bundle.engines import Engine, open_engine
from mien.bundle.graph import require_self_contained
from mien.bundle.importers import mtcnn
from mien.bundle.importers.onnx_grids import SCRFD, YUNET, Grids, levels_of
from mien.bundle.importers.onnx_probe import Channels, Picture, batch_of, picture_of, run
from mien.bundle.runtime import Runtime
from mien.errors import CardError, GraphError, InputError
from mien.files import read_bounded

GRAPH, LANDMARKS = "model.onnx", "landmarks.onnx"
# The five points of the 112×112 crops of ArcFace (Deng et al., arXiv:1801.07698; insightface's face_align).
ARCFACE_SIDE = 112
ARCFACE = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))
DIMENSIONS = range(64, 2049, 64)  # what an unnamed graph must return to pass for an embedder
Numbers = float | tuple[float, ...]
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Embedder:
    """What an embedder's graph cannot say of itself; the defaults are those of insightface's ArcFace models.

    channels: their order. mean, scale: the graph takes (pixel − mean) × scale, one number for all channels or
    one each. reference: None for the published 112×112 points, scaled to the graph's own square. mirror:
    average with the mirrored crop.
    """

    channels: Channels = "RGB"
    mean: Numbers = 127.5
    scale: Numbers = 1 / 127.5
    reference: Reference | None = None
    mirror: bool = False

    def __post_init__(self) -> None:
        """Refuse channels that no crop has."""
        if self.channels not in get_args(Channels):
            raise InputError(f"channels {self.channels!r} are unknown; known: {', '.join(get_args(Channels))}")


Origin = dict[str, Any]  # the fields of a card that every family has
Family = Callable[[Engine, Origin, Embedder], AnyCard]


def import_onnx(
    path: str | os.PathLike[str],
    *,
    family: str | None = None,
    source: str = "",
    licence: str = "unknown",
    embedder: Embedder | None = None,
    landmarks: Callable[[], bytes] | None = None,
) -> tuple[AnyCard, dict[str, bytes]]:
    """The card, without golden numbers, and the files of a public ONNX graph. It is named after its file.

    family: a key of FAMILIES; None where the graph shall decide, which it does only if exactly one fits:
    `provenance.recipe` says which. source (where it was published): the file's own name by default.
    embedder: for the family arcface alone. landmarks: returns MTCNN's `mtcnn.landmark_network`; called only for
    a detector that has no landmarks of its own (`mien.bundle.catalog.landmark_network` fetches it).
    Raises InputError where the file cannot be read or the arguments contradict each other, GraphError where the
    graph fits no family (saying of each why not) or lacks landmarks, CardError where the settings cannot stand
    in a card.
    """
    file = Path(path)
    known = _candidates(family, embedder)
    graph = read_bounded(file, MAX_FILE_BYTES)
    require_self_contained(graph, str(file))
    provenance = Provenance(source=source or file.name, licence=licence)
    origin = {"name": plain_name(file.stem), "files": listed({GRAPH: graph}), "provenance": provenance}
    try:
        engine = open_engine(graph, Runtime(threads=1))
        key, card = _fitting(engine, known, origin, embedder or Embedder())
        _require_landmarks(card, key, landmarks)
    except (GraphError, CardError) as error:
        raise type(error)(f"{file}: {error}") from error
    how = "as asked" if family else "the only family that it fits"
    recipe = f"imported as {key} ({how}), file unchanged"
    card = msgspec.structs.replace(card, provenance=msgspec.structs.replace(provenance, recipe=recipe))
    if landmarks and _lacks_landmarks(card):
        return _completed(card, graph, landmarks())
    return card, {GRAPH: graph}


def grids(family: Grids, engine: Engine, origin: Origin, _: Embedder) -> DetectCard:
    """The card of a detector on grids; GraphError where the graph is not of `family`."""
    picture = picture_of(engine, family.channels)
    outputs = run(engine, picture.noise(picture.batch or 1))
    levels, anchors = levels_of(family, outputs, picture)
    largest = max(level["stride"] for level in levels)
    spec = _input(engine, picture, family.mean, family.scale, stride=1 if picture.size else largest)
    parameters = {"levels": levels, "anchors": anchors, **family.parameters}
    if "landmarks" not in levels[0]:
        # The card speaks for two graphs: what only one of them insists on stands in that graph.
        spec = msgspec.structs.replace(spec, size=None, batch=None if picture.batch else spec.batch)
        parameters["landmark_box"] = list(family.landmark_box or ())
        parameters |= {"size": list(picture.size)} if picture.size else family.canvas
    elif not picture.size:
        parameters |= family.canvas
    return _card(DetectCard, **origin, input=spec, head=family.head, parameters=parameters)


def arcface(engine: Engine, origin: Origin, settings: Embedder) -> EmbedCard:
    """The card of an embedder; GraphError where the graph does not turn crops into one vector each."""
    picture = picture_of(engine, settings.channels)
    if picture.size is None:
        raise GraphError("an embedder takes crops of one size, this graph takes any; write it with a fixed one")
    outputs = list(run(engine, picture.noise(picture.batch or 1)).values())
    if len(outputs) != 1 or outputs[0].ndim != 2 or len(outputs[0]) != (picture.batch or 1):
        shapes = ", ".join(str(output.shape) for output in outputs[:12])
        raise GraphError(f"one vector a crop is wanted, (n, dimension); this graph returns {shapes}")
    return _card(
        EmbedCard,
        **origin,
        input=_input(engine, picture, settings.mean, settings.scale),
        reference=settings.reference or _arcface_points(picture.size),
        dimension=outputs[0].shape[1],
        mirror=settings.mirror,
    )


FAMILIES: dict[str, Family] = {
    "arcface": arcface,
    "scrfd": partial(grids, SCRFD),
    "yunet": partial(grids, YUNET),
}


def _candidates(family: str | None, embedder: Embedder | None) -> tuple[str, ...]:
    if family is not None and family not in FAMILIES:
        raise InputError(f"family {family!r} is unknown; known: {', '.join(sorted(FAMILIES))}")
    if embedder is not None and family != "arcface":
        raise InputError(f"settings of an embedder were given for family {family!r}; name family='arcface'")
    return (family,) if family else tuple(FAMILIES)


def _lacks_landmarks(card: AnyCard) -> bool:
    return isinstance(card, DetectCard) and "landmark_box" in card.parameters


def _require_landmarks(card: AnyCard, key: str, landmarks: Callable[[], bytes] | None) -> None:
    if landmarks is None and _lacks_landmarks(card):
        raise GraphError(
            f"{key} without landmarks: faces are aligned by five points. MTCNN's third network can find them: "
            f"import_onnx(…, landmarks=mien.bundle.catalog.landmark_network)"
        )


def _completed(card: AnyCard, graph: bytes, landmarks: bytes) -> tuple[AnyCard, dict[str, bytes]]:
    files = {GRAPH: graph, LANDMARKS: landmarks}
    provenance = msgspec.structs.replace(
        card.provenance,
        recipe=f"{card.provenance.recipe}; landmarks by the third network of MTCNN ({mtcnn.SOURCE})",
        licence=f"{card.provenance.licence} (detector), MIT (landmarks)",
    )
    return msgspec.structs.replace(card, files=listed(files), provenance=provenance), files


def _fitting(engine: Engine, known: Sequence[str], origin: Origin, settings: Embedder) -> tuple[str, AnyCard]:
    cards: dict[str, AnyCard] = {}
    reasons: list[str] = []
    for key in known:
        try:
            card = FAMILIES[key](engine, origin, settings)
            if len(known) > 1:
                _require_unmistakable(card)
            cards[key] = card
        except GraphError as error:
            reasons.append(f"not {key}: {error}")
    if len(cards) > 1:
        raise GraphError(f"this graph fits {' and '.join(cards)}; name its family")
    if not cards:
        raise GraphError("; ".join(reasons))
    return next(iter(cards.items()))


def _require_unmistakable(card: AnyCard) -> None:
    # Landmark, age and pose networks, too, turn a crop into one row of numbers.
    if isinstance(card, EmbedCard) and card.dimension not in DIMENSIONS:
        raise GraphError(
            f"{card.dimension} numbers a crop may be anything; if they are a face's vector, name the family"
        )


def _input(engine: Engine, picture: Picture, mean: Numbers, scale: Numbers, stride: int = 1) -> Input:
    planes = CHANNELS[picture.channels]
    means, scales = ((each,) * planes if isinstance(each, int | float) else each for each in (mean, scale))
    return _card(
        Input,
        size=picture.size,
        channels=picture.channels,
        mean=means,
        scale=scales,
        stride=stride,
        layout=picture.layout,
        batch=batch_of(engine, picture),
    )


def _arcface_points(size: tuple[int, int]) -> Reference:
    if size[0] != size[1]:
        raise GraphError(f"crops of {size} have no published reference points: give them (Embedder.reference)")
    factor = size[0] / ARCFACE_SIDE
    return Reference(points=tuple((x * factor, y * factor) for x, y in ARCFACE))


def _card(kind: Callable[..., Made], **fields: Any) -> Made:
    try:
        return kind(**fields)
    except ValueError as error:  # what the parts of a card raise where a number of theirs cannot be
        raise CardError(str(error)) from error
