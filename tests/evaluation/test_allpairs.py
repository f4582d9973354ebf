"""All pairs of strangers, streamed, against the direct way: every two pictures, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from simulated import Pair, every_pair, passing, samples_of, samples_with

from mien.evaluation import allpairs
from mien.evaluation.allpairs import BINS, impostor_pairs
from mien.evaluation.comparisons import WEIGHTINGS, Comparisons
from mien.evaluation.curves import Curve
from mien.evaluation.samples import Samples

CROWDS = [
    pytest.param((3, 1, 2, 5, 1), (), id="some"),
    pytest.param((1,) * 25, (), id="one-picture-each"),
    pytest.param((4, 4, 4, 4), (), id="equally-many-each"),
    pytest.param((40, 2, 1), (), id="one-with-more-than-a-block"),
    pytest.param((6, 5, 4, 3, 2, 1, 1), (0, 7, 8, 15), id="some-not-enrolled"),
    pytest.param((2, 1), (), id="two-people"),
    pytest.param((1, 1), (), id="two-pictures"),
]


@pytest.fixture(params=[(512, 2048), (7, 13)], ids=["whole", "small-blocks"])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks as they are, which hold a small set whole, and blocks that cut through people and groups."""
    monkeypatch.setattr(allpairs, "ROWS", request.param[0])
    monkeypatch.setattr(allpairs, "COLUMNS", request.param[1])


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize(("counts", "failed"), CROWDS)
@pytest.mark.parametrize("seed", range(3))
def test_all_held_is_every_pair_of_strangers(counts: Sequence[int], failed: Sequence[int], seed: int) -> None:
    samples = samples_of(counts, failed=failed, seed=seed)
    direct, streamed = every_pair(samples, same=False), impostor_pairs(samples)
    assert streamed.rest is None
    assert streamed.count == len(direct)
    assert listing(streamed) == pytest.approx(listing_of(direct), rel=1e-12)
    assert sum_of_shares(streamed) == pytest.approx([1, 1], abs=1e-12)


def listing(comparisons: Comparisons) -> NDArray[np.float64]:
    """Rows of picture, picture, score, share by person and by pair, in one order."""
    pictures = np.sort([comparisons.left, comparisons.right], axis=0)
    table = np.stack(
        [*pictures, comparisons.scores, *(comparisons.shares[each] for each in WEIGHTINGS)], axis=1
    )
    return table[np.lexsort(table.T[1::-1])]


def listing_of(pairs: Sequence[Pair]) -> NDArray[np.float64]:
    return np.array([(pair.left, pair.right, pair.score, pair.person, pair.pair) for pair in pairs])


def sum_of_shares(comparisons: Comparisons) -> list[float]:
    rest = comparisons.rest.shares if comparisons.rest is not None else dict.fromkeys(WEIGHTINGS, np.zeros(0))
    return [float(comparisons.shares[each].sum() + rest[each].sum()) for each in WEIGHTINGS]


@pytest.mark.parametrize(("counts", "failed"), CROWDS)
def test_people_are_told_with_their_pictures(counts: Sequence[int], failed: Sequence[int]) -> None:
    samples = samples_of(counts, failed=failed)
    streamed = impostor_pairs(samples)
    assert np.array_equal(streamed.first, samples.subjects[streamed.left])
    assert np.array_equal(streamed.second, samples.subjects[streamed.right])
    assert streamed.people == len(samples.people)
    pictures = np.bincount(samples.subjects[samples.enrolled], minlength=len(counts))
    assert streamed.sizes is not None
    assert streamed.sizes["pair"].tolist() == pictures.tolist()
    assert streamed.sizes["person"].tolist() == (pictures > 0).tolist()


@pytest.mark.parametrize(
    "samples",
    [samples_of([5]), samples_of([]), samples_of([1]), samples_of([2, 2], failed=range(4)), samples_of([0, 3])],
    ids=["one-person", "nobody", "one-picture", "nobody-enrolled", "one-of-two-people"],
)
def test_without_two_people_there_is_no_pair(samples: Samples) -> None:
    none = impostor_pairs(samples)
    assert (len(none), none.count, none.rest) == (0, 0, None)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("hold", [0, 1, 7, 40, 100, 250])
@pytest.mark.parametrize("counts", [(5, 4, 3, 3, 2, 2, 1, 1, 1), (1,) * 24], ids=["some", "one-picture-each"])
def test_what_is_not_held_is_counted(hold: int, counts: Sequence[int]) -> None:
    samples = samples_of(counts, failed=[3], seed=hold)
    direct, streamed = every_pair(samples, same=False), impostor_pairs(samples, hold=hold)
    assert len(streamed) <= hold
    assert streamed.count == len(direct)
    assert sum_of_shares(streamed) == pytest.approx([1, 1], abs=1e-12)
    best = sorted(direct, key=lambda pair: -pair.score)[: len(streamed)]
    assert streamed.scores.tolist() == [pair.score for pair in best]
    assert not len(streamed) or sum(pair.score >= streamed.scores[-1] for pair in direct) == len(streamed)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("hold", [1, 20, 100])
@pytest.mark.parametrize("seed", range(3))
def test_rates_are_exact_at_every_bin_s_edge_and_every_score_held(hold: int, seed: int) -> None:
    samples = samples_of((5, 4, 3, 3, 2, 2, 1, 1, 1, 6), failed=[2, 9], seed=seed)
    direct, streamed = every_pair(samples, same=False), impostor_pairs(samples, hold=hold)
    assert streamed.rest is not None
    for weighting in WEIGHTINGS:
        curve = Curve.of(streamed, weighting)
        for edge in (*streamed.rest.edges[::40], *streamed.scores):
            assert float(curve.rate(edge)) == pytest.approx(passing(direct, weighting, edge), abs=1e-12)


