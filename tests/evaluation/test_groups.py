"""Groups of people: against counts by hand and by brute force, and a bias that was planted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest

from mien.errors import InputError
from mien.evaluation.allpairs import impostor_pairs
from mien.evaluation.comparisons import Comparisons, genuine_pairs, listed
from mien.evaluation.groups import groups
from mien.evaluation.intervals import rate_figure
from mien.evaluation.metrics import Trial
from mien.evaluation.resampling import Thinned, drawn_rates
from mien.evaluation.samples import Samples
from mien.evaluation.study import Figure, GroupRates, Groups
from mien.values import Floats

WIDE, NARROW = 0.0, 2.4  # how far the people of a group lean to one side: strangers who lean look alike
DEPTH = 16
Cells = dict[tuple[str, str], GroupRates]
Met = dict[tuple[int, int], list[bool]]  # two people → whether each of their comparisons reached the threshold


def made(vectors: Floats, subjects: Sequence[int], labels: Sequence[str], **more: object) -> Samples:
    n = len(vectors)
    people = tuple(f"p{i}" for i in range(max(subjects) + 1))
    marks = {"enrolled": np.ones(n, bool), **more}
    names = tuple(f"{i}.jpg" for i in range(n))
    return Samples(names, np.array(subjects), people, vectors, groups={"kind": tuple(labels)}, **marks)  # type: ignore[arg-type]


def every_pair(samples: Samples, draws: int = 200, **more: int) -> Trial:
    return Trial(samples, genuine_pairs(samples), impostor_pairs(samples, workers=1, **more), draws)


def cells(found: Groups) -> Cells:
    return {rates.groups: rates for rates in found.rates}


def unit(vectors: np.ndarray) -> Floats:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def angles(degrees: Sequence[float]) -> Floats:
    turned = np.radians(degrees)
    return unit(np.stack([np.cos(turned), np.sin(turned)], axis=1))


def pictured(lean: float, people: int, each: int, rng: np.random.Generator) -> Floats:
    """(people, each, d) pictures of people who lean to one side."""
    centres = rng.normal(size=(people, 1, DEPTH))
    centres[..., 0] += lean
    return unit(unit(centres) + 0.2 * rng.normal(size=(people, each, DEPTH)))


def society(leans: Sequence[float], seed: int, people: int = 70) -> Samples:
    """Groups A, B, … of as many people with 1 to 3 pictures each."""
    rng = np.random.default_rng(seed)
    vectors = np.concatenate([pictured(lean, people, 3, rng) for lean in leans])
    taken = np.arange(3) < rng.integers(1, 4, (len(vectors), 1))
    subjects, _ = np.nonzero(taken)
    return made(vectors[taken], subjects.tolist(), ["ABCDEF"[subject // people] for subject in subjects])


def strangers(lean: float, count: int = 400_000) -> np.ndarray:
    """Rising similarities of people of a group who never met: the truth, when there are enough of them."""
    left, right = (pictured(lean, count, 1, np.random.default_rng(seed))[:, 0] for seed in (98, 99))
    return np.sort(np.einsum("ij,ij->i", left, right))


def uniform_rate(threshold: float) -> float:
    """How often two directions without any lean are so near: cosines have density (1 − x²)^((d − 3)/2)."""
    x = np.linspace(-1, 1, 200_001)
    density = (1 - x**2) ** ((DEPTH - 3) / 2)
    return float(density[x >= threshold].sum() / density.sum())


def holds(figure: Figure, truth: float) -> bool:
    return figure.low is not None and figure.high is not None and figure.low <= truth <= figure.high


def test_planted_bias_is_found() -> None:
    narrow = strangers(NARROW)
    held, ratios = [], []
    for seed in range(8):
        (found,) = groups(every_pair(society((WIDE, NARROW), seed)), [1e-2])
        rates = cells(found)
        truths = uniform_rate(found.threshold), float((narrow >= found.threshold).mean())
        held += [holds(rates[key, key].fmr, truth) for key, truth in zip("AB", truths, strict=True)]
        ratios.append(holds(found.fmr_ratio, truths[1] / truths[0]))
        assert truths[1] > 2.5 * truths[0]
        assert found.fmr_ratio.value is not None
        assert 1 < (found.fmr_ratio.low or 0) < found.fmr_ratio.value
    assert sum(held) >= 14
    assert sum(ratios) >= 7


@pytest.mark.parametrize("leans", [(WIDE, WIDE), (WIDE,) * 5], ids=["two", "five"])
def test_groups_alike_are_not_told_apart(leans: tuple[float, ...]) -> None:
    ratios = [groups(every_pair(society(leans, seed, people=40)), [1e-2])[0] for seed in range(10)]
    assert sum(holds(found.fmr_ratio, 1) for found in ratios) >= 9
    assert sum(holds(found.fnmr_ratio, 1) for found in ratios) >= 9


def by_hand() -> Samples:
    """Ann: 0° x, 10° y. Bo: 5° x, 90° of no group. Cy: 20° y, one x without a face. Di: 100° y, 125° y."""
    vectors = angles([0, 10, 5, 90, 20, 0, 100, 125])
    vectors[5] = 0
    return made(
        vectors, [0, 0, 1, 1, 2, 2, 3, 3], ["x", "y", "x", "", "y", "x", "y", "y"], enrolled=vectors.any(axis=1)
    )


def test_counts_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "mien.evaluation.groups.unsupported", lambda *_: ""
    )  # six pairs show nothing, but add up
    # Of the six pairs of people at 5° ¼ + ¼, at 10° ½ + ¼, 15° ½, 20° ½: 2.25 / 6 = 0.375. Next 35°.
    (found,) = groups(every_pair(by_hand()), [0.4])
    assert found.column == "kind"
    assert found.threshold == pytest.approx(np.cos(np.radians(20)), abs=1e-6)
    rates = cells(found)
    assert list(rates) == [("x", "x"), ("y", "y"), ("x", "y")]
    # x: Ann and Bo at 5°. y: Ann and Cy at 10°; Ann and Di, Cy and Di far apart.
    # x with y: Ann and Bo 5°, Ann and Cy 20°, Bo and Cy 15°; Ann and Di, Bo and Di far apart.
    assert [each.fmr.value for each in found.rates] == pytest.approx([1, 1 / 3, 3 / 5], abs=1e-12)
    assert [each.comparisons for each in found.rates] == [1, 5, 7]
    assert [each.people for each in found.rates] == [2, 3, 4]
    assert rates["x", "x"].fnmr == Figure(why="no two pictures of one person were compared")
    # Di's two are 25° apart, Ann's x and y 10°.
    assert rates["y", "y"].fnmr == rate_figure(1.0, 0.0, 1)
    assert rates["x", "y"].fnmr == Figure(value=0.0, low=0.0, high=1.0)
    assert found.fmr_ratio.value == pytest.approx(3, abs=1e-12)
    assert found.fnmr_ratio == Figure(why="there are too few errors to compare groups by")


def random_trial(seed: int, *, in_list: bool) -> Trial:
    rng = np.random.default_rng(seed)
    subjects = rng.integers(0, 25, 90)
    centres = rng.normal(size=(25, 6))
    vectors = unit(centres[subjects] + 0.8 * rng.normal(size=(90, 6)))
    vectors[rng.random(90) < 0.1] = 0
    samples = made(
        vectors,
        [*subjects[:-1], 24],
        rng.choice(["", "a", "b", "c"], 90).tolist(),
        enrolled=vectors.any(axis=1),
    )
    if not in_list:
        return every_pair(samples, 150)
    left, right = rng.integers(0, 90, (2, 1500)).astype(np.int32)
    apart = samples.subjects[left] != samples.subjects[right]
    both = apart & samples.enrolled[left] & samples.enrolled[right]
    return Trial(samples, genuine_pairs(samples), listed(samples, left[both], right[both]), 150)


def met(samples: Samples, c: Comparisons, threshold: float) -> dict[tuple[str, str], Met]:
    """By groups, going through the comparisons one by one."""
    found: dict[tuple[str, str], Met] = defaultdict(lambda: defaultdict(list))
    labels = samples.groups["kind"]
    for left, right, score in zip(c.left.tolist(), c.right.tolist(), c.scores.tolist(), strict=True):
        low, high = sorted((labels[left], labels[right]))
        if low:
            first, second = sorted((int(samples.subjects[left]), int(samples.subjects[right])))
            found[low, high][first, second].append(score >= threshold)
    return found


@pytest.mark.parametrize("in_list", [False, True], ids=["every pair", "list"])
@pytest.mark.parametrize("seed", range(4))
def test_brute_force_counts_the_same(seed: int, in_list: bool) -> None:
    trial = random_trial(seed, in_list=in_list)
    for found in groups(trial, [0.3, 0.05]):
        impostor, genuine = (met(trial.samples, c, found.threshold) for c in (trial.impostor, trial.enrolled))
        assert set(cells(found)) == set(combinations("abc", 2)) | {(one, one) for one in "abc"}
        for key, rates in cells(found).items():
            assert rates.comparisons == sum(len(each) for each in impostor[key].values())
            assert rates.people == len({person for pair in (*impostor[key], *genuine[key]) for person in pair})
            passed = np.mean([np.mean(x) for x in impostor[key].values()])
            assert rates.fmr.value == pytest.approx(passed, abs=1e-12)
            if genuine[key]:
                assert rates.fnmr is not None
                missed = np.mean([1 - np.mean(x) for x in genuine[key].values()])
                assert rates.fnmr.value == pytest.approx(missed, abs=1e-12)
            else:
                assert rates.fnmr is None


def drawn_by_hand(trial: Trial, pairs: Met) -> Figure:
    """The interval of a rate, by going through draws and pairs of people one by one."""
    parts = {pair: float(np.mean(each)) for pair, each in pairs.items()}
    rate = float(np.mean(list(parts.values())))
    weights = trial.drawn[1].weights.astype(np.float64)
    times = {pair: weights[pair[0]] * (weights[pair[1]] if pair[0] != pair[1] else 1) for pair in parts}
    whole = sum(times.values())
    drawn = sum(times[pair] * part for pair, part in parts.items())[whole > 0] / whole[whole > 0]
    off = np.append((drawn - rate) / np.sqrt((whole > 0).mean()), np.zeros((whole == 0).sum()))
    noise = sum(((part - rate) / len(parts)) ** 2 for (i, j), part in parts.items() if i != j)
    kept = max(off.var() - 2 * noise, min(noise, off.var())) / off.var()
    return rate_figure(rate, float(np.clip(rate + off * np.sqrt(kept), 0, 1).var()), len(parts))


@pytest.mark.parametrize("in_list", [False, True], ids=["every pair", "list"])
def test_intervals_are_those_of_drawing_by_hand(in_list: bool) -> None:
    trial = random_trial(9, in_list=in_list)
    (found,) = groups(trial, [0.2])
    impostor = met(trial.samples, trial.impostor, found.threshold)
    genuine = met(trial.samples, trial.enrolled, found.threshold)
    for key, rates in cells(found).items():
        missed = {pair: [not each for each in passed] for pair, passed in genuine[key].items()}
        for figure, pairs in ((rates.fmr, impostor[key]), (rates.fnmr, missed)):
            if figure and figure.value:
                expected = drawn_by_hand(trial, pairs)
                assert (figure.low, figure.high) == pytest.approx((expected.low, expected.high), rel=1e-3)


def test_a_group_of_everybody_is_the_whole() -> None:
    samples = society((WIDE,), 3)
    trial = every_pair(samples)
    (found,) = groups(trial, [1e-2])
    (rates,) = found.rates
    passed = drawn_rates(
        trial.impostor, Thinned.of(trial.impostor), "person", np.array([found.threshold]), trial.drawn[1]
    )
    whole = float(trial.impostor.shares["person"][trial.impostor.scores >= found.threshold].sum())
    expected = rate_figure(whole, float(passed.var()), 1)
    assert (rates.people, rates.comparisons) == (len(samples.people), trial.impostor.count)
    assert rates.fmr.value == pytest.approx(whole, abs=1e-12)
    assert (rates.fmr.low, rates.fmr.high) == pytest.approx((expected.low, expected.high), rel=1e-4)
    assert found.fmr_ratio.value is None


def paired(wrong: dict[str, tuple[int, int]]) -> Trial:
    """A list of stranger pairs of two-picture somebodies: label → (passing, all)."""
    degrees, labels = list[float](), list[str]()
    for label, (passing, every) in wrong.items():
        for number in range(every):
            degrees += [0, 10 if number < passing else 90]
            labels += [label, label]
    n = len(degrees)
    samples = made(angles(degrees), range(n), labels, known=False)
    left, right = np.arange(n, dtype=np.int32).reshape(-1, 2).T
    empty = np.empty(0, np.int32)
    return Trial(samples, listed(samples, empty, empty), listed(samples, left, right), 300)


def test_where_people_are_not_known_every_pair_counts() -> None:
    (found,) = groups(paired({"a": (6, 40), "b": (3, 60)}), [0.1])
    assert [each.fmr.value for each in found.rates] == pytest.approx([6 / 40, 3 / 60], abs=1e-12)
    assert [(each.people, each.comparisons) for each in found.rates] == [(40, 40), (60, 60)]
    assert [each.groups for each in found.rates] == [("a", "a"), ("b", "b")]
    assert holds(found.fmr_ratio, 3.0)
    assert holds(found.rates[0].fmr, 0.15)


def test_no_error_gives_the_bound_of_the_rule_of_three_and_words_for_the_ratio() -> None:
    (found,) = groups(paired({"a": (60, 100), "b": (0, 100)}), [0.3])
    rates = cells(found)
    assert rates["b", "b"].fmr == Figure(value=0.0, low=0.0, high=0.03)
    assert found.fmr_ratio.value is None
    least = (rates["a", "a"].fmr.low or 0) / 0.03
    assert f"at least {least:.1f} times" in found.fmr_ratio.why
    assert "among “b” (100 pairs of people)" in found.fmr_ratio.why


def test_a_group_too_small_to_show_an_error_is_left_out_of_the_ratio() -> None:
    (found,) = groups(paired({"a": (12, 100), "b": (6, 100), "tiny": (0, 4)}), [0.1])
    assert found.fmr_ratio.value == pytest.approx(2, abs=1e-12)
    assert cells(found)["tiny", "tiny"].fmr == Figure(value=0.0, low=0.0, high=0.75)


def test_equal_groups_have_the_ratio_one() -> None:
    (found,) = groups(paired({"a": (10, 100), "b": (10, 100)}), [0.1])
    assert found.fmr_ratio.value == 1
    assert holds(found.fmr_ratio, 1)


def test_rates_that_cannot_be_shown_are_left_out() -> None:
    samples = society((WIDE, NARROW), 0, people=150)
    whole, best = every_pair(samples), every_pair(samples, hold=5000)
    assert [found.fmr for found in groups(whole, [0.5, 1e-2, 1e-6])] == [0.5, 1e-2]
    assert best.impostor.rest is not None
    (found,) = groups(best, [0.5, 1e-2, 1e-6])  # at 0.5 the threshold lies among those only counted
    assert found == groups(whole, [1e-2])[0]


def test_columns_without_groups_say_nothing_and_too_many_are_refused() -> None:
    samples = society((WIDE,), 0, people=30)
    n = len(samples)

    def with_column(labels: Sequence[str]) -> Trial:
        return every_pair(made(samples.vectors, samples.subjects.tolist(), labels))

    assert groups(with_column([""] * n), [0.1]) == ()
    assert len(groups(with_column([f"{i % 30}" for i in range(n)]), [0.1])[0].rates) == 465
    with pytest.raises(InputError, match="'kind' names 31 groups"):
        groups(with_column([f"{i % 31}" for i in range(n)]), [1e-9])


def test_groups_of_the_same_people_who_err_alike_have_a_ratio_all_the_same() -> None:
    """As with cameras: everybody has a picture of the same kind in both groups, so no draw tells them apart."""
    samples = samples_twice(society((WIDE,), 5))
    (found,) = groups(every_pair(samples), [1e-2])
    assert found.fmr_ratio.value == pytest.approx(1)
    assert found.fmr_ratio.low is not None
    assert found.fmr_ratio.high is not None
    assert found.fmr_ratio.low < 1 < found.fmr_ratio.high


def samples_twice(samples: Samples) -> Samples:
    n = len(samples)
    return made(np.tile(samples.vectors, (2, 1)), np.tile(samples.subjects, 2), ["day"] * n + ["night"] * n)
