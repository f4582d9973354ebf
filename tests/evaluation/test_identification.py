"""1:N, held against searches worked out by hand and by brute force."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mien.errors import InputError
from mien.evaluation import identification
from mien.evaluation.identification import Searches, from_lists, open_set
from mien.evaluation.samples import Numbers, Samples
from mien.evaluation.study import FPIRS, RANKS, Figure, Identification
from mien.fusion import RULE

ANN, BOB = 0, 1
Row = tuple[int, float, float]  # person, similarity to Ann's template, to Bob's


def samples(subjects: Sequence[int], vectors: Any, enrolled: Any = True) -> Samples:
    n = len(subjects)
    marks = np.broadcast_to(np.array(enrolled, bool), n)
    return Samples(
        names=tuple(map(str, range(n))),
        subjects=np.array(subjects, np.int32),
        people=tuple(f"person {i}" for i in range(max(subjects, default=-1) + 1)),
        vectors=np.where(marks[:, None], np.array(vectors, np.float32), 0),
        enrolled=marks,
    )


def scored(rows: Sequence[Row], failed: Sequence[int] = ()) -> Samples:
    """Ann's and Bob's templates in rows 0 and 1, then probes with these similarities to them, to the bit."""
    vectors = [(1, 0, 0), (0, 1, 0)] + [(a, b, (1 - a * a - b * b) ** 0.5) for _, a, b in rows]
    marks = [i not in failed for i in range(len(vectors))]
    return samples([ANN, BOB] + [person for person, _, _ in rows], vectors, marks)


def strangers(count: int = 30) -> list[Row]:
    """As many people, a picture of each, the i-th of whom scores i/100."""
    return [(2 + i, (i + 1) / 100, 0.0) for i in range(count)]


def searched(rows: Sequence[Row], failed: Sequence[int] = ()) -> Identification:
    made = scored(rows, failed)
    return from_lists(made, [np.array([0, 1])], np.arange(2, len(made)))


def single(score: float) -> float:
    """A score as a float32 holds it."""
    return float(np.float32(score))


def values(found: Identification) -> list[float | None]:
    """Shares found at the ranks, then threshold and FNIR at each FPIR."""
    shares = [figure.value for _, figure in found.ranks]
    return shares + [figure.value for _, *figures in found.fnirs for figure in figures]


def figures(found: Identification) -> list[Figure]:
    return [figure for _, figure in found.ranks] + [figure for _, *both in found.fnirs for figure in both]


def exact(people: int, d: int = 40, most: int = 5, seed: int = 0) -> Samples:
    """People whose similarities are whole sixteenths: without any rounding, and with many ties."""
    rng = np.random.default_rng(seed)
    subjects = np.repeat(np.arange(people), rng.integers(1, most + 1, people))
    vectors = np.zeros((len(subjects), d))
    for person in range(people):
        places, signs = rng.permutation(d)[:16], rng.choice([-1, 1], 16)
        for row in np.flatnonzero(subjects == person):
            flipped = np.where(rng.random(16) < 0.2, -1, 1)
            vectors[row, places] = signs * flipped / 4
    return samples(subjects.tolist(), vectors, rng.random(len(subjects)) > 0.05)


def population(people: int, seed: int, noise: float = 0.6, d: int = 24) -> Samples:
    rng = np.random.default_rng(seed)
    subjects = np.repeat(np.arange(people), rng.integers(1, 5, people))
    spread = noise * np.exp(0.3 * rng.normal(size=people))[subjects]
    vectors = rng.normal(size=(people, d))[subjects] + spread[:, None] * rng.normal(size=(len(subjects), d))
    return samples(subjects.tolist(), vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def test_worked_out_on_paper() -> None:
    # Of 30 strangers 3 may pass at FPIR 1e-1: those with 0.30, 0.29 and 0.28, which is the threshold.
    found = searched(
        [
            (ANN, 0.5, 0.2),  # found
            (ANN, 0.28, 0.1),  # found, just
            (ANN, 0.27, 0.1),  # not reached, though first
            (BOB, 0.6, 0.5),  # reached, though second
            *strangers(),
        ]
    )
    assert (found.splits, found.gallery, found.mated, found.unmated, found.fusion) == (1, 2, 4, 30, RULE)
    assert [rank for rank, _ in found.ranks] == list(RANKS)
    assert [rate for rate, _, _ in found.fnirs] == list(FPIRS)
    first, fifth, tenth, threshold, fnir, *_ = values(found)
    assert (first, fifth, tenth) == (0.5, 1, 1)  # Ann always, Bob never
    assert threshold == single(0.28)
    assert fnir == pytest.approx((1 / 3 + 1) / 2, abs=1e-12)


def test_every_person_counts_once() -> None:
    rows = strangers()[:-2]
    # Two people have four pictures, of which one scores high: half a person together. With 0.28 and 0.27 that
    # makes 2.5 of 30; of 36 pictures, 0.27 would be the fourth, and too many.
    quarters = [(person, score, 0.0) for person in (30, 31) for score in (0.9, -0.5, -0.5, -0.5)]
    found = searched([(ANN, 0.5, 0), *rows, *quarters])
    assert (found.unmated, values(found)[3]) == (36, single(0.27))
    # Four high pictures of one person are one person.
    whole = [(person, score, 0.0) for person, score in ((30, 0.29), (31, 0.9), (31, 0.9), (31, 0.9), (31, 0.9))]
    found = searched([(ANN, 0.5, 0), *rows, *whole])
    assert (found.unmated, values(found)[3]) == (33, single(0.28))


def test_a_threshold_is_shared_by_ties_or_by_none() -> None:
    tied = [(person, min(score, 0.27), b) for person, score, b in strangers()]  # four share the highest score
    found = searched([(ANN, 0.27, 0), (BOB, 0, 0.28), *tied])
    assert values(found)[3] == np.nextafter(np.float32(0.27), np.float32(1))  # at 0.27 too many would pass
    assert values(found)[4] == 0.5


def test_a_tie_with_another_person_counts_against_the_own_one() -> None:
    found = searched([(ANN, 0.5, 0.5), (BOB, 0.1, 0.5), *strangers()])
    assert values(found)[:2] == [0.5, 1]
    assert values(found)[4] == 0.5


def test_who_cannot_be_enrolled_is_missed_and_raises_no_alarm() -> None:
    rows = [(ANN, 0.5, 0.0), (ANN, 0.6, 0.0), (BOB, 0.0, 0.5), *strangers(40)]
    plain = searched(rows)
    assert values(plain)[:1] + values(plain)[3:5] == [1, single(0.37), 0]
    probe = searched(rows, failed=[2])  # one of Ann's two
    assert values(probe)[:1] + values(probe)[3:5] == [0.75, single(0.37), 0.25]
    template = searched(rows, failed=[1])  # Bob's only one
    assert values(template)[:3] == [0.5, 0.5, 0.5]
    assert (template.gallery, template.mated, values(template)[4]) == (2, 3, 0.5)
    stranger = searched(rows, failed=[len(rows) + 1])  # the highest: now 4 of 40 are those down to 0.36
    assert (stranger.unmated, values(stranger)[3]) == (40, single(0.36))


def test_what_few_strangers_cannot_show_is_refused_in_words() -> None:
    found = searched([(ANN, 0.5, 0.0), *strangers(30)], failed=[3])
    assert "FPIR 1e-1 needs 30 people" in found.fnirs[0][1].why
    assert "29 were searched for" in found.fnirs[0][2].why
    found = searched([(ANN, 0.5, 0.0), *strangers(30)])
    assert found.fnirs[0][2].value == 0
    assert "FPIR 1e-2 needs 300 people" in found.fnirs[1][2].why


def test_searches_for_nobody_known_and_for_nobody_else() -> None:
    found = searched(strangers())
    assert found.mated == 0
    assert all("nobody who was searched for" in figure.why for _, figure in found.ranks)
    assert found.fnirs[0][1].value == single(0.28)
    assert "nobody who was searched for" in found.fnirs[0][2].why
    found = searched([(ANN, 0.5, 0.0), (BOB, 0.5, 0.4)])
    assert values(found)[:3] == [0.5, 1, 1]
    assert all("0 were searched for" in fnir.why for _, _, fnir in found.fnirs)


def test_nothing_could_be_enrolled() -> None:
    rows = [(ANN, 0.5, 0.0), (BOB, 0.0, 0.5), *strangers()]
    found = searched(rows, failed=range(len(rows) + 2))
    assert values(found) == [0, 0, 0] + [None] * 6
    found = open_set(samples([0, 0, 1, 1, 2, 2, 3], np.eye(7), enrolled=False))
    assert values(found) == [0, 0, 0] + [None] * 6


def brute(made: Samples, gallery: Numbers, probes: Numbers) -> NDArray[np.float64]:
    """The figures of one split in loops; NaN for none."""
    people = sorted({int(made.subjects[i]) for i in gallery})
    means = {}
    for person in people:
        rows = [
            made.vectors[i].astype(float) for i in gallery if made.subjects[i] == person and made.enrolled[i]
        ]
        if rows:
            means[person] = np.sum(rows, axis=0) / np.linalg.norm(np.sum(rows, axis=0))
    alarms: dict[int, list[float]] = {}
    own: dict[int, list[tuple[float, float]]] = {}
    for i in probes:
        person = int(made.subjects[i])
        scores = {p: float(made.vectors[i] @ m) for p, m in means.items() if made.enrolled[i]}
        if person not in people:
            alarms.setdefault(person, []).append(max(scores.values(), default=-9.0))
            continue
        mine = scores.get(person, -9.0)
        rank = (
            1 + sum(score >= mine for p, score in scores.items() if p != person) if person in scores else np.inf
        )
        own.setdefault(person, []).append((mine, rank))
    shares = [averaged([[rank <= most for _, rank in each] for each in own.values()]) for most in RANKS]
    pairs = []
    for rate in FPIRS:
        passing = [t for each in alarms.values() for t in each if rate >= share(alarms, t) - 1e-9]
        threshold = min(passing, default=just_above(alarms))
        pairs += [threshold, averaged([[s < threshold or r > 1 for s, r in each] for each in own.values()])]
    supported = [rate * len([each for each in alarms.values() if max(each) > -9]) >= 3 - 1e-9 for rate in FPIRS]
    return np.where([True] * 3 + [s for s in supported for _ in range(2)], [*shares, *pairs], np.nan)


def just_above(alarms: dict[int, list[float]]) -> float:
    return float(np.nextafter(np.float32(max(map(max, alarms.values()))), np.float32(2)))


def averaged(people: list[list[bool]]) -> float:
    return sum(sum(each) / len(each) for each in people) / len(people)


def share(alarms: dict[int, list[float]], threshold: float) -> float:
    return averaged([[score >= threshold for score in each] for each in alarms.values()])


@pytest.mark.parametrize(("people", "templates", "seed"), [(80, 1, 0), (120, 1, 1), (90, 1, 2)])
def test_open_set_by_brute_force(
    people: int, templates: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = exact(people, seed=seed)
    splits = recorded(monkeypatch)
    found = open_set(made, templates=templates, splits=3, seed=seed, draws=5)
    wanted = np.mean([brute(made, *split) for split in splits], axis=0)
    assert found.splits == len(splits) == 3
    given = np.array([np.nan if value is None else value for value in values(found)])
    np.testing.assert_allclose(given, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("templates", [1, 2, 3])
def test_several_templates_by_brute_force(templates: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = population(100, seed=templates, noise=0.9)
    splits = recorded(monkeypatch)
    found = open_set(made, templates=templates, splits=2, draws=5)
    wanted = np.mean([brute(made, *split) for split in splits], axis=0)
    given = np.array([np.nan if value is None else value for value in values(found)])
    np.testing.assert_allclose(given[[0, 1, 2, 4]], wanted[[0, 1, 2, 4]], rtol=0, atol=1e-12)
    assert given[3] == pytest.approx(wanted[3], abs=1e-6)  # a float32


def recorded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Numbers, Numbers]]:
    """The splits that are searched from now on."""
    splits: list[tuple[Numbers, Numbers]] = []

    class Recording(Searches):
        @classmethod
        def of(cls, samples: Samples, gallery: Numbers, probes: Numbers) -> Searches:  # type: ignore[override]
            splits.append((gallery, probes))
            return Searches.of(samples, gallery, probes)

    monkeypatch.setattr(identification, "Searches", Recording)
    return splits


@pytest.mark.parametrize("templates", [1, 2])
def test_how_people_are_split(templates: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = exact(41, seed=3)
    counts = np.bincount(made.subjects)
    splits = recorded(monkeypatch)
    open_set(made, templates=templates, splits=6, draws=2)
    for gallery, probes in splits:
        assert sorted([*gallery, *probes]) == list(range(len(made)))
        held = np.bincount(made.subjects[gallery], minlength=41)
        known = held > 0
        assert known.sum() == 21
        np.testing.assert_array_equal(held[known], np.minimum(counts[known], templates))
        several = counts > templates
        assert abs(2 * (known & several).sum() - several.sum()) <= 1
    assert len({tuple(sorted(gallery)) for gallery, _ in splits}) == 6
    assert len({tuple(np.unique(made.subjects[gallery])) for gallery, _ in splits}) == 6


def test_two_galleries_are_averaged() -> None:
    made = scored([(ANN, 0.5, 0.1), (BOB, 0.2, 0.1), *strangers(40)])
    probes = np.arange(2, len(made))
    alone = [from_lists(made, [np.array([i])], probes) for i in (0, 1)]
    both = from_lists(made, [np.array([0]), np.array([1])], probes)
    assert (both.splits, both.gallery, both.mated, both.unmated) == (2, 1, 1, 41)
    wanted = np.mean([values(each)[:5] for each in alone], axis=0)
    np.testing.assert_allclose(np.array(values(both)[:5], float), wanted, atol=1e-12)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    made = exact(90)
    whole = open_set(made, splits=2, draws=20)
    monkeypatch.setattr(identification, "BLOCK", 300)
    small = open_set(made, splits=2, draws=20)
    assert values(small) == pytest.approx(values(whole), abs=1e-12)
    assert figures(small)[0].low == pytest.approx(figures(whole)[0].low, abs=1e-12)


def test_the_seed_decides() -> None:
    made = exact(80)
    assert open_set(made, splits=2, seed=4, draws=20) == open_set(made, splits=2, seed=4, draws=20)
    assert open_set(made, splits=2, seed=4, draws=20) != open_set(made, splits=2, seed=5, draws=20)


def test_work_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    made = exact(80)
    monkeypatch.setattr(identification, "WORK", 3.5 * len(made) * 40)
    assert open_set(made, draws=2).splits == 3
    monkeypatch.setattr(identification, "WORK", 1)
    assert open_set(made, draws=2).splits == 1


@pytest.mark.parametrize(
    ("subjects", "templates", "why"),
    [
        ([0, 0, 1, 2], 1, "3 people are too few"),
        ([], 1, "0 people are too few"),
        ([0, 1, 2, 3], 1, "no person has two pictures"),
        ([0, 0, 1, 1, 2, 3], 2, "no person has 3 pictures"),
    ],
)
def test_refusals_in_words(subjects: list[int], templates: int, why: str) -> None:
    found = open_set(samples(subjects, np.eye(len(subjects), max(len(subjects), 1))), templates=templates)
    assert (found.splits, found.gallery, found.mated, found.unmated) == (0, 0, 0, 0)
    assert all(why in figure.why and figure.value is None for figure in figures(found))
    assert len(figures(found)) == len(RANKS) + 2 * len(FPIRS)


def test_the_smallest_set_that_can_be_measured() -> None:
    made = samples([0, 0, 1, 2, 3], np.eye(5)[[0, 0, 1, 2, 3]])
    found = open_set(made, splits=3, draws=10)
    assert values(found)[:3] == [1, 1, 1]
    assert (found.gallery, found.mated, found.unmated) == (2, 1, 2)


def test_what_cannot_be_asked() -> None:
    made = exact(20)
    with pytest.raises(InputError, match="0 templates and 20 splits given"):
        open_set(made, templates=0)
    with pytest.raises(InputError, match="1 templates and 0 splits given"):
        open_set(made, splits=0)
    with pytest.raises(InputError, match="galleries: none given"):
        from_lists(made, [], np.arange(len(made)))


def test_figures_lie_in_their_intervals() -> None:
    found = open_set(exact(100), splits=3, draws=50)
    stated = [figure for figure in figures(found) if figure.value is not None]
    assert len(stated) == 5
    for figure in stated:
        assert figure.low is not None
        assert figure.high is not None
        assert figure.low <= figure.value <= figure.high
        assert figure.low < figure.high
    assert all(0 <= (figure.low or 0) <= (figure.high or 0) <= 1 for _, figure in found.ranks)


def test_intervals_cover_the_truth() -> None:
    """Populations drawn from one kind of people: about 95 of 100 intervals hold what all give together."""
    many = [figures(open_set(population(200, seed), splits=5, draws=60, seed=seed))[:5] for seed in range(60)]
    for kind in (0, 3, 4):  # rank 1, threshold and FNIR at FPIR 1e-1
        low, value, high = np.array([(f[kind].low, f[kind].value, f[kind].high) for f in many], float).T
        truth = value.mean()
        assert ((low <= truth) & (truth <= high)).mean() >= 0.88
        assert (high - low).mean() < 1.5 * 2 * 1.96 * value.std()


def test_a_smaller_gallery_leaves_the_rest_of_its_half_out() -> None:
    rng = np.random.default_rng(3)
    vectors = np.repeat(rng.normal(size=(80, 8)), 3, axis=0) + 0.5 * rng.normal(size=(240, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names, people = tuple(map(str, range(240))), tuple(map(str, range(80)))
    samples = Samples(names, np.repeat(np.arange(80, dtype=np.int32), 3), people, vectors, np.ones(240, bool))
    small, whole = open_set(samples, gallery=5), open_set(samples)
    assert (small.gallery, whole.gallery) == (5, 40)
    assert (small.mated, whole.mated) == (10, 80)
    assert small.unmated == whole.unmated == 120
    # Fewer people to be taken for: the same rate of false alarms at a lower score.
    few, many = (found.fnirs[0][1].value for found in (small, whole))
    assert few is not None
    assert many is not None
    assert few < many
