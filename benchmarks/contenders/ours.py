"""mien itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median

import numpy as np
from clock import Measured, peak_mb, rated, rss_mb

from mien.bundle.catalog import find_bundle
from mien.bundle.runtime import Runtime, available_cores
from mien.bundle.session import Session
from mien.recognition.recognizer import Recognizer
from mien.values import Failure

WARM = 8  # pictures or runs before the clock starts


def read(pictures: Sequence[str], bundle: str, detector: str) -> Measured:
    """Images a second, end to end from files: `read_many`."""
    recognizer = Recognizer.load(bundle, detector)
    _faces(recognizer, pictures[:WARM])
    return rated(lambda: _faces(recognizer, pictures), len(pictures))


def latency(pictures: Sequence[str], bundle: str, detector: str) -> Measured:
    """Milliseconds for one picture after another: `read`, the median."""
    recognizer = Recognizer.load(bundle, detector)
    times = [_timed(partial(recognizer.read, picture)) for picture in pictures]
    return {"value": 1000 * median(times[WARM:])}


def embed(chips: str, batch: int, threads: int) -> Measured:
    """Milliseconds a face: the raw graph of `dlib-resnet` from uint8 chips, no mirror, not normalised."""
    images = np.load(chips)
    bundle = find_bundle("dlib-resnet")
    session = Session(bundle, bundle.card.files[0].name, Runtime(threads=threads or available_cores()))
    session(images[:batch])
    batches = [images[i : i + batch] for i in range(0, len(images) - batch + 1, batch)]
    times = [_timed(partial(session, part)) for _ in range(5) for part in batches]
    return {"value": 1000 * median(times) / batch, "faces": batch * len(times)}


def biggest(picture: str, bundle: str, detector: str) -> Measured:
    """The most memory, in MB, that `find` on one large picture takes, the process and its models included."""
    faces = Recognizer.load(bundle, detector).find(picture)
    return {"value": peak_mb(), "faces": len(faces)}


def memory_over(pictures: Sequence[str], total: int, each: int, bundle: str, detector: str) -> Measured:
    """Memory in MB at the end of a `read_many` over `total` pictures, with a mark after every `each`."""
    recognizer = Recognizer.load(bundle, detector)
    sources = (pictures[number % len(pictures)] for number in range(total))
    marks = [rss_mb() for number, _ in enumerate(recognizer.read_many(sources), 1) if number % each == 0]
    return {"value": marks[-1], "marks": marks}


def _faces(recognizer: Recognizer, pictures: Sequence[str]) -> int:
    total = 0
    for reading in recognizer.read_many(pictures):
        if isinstance(reading, Failure):
            raise reading.error
        total += len(reading)
    return total


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
