"""What the demo's two pages say alike: an answer in words, its colours in a plot, what made the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

import mien.pages.page as p
from mien.bundle.calibration import DEFAULT_FMR, REVIEW_FACTOR, Calibration
from mien.pages.plots import Axis, Layer, Zone
from mien.recognition.compare import UNCALIBRATED
from mien.recognition.recognizer import Recognizer
from mien.values import Comparison, Embeddings, Reading, rate_text


def answer_words(answer: Comparison, calibration: Calibration | None) -> tuple[p.Html, ...]:
    """Similarity, verdict and the rate at which strangers score as high."""
    words = [p.tag("strong", f"{answer.similarity:.3f}"), p.Html(" "), p.badge(answer.verdict)]
    if calibration is not None and answer.score_fmr is not None:
        words.append(p.tag("div", f"FMR {rate_words(answer.score_fmr, calibration)}"))
    return tuple(words)


def rate_words(rate: float, calibration: Calibration) -> str:
    """A score's FMR; at the ends of the table it is only a bound."""
    largest, smallest = calibration.thresholds[0].fmr, calibration.thresholds[-1].fmr
    sign = "≤ " if rate <= smallest else "≥ " if rate >= largest else ""
    return sign + rate_text(min(max(rate, smallest), largest))


def reasons_words(reasons: Sequence[str]) -> p.Html:
    """Why a face is of low quality; nothing where it is good."""
    return p.tag("div", "low quality: " + ", ".join(reasons)) if reasons else p.Html("")


def rule_words(calibration: Calibration | None) -> p.Html:
    """How a similarity becomes a verdict, or why it does not."""
    if calibration is None:
        return p.note("Uncalibrated: ", UNCALIBRATED, ".")
    same, review = round(1 / DEFAULT_FMR), round(1 / DEFAULT_FMR / REVIEW_FACTOR)
    return p.paragraph(
        p.badge("same"),
        f" means: only one pair of strangers in {same:,} looks this much alike (a false-match rate, FMR, of "
        f"{rate_text(DEFAULT_FMR)}). ",
        p.badge("review"),
        f" reaches down to one in {review:,}: a person should look. Below that is ",
        p.badge("different"),
        ". A face too poor to rely on is never called “same” outright; it goes to review, with the reason. The "
        "rate is an average over the people it was measured on: among people unlike them it can be higher.",
    )


def verdict_zones(calibration: Calibration | None, axis: Literal["x", "y"], scale: Axis) -> list[Layer]:
    """The stretches of similarity that mean same, review and different."""
    if calibration is None:
        return []
    same = calibration.threshold(DEFAULT_FMR)
    review = calibration.threshold(min(DEFAULT_FMR * REVIEW_FACTOR, calibration.thresholds[0].fmr))
    stretches = ((same, scale.high, "same"), (review, same, "review"), (scale.low, review, "different"))
    return [Zone(axis, start, end, word, word) for start, end, word in stretches]


def footer(recognizer: Recognizer) -> p.Html:
    """What made a page."""
    made_by = (recognizer.detector, recognizer.bundle)
    names = "; ".join(f"{each.card.name} {each.digest[:12]}" for each in made_by)
    words = f"Made by mien. Models: {names}; aligner {recognizer.aligner.digest[:12]}."
    if recognizer.calibration is not None:
        words += f" Thresholds measured on {recognizer.calibration.data}, {recognizer.calibration.date}."
    return p.paragraph(words)


def together(readings: Sequence[Reading]) -> Embeddings:
    """The vectors of many readings in one value."""
    parts = [reading.embeddings for reading in readings]
    vectors, norms = (np.concatenate([getattr(part, name) for part in parts]) for name in ("vectors", "norms"))
    return Embeddings(vectors, norms, parts[0].bundle, parts[0].aligner)
