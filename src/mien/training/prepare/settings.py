"""What is wanted of a preparation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mien.bundle.card import digest_of
from mien.errors import InputError
from mien.training.datasets.contract import CONTRACTS, CropContract
from mien.values import CHOICES, FaceChoice

Form = Literal["folder", "records", "shards"]
# The worst of 2,612 crops of LFW, glint24 and ORL had a cosine of 0.9992 with itself uncompressed (JPEG 98 with
# full colour, a MobileFaceNet); 0.9986 at 95, 0.9978 at 98 with colour at half the size.
QUALITY = 98


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareSettings:
    """What to make of the pictures.

    crops: the places of the landmarks and the size (who makes them is filled in). aligned: the pictures are
    such crops already, so nothing is detected and their bytes stay as they are. face: which of several in a
    picture. form: of what is written. quality: of the JPEGs, 1..100. keep_poor: faces with a reason to doubt
    them stay. least_pictures: people with fewer are left out. drop_suspects: what the review suggests is done
    at once.
    """

    crops: CropContract = CONTRACTS["arcface"]
    aligned: bool = False
    face: FaceChoice = "central"
    form: Form = "folder"
    quality: int = QUALITY
    keep_poor: bool = False
    least_pictures: int = 1
    drop_suspects: bool = False

    def __post_init__(self) -> None:
        if self.face not in CHOICES:
            raise InputError(f"face={self.face!r} is unknown; known: {', '.join(CHOICES)}")
        if not 1 <= self.quality <= 100 or self.least_pictures < 1:
            raise InputError("a JPEG quality of 1 to 100, and at least 1 picture a person, are wanted")

    def reading(self, contract: CropContract, bundle: str) -> str:
        """The digest of all that decides what is kept of one picture, the vector's bundle included."""
        made = {
            "points": contract.reference.points,
            "weights": contract.reference.weights,
            "size": contract.size,
        }
        origin = {"aligner": contract.aligner, "bundle": bundle, "aligned": self.aligned}
        return digest_of(made | origin | {"face": self.face, "quality": self.quality})
