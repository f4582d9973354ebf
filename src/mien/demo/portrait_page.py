"""The demo's page about one portrait: find, align, embed, compare; then strangers."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

import mien.pages.page as p
from mien.bundle.calibration import Calibration
from mien.demo.parts import answer_words, footer, reasons_words, rule_words, verdict_zones
from mien.demo.portrait import Crowd, Found, Series, Trial, levels
from mien.demo.stress import Stress
from mien.draw import annotate
from mien.pages.plots import Axis, Bars, Line, plot
from mien.recognition.compare import compare
from mien.recognition.recognizer import Recognizer
from mien.values import Floats, Pixels, rate_text

LARGE, THUMB, INSET = 450, 160, 64  # pixels
AT_FIRST, AROUND = 3.2, 1.7  # times the face: what a picture shows of it
MOST_ALIKE = 7
BINS = 48


def build(recognizer: Recognizer, portrait: Found, series: Sequence[Series], crowd: Crowd) -> p.Html:
    """The whole page."""
    return p.page(
        "From a photograph to a verdict",
        "One portrait travels the whole road: found, aligned, turned into numbers, compared. Everything "
        "here was computed on this computer, without network.",
        _road(recognizer, portrait),
        _stresses(recognizer.calibration, portrait, series),
        _strangers(recognizer.calibration, crowd),
        _next(),
        footer=footer(recognizer),
    )


def _road(recognizer: Recognizer, portrait: Found) -> p.Html:
    vector = portrait.reading.embeddings.vectors[0]
    steps = p.columns(
        _find(portrait),
        p.part(
            "2 · Align",
            p.figure(_with_points(recognizer, portrait.crop), alt="the crop, with five fixed places marked"),
            p.paragraph(
                "The face is turned, moved and scaled until the five points lie as near as can be to five "
                "fixed places (circles). Every face enters the network like this."
            ),
        ),
        p.part(
            "3 · Embed",
            p.figure(_barcode(vector)),
            p.paragraph(
                f"A neural network turns the crop into {len(vector)} numbers, drawn here as bars. Pictures of "
                "one person give nearly the same numbers; how nearly is called similarity, 1 at most."
            ),
        ),
    )
    return p.section("The road of a face", steps)


def _find(portrait: Found) -> p.Html:
    faces = portrait.reading.faces
    large = cv2.resize(portrait.picture, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    found = around(annotate(large, faces.scaled((2, 2))), faces.boxes[0] * 2, AT_FIRST, LARGE)
    x1, _, x2, _ = faces.boxes[0]
    return p.part(
        "1 · Find",
        p.figure(found, "Eileen Collins, photographed by NASA. Public domain.", alt="portrait with a box"),
        p.paragraph(
            f"The detector draws a box around the face ({x2 - x1:.0f} pixels wide) and puts five points on "
            "eyes, nose and mouth."
        ),
    )


def _with_points(recognizer: Recognizer, crop: Pixels) -> Pixels:
    scale = max(1, LARGE // crop.shape[1])
    large = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    for x, y in recognizer.aligner.reference.points:
        centre = (round((x + 0.5) * scale), round((y + 0.5) * scale))
        cv2.circle(large, centre, 8, (255, 255, 255), 3, cv2.LINE_AA)
        cv2.circle(large, centre, 8, (11, 107, 114), 2, cv2.LINE_AA)
    return large.astype(np.uint8)


def _barcode(vector: Floats) -> p.Html:
    reach = float(np.abs(vector).max())
    x = Axis("number", 0, len(vector))
    y = Axis("value", -reach, reach)
    return plot(x, y, Bars("", list(range(len(vector) + 1)), [float(v) for v in vector]), title="the vector")


def _stresses(calibration: Calibration | None, portrait: Found, series: Sequence[Series]) -> p.Html:
    rows = [each.summary() for each in series]
    return p.section(
        "Still the same person?",
        p.paragraph(
            "Here the portrait is spoilt in seven ways, stronger and stronger, and compared with itself "
            "unspoilt. It stays one and the same photograph, so this is the easy case: two photographs of one "
            "person, taken years apart, start lower. Large: the picture handed over. Inset: the crop that the "
            "network saw."
        ),
        rule_words(calibration),
        p.table(("what was done", "holds", "then"), rows),
        *(_stress(calibration, portrait, each) for each in series),
    )


def _stress(calibration: Calibration | None, portrait: Found, series: Series) -> p.Html:
    box = portrait.reading.faces.boxes[0]
    figures = [_trial(portrait.picture, box, series.stress, trial, calibration) for trial in series.trials]
    return p.part(
        series.stress.name,
        p.beside(
            p.join([p.paragraph(series.stress.says), _curve(calibration, series)]),
            p.gallery(*figures),
        ),
    )


def _trial(
    original: Pixels, box: Floats, stress: Stress, trial: Trial, calibration: Calibration | None
) -> p.Html:
    thumb = around(trial.picture, box * (trial.picture.shape[1] / original.shape[1]))
    strength = p.tag("div", stress.words(trial.strength))
    if trial.found is None or trial.answer is None:
        return p.figure(thumb, strength, p.badge("no face found"), alt=f"{stress.name} {trial.strength:g}")
    thumb[-INSET:, -INSET:] = 255
    thumb[-INSET + 2 :, -INSET + 2 :] = cv2.resize(
        trial.found.crop, (INSET - 2, INSET - 2), interpolation=cv2.INTER_AREA
    )
    return p.figure(
        thumb,
        strength,
        *answer_words(trial.answer, calibration),
        reasons_words(trial.found.reading.quality.reasons[0]),
        alt=f"{stress.name} {trial.strength:g}",
    )


def around(pixels: Pixels, box: Floats, reach: float = AROUND, size: int = THUMB) -> Pixels:
    """A square of a picture, `reach` times as wide as the face in it; what lies outside is grey."""
    x1, y1, x2, y2 = (float(v) for v in box)
    side = reach * max(x2 - x1, y2 - y1)
    scale = size / side
    height, width = pixels.shape[:2]
    left = min(max((x1 + x2 - side) / 2, 0), max(width - side, 0))
    top = min(max((y1 + y2 - side) / 2, 0), max(height - side, 0))
    matrix = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]])
    way = cv2.INTER_NEAREST if scale > 2 else cv2.INTER_LINEAR
    return cv2.warpAffine(pixels, matrix, (size, size), flags=way, borderValue=(128, 128, 128)).astype(np.uint8)


def _curve(calibration: Calibration | None, series: Series) -> p.Html:
    stress = series.stress
    points = [
        (
            trial.strength,
            trial.answer.similarity if trial.answer else None,
            f"{stress.words(trial.strength)}: "
            + (f"{trial.answer.similarity:.3f}, {trial.outcome}" if trial.answer else trial.outcome),
        )
        for trial in series.trials
    ]
    lowest = min((y for _, y, _ in points if y is not None), default=0.0)
    if calibration is not None:
        lowest = min(lowest, min(levels(calibration).values()))
    y = Axis("similarity", np.floor(lowest * 20 - 0.5) / 20, 1)
    x = Axis(stress.label, stress.strengths[0], stress.strengths[-1], stress.log, _ticks(stress))
    zones = verdict_zones(calibration, "y", y)
    return plot(x, y, *zones, Line("", points), title=f"similarity against {stress.label}")


def _ticks(stress: Stress) -> tuple[float, ...]:
    return tuple(stress.strengths) if len(stress.strengths) < 9 else tuple(stress.strengths[::2])


def _strangers(calibration: Calibration | None, crowd: Crowd) -> p.Html:
    good = sum(crowd.good)
    return p.section(
        "And strangers?",
        p.paragraph(
            f"scikit-image also carries {crowd.shown} faces, nearly all of different people, 25 pixels wide. "
            f"Enlarged eight times, {len(crowd.faces)} of them are found, but little is left in them to tell "
            f"people apart: {len(crowd.faces) - good} are marked ",
            p.badge("low quality"),
            ". This is why a quality gate stands before every verdict.",
        ),
        p.figure(_histogram(calibration, crowd)),
        *_gate(crowd),
        p.part("The strangers most alike", p.gallery(*_alike(calibration, crowd))),
    )


def _histogram(calibration: Calibration | None, crowd: Crowd) -> p.Html:
    low = float(np.floor(crowd.similarity.min() * 20) / 20)
    counts, edges = np.histogram(crowd.similarity, BINS, (low, 1.0))
    x = Axis("similarity of two strangers", low, 1)
    y = Axis("pairs", 0, float(counts.max()) * 1.15)
    bars = Bars("pairs", [float(v) for v in edges], [float(v) for v in counts])
    return plot(x, y, *verdict_zones(calibration, "x", x), bars, title="similarities of all pairs of strangers")


def _gate(crowd: Crowd) -> list[p.Html]:
    if not crowd.passing:
        return []
    pairs = len(crowd.similarity)
    rows = [
        (
            f"{rate_text(rate)}",
            f"{rate * pairs:.1f}",
            str(count),
            _times(count, rate * pairs),
            str(crowd.gated[rate]),
        )
        for rate, count in crowd.passing.items()
    ]
    promise = (
        f"What the thresholds promise, and what happens on these {pairs:,} pairs of poor pictures. The "
        "thresholds hold for pictures like those they were measured on, where few are as poor."
    )
    headers = ("FMR asked for", "pairs it allows", "pass without the gate", "too often", "pass with the gate")
    return [p.paragraph(promise), p.table(headers, rows)]


def _times(count: int, allowed: float) -> str:
    return f"{count / allowed:.0f} ×" if count > allowed else "–"


def _alike(calibration: Calibration | None, crowd: Crowd) -> list[p.Html]:
    figures = []
    for a, b in crowd.most_alike[:MOST_ALIKE]:
        first, second = crowd.faces[a], crowd.faces[b]
        answer = compare(first.reading, second.reading, calibration)
        pair = np.concatenate([first.crop, second.crop], axis=1)
        figures.append(p.figure(pair, *answer_words(answer, calibration), alt="two strangers"))
    return figures


def _next() -> p.Html:
    return p.section(
        "Now your own",
        p.paragraph("Your pictures stay on your computer; nothing is sent anywhere."),
        p.tag(
            "pre",
            "mien demo FOLDER            # every face in a folder, and who looks like whom\n"
            "mien compare A.jpg B.jpg    # are these two the same person?\n"
            "mien detect FOLDER --json   # boxes, points and quality for other programs",
        ),
    )
