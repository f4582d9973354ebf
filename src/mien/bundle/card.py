"""What a model expects, returns and promises: the `card.json` of a bundle, strictly decoded."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from mien.errors import CardError

FORMAT = 1
MAX_BYTES = 1 << 20
MAX_SIDE = 8192
MAX_BATCH = 4096
CHANNELS = {"RGB": 3, "BGR": 3, "grey": 1, "infrared": 1, "depth": 1}
DIGEST = re.compile(r"[0-9a-f]{64}")
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
RESERVED = frozenset({"card.json", "calibrations"})


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A piece of a card: frozen, its unknown fields refused by name."""


class File(Part, frozen=True, kw_only=True):
    """One graph of the bundle: its name in the folder and its SHA-256."""

    name: str
    sha256: str

    def __post_init__(self) -> None:
        """Refuse names that are not plain file names and digests that are not SHA-256."""
        _require(
            FILE_NAME.fullmatch(self.name) is not None and self.name not in RESERVED,
            f"files: {self.name!r} is not a plain file name",
        )
        _require(DIGEST.fullmatch(self.sha256) is not None, f"files: {self.sha256!r} is not a SHA-256 in hex")


def plain_name(text: str) -> str:
    """The text as a card's name may be: what is no letter, digit, point, dash or underscore becomes a dash."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("._-")[:100] or "model"


def listed(files: Mapping[str, bytes]) -> tuple[File, ...]:
    """Files by name and bytes, as a card lists them."""
    return tuple(File(name=name, sha256=hashlib.sha256(data).hexdigest()) for name, data in files.items())


class Input(Part, frozen=True, kw_only=True):
    """What the graph takes: (pixel − mean) × scale, a channel at a time.

    size: (height, width), or None where any is taken that is a multiple of `stride`. channels: their
    order and meaning. mean and scale: one number a channel, in the graph's own channel order, for
    pixels of 0..2^bits − 1. batch: None where the graph takes any number of pictures at once.
    """

    size: tuple[int, int] | None
    channels: Literal["RGB", "BGR", "grey", "infrared", "depth"]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    stride: int = 1
    bits: Literal[8, 16] = 8
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    batch: int | None = None

    def __post_init__(self) -> None:
        """Refuse sizes, strides and numbers that no picture can have."""
        n = CHANNELS[self.channels]
        _require(len(self.mean) == len(self.scale) == n, f"input: {self.channels} wants {n} of mean and scale")
        _require(_finite(self.mean) and _finite(self.scale), "input: mean and scale must be finite numbers")
        _require(all(self.scale), "input: a scale of 0 would erase the picture")
        _require(all(1 <= side <= MAX_SIDE for side in self.size or ()), f"input: sides are 1 to {MAX_SIDE}")
        _require(1 <= self.stride <= 1024, "input: stride is 1 to 1024")
        _require(
            self.batch is None or 1 <= self.batch <= MAX_BATCH, f"input: batch is 1 to {MAX_BATCH}, or null"
        )


class Reference(Part, frozen=True, kw_only=True):
    """Five places on the crop (x, y in pixels) for the five landmarks, and the weight of each in the fit."""

    points: tuple[tuple[float, float], ...]
    weights: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        """Refuse all but five distinct, finite points with weights that fix a similarity transform."""
        _require(len(self.points) == len(self.weights) == 5, "reference: five points and five weights")
        _require(all(_finite(point) for point in self.points), "reference: points must be finite")
        _require(_finite(self.weights) and min(self.weights) >= 0, "reference: weights must be ≥ 0")
        weighted = {p for p, w in zip(self.points, self.weights, strict=True) if w > 0}
        _require(len(weighted) >= 2, "reference: at least two different points need a weight above 0")


class Golden(Part, frozen=True, kw_only=True):
    """The first numbers a graph returns for the built-in pattern of the given (height, width)."""

    file: str
    size: tuple[int, int]
    output: int
    values: tuple[float, ...]
    tolerance: float = 1e-3

    def __post_init__(self) -> None:
        """Refuse patterns too large to make and comparisons of nothing."""
        _require(all(1 <= side <= 1024 for side in self.size), "golden: sides are 1 to 1024")
        _require(1 <= len(self.values) <= 64 and _finite(self.values), "golden: 1 to 64 finite values")
        _require(
            0 <= self.output < 64 and 0 < self.tolerance <= 0.1, "golden: output or tolerance out of range"
        )


class Provenance(Part, frozen=True, kw_only=True):
    """Where a model comes from. `parity` is its measured agreement with `parent`, a bundle's digest."""

    source: str
    licence: str
    framework: str = ""
    recipe: str = ""
    data: str = ""
    parent: str | None = None
    parity: dict[str, float] = {}