def test_pairs_beside_a_bin_s_edge_are_neither_lost_nor_counted_twice() -> None:
    """OpenCV rounds what lies within a float32's step of an edge up or down, by its place in the array."""
    edge = np.float32((12000.5 - allpairs.MIDDLE) / allpairs.SCALE)
    beside = float(np.nextafter(np.nextafter(edge, np.float32(1)), np.float32(1)))
    within = (12000 - allpairs.MIDDLE) / allpairs.SCALE
    vectors = [(1, 0), *(aslant(beside) for _ in range(10)), *(aslant(within) for _ in range(20)), (-1, 0)]
    streamed = impostor_pairs(samples_with(vectors, range(32), 32), hold=450)
    assert streamed.rest is not None
    assert sum_of_shares(streamed) == pytest.approx([1, 1], abs=1e-12)


def aslant(cosine: float) -> tuple[float, float]:
    return cosine, (1 - cosine**2) ** 0.5


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_nothing_is_lost_where_the_first_bar_was_far_too_low(
    workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allpairs, "ROWS", 7)
    monkeypatch.setattr(allpairs, "COLUMNS", 13)
    monkeypatch.setattr(allpairs, "_first_bar", lambda *_: 1)  # so it rises while blocks are looked at
    alike = samples_with([(1, 0), *[aslant(0.5)] * 25, *[(-1, 0)] * 10], range(36), 36)
    for samples in (samples_of((3, 2, 1) * 15), alike):
        for hold in range(10, 500, 35):
            streamed = impostor_pairs(samples, hold=hold, workers=workers)
            assert len(streamed) <= hold
            assert sum_of_shares(streamed) == pytest.approx([1, 1], abs=1e-12)


def test_rectangles_that_are_larger_than_the_bins_are_counted_alike() -> None:
    samples = samples_of((1,) * 400, seed=5)
    assert len(samples) ** 2 > BINS
    whole, cut = impostor_pairs(samples), impostor_pairs(samples, hold=20_000)
    assert cut.rest is not None
    assert cut.count == whole.count == 400 * 399 // 2
    edges = cut.rest.edges
    for weighting in WEIGHTINGS:
        rates = (Curve.of(each, weighting).rate(edges) for each in (cut, whole))
        assert next(rates) == pytest.approx(next(rates), abs=1e-12)


@pytest.mark.usefixtures("blocks")
def test_the_order_of_the_pictures_changes_nothing() -> None:
    samples = samples_of((5, 4, 3, 2, 1, 1), failed=[4])
    turned = samples.subset(np.random.default_rng(1).permutation(len(samples)))
    one, other = (impostor_pairs(each, hold=30) for each in (samples, turned))
    assert one.rest is not None
    assert other.rest is not None
    assert np.array_equal(one.scores, other.scores)
    assert one.rest.shares["person"] == pytest.approx(other.rest.shares["person"])


@pytest.mark.parametrize("workers", [1, 2, 3, 8, None])
def test_workers_change_nothing(workers: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allpairs, "ROWS", 7)
    monkeypatch.setattr(allpairs, "COLUMNS", 13)
    samples = samples_of((4, 3, 2, 1) * 5)
    assert np.array_equal(
        listing(impostor_pairs(samples, workers=workers)), listing(impostor_pairs(samples, workers=1))
    )


def test_scores_of_real_numbers_are_cosines_held_within_1() -> None:
    samples = samples_of((6, 5, 4, 3, 2, 1), exact=False)
    twin = replace(samples, vectors=np.tile(samples.vectors[0], (len(samples), 1)))
    assert impostor_pairs(twin).scores.max() <= 1
    direct = sorted((pair.score for pair in every_pair(samples, same=False)), reverse=True)
    assert impostor_pairs(samples).scores == pytest.approx(direct, abs=1e-6)


def crowds(rng: np.random.Generator, count: int) -> Iterator[Samples]:
    """Sets of every kind: people with 1 to 9 pictures, up to a fifth of the pictures not enrolled."""
    for seed in range(count):
        counts = rng.integers(1, 10, rng.integers(2, 14))
        pictures = int(counts.sum())
        failed = rng.choice(pictures, rng.integers(0, pictures // 5 + 1), replace=False)
        yield samples_of(counts.tolist(), failed=failed.tolist(), seed=seed)


def test_random_sets_cut_at_random(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(8)
    for samples in crowds(rng, 25):
        rows = int(rng.integers(2, 12))
        monkeypatch.setattr(allpairs, "ROWS", rows)
        monkeypatch.setattr(allpairs, "COLUMNS", rows + int(rng.integers(0, 20)))
        direct = every_pair(samples, same=False)
        assert listing(impostor_pairs(samples)) == pytest.approx(listing_of(direct), rel=1e-12)
        cut = impostor_pairs(samples, hold=int(rng.integers(1, len(direct) + 1)))
        levels = sorted({pair.score for pair in direct})
        for weighting in WEIGHTINGS:
            wanted = [passing(direct, weighting, level - 1 / 128) for level in levels]
            found = Curve.of(cut, weighting).rate(np.array(levels) - 1 / 128)
            assert found == pytest.approx(wanted, abs=1e-12)
