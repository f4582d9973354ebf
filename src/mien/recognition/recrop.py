"""Pictures that are crops already → readings: no detector looks at them, their landmarks are declared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from mien.bundle.bundle import Bundle, require_task
from mien.bundle.calibration import Calibration
from mien.bundle.card import EmbedCard, Reference, digest_of
from mien.bundle.runtime import Runtime
from mien.errors import CardError, ImageError, InputError, MienError
from mien.images import load
from mien.recognition.align import Aligner, transforms
from mien.recognition.embed import Embedder
from mien.recognition.quality import measure
from mien.recognition.recognizer import Source
from mien.values import Crops, Embeddings, Faces, Failure, Reading

TOGETHER = 32  # crops in one run of the embedder
MOST_OUTSIDE = 0.15  # of the embedder's crop that may lie outside the given one


class CropReader:
    """An embedder that reads crops of one `size` (height, width), whose landmarks lie at the `declared`
    points.

    A crop is warped so that the declared points meet the embedder's own, as found landmarks would. `outside`:
    the part of the embedder's crop that lies outside the given one and stays black. InputError where that is
    so much that vectors would mean nothing.
    """

    def __init__(self, bundle: Bundle, declared: Reference, size: tuple[int, int], runtime: Runtime) -> None:
        require_task(bundle, EmbedCard, "an embedder")
        card = bundle.card
        if not isinstance(card, EmbedCard) or card.input.size is None:  # both held by the card itself
            raise CardError(f"{bundle.folder}: the card names no crop")
        self.bundle, self.dimension, self._size = bundle, card.dimension, size
        # The declared points stand where a detector would: with others it is another aligner.
        declaration = digest_of({"declared": declared.points, "size": size})
        self.aligner = Aligner(declaration, card.reference, card.input.size)
        self._landmarks = np.array([declared.points], np.float32)
        self.outside = self._part_outside()
        if self.outside > MOST_OUTSIDE:
            raise InputError(
                f"{card.name} looks at more of a face than crops of {size[1]}×{size[0]} show: "
                f"{self.outside:.0%} would be black, {MOST_OUTSIDE:.0%} at most is taken; use whole pictures"
            )
        self.calibration: Calibration | None = bundle.calibration(self.aligner.digest)
        self._embed = Embedder(bundle, runtime)

    def read_many(self, sources: Iterable[Source]) -> Iterator[Reading | Failure]:
        """A reading of one face for each crop; a Failure where it is no picture, or of another size."""
        remaining = iter(sources)
        while batch := [self._found(source) for source in islice(remaining, TOGETHER)]:
            good = [each for each in batch if isinstance(each, Crops)]
            readings = iter(self._readings(good))
            yield from (each if isinstance(each, Failure) else next(readings) for each in batch)

    def _found(self, source: Source) -> Crops | Failure:
        try:
            picture = load(source)
            height, width = self._size
            if picture.size != (width, height):
                there = "{}×{}".format(*picture.size)
                raise ImageError(
                    f"{picture.source}: {there} pixels, where crops of {width}×{height} are declared"
                )
            box = np.array([[0, 0, width, height]], np.float32)
            faces = Faces(box, self._landmarks, np.ones(1, np.float32))
            images = self.aligner(picture.pixels, self._landmarks)
            quality = measure(faces, images, self.aligner.reference)
            return Crops(picture.source, picture.sha256, picture.size, faces, images, quality)
        except MienError as error:
            return Failure("crop", error)

    def _readings(self, crops: Sequence[Crops]) -> Iterator[Reading]:
        if not crops:
            return
        vectors, norms = self._embed(np.concatenate([each.images for each in crops]))
        for row, each in enumerate(crops):
            one = slice(row, row + 1)
            embeddings = Embeddings(vectors[one], norms[one], self.bundle.digest, self.aligner.digest)
            yield Reading(each.source, each.sha256, each.size, each.faces, embeddings, each.quality)

    def _part_outside(self) -> float:
        """The share of the embedder's pixels that no pixel of the given crop lies under."""
        matrix = transforms(self._landmarks, self.aligner.reference)[0]
        rows, columns = np.indices(self.aligner.size).reshape(2, -1)
        x, y = np.linalg.inv(matrix[:, :2]) @ (np.stack([columns, rows]) - matrix[:, 2:])
        height, width = self._size
        inside = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
        return float(1 - inside.mean())
