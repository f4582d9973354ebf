"""What a measurement found, as one value: everything that the report, `--json` and `diff` show."""

from __future__ import annotations

from typing import Literal

from mien.bundle.card import Part

RATES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
FPIRS = (1e-1, 1e-2, 1e-3)
RANKS = (1, 5, 10)
Weighting = Literal["person", "pair"]


class Figure(Part, frozen=True, kw_only=True):
    """A measured number and its 95 % interval. value None: it cannot be stated, and `why` says why not."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    why: str = ""


class OperatingPoint(Part, frozen=True, kw_only=True):
    """The error rates at the threshold that strangers pass at rate `fmr`.

    fmr: the rate asked for. threshold: similarity. fnmr: genuine comparisons refused; tar: 1 − fnmr. gfrr: the
    generalised false-reject rate, in which a comparison with a picture that could not be enrolled counts as
    refused (ISO/IEC 19795-1).
    """

    fmr: float
    threshold: Figure
    fnmr: Figure
    tar: Figure
    gfrr: Figure


class Verification(Part, frozen=True, kw_only=True):
    """1:1, averaged as `weighting` says: every person (and pair of people) once, or every comparison once.

    det: (threshold, FMR, FNMR) along the curve, threshold falling. auc: area under the ROC curve.
    """

    weighting: Weighting
    points: tuple[OperatingPoint, ...]
    eer: Figure
    auc: Figure
    det: tuple[tuple[float, float, float], ...]


class Accuracy(Part, frozen=True, kw_only=True):
    """Share of right decisions in each fold, at the threshold that was best on the other folds."""

    folds: tuple[float, ...]
    thresholds: tuple[float, ...]
    mean: float
    deviation: float


class Identification(Part, frozen=True, kw_only=True):
    """1:N over repeated random splits (or given lists): rank → share found; FPIR → FNIR; sizes of one split.

    ranks: closed-set, a figure for each of RANKS. fnirs: open-set, a figure for each of FPIRS, with the
    threshold that gave it.
    """

    splits: int
    gallery: int
    mated: int
    unmated: int
    fusion: str
    ranks: tuple[tuple[int, Figure], ...]
    fnirs: tuple[tuple[float, Figure, Figure], ...]  # FPIR, threshold, FNIR


class GroupRates(Part, frozen=True, kw_only=True):
    """One group, or a pair of groups, at the global threshold. fnmr is absent for pairs of two groups."""

    groups: tuple[str, str]
    people: int
    comparisons: int
    fmr: Figure
    fnmr: Figure | None = None


class Groups(Part, frozen=True, kw_only=True):
    """One column of a protocol file, at the threshold of one global FMR.

    fmr_ratio, fnmr_ratio: worst group over best, among groups by themselves.
    """

    column: str
    fmr: float
    threshold: float
    rates: tuple[GroupRates, ...]
    fmr_ratio: Figure
    fnmr_ratio: Figure


class Histogram(Part, frozen=True, kw_only=True):
    """Scores counted into bins: len(edges) − 1 shares of genuine and of impostor comparisons, each summing to
    1.
    """

    edges: tuple[float, ...]
    genuine: tuple[float, ...]
    impostor: tuple[float, ...]


class HardPair(Part, frozen=True, kw_only=True):
    """A comparison that is hard: two pictures by name, their people, their similarity."""

    first: str
    second: str
    people: tuple[str, str]
    similarity: float


class Reliability(Part, frozen=True, kw_only=True):
    """A stated FMR held against people that were not calibrated on, over repeated splits of the people.

    kind: how the thresholds were found, in one split at least. observed: the median and the central 95 % of
    what was seen. stated: the median bounds of the prediction intervals. within: the share of splits in which
    the observed rate lay in the interval that its own calibration stated.
    """

    fmr: float
    splits: int
    kind: Literal["measured", "extrapolated"]
    observed: Figure
    stated: tuple[float, float]
    within: float


class Missed(Part, frozen=True, kw_only=True):
    """A picture that could not be enrolled, and why."""

    picture: str
    why: str


class Trap(Part, frozen=True, kw_only=True):
    """The same pictures read by the same model with one thing changed, and what that did to the TAR at `fmr`.

    change: what was changed. stated, tar: with the card as it is, and changed. difference: changed minus as
    stated, so a loss is negative.
    """

    change: str
    fmr: float
    weighting: Weighting
    stated: float | None
    tar: float | None
    difference: Figure


class Speed(Part, frozen=True, kw_only=True):
    """Of the run: pictures embedded anew and taken from the cache, seconds for each step, peak memory in MB."""

    embedded: int
    cached: int
    embed_seconds: float
    measure_seconds: float
    peak_mb: float


class System(Part, frozen=True, kw_only=True):
    """What was measured: the digests of bundle and aligner, with names for people."""

    name: str
    bundle: str
    aligner: str


class Study(Part, frozen=True, kw_only=True):
    """Everything one evaluation found."""

    protocol: str
    data: str
    system: System
    command: str
    date: str
    version: str
    pictures: int
    people: int
    several_faces: int
    face: str
    genuine_pairs: int
    impostor_pairs: int
    failure_to_enrol: Figure
    missed: tuple[Missed, ...]
    verification: tuple[Verification, ...]
    histogram: Histogram
    hard_genuine: tuple[HardPair, ...]
    hard_impostor: tuple[HardPair, ...]
    speed: Speed
    accuracy: Accuracy | None = None
    identification: Identification | None = None
    groups: tuple[Groups, ...] = ()
    reliability: tuple[Reliability, ...] = ()
    traps: tuple[Trap, ...] = ()
    notes: tuple[str, ...] = ()
