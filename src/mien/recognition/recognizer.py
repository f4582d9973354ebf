"""The road end to end: image → faces → crops → embeddings → comparison."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property, partial
from itertools import islice
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from mien.bundle.bundle import Bundle
from mien.bundle.calibration import DEFAULT_FMR, Calibration
from mien.bundle.catalog import find_bundle
from mien.bundle.runtime import Runtime
from mien.errors import InputError, MienError
from mien.images import Picture, load
from mien.recognition.align import Aligner
from mien.recognition.compare import compare
from mien.recognition.detect import Detector
from mien.recognition.embed import Embedder
from mien.recognition.quality import measure
from mien.values import Comparison, Crops, Embeddings, FaceChoice, Faces, Failure, Reading

Source = str | os.PathLike[str] | bytes | NDArray[np.uint8]
BundleName = str | os.PathLike[str] | Bundle
A = TypeVar("A")
B = TypeVar("B")

SHRINK_TO = 2400  # large JPEGs are decoded at ½, ¼ or ⅛ while their longer side stays above this
EMBED_TOGETHER = 8  # crops of several pictures that meet in one run of the embedder
DETECT_TOGETHER = 8  # pictures in one call of the detector where models have a device of their own
AHEAD = 8  # pictures a core that may be found ahead, so that no core waits while another embeds


class Recognizer:
    """Detector, aligner and embedder of one road. Safe to use from several threads at once."""

    def __init__(
        self, bundle: Bundle, detector: Bundle, runtime: Runtime, *, any_rotation: bool = False
    ) -> None:
        self.bundle, self.detector, self.runtime = bundle, detector, runtime
        self._any_rotation = any_rotation
        self.aligner = Aligner.of(bundle, detector)
        self.calibration: Calibration | None = bundle.calibration(self.aligner.digest)
        self.dimension = int(
            getattr(bundle.card, "dimension", 0)
        )  # length of the vectors; Aligner.of held the card

    @classmethod
    def load(
        cls,
        bundle: BundleName = "dlib-resnet",
        detector: BundleName = "mtcnn",
        *,
        device: str = "cpu",
        threads: int | None = None,
        any_rotation: bool = False,
    ) -> Self:
        """A recogniser from bundles named by their catalogue name or folder.

        device: "cpu", "cuda", … (DeviceError where it is missing); threads: of one model run, by default
        the cores this process may use; any_rotation: find faces that lie on their side or head as well,
        at four times the cost of detection. The starter bundles are built on first use.
        """
        runtime = Runtime(device=device) if threads is None else Runtime(device=device, threads=threads)
        return cls(find_bundle(bundle), find_bundle(detector), runtime, any_rotation=any_rotation)

    @cached_property
    def _detect(self) -> Detector:
        return Detector(self.detector, self.runtime, any_rotation=self._any_rotation)

    @cached_property
    def _embed(self) -> Embedder:
        # Opened when first needed: detecting alone does not pay for it.
        return Embedder(self.bundle, self.runtime)

    @cached_property
    def _lane(self) -> Recognizer:
        """The same road for many callers at once.

        On a CPU, one thread a model run and one picture a core beats every core on one picture, since no
        thread waits for another (see docs/performance.md).
        """
        if not self.runtime.on_cpu or self.runtime.threads == 1:
            return self
        single = replace(self.runtime, threads=1)
        return Recognizer(self.bundle, self.detector, single, any_rotation=self._any_rotation)

    def find(self, source: Source) -> Crops:
        """The faces of one picture, aligned. ImageError where it cannot be read."""
        picture = load(source, shrink_to=SHRINK_TO)
        return self._crops(picture, self._detect([picture.pixels])[0])

    def align(self, source: Source, faces: Faces) -> Crops:
        """The faces of a picture whose places are known already, aligned: no detector looks at it."""
        picture = load(source)
        return self._crops(picture, faces)

    def embed(self, crops: Sequence[Crops]) -> list[Reading]:
        """The vectors of the faces of several pictures, in as few model runs as possible."""
        images = np.concatenate([each.images for each in crops]) if crops else np.empty((0, 1, 1, 3), np.uint8)
        if not len(images):
            vectors, norms = np.empty((0, self.dimension), np.float32), np.empty(0, np.float32)
        else:
            vectors, norms = self._embed(images)
        ends = np.cumsum([len(each) for each in crops])
        return [
            self._reading(each, vectors[end - len(each) : end], norms[end - len(each) : end])
            for each, end in zip(crops, ends, strict=True)
        ]

    def read(self, source: Source) -> Reading:
        """Everything mien makes of one picture. ImageError where it cannot be read."""
        return self.embed([self.find(source)])[0]

    def find_many(self, sources: Iterable[Source]) -> Iterator[Crops | Failure]:
        """`find` for many pictures: as many at a time as there are cores, order kept, memory bounded."""
        _require_several(sources)
        with _Pool(self.runtime.threads) as pool:
            yield from self._found(pool, sources)

    def read_many(self, sources: Iterable[Source]) -> Iterator[Reading | Failure]:
        """`read` for many pictures: as many at a time as there are cores, order kept, memory bounded.

        A picture that cannot be read gives a Failure in its place and the rest go on.
        """
        _require_several(sources)
        with _Pool(self.runtime.threads) as pool:
            groups = _grouped(self._found(pool, sources))
            for readings in pool.ordered(self._lane._embed_group, groups, ahead=self.runtime.threads):
                yield from readings

    def compare(
        self, a: Source | Reading, b: Source | Reading, *, fmr: float = DEFAULT_FMR, face: FaceChoice = "only"
    ) -> Comparison:
        """Whether two pictures show one person, at the false-match rate `fmr`.

        Raises FaceCountError where a picture shows no face, or several and `face` is "only".
        """
        first, second = (each if isinstance(each, Reading) else self.read(each) for each in (a, b))
        return compare(first.choose(face), second.choose(face), self.calibration, fmr)

    def _found(self, pool: _Pool, sources: Iterable[Source]) -> Iterator[Crops | Failure]:
        together = 1 if self.runtime.on_cpu else DETECT_TOGETHER
        ahead = AHEAD * self.runtime.threads // together + 1
        for found in pool.ordered(self._lane._find_group, _batched(sources, together), ahead=ahead):
            yield from found

    def _crops(self, picture: Picture, faces: Faces) -> Crops:
        images = self.aligner(picture.pixels, faces.landmarks)
        full = faces.scaled(picture.factor)
        quality = measure(full, images, self.aligner.reference)
        return Crops(picture.source, picture.sha256, picture.size, full, images, quality)

    def _find_group(self, sources: Sequence[Source]) -> list[Crops | Failure]:
        pictures = [_try(partial(load, source, shrink_to=SHRINK_TO), _name(source)) for source in sources]
        faces = iter(self._detect([each.pixels for each in pictures if isinstance(each, Picture)]))
        return [
            each if isinstance(each, Failure) else _try(partial(self._crops, each, next(faces)), each.source)
            for each in pictures
        ]

    def _embed_group(self, group: Sequence[Crops | Failure]) -> list[Reading | Failure]:
        found = [each for each in group if isinstance(each, Crops)]
        try:
            readings: Iterator[Reading | Failure] = iter(self.embed(found))
        except MienError:
            # One picture's faces spoil the run that others share: each by itself shows whose they are.
            readings = (_try(partial(self._embed_one, each), each.source) for each in found)
        return [each if isinstance(each, Failure) else next(readings) for each in group]

    def _embed_one(self, crops: Crops) -> Reading:
        return self.embed([crops])[0]

    def _reading(self, crops: Crops, vectors: NDArray[np.float32], norms: NDArray[np.float32]) -> Reading:
        embeddings = Embeddings(vectors, norms, self.bundle.digest, self.aligner.digest)
        return Reading(crops.source, crops.sha256, crops.size, crops.faces, embeddings, crops.quality)


class _Pool:
    """Worker threads that stop early when their caller does."""

    def __init__(self, workers: int) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="mien")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def ordered(self, work: Callable[[A], B], items: Iterable[A], *, ahead: int) -> Iterator[B]:
        """`map`, several at a time, order kept, at most `ahead` of who takes the results."""
        waiting: deque[Future[B]] = deque()
        source = iter(items)
        while True:
            for item in islice(source, ahead - len(waiting)):
                waiting.append(self._pool.submit(work, item))
            if not waiting:
                return
            yield waiting.popleft().result()


def _grouped(found: Iterable[Crops | Failure]) -> Iterator[list[Crops | Failure]]:
    group: list[Crops | Failure] = []
    faces = 0
    for each in found:
        group.append(each)
        faces += len(each) if isinstance(each, Crops) else 0
        if faces >= EMBED_TOGETHER or len(group) >= 2 * EMBED_TOGETHER:
            yield group
            group, faces = [], 0
    if group:
        yield group


def _batched(items: Iterable[A], size: int) -> Iterator[list[A]]:
    """The items in lists of `size`, the last one shorter (itertools.batched, from Python 3.12 on)."""
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch


def _try(work: Callable[[], A], name: str) -> A | Failure:
    try:
        return work()
    except MienError as error:
        return Failure(name, error)


def _name(source: Source) -> str:
    return os.fspath(source) if isinstance(source, str | os.PathLike) else type(source).__name__


def _require_several(sources: Iterable[Source]) -> None:
    if isinstance(sources, str | bytes):
        raise InputError(f"{sources!r:.60}: one picture, where several are wanted; put it in a list")