class Measured(Part, frozen=True, kw_only=True):
    """Figures by protocol, on what data, when (ISO date)."""

    protocol: str
    data: str
    date: str
    figures: dict[str, float]


class Card(Part, frozen=True, kw_only=True, tag_field="task"):
    """What every model says of itself."""

    name: str
    files: tuple[File, ...]
    input: Input
    provenance: Provenance
    golden: tuple[Golden, ...] = ()
    measured: tuple[Measured, ...] = ()
    format: int = FORMAT

    def __post_init__(self) -> None:
        """Refuse cards of another format and names that contradict each other."""
        _require(self.format == FORMAT, f"format {self.format} given, {FORMAT} wanted: a newer mien wrote this")
        _require(FILE_NAME.fullmatch(self.name) is not None, f"name: {self.name!r} is not a plain name")
        names = [file.name for file in self.files]
        _require(1 <= len(names) <= 16, "files: 1 to 16 are wanted")
        _require(len(set(names)) == len(names), "files: a name stands twice")
        strangers = {g.file for g in self.golden} - set(names)
        _require(not strangers, f"golden: no such file in this card: {', '.join(sorted(strangers))}")

    @property
    def task(self) -> str:
        """What the model is for: "detect" or "embed"."""
        return str(self.__struct_config__.tag)

    @property
    def digest(self) -> str:
        """SHA-256 over the files and the parts of the card that change the output."""
        silent = {"name", "golden", "provenance", "measured", "format"}
        loud = {key: value for key, value in msgspec.to_builtins(self).items() if key not in silent}
        return digest_of(loud)


class DetectCard(Card, frozen=True, kw_only=True, tag="detect"):
    """A detector: `head` is a key of the detectors shelf, `parameters` are that head's own."""

    head: str
    parameters: dict[str, Any] = {}


class EmbedCard(Card, frozen=True, kw_only=True, tag="embed"):
    """An embedder. `mirror`: the runtime averages the vectors of the crop and of its mirror image."""

    reference: Reference
    dimension: int
    mirror: bool = False
    metric: Literal["cosine"] = "cosine"

    def __post_init__(self) -> None:
        """Refuse embedders whose crop has no size or whose vectors have none."""
        super().__post_init__()
        _require(self.input.size is not None, "input: an embedder needs a size")
        _require(1 <= self.dimension <= 65536, "dimension: 1 to 65536")


AnyCard = DetectCard | EmbedCard


def decode_card(text: bytes, where: str = "card.json") -> AnyCard:
    """The card written in `text` (JSON). CardError names the field that is unknown, missing or wrong."""
    card: AnyCard = decode_json(text, AnyCard, where)
    return card


def encode_card(card: AnyCard) -> bytes:
    """The card as JSON, indented for people."""
    return msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n"


def decode_json(text: bytes, kind: Any, what: str) -> Any:
    """`text` decoded strictly as `kind`; CardError names `what` and the field at fault."""
    if len(text) > MAX_BYTES:
        raise CardError(f"{what}: {len(text)} bytes, at most {MAX_BYTES} are read")
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CardError(f"{what}: {error}") from error


def digest_of(value: Any) -> str:
    """SHA-256 of a value's canonical JSON: keys sorted, no spaces, floats at their shortest."""
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()


def _finite(numbers: tuple[float, ...]) -> bool:
    return all(math.isfinite(number) and abs(number) < 1e9 for number in numbers)


def _require(holds: bool, complaint: str) -> None:
    # msgspec turns a ValueError raised here into its ValidationError, with the path to the field.
    if not holds:
        raise ValueError(complaint)
