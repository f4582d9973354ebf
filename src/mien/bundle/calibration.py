"""From a false-match rate to a threshold and back, and the verdicts that stand on it."""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import pairwise
from typing import Literal

import msgspec
import numpy as np

from mien.bundle.card import DIGEST, FORMAT, Part, decode_json
from mien.errors import CalibrationError
from mien.values import Comparison, Verdict, rate_text

DEFAULT_FMR = 1e-3
REVIEW_FACTOR = 10.0  # the review band reaches from the asked FMR up to ten times it


class Threshold(Part, frozen=True, kw_only=True):
    """The similarity that strangers reach at a rate of `fmr`, with its 95 % interval `low`–`high`.

    fmr_low, fmr_high: the 95 % prediction interval of the rate that this similarity will show on as many
    other people of the same kind: the sampling of both sets of people is in it. kind "measured": counted on
    impostor pairs that support it (rule of three). "extrapolated": from a fit of the tail.
    """

    fmr: float
    similarity: float
    low: float
    high: float
    fmr_low: float
    fmr_high: float
    kind: Literal["measured", "extrapolated"] = "measured"

    def __post_init__(self) -> None:
        """Refuse rates outside 0..1 and intervals that leave their value out."""
        if not 0 < self.fmr < 1:
            raise ValueError("fmr is a rate between 0 and 1")
        if not 0 <= self.fmr_low <= self.fmr <= self.fmr_high <= 1:
            raise ValueError("fmr and its prediction interval must be in order within 0..1")
        if not -1 <= self.low <= self.similarity <= self.high <= 1:
            raise ValueError("similarity and its interval must be in order within -1..1")


class SearchThreshold(Part, frozen=True, kw_only=True, omit_defaults=True):
    """1:N: the score that a stranger's best match reaches at a rate of `fpir`, with its 95 % interval.

    people: how many the gallery held. templates: how many of each person, fused by `mien.fusion`; persons
    with fewer pictures had fewer. fnir: known people not found at that threshold. fpir_low, fpir_high: the
    95 % prediction interval of the rate that this similarity will show in one gallery of so many other people
    of the same kind, to strangers without end; None where no one worked it out.
    """

    fpir: float
    people: int
    templates: int
    similarity: float
    low: float
    high: float
    fnir: float
    fpir_low: float | None = None
    fpir_high: float | None = None

    def __post_init__(self) -> None:
        """Refuse rates outside 0..1, empty galleries and an interval that leaves its value out."""
        if not (0 < self.fpir < 1 and 0 <= self.fnir <= 1):
            raise ValueError("fpir and fnir are rates between 0 and 1")
        low, high = (self.fpir if end is None else end for end in (self.fpir_low, self.fpir_high))
        if not 0 <= low <= self.fpir <= high <= 1:
            raise ValueError("fpir and its prediction interval must be in order within 0..1")
        if min(self.people, self.templates) < 1:
            raise ValueError("a gallery holds at least one person with one template")
        if not -1 <= self.low <= self.similarity <= self.high <= 1:
            raise ValueError("similarity and its interval must be in order within -1..1")


