"""Pictures → what is known of each, and its crop: found and aligned, or taken as the crops that they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import cv2
import numpy as np

from mien.bundle.calibration import Calibration
from mien.errors import FaceCountError, ImageError, MienError
from mien.files import read_bounded
from mien.images import load
from mien.images.picture import MAX_BYTES
from mien.recognition.align import Aligner
from mien.recognition.recognizer import Recognizer
from mien.recognition.recrop import CropReader
from mien.training.datasets.contract import CropContract
from mien.training.prepare.journal import Looked
from mien.training.prepare.listing import Listed
from mien.training.prepare.prints import fingerprint
from mien.training.prepare.settings import PrepareSettings
from mien.values import Crops, Failure, Pixels, Reading

TOGETHER = 16  # pictures whose faces meet in one run of the embedder
SUFFIXES = {b"\xff\xd8\xff": ".jpg", b"\x89PN": ".png"}  # of crops whose bytes are kept as they are

Seen = tuple[Looked, bytes]  # the crop's file; nothing where there is no face to use


class Reader(Protocol):
    """What looks at pictures. bundle, aligner: the digests behind its vectors; calibration: theirs, if any."""

    contract: CropContract
    bundle: str
    aligner: str
    calibration: Calibration | None

    def look(self, pictures: Sequence[Listed]) -> Iterator[Seen]:
        """Each picture's line and crop, in their order; memory does not grow with their number."""
        ...


@dataclass(frozen=True, slots=True)
class Rejected:
    """A picture without a face to use, and why."""

    why: str


class FaceReader:
    """Finds the face in each picture and cuts it out by the contract; its vector comes from the recogniser."""

    def __init__(self, recognizer: Recognizer, settings: PrepareSettings) -> None:
        detector = recognizer.detector
        reference, size = settings.crops.reference, settings.crops.size
        self._cut = Aligner(detector.digest, reference, size, recognizer.aligner.head)
        self.contract = CropContract(
            reference=reference,
            size=size,
            aligner=self._cut.digest,
            detector=detector.digest,
            detector_name=detector.card.name,
        )
        self.bundle, self.aligner = recognizer.bundle.digest, recognizer.aligner.digest
        self.calibration = recognizer.calibration
        self._recognizer, self._settings = recognizer, settings

    def look(self, pictures: Sequence[Listed]) -> Iterator[Seen]:
        """As `Reader` has it."""
        found = zip(pictures, self._recognizer.find_many(each.source() for each in pictures), strict=True)
        with ThreadPoolExecutor(self._recognizer.runtime.threads, thread_name_prefix="mien") as pool:
            while batch := list(islice(found, TOGETHER)):
                yield from pool.map(self._seen, *zip(*self._embedded(batch), strict=True))

    def _embedded(
        self, batch: Sequence[tuple[Listed, Crops | Failure]]
    ) -> Iterator[tuple[Listed, Reading | Rejected]]:
        good = [crops for _, crops in batch if isinstance(crops, Crops)]
        try:
            readings: Iterator[Reading | Rejected] = iter(self._recognizer.embed(good))
        except MienError:  # one picture's faces spoil the run that others share
            readings = (self._embedded_alone(crops) for crops in good)
        for listed, each in batch:
            yield listed, Rejected(listed.why(each)) if isinstance(each, Failure) else next(readings)

    def _embedded_alone(self, crops: Crops) -> Reading | Rejected:
        try:
            return self._recognizer.embed([crops])[0]
        except MienError as error:
            return Rejected(str(error))

    def _seen(self, listed: Listed, reading: Reading | Rejected) -> Seen:
        if isinstance(reading, Rejected):
            return rejected(listed, reading.why)
        try:
            chosen = reading.choose(self._settings.face)
            pixels = load(listed.source()).pixels
        except FaceCountError as error:
            why = f"{error.count} faces where one is wanted" if error.count else "no face"
            return rejected(listed, why, reading.sha256)
        except MienError as error:  # it was there a moment ago
            return rejected(listed, str(error))
        crop = self._cut(pixels, chosen.faces.landmarks)[0]
        return looked_at(listed, chosen, len(reading), pixels), encoded(crop, self._settings.quality)


class CutReader:
    """Takes pictures that are crops of the contract already, as they are."""

    def __init__(self, reader: CropReader, settings: PrepareSettings) -> None:
        self.contract = settings.crops
        self.bundle, self.aligner = reader.bundle.digest, reader.aligner.digest
        self.calibration = reader.calibration
        self._reader = reader

    def look(self, pictures: Sequence[Listed]) -> Iterator[Seen]:
        """As `Reader` has it."""
        found = self._reader.read_many(each.source() for each in pictures)
        for listed, reading in zip(pictures, found, strict=True):
            if isinstance(reading, Failure):
                yield rejected(listed, listed.why(reading).removeprefix("bytes: "))
            else:
                yield self._seen(listed, reading)

    def _seen(self, listed: Listed, reading: Reading) -> Seen:
        try:
            source = listed.source()
            data = source if isinstance(source, bytes) else read_bounded(source, MAX_BYTES)
            pixels = load(data).pixels
        except MienError as error:
            return rejected(listed, str(error))
        kept = data if data[:3] in SUFFIXES else encoded(pixels, 100)
        return looked_at(listed, reading, 1, pixels), kept


def suffix_of(crop: bytes) -> str:
    """What a crop's file is called at its end."""
    return SUFFIXES[crop[:3]]


def rejected(listed: Listed, why: str, sha256: str = "") -> Seen:
    """The line of a picture that has no face to use."""
    return Looked(picture=listed.name, person=listed.person, stamp=listed.stamp, sha256=sha256, why=why), b""


def looked_at(listed: Listed, chosen: Reading, faces: int, pixels: Pixels) -> Looked:
    """The line of a picture whose face is `chosen`'s only one."""
    return Looked(
        picture=listed.name,
        person=listed.person,
        stamp=listed.stamp,
        sha256=chosen.sha256,
        size=chosen.size,
        faces=faces,
        reasons=chosen.quality.reasons[0],
        quality=round(float(chosen.quality.values[0]), 3),
        vector=chosen.embeddings.vectors[0].tobytes(),
        print_=fingerprint(pixels),
    )


def encoded(crop: Pixels, quality: int) -> bytes:
    """A crop (h,w,3) RGB as a JPEG with colour at full size. ImageError where OpenCV refuses."""
    options = (
        *(cv2.IMWRITE_JPEG_QUALITY, quality),
        *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
    )
    done, data = cv2.imencode(".jpg", cv2.cvtColor(crop, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise ImageError(f"a crop of {crop.shape} could not be written as JPEG")
    return np.asarray(data).tobytes()
