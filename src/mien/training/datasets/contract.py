"""What crops of faces are: which places their landmarks lie on, how large they are, and what made them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec

from mien.bundle.card import DIGEST, MAX_SIDE, Reference, decode_json
from mien.bundle.importers.onnx import ARCFACE, ARCFACE_SIDE
from mien.errors import CardError, InputError
from mien.files import read_bounded, write_whole

FORMAT = 1
FILE = "prepared.json"
MAX_BYTES = 1 << 16


class CropContract(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a data set's crops keep to.

    reference: the places of the five landmarks, in pixels. size: (height, width). aligner: the digest of the
    `recognition.align.Aligner` that made them; detector: of its bundle; both "" where nobody knows.
    detector_name: that bundle's, for people.
    """

    reference: Reference
    size: tuple[int, int]
    aligner: str = ""
    detector: str = ""
    detector_name: str = ""

    def __post_init__(self) -> None:
        """Refuse sizes that no crop has and digests that are none."""
        if not all(1 <= side <= MAX_SIDE for side in self.size):
            raise ValueError(f"size: sides are 1 to {MAX_SIDE}")
        for name in ("aligner", "detector"):
            digest = getattr(self, name)
            if digest and DIGEST.fullmatch(digest) is None:
                raise ValueError(f"{name}: {digest!r} is not a SHA-256 in hex")

    @property
    def described(self) -> str:
        """For messages: size and aligner in words."""
        return f"crops of {self.size[0]}×{self.size[1]} by aligner {self.aligner[:12] or 'unknown'}"

    def agrees_with(self, other: CropContract) -> bool:
        """Whether crops of both may stand in one data set: same places, size and, where known, aligner."""
        same = self.reference == other.reference and self.size == other.size
        return same and (not self.aligner or not other.aligner or self.aligner == other.aligner)


def square(side: int) -> CropContract:
    """ArcFace's places on a square of so many pixels. InputError where that is no size of a crop."""
    return framed(side, side / ARCFACE_SIDE, (0.0, 0.0))


def framed(side: int, factor: float, shift: tuple[float, float]) -> CropContract:
    """ArcFace's places, moved by (x, y) and then times `factor`, on a square of so many pixels.

    InputError where that is no size of a crop.
    """
    right, down = shift
    try:
        points = tuple(((x + right) * factor, (y + down) * factor) for x, y in ARCFACE)
        return CropContract(reference=Reference(points=points), size=(side, side))
    except ValueError as error:
        raise InputError(f"crops of {side} pixels: {error}") from error


def resized(contract: CropContract, side: int) -> CropContract:
    """The same part of a face on a square of so many pixels. InputError where that is no size of a crop."""
    factor = side / contract.size[0]
    points = tuple((x * factor, y * factor) for x, y in contract.reference.points)
    try:
        return CropContract(reference=Reference(points=points), size=(side, side))
    except ValueError as error:
        raise InputError(f"crops of {side} pixels: {error}") from error


CONTRACTS: Mapping[str, CropContract] = MappingProxyType(
    {
        "arcface": square(ARCFACE_SIDE),
        "facenet": square(160),  # its own crops come from a box with a margin; these points are our declaration
        # Holds ArcFace's crop and dlib's, with room to turn: for a teacher and a student of two kinds.
        "wide": framed(200, 1.25, (24.0, 16.0)),
    }
)


def named_contract(name: str) -> CropContract:
    """A contract by its name in `CONTRACTS`; InputError lists the known ones."""
    if name not in CONTRACTS:
        raise InputError(f"the crops {name!r} are unknown; known: {', '.join(CONTRACTS)}")
    return CONTRACTS[name]


class _Prepared(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    format: int
    contract: CropContract


def write_contract(folder: Path, contract: CropContract) -> None:
    """Write `prepared.json` into the folder. InputError where it cannot be written."""
    text = msgspec.json.encode(_Prepared(format=FORMAT, contract=contract))
    write_whole(folder / FILE, msgspec.json.format(text, indent=2) + b"\n")


def read_contract(folder: Path) -> CropContract | None:
    """What the folder's `prepared.json` says, None where there is none. InputError where it says it wrong."""
    file = folder / FILE
    if not file.is_file():
        return None
    text = read_bounded(file, MAX_BYTES)
    try:
        version = decode_json(text, dict, str(file)).get("format")
        if version != FORMAT:
            raise InputError(f"{file}: format {version!r}, {FORMAT} wanted: a newer mien wrote it, or none did")
        prepared: _Prepared = decode_json(text, _Prepared, str(file))
    except CardError as error:
        raise InputError(str(error)) from error
    return prepared.contract


def settled(what: str, found: CropContract | None, given: CropContract | None) -> CropContract | None:
    """The contract that the data name, or else the given one. InputError where these say different things."""
    if found is not None and given is not None and not found.agrees_with(given):
        raise InputError(
            f"{what}: its {FILE} says {found.described}, and {given.described} or other points are declared; "
            f"prepare the pictures anew for these"
        )
    return found or given
