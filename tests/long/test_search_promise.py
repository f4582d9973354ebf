"""The promise of 1:N: thresholds made on some people keep the rate that was asked, and its bounds, on others.

On the real pictures beside the project, with both public roads. Skipped where they are absent. The people are
split at random in two; a calibration is made on one half, and people of the other are enrolled, each with one
template or with some, from one to all their pictures. The rest of that half are strangers, a picture of each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from math import comb, log
from pathlib import Path
from statistics import NormalDist

import msgspec
import numpy as np
import pytest
from numpy.random import Generator

from mien.bundle.bundle import Bundle
from mien.bundle.calibration import Calibration
from mien.bundle.importers.onnx import import_onnx
from mien.bundle.search import OperatingPoint, as_single, operating_point
from mien.evaluation.calibrate import calibrate
from mien.evaluation.comparisons import FAILED, Doubles
from mien.evaluation.enrol import enrol, people_in
from mien.evaluation.identification import Ladder, Searches
from mien.evaluation.resampling import Draws
from mien.evaluation.samples import Numbers, Samples
from mien.evaluation.trials import all_pairs
from mien.fusion import scorer
from mien.recognition.recognizer import Recognizer
from mien.values import Floats

pytestmark = pytest.mark.long

SPLITS = 40
SIZES = (100, 400, 528)  # the last leaves a hundred strangers
STATED = 0.90  # of the splits, at least
FPIR = 1e-2
LEVELS = [NormalDist().inv_cdf((i + 0.5) / 400) for i in range(400)]
ROADS = {"starter": None, "mobilefacenet": ("mobilefacenet_112_128d.onnx", "yunet_n_dynamic.onnx")}


@dataclass(frozen=True)
class Seen:
    """One gallery: its operating point, and how many of so many strangers it took for somebody.

    raw: how many where nothing brings fused scores to one scale.
    """

    point: OperatingPoint
    met: int
    raw: int
    strangers: int

    @property
    def within(self) -> bool:
        """Whether so many are what the bounds let expect of so many strangers, of which there are few.

        The bounds are of strangers without end: 95 % of a normal distribution of the logarithm. So many are
        then met by chance (binomial), and the middle 95 % of what both together give is expected.
        """
        below, above = (
            log(max(end, 1e-9) / FPIR) / 1.96 for end in (self.point.fpir_low, self.point.fpir_high)
        )
        factors = [float(np.exp(level * abs(below if level < 0 else above))) for level in LEVELS]
        rates = [min(FPIR * factor, 1.0) for factor in factors]
        shares = np.mean([_binomial(self.strangers, rate) for rate in rates], axis=0)
        return bool(shares[: self.met + 1].sum() >= 0.025 and shares[self.met :].sum() >= 0.025)


def _binomial(trials: int, rate: float) -> Doubles:
    numbers, unmet = np.arange(trials + 1), np.log1p(-min(rate, 1 - 1e-12))
    chances: Doubles = np.exp(_chosen(trials) + numbers * np.log(rate) + (trials - numbers) * unmet)
    return chances


@cache
def _chosen(trials: int) -> Doubles:
    return np.array([log(comb(trials, number)) for number in range(trials + 1)])


@pytest.fixture(scope="module", params=ROADS)
def samples(
    request: pytest.FixtureRequest, shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Samples:
    """The pictures, by one road."""
    recognizer = road(request.param, shared_data / "models", tmp_path_factory.mktemp("bundles"))
    enrolment = enrol(
        people_in(shared_data / "faces" / "lfw-dev"),
        recognizer.read_many,
        face="central",
        bundle=recognizer.bundle.digest,
        aligner=recognizer.aligner.digest,
        dimension=recognizer.dimension,
    )
    return enrolment.samples.subset(enrolment.samples.enrolled)


def road(name: str, models: Path, folder: Path) -> Recognizer:
    files = ROADS[name]
    if files is None:
        return Recognizer.load()
    embedder, detector = (Bundle.write(folder / file, *import_onnx(models / file)) for file in files)
    return Recognizer.load(embedder, detector)


@pytest.fixture(scope="module")
def halves(samples: Samples) -> list[tuple[Calibration, Numbers]]:
    """Calibrations made on one half of the people, and the others."""
    rng = np.random.default_rng(0)
    return [_halved(samples, rng) for _ in range(SPLITS)]


def _halved(samples: Samples, rng: Generator) -> tuple[Calibration, Numbers]:
    drawn = rng.permutation(np.unique(samples.subjects))
    one, others = np.array_split(drawn, 2)
    part = samples.subset(np.isin(samples.subjects, one))
    return calibrate(all_pairs(part), samples.bundle, samples.aligner, "half"), others


def gallery(samples: Samples, people: Numbers, rng: Generator, *, several: bool) -> tuple[Numbers, Numbers]:
    """Rows to enrol and how many of each person: one, or any number up to all."""
    own = [rng.permutation(np.flatnonzero(samples.subjects == person)) for person in people]
    counts = np.array([rng.integers(1, len(rows) + 1) if several else 1 for rows in own], np.int32)
    chosen = [rows[:count] for rows, count in zip(own, counts, strict=True)]
    return np.concatenate(chosen).astype(np.int32), counts


def scores_of(samples: Samples, rows: Numbers, counts: Numbers, probes: Numbers) -> Floats:
    owners = np.repeat(np.arange(len(counts)), counts)
    return scorer(samples.vectors[rows], owners, len(counts))(samples.vectors[probes])


def searched(
    samples: Samples, halves: list[tuple[Calibration, Numbers]], size: int, *, several: bool
) -> Iterator[Seen]:
    rng = np.random.default_rng(size)
    for calibration, others in halves:
        drawn = rng.permutation(others)
        rows, counts = gallery(samples, drawn[:size], rng, several=several)
        probes = np.array([rng.choice(np.flatnonzero(samples.subjects == p)) for p in drawn[size:]])
        raw = scores_of(samples, rows, counts, probes)
        scores = as_single(calibration, raw, counts)
        point = operating_point(calibration, size, FPIR)
        met = [int((each.max(axis=1) >= point.similarity).sum()) for each in (scores, raw)]
        yield Seen(point, *met, len(probes))


def told(seen: list[Seen]) -> str:
    rates = [each.met / each.strangers for each in seen]
    low, middle, high = np.percentile(rates, [2.5, 50, 97.5])
    bounds = np.median([(each.point.fpir_low, each.point.fpir_high) for each in seen], axis=0)
    return (
        f"{seen[0].point.people} people, {seen[0].strangers} strangers, {seen[0].point.basis}: "
        f"FPIR median {middle:.4f} ({low:.4f}–{high:.4f}), mean {np.mean(rates):.4f}, "
        f"raw {np.mean([each.raw / each.strangers for each in seen]):.4f}, "
        f"stated {bounds[0]:.4f}–{bounds[1]:.4f}, within {np.mean([each.within for each in seen]):.3f}"
    )


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_the_rate_of_false_alarms_is_what_was_asked(
    samples: Samples, halves: list[tuple[Calibration, Numbers]], size: int, several: bool
) -> None:
    seen = list(searched(samples, halves, size, several=several))
    print(told(seen))
    assert {each.point.basis for each in seen} == {"measured"}
    assert np.mean([each.within for each in seen]) >= STATED, told(seen)
    assert 0.5 * FPIR < np.mean([each.met / each.strangers for each in seen]) < 1.6 * FPIR, told(seen)
    if several:
        assert sum(each.raw for each in seen) > sum(each.met for each in seen)


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_what_was_not_searched_is_bounded(
    samples: Samples, halves: list[tuple[Calibration, Numbers]], size: int, several: bool
) -> None:
    """The same without the searches: by the rate of one comparison, measured or extrapolated."""
    bare = [(_without_searches(calibration), others) for calibration, others in halves]
    seen = list(searched(samples, bare, size, several=several))
    print(told(seen))
    assert {each.point.basis for each in seen} == {"bound" if size == 100 else "extrapolated"}
    assert np.mean([each.within for each in seen]) >= STATED, told(seen)


def _without_searches(calibration: Calibration) -> Calibration:
    return msgspec.structs.replace(calibration, searches=())


def missed(found: Searches, weights: Floats) -> Doubles:
    """(draws,) FNIR at FPIR, each with its own threshold."""
    strangers = Ladder.of(found.best[~found.mated], found.people[~found.mated])
    own = np.where(found.ranks == 1, found.own, FAILED)[found.mated]
    misses: Doubles = (
        1 - Ladder.of(own, found.people[found.mated]).reached(strangers.thresholds([FPIR], weights), weights)[0]
    )
    return misses


def interval(drawn: Doubles) -> str:
    low, high = np.percentile(drawn[1:], [2.5, 97.5])
    return f"{100 * drawn[0]:.2f} ({100 * low:.2f} to {100 * high:.2f})"


def drawn_weights(samples: Samples) -> Floats:
    """(people, 1 + draws), the undrawn ones first."""
    weights = Draws.of(np.bincount(samples.subjects, minlength=len(samples.people)) > 0, 1000).weights
    return np.concatenate([np.ones_like(weights[:, :1]), weights], axis=1)


def test_three_templates_find_more_than_one(samples: Samples) -> None:
    """Everybody of whom there are four pictures enrolled; their others and all people's searched for."""
    rng, weights = np.random.default_rng(0), drawn_weights(samples)
    counts = np.bincount(samples.subjects)
    one, three = [], []
    for _ in range(10):
        own = [rng.permutation(np.flatnonzero(samples.subjects == p))[:3] for p in np.flatnonzero(counts >= 4)]
        rows = np.array(own, np.int32)
        probes = np.setdiff1d(np.arange(len(samples)), rows).astype(np.int32)
        one.append(missed(Searches.of(samples, rows[:, 0], probes), weights))
        three.append(missed(Searches.of(samples, rows.ravel(), probes), weights))
    better = np.mean(one, axis=0) - np.mean(three, axis=0)
    print(len(own), *(interval(np.mean(each, axis=0)) for each in (one, three)), interval(better))
    assert np.percentile(better[1:], 2.5) > 0


