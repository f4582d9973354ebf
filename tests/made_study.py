"""Studies that nobody measured: one with everything in it, one in which nothing could be stated."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from statistics import NormalDist
from typing import Any, TypeVar

import msgspec

from mien.evaluation.diff import Difference, Differences
from mien.evaluation.study import (
    Accuracy,
    Figure,
    GroupRates,
    Groups,
    HardPair,
    Histogram,
    Identification,
    Missed,
    OperatingPoint,
    Reliability,
    Speed,
    Study,
    System,
    Trap,
    Verification,
    Weighting,
)

GENUINE, IMPOSTOR = NormalDist(0.6, 0.12), NormalDist(0.05, 0.09)
WHY = "1,200 impostor comparisons support no such rate (rule of three)"
LOWEST = 1e-5  # the smallest rate that the full study states
Made = TypeVar("Made", Study, Differences)
WORDS = {"weighting", "kind"}  # that are chosen from a few
SPEED = Speed(embedded=1500, cached=500, embed_seconds=120.5, measure_seconds=3.2, peak_mb=410)
SYSTEM = System(name="made model", bundle="b" * 64, aligner="a" * 64)

OTHER = System(name="other model", bundle="c" * 64, aligner="a" * 64)


def around(value: float, part: float = 0.1) -> Figure:
    """A figure with an interval of so large a part of it on both sides."""
    return Figure(value=value, low=value * (1 - part), high=min(value * (1 + part), 1.0))


def point(rate: float) -> OperatingPoint:
    if rate < LOWEST:
        refused = Figure(why=WHY)
        return OperatingPoint(fmr=rate, threshold=refused, fnmr=refused, tar=refused, gfrr=refused)
    threshold = IMPOSTOR.inv_cdf(1 - rate)
    fnmr = GENUINE.cdf(threshold)
    tar = Figure(value=1 - fnmr, low=1 - 1.1 * fnmr, high=1 - 0.9 * fnmr)
    return OperatingPoint(
        fmr=rate, threshold=around(threshold, 0.01), fnmr=around(fnmr), tar=tar, gfrr=around(fnmr + 0.004)
    )


def verification(weighting: Weighting) -> Verification:
    thresholds = [1 - i / 100 for i in range(200)]
    det = tuple((t, 1 - IMPOSTOR.cdf(t), GENUINE.cdf(t)) for t in thresholds)
    points = tuple(point(10.0**-k) for k in range(1, 7))
    return Verification(
        weighting=weighting, points=points, eer=around(0.0043), auc=around(0.9991, 0.0002), det=det
    )


def histogram() -> Histogram:
    edges = [-1 + i / 50 for i in range(101)]

    def shares(scores: NormalDist) -> tuple[float, ...]:
        return tuple(round(scores.cdf(b) - scores.cdf(a), 6) for a, b in pairwise(edges))

    return Histogram(edges=tuple(edges), genuine=shares(GENUINE), impostor=shares(IMPOSTOR))


def hard(name: str, people: tuple[str, str], similarity: float) -> HardPair:
    return HardPair(
        first=f"{people[0]}/{name}1.jpg",
        second=f"{people[1]}/{name}2.jpg",
        people=people,
        similarity=similarity,
    )


def groups() -> Groups:
    rates = (
        GroupRates(groups=("old", "old"), people=40, comparisons=4000, fmr=around(0.005), fnmr=around(0.03)),
        GroupRates(
            groups=("young", "young"), people=60, comparisons=9000, fmr=around(0.001), fnmr=around(0.02)
        ),
        GroupRates(groups=("old", "young"), people=100, comparisons=12000, fmr=around(0.00004)),
    )
    return Groups(
        column="age",
        fmr=1e-3,
        threshold=0.33,
        rates=rates,
        fmr_ratio=Figure(value=5.0, low=3.1, high=8.2),
        fnmr_ratio=Figure(why="too few people of each"),
    )


def identification() -> Identification:
    return Identification(
        splits=20,
        gallery=300,
        mated=900,
        unmated=700,
        fusion="mean of the vectors",
        ranks=((1, around(0.93, 0.01)), (5, around(0.96, 0.01)), (10, around(0.97, 0.01))),
        fnirs=(
            (1e-1, around(0.4), around(0.05)),
            (1e-2, around(0.45), around(0.1)),
            (1e-3, around(0.5), around(0.2)),
        ),
    )


def reliability() -> tuple[Reliability, ...]:
    return tuple(
        Reliability(
            fmr=rate,
            splits=200,
            kind="measured" if rate > 1e-4 else "extrapolated",
            observed=around(1.1 * rate, 0.4),
            stated=(0.4 * rate, 1.9 * rate),
            within=0.955,
        )
        for rate in (1e-2, 1e-3, 1e-4)
    )


def trap(change: str, tar: float, difference: tuple[float, float, float]) -> Trap:
    """A change from a TAR of 95 %."""
    value, low, high = difference
    found = Figure(value=value, low=low, high=high)
    return Trap(change=change, fmr=1e-3, weighting="person", stated=0.95, tar=tar, difference=found)


def full() -> Study:
    """Every optional part."""
    traps = (
        trap("BGR for RGB", 0.90, (-0.05, -0.07, -0.03)),
        trap("one crop", 0.95, (0.0, -0.01, 0.01)),
        trap("mean of 127.5", 0.971, (0.021, 0.011, 0.03)),
    )
    return Study(
        protocol="folder",
        data="made faces",
        system=SYSTEM,
        command="mien evaluate folder PEOPLE --bundle made --html report.html",
        date="2026-03-09T10:00:00Z",
        version="0.2.0",
        pictures=2000,
        people=400,
        several_faces=31,
        face="central",
        genuine_pairs=8400,
        impostor_pairs=1_990_600,
        failure_to_enrol=Figure(value=0.0035, low=0.0015, high=0.0069),
        missed=tuple(Missed(picture=f"p{i}.jpg", why="no face found") for i in range(7)),
        verification=(verification("person"), verification("pair")),
        histogram=histogram(),
        hard_genuine=(hard("g", ("Ann", "Ann"), 0.151), hard("h", ("Bo", "Bo"), 0.172)),
        hard_impostor=(hard("i", ("Cy", "Di"), 0.452),),
        speed=SPEED,
        accuracy=Accuracy(
            folds=(0.99, 0.98, 0.995), thresholds=(0.31, 0.32, 0.30), mean=0.98833, deviation=0.00764
        ),
        identification=identification(),
        groups=(groups(),),
        reliability=reliability(),
        traps=traps,
        notes=("31 pictures hold several faces.",),
    )


def compared() -> Differences:
    """Two systems: the second better at one rate, worse at another; some pictures that only one could use."""
    rates = tuple(10.0**-k for k in range(1, 6))
    gains = (
        (0.0, 0.0, 0.0),
        (0.02, 0.01, 0.03),
        (0.01, -0.01, 0.03),
        (-0.03, -0.05, -0.01),
        (-0.02, -0.06, 0.02),
    )
    weightings: tuple[Weighting, ...] = ("person", "pair")
    rows = [row for each in weightings for row in _compared(each, rates, gains)]
    return Differences(
        protocol="folder",
        data="made faces",
        systems=(SYSTEM, OTHER),
        pictures=1990,
        people=400,
        genuine_pairs=8300,
        impostor_pairs=1_970_000,
        rows=tuple(rows),
        notes=("left out, since only one of the studies has them: 10 pictures",),
    )


def _compared(
    weighting: Weighting, rates: tuple[float, ...], gains: tuple[tuple[float, float, float], ...]
) -> Iterator[Difference]:
    for name in ("TAR", "generalised TAR"):
        for rate, gain in zip(rates, gains, strict=True):
            yield _row(name, weighting, rate, 0.9, gain)
    yield _row("EER", weighting, None, 0.02, (-0.004, -0.006, -0.002))
    yield _row("AUC", weighting, None, 0.991, (0.00004, -0.0001, 0.0002))


def _row(
    name: str, weighting: Weighting, rate: float | None, first: float, gain: tuple[float, float, float]
) -> Difference:
    value, low, high = gain
    return Difference(
        name=name,
        weighting=weighting,
        fmr=rate,
        first=around(first, 0.02),
        second=around(first + value, 0.02),
        difference=Figure(value=value, low=low, high=high),
    )


def other() -> Study:
    """The study of the second system."""
    missed = (Missed(picture="p1.jpg", why="no face found"),)
    fewer = Figure(value=0.0005, low=0.0001, high=0.0028)
    return msgspec.structs.replace(full(), system=OTHER, missed=missed, failure_to_enrol=fewer)


def minimal() -> Study:
    """No optional part, and nothing that can be stated."""
    refused = Figure(why=WHY)
    points = (OperatingPoint(fmr=1e-3, threshold=refused, fnmr=refused, tar=refused, gfrr=refused),)
    verification = Verification(weighting="pair", points=points, eer=refused, auc=refused, det=())
    return Study(
        protocol="pairs",
        data="six pictures",
        system=SYSTEM,
        command="mien evaluate pairs",
        date="some day",
        version="0.2.0",
        pictures=6,
        people=3,
        several_faces=0,
        face="only",
        genuine_pairs=0,
        impostor_pairs=3,
        failure_to_enrol=Figure(why="no picture was read"),
        missed=(),
        verification=(verification,),
        histogram=Histogram(edges=(-1.0, 0.0, 1.0), genuine=(0.0, 0.0), impostor=(0.0, 0.0)),
        hard_genuine=(),
        hard_impostor=(),
        speed=Speed(embedded=0, cached=6, embed_seconds=0.0, measure_seconds=0.1, peak_mb=80),
    )


def renamed(study: Made, text: str) -> Made:
    """The study with `text` in the place of every text."""
    return msgspec.convert(_with(msgspec.to_builtins(study), text), type(study))


def _with(value: Any, text: str, key: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _with(each, text, key) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_with(each, text) for each in value]
    return text if isinstance(value, str) and key not in WORDS else value
