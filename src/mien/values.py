"""The values that travel the road: frozen, batched arrays that know their shapes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.errors import FaceCountError, InputError, MienError

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Verdict = Literal["same", "review", "different", "uncalibrated"]
FaceChoice = Literal["only", "largest", "central"]
UNIT = 1e-3  # how far from one the length of a unit vector may be


def frozen_array(name: str, value: ArrayLike, *shape: int | None) -> Floats:
    """A read-only float32 array of `shape` (None: any length), or InputError naming `name`."""
    array = np.array(value, dtype=np.float32)
    fits = array.ndim == len(shape) and all(
        want is None or have == want for have, want in zip(array.shape, shape, strict=True)
    )
    if not fits:
        wanted = tuple("n" if length is None else length for length in shape)
        raise InputError(f"{name}: shape {array.shape} given, {wanted} wanted")
    if not np.isfinite(array).all():
        raise InputError(f"{name}: every number must be finite")
    array.flags.writeable = False
    return array


def rows(index: Any, count: int) -> Any:
    """An index that keeps the first axis: 3 → slice(3, 4), -1 → the last row; the rest as they are.

    Raises IndexError for a number outside −count..count − 1, which is also what ends a `for` loop.
    """
    if isinstance(index, int | np.integer):
        if not -count <= index < count:
            raise IndexError(f"there is no number {index} among {count}")
        return slice(int(index), int(index) + 1 or None)
    return index


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """What a detector found in one image, best score first.

    boxes (n,4) float32: x1, y1, x2, y2 in pixels, may reach outside the image. landmarks (n,5,2)
    float32, pixels: eye at image left, eye at image right, nose tip, mouth corner left, mouth corner
    right. scores (n,) float32 in 0..1. Pixel centres are at whole numbers, as in OpenCV.
    """

    boxes: Floats
    landmarks: Floats
    scores: Floats

    def __post_init__(self) -> None:
        n = len(np.atleast_1d(self.scores))
        object.__setattr__(self, "boxes", frozen_array("boxes", self.boxes, n, 4))
        object.__setattr__(self, "landmarks", frozen_array("landmarks", self.landmarks, n, 5, 2))
        object.__setattr__(self, "scores", frozen_array("scores", self.scores, n))

    @classmethod
    def none(cls) -> Self:
        """No face at all."""
        return cls(*(np.empty(shape, np.float32) for shape in ((0, 4), (0, 5, 2), (0,))))

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, index: Any) -> Self:
        """Faces by number, slice, mask or list of numbers; always a `Faces`."""
        keep = rows(index, len(self))
        return type(self)(self.boxes[keep], self.landmarks[keep], self.scores[keep])

    def scaled(self, factor: tuple[float, float]) -> Self:
        """The same faces in an image whose (width, height) is `factor` times this one's.

        Pixel centres map to pixel centres: x → (x + ½)·f − ½, the inverse of an area resize.
        """
        f = np.array(factor, np.float32)
        points = (self.landmarks + 0.5) * f - 0.5
        boxes = (self.boxes.reshape(-1, 2, 2) + 0.5) * f - 0.5
        return type(self)(boxes.reshape(-1, 4), points, self.scores)


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """One vector a face, and what made it.

    vectors (n,d) float32 of length one, norms (n,) their lengths before that. `bundle` and `aligner`
    are the digests of the model and of what made its crops: vectors compare only where both agree.
    """

    vectors: Floats
    norms: Floats
    bundle: str
    aligner: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "vectors", frozen_array("vectors", self.vectors, None, None))
        object.__setattr__(self, "norms", frozen_array("norms", self.norms, len(self.vectors)))
        lengths = np.linalg.norm(self.vectors, axis=1)
        if len(lengths) and np.abs(lengths - 1).max() > UNIT:
            raise InputError(
                f"vectors: of length one is wanted, {lengths[np.abs(lengths - 1).argmax()]:.3f} given"
            )

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, index: Any) -> Self:
        keep = rows(index, len(self))
        return type(self)(self.vectors[keep], self.norms[keep], self.bundle, self.aligner)

    def require_same_origin(self, other: Embeddings) -> None:
        """InputError unless both come from one bundle and one aligner."""
        for what in ("bundle", "aligner"):
            mine, theirs = getattr(self, what), getattr(other, what)
            if mine != theirs:
                raise InputError(
                    f"these vectors do not compare: {what} {mine[:12]}… here, {theirs[:12]}… there; "
                    f"embed both pictures with the same detector and bundle"
                )


@dataclass(frozen=True, slots=True, eq=False)
class Quality:
    """How far each face can be relied on.

    values (n,) float32 in 0..1, the weakest of the measures below each mapped to 0..1; reasons: for each
    face the names of the measures under their limit, worst first, empty where the face is good.
    measures: name → (n,) array in the measure's own unit (see `mien.recognition.quality`).
    """

    values: Floats
    reasons: tuple[tuple[str, ...], ...]
    measures: dict[str, Floats]

    def __post_init__(self) -> None:
        n = len(self.reasons)
        object.__setattr__(self, "values", frozen_array("values", self.values, n))
        measures = {name: frozen_array(name, array, n) for name, array in self.measures.items()}
        object.__setattr__(self, "measures", measures)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: Any) -> Self:
        keep = rows(index, len(self))
        chosen = np.arange(len(self))[keep]
        measures = {name: array[keep] for name, array in self.measures.items()}
        return type(self)(self.values[keep], tuple(self.reasons[i] for i in chosen), measures)


@dataclass(frozen=True, slots=True, eq=False)
class Crops:
    """The faces of one picture, cut out and upright: what detection and alignment hand to the embedder.

    images (n,h,w,3) uint8 RGB, one crop a face; the rest as in `Reading`.
    """

    source: str
    sha256: str
    size: tuple[int, int]
    faces: Faces
    images: Pixels
    quality: Quality

    def __post_init__(self) -> None:
        if not len(self.faces) == len(self.images) == len(self.quality):
            raise InputError("crops need as many images and qualities as faces")
        if self.images.ndim != 4 or self.images.shape[3] != 3 or self.images.dtype != np.uint8:
            raise InputError(f"crops: (n,h,w,3) uint8 wanted, {self.images.shape} {self.images.dtype} given")

    def __len__(self) -> int:
        return len(self.faces)


@dataclass(frozen=True, slots=True)
class Failure:
    """A picture of many that could not be used: which one, and the error it raised."""

    source: str
    error: MienError


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What the recogniser makes of one picture.

    `size` is the picture's (width, height) in pixels after its EXIF orientation; `sha256` is that of
    the file's bytes (of the pixels, for an array); `source` is the path or name it came from.
    """

    source: str
    sha256: str
    size: tuple[int, int]
    faces: Faces
    embeddings: Embeddings
    quality: Quality

    def __post_init__(self) -> None:
        counts = {len(self.faces), len(self.embeddings), len(self.quality)}
        if len(counts) != 1:
            raise InputError(f"a reading needs as many faces as vectors and qualities, not {counts}")

    def __len__(self) -> int:
        return len(self.faces)

    def __getitem__(self, index: Any) -> Self:
        return type(self)(
            self.source, self.sha256, self.size, self.faces[index], self.embeddings[index], self.quality[index]
        )

    def choose(self, face: FaceChoice) -> Self:
        """The reading of one face: the only one, the largest, or the one nearest the picture's centre.

        Raises FaceCountError where there is none, or several and `face` is "only".
        """
        if face not in CHOICES:
            raise InputError(f"face={face!r} is unknown; known: {', '.join(CHOICES)}")
        if len(self) == 0:
            raise FaceCountError(f"{self.source}: no face found", 0)
        return self[CHOICES[face](self)]