def test_the_common_scale_ranks_no_worse_than_raw_scores(
    samples: Samples, halves: list[tuple[Calibration, Numbers]]
) -> None:
    """Galleries of 400 with any number of templates of a person, but one picture left to be searched for."""
    rng, weights = np.random.default_rng(1), drawn_weights(samples)
    seen = np.array([_both(samples, calibration, others, weights, rng) for calibration, others in halves])
    scaled, raw = np.nanmean(seen, axis=0)
    print(interval(scaled), interval(raw), interval(raw - scaled))
    assert np.percentile((raw - scaled)[1:], 97.5) > 0


def _both(
    samples: Samples, calibration: Calibration, others: Numbers, weights: Floats, rng: Generator
) -> tuple[Doubles, Doubles]:
    known = np.sort(rng.permutation(others)[:400])
    whole, own = gallery(samples, known, rng, several=True)
    totals = np.bincount(samples.subjects, minlength=len(samples.people))[known]
    counts = np.where(totals > 1, np.minimum(own, totals - 1), own)
    place = np.concatenate([np.arange(count) for count in own])
    rows = whole[place < np.repeat(counts, own)]
    theirs = np.flatnonzero(np.isin(samples.subjects, others))
    probes = np.setdiff1d(theirs, rows).astype(np.int32)
    raw = scores_of(samples, rows, counts, probes)
    found = (_found(samples, known, probes, each) for each in (as_single(calibration, raw, counts), raw))
    scaled, plain = (missed(each, weights) for each in found)
    return scaled, plain


def _found(samples: Samples, known: Numbers, probes: Numbers, scores: Floats) -> Searches:
    whose = samples.subjects[probes]
    mated, column = np.isin(whose, known), np.minimum(np.searchsorted(known, whose), len(known) - 1)
    own = np.where(mated, scores[np.arange(len(probes)), column], FAILED).astype(np.float32)
    places = (scores >= own[:, None]).sum(axis=1)
    ranks = np.where(mated, places, np.iinfo(np.int32).max).astype(np.int32)
    return Searches(whose, mated, own, scores.max(axis=1), ranks, len(known))
