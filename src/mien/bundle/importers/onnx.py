"""Public ONNX files: by family to a bundle's card and file, the file byte for byte as it was published.

A family is told by what the graph takes and returns, seen by running it; the package onnx is not needed.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, get_args

import msgspec

from mien.bundle.bundle import MAX_FILE_BYTES
from mien.bundle.card import CHANNELS, AnyCard, DetectCard, EmbedCard, File, Input, Provenance, Reference
from mien.bundle.engines import Engine, open_engine
from mien.bundle.graph import require_self_contained
from mien.bundle.importers.onnx_probe import PROBE, Channels, Picture, batch_of, picture_of, run
from mien.bundle.runtime import Runtime
from mien.errors import CardError, GraphError, InputError
from mien.values import Floats

GRAPH = "model.onnx"
STRIDES = (8, 16, 32, 64, 128)  # of a detector's grids, finest first
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


@dataclass(frozen=True, slots=True)
class Grids:
    """A family of detectors: what its graphs look like, and the numbers that no graph holds.

    scores: outputs of one number a place on each grid. parameters: those of the head (see
    `mien.recognition.detectors.grids`); canvas: further ones where the graph takes pictures of any size.
    """

    head: str
    scores: int
    channels: Channels
    mean: float
    scale: float
    parameters: dict[str, Any]
    canvas: dict[str, Any]


Origin = dict[str, Any]  # the fields of a card that every family has
Family = Callable[[Engine, Origin, Embedder], AnyCard]

SCRFD = Grids(
    head="scrfd",
    scores=1,
    channels="RGB",
    mean=127.5,
    scale=1 / 128,
    parameters={"score": 0.5, "overlap": 0.4, "most": 5000},
    canvas={"size": [640, 640]},
)
YUNET = Grids(
    head="yunet",
    scores=2,
    channels="BGR",
    mean=0.0,
    scale=1.0,
    parameters={"score": 0.7, "overlap": 0.3, "most": 5000},
    canvas={"longest": 1280},
)


def import_onnx(
    path: str | os.PathLike[str],
    *,
    family: str | None = None,
    name: str | None = None,
    source: str = "",
    licence: str = "unknown",
    embedder: Embedder | None = None,
) -> tuple[AnyCard, dict[str, bytes]]:
    """The card, without golden numbers, and the file of a public ONNX graph.

    family: a key of FAMILIES; None where the graph shall decide, which it does only if exactly one fits:
    `provenance.recipe` says which. name, source (where it was published): the file's own name by default.
    embedder: for the family arcface alone. Raises InputError where the file cannot be read or the arguments
    contradict each other, GraphError where the graph fits no family (saying of each why not), CardError where
    the name or the settings cannot stand in a card.
    """
    file = Path(path)
    known = _candidates(family, embedder)
    graph = _read(file)
    require_self_contained(graph, str(file))
    files = (File(name=GRAPH, sha256=hashlib.sha256(graph).hexdigest()),)
    provenance = Provenance(source=source or file.name, licence=licence)
    origin = {"name": name or _plain_name(file), "files": files, "provenance": provenance}
    try:
        engine = open_engine(graph, Runtime(threads=1))
        key, card = _fitting(engine, known, origin, embedder or Embedder())
    except (GraphError, CardError) as error:
        raise type(error)(f"{file}: {error}") from error
    how = "as asked" if family else "the only family that it fits"
    recipe = f"imported as {key} ({how}), file unchanged"
    provenance = msgspec.structs.replace(provenance, recipe=recipe)
    return msgspec.structs.replace(card, provenance=provenance), {GRAPH: graph}


def grids(family: Grids, engine: Engine, origin: Origin, _: Embedder) -> DetectCard:
    """The card of a detector on grids; GraphError where the graph is not of `family`."""
    picture = picture_of(engine, family.channels)
    outputs = run(engine, picture.noise(picture.batch or 1))
    levels, anchors = _levels(outputs, family.scores, picture)
    largest = max(level["stride"] for level in levels)
    return _card(
        DetectCard,
        **origin,
        input=_input(engine, picture, family.mean, family.scale, stride=1 if picture.size else largest),
        head=family.head,
        parameters={
            "levels": levels,
            "anchors": anchors,
            **family.parameters,
            **({} if picture.size else family.canvas),
        },
    )


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


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise InputError(f"{file}: larger than the {MAX_FILE_BYTES} bytes that are read")
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: {error.strerror or error}; an ONNX file is wanted") from error


def _plain_name(file: Path) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", file.stem).strip("._-")[:100] or "model"


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


def _levels(outputs: Mapping[str, Floats], scores: int, picture: Picture) -> tuple[list[dict[str, Any]], int]:
    """The grids, finest first, and the answers of a cell: told by shape, for names differ from file to file."""
    ones, boxes, landmarks = (_finest_first(outputs, columns) for columns in (1, 4, 10))
    if not landmarks:
        raise GraphError(
            f"no landmarks: faces are aligned by five points, an output of ten numbers a place; its outputs "
            f"have {', '.join(str(output.shape[-1]) for output in list(outputs.values())[:12])}"
        )
    have = (len(ones), len(boxes), len(landmarks), len(outputs) - len(ones) - len(boxes) - len(landmarks))
    n = len(boxes)
    if have != (scores * n, n, n, 0) or n > len(STRIDES):
        raise GraphError(
            f"{scores} of one number a place, 1 of four and 1 of ten are wanted for each grid; its outputs "
            f"are {have[0]} of one, {have[1]} of four, {have[2]} of ten, {have[3]} others"
        )
    levels: list[dict[str, Any]] = [
        {"stride": stride, "scores": ones[i * scores :][:scores], "boxes": boxes[i], "landmarks": landmarks[i]}
        for i, stride in zip(range(n), STRIDES, strict=False)
    ]
    anchors = {_anchors(outputs[name], level["stride"], picture) for level in levels for name in _names(level)}
    if len(anchors) != 1 or 0 in anchors:
        shape = picture.size or PROBE
        raise GraphError(
            f"grids of {STRIDES[:n]} pixels on a picture of {shape} do not give its outputs' lengths"
        )
    if any(outputs[name].min() < 0 or outputs[name].max() > 1 for name in ones):
        raise GraphError("its outputs of one number a place are no scores: they leave 0..1")
    return levels, anchors.pop()


def _finest_first(outputs: Mapping[str, Floats], columns: int) -> list[str]:
    names = [name for name, output in outputs.items() if output.shape[-1:] == (columns,)]
    return sorted(names, key=lambda name: -outputs[name].size)


def _names(level: Mapping[str, Any]) -> list[str]:
    return [*level["scores"], level["boxes"], level["landmarks"]]


def _anchors(output: Floats, stride: int, picture: Picture) -> int:
    """The answers of a cell, 0 where the output is not that grid's."""
    height, width = picture.size or PROBE
    n = picture.batch or 1
    # Without an axis of pictures the answers of several would be mixed.
    apart = (output.ndim == 3 and len(output) == n) or (output.ndim == 2 and n == 1)
    if not apart or height % stride or width % stride:
        return 0
    cells = n * (height // stride) * (width // stride)
    answers, rest = divmod(output.size // output.shape[-1], cells)
    return 0 if rest else answers


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