class Fused(Part, frozen=True, kw_only=True):
    """What strangers reach against people of exactly `templates` templates, fused by `mien.fusion`.

    people: how many such people there were. thresholds: as in `Calibration`. alone: what strangers reach at
    the same rates against the same people with one template each: the difference is what fusing does.
    """

    templates: int
    people: int
    thresholds: tuple[Threshold, ...]
    alone: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse one template, which is not fused, and tables out of order."""
        if self.templates < 2 or self.people < 1:
            raise ValueError("fused: at least two templates of at least one person are wanted")
        if not self.thresholds or len(self.alone) != len(self.thresholds):
            raise ValueError("fused: a threshold is wanted, and for each what one template reaches alone")
        if not all(-1 <= level <= 1 for level in self.alone):
            raise ValueError("fused: similarities are −1 to 1")
        _require_order(self.thresholds)
        if any(above > below for above, below in pairwise(self.alone)):
            raise ValueError("fused: what one template reaches alone must rise, too")


class Calibration(Part, frozen=True, kw_only=True):
    """Thresholds by FMR for one model over one aligner, and how they were measured.

    thresholds: from the largest FMR to the smallest, similarity rising. tar: 1 − FNMR on the genuine
    pairs at each of them. weighting: what the rates average over ("person" or "pair"). searches: measured
    thresholds of 1:N, by FPIR, size of the gallery and templates a person. fused: what fusing several templates
    of a person does to strangers' scores, by their number, rising.
    """

    bundle: str
    aligner: str
    thresholds: tuple[Threshold, ...]
    tar: tuple[float, ...]
    people: int
    genuine_pairs: int
    impostor_pairs: int
    data: str
    date: str
    method: str
    weighting: Literal["person", "pair"] = "person"
    searches: tuple[SearchThreshold, ...] = ()
    fused: tuple[Fused, ...] = ()
    format: int = FORMAT

    def __post_init__(self) -> None:
        """Refuse tables out of order and rates that the impostor pairs cannot support."""
        if self.format != FORMAT:
            raise ValueError(f"format {self.format} given, {FORMAT} wanted: a newer mien wrote this")
        if not (DIGEST.fullmatch(self.bundle) and DIGEST.fullmatch(self.aligner)):
            raise ValueError("bundle and aligner are SHA-256 digests in hex")
        if len(self.thresholds) < 2 or len(self.tar) != len(self.thresholds):
            raise ValueError("at least two thresholds are wanted, and a TAR for each")
        if not all(0 <= rate <= 1 for rate in self.tar):
            raise ValueError("tar: rates are 0 to 1")
        _require_order(self.thresholds)
        if any(fewer.templates >= more.templates for fewer, more in pairwise(self.fused)):
            raise ValueError("fused: the number of templates must rise")
        smallest = min((t.fmr for t in self.thresholds if t.kind == "measured"), default=1.0)
        if smallest * self.impostor_pairs < 3:  # rule of three (ISO/IEC 19795-1)
            raise ValueError(f"{self.impostor_pairs} impostor pairs cannot support a measured FMR {smallest:g}")

    def threshold(self, fmr: float) -> float:
        """The similarity above which strangers score at rate `fmr`; between rows, linear in log FMR.

        Raises CalibrationError outside the table.
        """
        largest, smallest = self.thresholds[0].fmr, self.thresholds[-1].fmr
        if not smallest * (1 - 1e-9) <= fmr <= largest * (1 + 1e-9):
            raise CalibrationError(
                f"FMR {rate_text(fmr)} is outside what this calibration measured "
                f"({rate_text(smallest)} to {rate_text(largest)} on {self.impostor_pairs} impostor pairs)"
            )
        logs = [math.log(row.fmr) for row in reversed(self.thresholds)]
        values = [row.similarity for row in reversed(self.thresholds)]
        return float(np.interp(math.log(fmr), logs, values))

    def fmr_at(self, similarity: float) -> float:
        """The rate at which strangers score `similarity` or more, held within the table's ends.

        So the smallest rate of the table reads "this or less", the largest "this or more".
        """
        levels = [row.similarity for row in self.thresholds]
        logs = [math.log(row.fmr) for row in self.thresholds]
        after = bisect_left(levels, similarity)
        if after == 0:
            return self.thresholds[0].fmr
        if after == len(levels):
            return self.thresholds[-1].fmr
        return float(
            math.exp(np.interp(similarity, levels[after - 1 : after + 1], logs[after - 1 : after + 1]))
        )

    def compare(self, similarity: float, fmr: float = DEFAULT_FMR, *, note: str = "") -> Comparison:
        """The verdict on one pair: same, review or different at the asked FMR.

        same: above the threshold of `fmr`. review: above that of ten times `fmr` (as far as the table
        goes). different: the rest. Raises CalibrationError where `fmr` is outside the table.
        """
        verdict = self._verdict(similarity, fmr)
        return Comparison(similarity, verdict, fmr, self.fmr_at(similarity), note)

    def _verdict(self, similarity: float, fmr: float) -> Verdict:
        if similarity >= self.threshold(fmr):
            return "same"
        review = min(fmr * REVIEW_FACTOR, self.thresholds[0].fmr)
        return "review" if similarity >= self.threshold(review) else "different"


def _require_order(thresholds: tuple[Threshold, ...]) -> None:
    for above, below in pairwise(thresholds):
        if not (above.fmr > below.fmr and above.similarity <= below.similarity):
            raise ValueError("thresholds: fmr must fall and similarity rise")


def decode_calibration(text: bytes, where: str = "calibration") -> Calibration:
    """The calibration written in `text` (JSON); CardError names the field at fault."""
    calibration: Calibration = decode_json(text, Calibration, where)
    return calibration


def encode_calibration(calibration: Calibration) -> bytes:
    """The calibration as JSON, indented for people."""
    return msgspec.json.format(msgspec.json.encode(calibration), indent=2) + b"\n"