@dataclass(frozen=True, slots=True, repr=False)
class Comparison:
    """Whether two faces are one person's.

    similarity: cosine, −1..1. verdict: see `mien.bundle.calibration`. fmr: the false-match rate asked
    for; score_fmr: the rate at which strangers score this high or higher, held within the ends of the
    calibration's table (its smallest rate reads "or less"); None when uncalibrated.
    note: why there is no verdict, or what weakens it.
    """

    similarity: float
    verdict: Verdict
    fmr: float
    score_fmr: float | None
    note: str = ""

    def __repr__(self) -> str:
        note = f", note={self.note!r}" if self.note else ""
        return (
            f"Comparison(similarity={self.similarity:.3f}, verdict={self.verdict!r}, "
            f"fmr={rate_text(self.fmr)}, score_fmr={rate_text(self.score_fmr)}{note})"
        )


def rate_text(rate: float | None) -> str:
    """An error rate as the field writes it: 0.001 → "1e-3", 0.00025 → "2.5e-4", None → "None"."""
    if not rate or not math.isfinite(rate):
        return str(rate)
    mantissa, exponent = f"{rate:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def _only(reading: Reading) -> int:
    if len(reading) > 1:
        raise FaceCountError(
            f"{reading.source}: {len(reading)} faces found where one is wanted; "
            f"choose with face='largest' or face='central'",
            len(reading),
        )
    return 0


def _largest(reading: Reading) -> int:
    spans = reading.faces.boxes[:, 2:] - reading.faces.boxes[:, :2]
    return int(spans.prod(axis=1).argmax())


def _central(reading: Reading) -> int:
    centres = reading.faces.boxes.reshape(-1, 2, 2).mean(axis=1)
    middle = (np.array(reading.size) - 1) / 2
    return int(np.linalg.norm(centres - middle, axis=1).argmin())


CHOICES = {"only": _only, "largest": _largest, "central": _central}
