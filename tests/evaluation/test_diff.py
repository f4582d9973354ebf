"""Two systems on the same comparisons: true differences are found, chance is called chance, people paired."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from made_study import minimal
from simulated import samples_with

from mien.errors import InputError
from mien.evaluation.diff import Difference, Differences, differences, tar_difference
from mien.evaluation.intervals import percentiles
from mien.evaluation.kept import Kept
from mien.evaluation.metrics import Measured, verification
from mien.evaluation.protocols.pairs import PairList
from mien.evaluation.samples import Samples
from mien.evaluation.study import Figure, System, Weighting
from mien.evaluation.trials import all_pairs

PEOPLE, PICTURES, DIMENSION = 60, 3, 24
RATE = 1e-2
DRAWS = 400


def faces(seed: int = 0, *, people: int = PEOPLE, known: bool = True) -> Samples:
    """People whose pictures lie about a direction of their own."""
    rng = np.random.default_rng(seed)
    subjects = np.repeat(np.arange(people), PICTURES)
    vectors = rng.normal(size=(people, DIMENSION))[subjects] + 0.8 * rng.normal(size=(len(subjects), DIMENSION))
    return samples_with(_unit(vectors), subjects, people, known=known)


def noisy(samples: Samples, strength: float, seed: int) -> Samples:
    """Another system: the same pictures, their vectors moved."""
    noise = np.random.default_rng(seed).normal(size=samples.vectors.shape)
    return replace(samples, vectors=_unit(samples.vectors + strength * noise / DIMENSION**0.5))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def unenrolled(samples: Samples, rows: list[int]) -> Samples:
    enrolled, vectors = samples.enrolled.copy(), samples.vectors.copy()
    enrolled[rows], vectors[rows] = False, 0
    return replace(samples, enrolled=enrolled, vectors=vectors)


def kept(samples: Samples, pairs: PairList | None = None, name: str = "made") -> Kept:
    system = System(name=name, bundle="b" * 64, aligner="a" * 64)
    return Kept(msgspec.structs.replace(minimal(), system=system), samples, pairs)


def some_pairs(samples: Samples, count: int = 400, seed: int = 5) -> PairList:
    """All genuine pairs, and so many of strangers."""
    rng = np.random.default_rng(seed)
    left, right = np.triu_indices(len(samples), 1)
    genuine = samples.subjects[left] == samples.subjects[right]
    rows = np.concatenate([np.flatnonzero(genuine), rng.choice(np.flatnonzero(~genuine), count, replace=False)])
    people = tuple(samples.people[subject] for subject in samples.subjects) if samples.known else None
    numbers = (left[rows].astype(np.int32), right[rows].astype(np.int32))
    return PairList(samples.names, people, *numbers, genuine[rows], np.zeros(len(rows), np.int32))


def with_rows(pairs: PairList, rows: np.ndarray, *, turned: bool = False) -> PairList:
    """These of the pairs, in this order, maybe with the second picture first."""
    sides = (pairs.second, pairs.first) if turned else (pairs.first, pairs.second)
    return PairList(
        pairs.pictures, pairs.people, *(side[rows] for side in sides), pairs.same[rows], pairs.fold[rows]
    )


def row(found: Differences, name: str, fmr: float | None = None, weighting: Weighting = "person") -> Difference:
    return next(r for r in found.rows if (r.name, r.fmr, r.weighting) == (name, fmr, weighting))


def width(figure: Figure) -> float:
    assert figure.low is not None
    assert figure.high is not None
    return figure.high - figure.low


def holds_zero(figure: Figure) -> bool:
    assert figure.low is not None
    assert figure.high is not None
    return figure.low <= 0 <= figure.high


@pytest.fixture(scope="module")
def samples() -> Samples:
    return faces()


@pytest.fixture(scope="module")
def worse(samples: Samples) -> Samples:
    """The same pictures by a system that is clearly worse."""
    return noisy(samples, 0.7, 1)


@pytest.fixture(scope="module")
def found(samples: Samples, worse: Samples) -> Differences:
    return differences(kept(samples, name="first"), kept(worse, name="second"))


def test_a_system_that_is_worse_is_found_worse(found: Differences) -> None:
    for weighting in ("person", "pair"):
        tar, eer, auc = (row(found, *each, weighting) for each in (("TAR", RATE), ("EER", None), ("AUC", None)))
        assert tar.difference.value is not None
        assert tar.difference.value < -0.05
        assert (tar.difference.high or 0) < 0
        assert (eer.difference.low or 0) > 0
        assert (auc.difference.high or 0) < 0


def test_the_other_way_round_it_is_found_better(samples: Samples, worse: Samples, found: Differences) -> None:
    turned = differences(kept(worse), kept(samples))
    one, other = row(found, "TAR", RATE).difference, row(turned, "TAR", RATE).difference
    assert (other.value, other.low, other.high) == pytest.approx((-one.value, -one.high, -one.low))


def test_each_figure_is_the_one_of_the_study_by_itself(
    samples: Samples, worse: Samples, found: Differences
) -> None:
    for side, each in (("first", samples), ("second", worse)):
        for weighting in ("person", "pair"):
            alone = verification(all_pairs(each), weighting)
            point = next(point for point in alone.points if point.fmr == RATE)
            assert getattr(row(found, "TAR", RATE, weighting), side) == point.tar
            assert getattr(row(found, "EER", None, weighting), side) == alone.eer
            assert getattr(row(found, "AUC", None, weighting), side) == alone.auc


def test_a_difference_is_second_minus_first(found: Differences) -> None:
    for each in found.rows:
        assert each.first.value is not None
        assert each.second.value is not None
        assert each.difference.value == pytest.approx(each.second.value - each.first.value)
        assert each.difference.low <= each.difference.value <= each.difference.high


def test_what_was_compared_is_told(found: Differences) -> None:
    pictures = PEOPLE * PICTURES
    genuine = PEOPLE * PICTURES * (PICTURES - 1) // 2
    assert (found.people, found.pictures, found.genuine_pairs) == (PEOPLE, pictures, genuine)
    assert found.impostor_pairs == pictures * (pictures - 1) // 2 - genuine
    assert [system.name for system in found.systems] == ["first", "second"]
    assert (found.protocol, found.data, found.notes) == (minimal().protocol, minimal().data, ())


def test_rates_that_the_comparisons_do_not_support_are_left_out(found: Differences) -> None:
    rates = {each.fmr for each in found.rows if each.name == "TAR" and each.weighting == "pair"}
    assert rates == {1e-1, 1e-2, 1e-3}  # 15,930 pairs of strangers: three at 1.9e-4


def test_chance_is_called_chance() -> None:
    """Two systems of equal strength: the interval leaves out zero in about one of twenty studies."""
    held = []
    for seed in range(40):
        same = faces(100 + seed, people=40)
        pair = (all_pairs(noisy(same, 0.3, 2 * seed + side), draws=DRAWS) for side in (0, 1))
        held.append(holds_zero(tar_difference(*(Measured.of(t, "person") for t in pair), RATE).difference))
    assert sum(held) >= 34


def test_the_same_study_twice_is_no_difference_at_all(samples: Samples) -> None:
    for each in differences(kept(samples), kept(samples)).rows:
        assert (each.difference.value, each.difference.low, each.difference.high) == (0, 0, 0)
        assert each.first == each.second


def test_what_both_share_cancels(samples: Samples) -> None:
    """With people drawn for each system by itself, the interval is wider."""
    pair = (all_pairs(noisy(samples, 0.2, seed), draws=DRAWS) for seed in (3, 4))
    first, second = (Measured.of(each, "person") for each in pair)
    paired = tar_difference(first, second, RATE).difference
    drawn = [1 - each.at(RATE, each.fnmr) for each in (first, second)]
    shuffled = np.random.default_rng(0).permutation(drawn[1])
    alone = percentiles(paired.value or 0.0, shuffled - drawn[0])
    assert width(paired) < 0.8 * width(alone)


def test_the_order_of_pictures_does_not_matter(samples: Samples, worse: Samples, found: Differences) -> None:
    mixed = worse.subset(np.random.default_rng(2).permutation(len(worse)))
    assert differences(kept(samples, name="first"), kept(mixed, name="second")) == found


def test_the_numbering_of_people_does_not_matter(samples: Samples, worse: Samples, found: Differences) -> None:
    numbers = np.random.default_rng(3).permutation(PEOPLE)
    people = tuple(f"called otherwise {i}" for i in range(PEOPLE))
    renumbered = replace(worse, subjects=numbers[worse.subjects], people=people)
    assert differences(kept(samples, name="first"), kept(renumbered, name="second")) == found


def test_pictures_of_one_study_only_are_left_out_and_counted(samples: Samples, worse: Samples) -> None:
    less, fewer = np.arange(2, len(samples)), np.arange(len(samples) - 1)
    found = differences(kept(samples.subset(less)), kept(worse.subset(fewer)))
    both = np.arange(2, len(samples) - 1)
    assert found.pictures == len(both)
    assert found.notes == ("left out, since only one of the studies has them: 3 pictures",)
    assert found.rows == differences(kept(samples.subset(both)), kept(worse.subset(both))).rows


def test_a_saved_study_says_the_same(
    samples: Samples, worse: Samples, found: Differences, tmp_path: Path
) -> None:
    kept(samples, name="first").save(tmp_path / "a")
    kept(worse, name="second").save(tmp_path / "b")
    assert differences(Kept.load(tmp_path / "a"), Kept.load(tmp_path / "b")) == found


def test_a_saved_list_says_the_same(samples: Samples, worse: Samples, tmp_path: Path) -> None:
    pairs = some_pairs(samples)
    kept(samples, pairs).save(tmp_path / "a")
    kept(worse, pairs).save(tmp_path / "b")
    loaded = differences(Kept.load(tmp_path / "a"), Kept.load(tmp_path / "b"))
    assert loaded == differences(kept(samples, pairs), kept(worse, pairs))
    assert (row(loaded, "TAR", 1e-1).difference.high or 0) < 0


@pytest.mark.parametrize("known", [True, False])
def test_the_order_of_a_list_and_of_its_pairs_does_not_matter(known: bool) -> None:
    samples = faces(known=known)
    worse, pairs = noisy(samples, 0.7, 1), some_pairs(samples)
    mixed = np.random.default_rng(4).permutation(len(pairs))
    plain = differences(kept(samples, pairs), kept(worse, pairs))
    turned = differences(kept(samples, pairs), kept(worse, with_rows(pairs, mixed, turned=True)))
    assert {each.weighting for each in plain.rows} == ({"person", "pair"} if known else {"pair"})
    assert turned.notes == ()
    for one, other in zip(plain.rows, turned.rows, strict=True):
        assert other.second.value == pytest.approx(one.second.value)
        assert other.difference.low == pytest.approx(one.difference.low, abs=1e-6)
        assert other.difference.high == pytest.approx(one.difference.high, abs=1e-6)


def test_pairs_of_one_list_only_are_left_out_and_counted(samples: Samples, worse: Samples) -> None:
    pairs = some_pairs(samples)
    less, fewer = np.arange(2, len(pairs)), np.arange(len(pairs) - 1)
    found = differences(kept(samples, with_rows(pairs, less)), kept(worse, with_rows(pairs, fewer)))
    both = with_rows(pairs, np.arange(2, len(pairs) - 1))
    assert found.notes == ("left out, since only one of the lists has them: 3 pairs",)
    assert found.genuine_pairs + found.impostor_pairs == len(both)
    assert found.rows == differences(kept(samples, both), kept(worse, both)).rows


def test_a_pair_that_is_listed_twice_counts_twice_in_both(samples: Samples, worse: Samples) -> None:
    pairs = some_pairs(samples)
    twice = with_rows(pairs, np.append(np.arange(len(pairs)), [0, 0, len(pairs) - 1]))
    found = differences(kept(samples, twice), kept(worse, twice))
    assert found.notes == ()
    assert found.genuine_pairs + found.impostor_pairs == len(twice)


def test_pictures_that_only_one_could_use_show_in_the_generalised_tar(samples: Samples) -> None:
    lost = unenrolled(samples, list(range(0, 60, 3)))  # the first picture of twenty people
    found = differences(kept(samples), kept(lost))
    generalised = row(found, "generalised TAR", RATE)
    whole = row(found, "TAR", RATE)
    assert generalised.first.value == pytest.approx(whole.first.value)
    # Two of three comparisons of a third of the people are refused; the others pass as before, about.
    assert generalised.difference.value == pytest.approx(-2 / 9 * (whole.first.value or 0), abs=0.03)
    assert (generalised.difference.high or 0) < 0
    assert abs(whole.difference.value or 0) < 0.05


def test_without_failures_there_is_no_generalised_tar(found: Differences) -> None:
    assert {each.name for each in found.rows} == {"TAR", "EER", "AUC"}


def _strangers(samples: Samples) -> Samples:
    return replace(samples, names=tuple(f"elsewhere/{name}" for name in samples.names))


def _disagreeing(samples: Samples) -> Samples:
    subjects = samples.subjects.copy()
    subjects[0] = subjects[-1]
    return replace(samples, subjects=subjects)


def _merged(samples: Samples) -> Samples:
    return replace(samples, subjects=np.where(samples.subjects == 1, 0, samples.subjects))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_strangers, "no picture in common: 'person-0/0.jpg' here, 'elsewhere/person-0/0.jpg' there"),
        (_disagreeing, "do not agree on who is who"),
        (_merged, "do not agree on who is who"),
        (lambda samples: replace(samples, known=False), "one study names the people"),
        (lambda samples: unenrolled(samples, list(range(3, len(samples)))), "no two people with a usable face"),
    ],
)
def test_what_cannot_be_compared_says_why(
    samples: Samples, change: Callable[[Samples], Samples], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        differences(kept(samples), kept(change(samples)))


def test_two_people_in_one_study_are_not_one_in_the_other(samples: Samples) -> None:
    with pytest.raises(InputError, match="do not agree on who is who"):
        differences(kept(_merged(samples)), kept(samples))


def test_all_pairs_and_a_list_are_not_compared(samples: Samples) -> None:
    listed = kept(samples, some_pairs(samples))
    for each in ((kept(samples), listed), (listed, kept(samples))):
        with pytest.raises(InputError, match="one study compares all pairs, the other a list"):
            differences(*each)


def test_lists_without_a_common_pair_are_not_compared(samples: Samples) -> None:
    pairs = some_pairs(samples)
    rows = np.arange(len(pairs))
    ends = (with_rows(pairs, rows[::2]), with_rows(pairs, rows[1::2]))
    with pytest.raises(InputError, match="no pair in common"):
        differences(*(kept(samples, each) for each in ends))


def test_lists_of_pictures_that_are_not_in_both_are_not_compared(samples: Samples) -> None:
    """Pictures in common, but every listed pair has one that is not."""
    pairs = some_pairs(samples)
    first = with_rows(pairs, np.flatnonzero((pairs.first == 0) | (pairs.second == 0)))
    there = samples.subset(np.arange(1, len(samples)))
    with pytest.raises(InputError, match="no pair in common"):
        differences(kept(samples, first), kept(there, some_pairs(there)))


def test_lists_that_disagree_on_a_pair_are_not_compared() -> None:
    samples = faces(known=False)
    pairs = some_pairs(samples)
    marks = pairs.same.copy()
    marks[-1] = True
    with pytest.raises(InputError, match="which pairs show one person"):
        differences(kept(samples, pairs), kept(samples, replace(pairs, same=marks)))
