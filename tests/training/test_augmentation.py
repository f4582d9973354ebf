"""The recipe's numbers are checked, and what is drawn for a picture is even, independent and its own."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.training.augmentation import COLUMNS, LIMITS, PROBABILITIES, Augmentation, draws

WHOLE = st.integers(0, 2**63 - 1)


def test_the_default_mirrors_half_and_does_nothing_else() -> None:
    default = Augmentation()
    assert {name: getattr(default, name) for name in PROBABILITIES if getattr(default, name)} == {"mirror": 0.5}


def test_every_field_is_a_probability_or_has_limits() -> None:
    fields = {field.name for field in msgspec.structs.fields(Augmentation)}
    assert fields == set(PROBABILITIES) | set(LIMITS)


def test_a_recipe_states_only_what_differs() -> None:
    read = msgspec.toml.decode(b"jpeg = 0.2\njpeg_quality = [30, 80]", type=Augmentation)
    assert read == Augmentation(jpeg=0.2, jpeg_quality=(30.0, 80.0))


@pytest.mark.parametrize("name", PROBABILITIES)
def test_a_probability_lies_within_0_and_1(name: str) -> None:
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=f"{name}: 0 to 1 is possible"):
            Augmentation(**{name: wrong})


@pytest.mark.parametrize("name", LIMITS)
def test_a_strength_lies_within_its_limits_and_in_order(name: str) -> None:
    low, high = LIMITS[name]
    pair = isinstance(getattr(Augmentation(), name), tuple)
    Augmentation(**{name: (low, high) if pair else high})
    with pytest.raises(ValueError, match=f"{name}: .* is possible"):
        Augmentation(**{name: (low, high + 1) if pair else high + 1})
    if pair:
        with pytest.raises(ValueError, match=f"{name}: the lower limit comes first"):
            Augmentation(**{name: (high, low)})


def test_an_unknown_or_wrong_number_in_a_recipe_is_named() -> None:
    with pytest.raises(msgspec.ValidationError, match="gloss"):
        msgspec.toml.decode(b"gloss = 0.2", type=Augmentation)
    with pytest.raises(msgspec.ValidationError, match=r"blur_sigma: 0\.05 to 20"):
        msgspec.toml.decode(b"blur_sigma = [0, 2]", type=Augmentation)


@given(WHOLE, WHOLE, st.lists(WHOLE, min_size=1, max_size=20))
def test_a_pictures_numbers_depend_on_nothing_around_it(seed: int, epoch: int, pictures: list[int]) -> None:
    together = draws(seed, epoch, pictures)
    assert together.shape == (len(pictures), len(COLUMNS))
    assert together.dtype == np.float32
    assert ((together >= 0) & (together < 1)).all()
    alone = np.concatenate([draws(seed, epoch, [picture]) for picture in pictures])
    np.testing.assert_array_equal(together, alone)


@given(WHOLE, WHOLE, WHOLE)
def test_another_seed_epoch_or_picture_gives_other_numbers(seed: int, epoch: int, picture: int) -> None:
    four = np.concatenate(
        [
            draws(seed, epoch, [picture]),
            draws(seed + 1, epoch, [picture]),
            draws(seed, epoch + 1, [picture]),
            draws(seed, epoch, [picture ^ 1]),
        ]
    )
    # of 45 columns with 24 bits each, one may meet by chance, three do not
    for one, other in ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)):
        assert (four[one] == four[other]).sum() < 3


def test_these_numbers_stay_what_they_are() -> None:
    """Runs are repeated by them: a new augmentation adds columns and moves none."""
    row = dict(zip(COLUMNS, draws(7, 3, [11])[0].tolist(), strict=True))
    assert [row[name] for name in ("mirror", "warp.rotation", "jpeg.quality")] == [
        0.05674058198928833,
        0.06278079748153687,
        0.6853131055831909,
    ]


def test_numbers_are_even_and_independent() -> None:
    """Over 40,000 pictures: each column even in 50 bins, no two columns and no two neighbours correlated."""
    many = draws(1, 2, np.arange(40_000))
    n, k = many.shape
    for column in many.T:
        counts = np.histogram(column, 50, (0, 1))[0]
        # chi-squared with 49 degrees of freedom exceeds 112 less than once in a million
        assert ((counts - n / 50) ** 2 / (n / 50)).sum() < 112
    limit = 6 / np.sqrt(n)  # six standard deviations of a correlation by chance
    assert np.abs(np.corrcoef(many.T) - np.eye(k)).max() < limit
    both = np.corrcoef(many[:-1].T, many[1:].T)[:k, k:]
    assert np.abs(both).max() < limit


def test_numbers_of_neighbouring_epochs_and_seeds_are_independent() -> None:
    pictures = np.arange(20_000)
    first, *others = (draws(seed, epoch, pictures).ravel() for seed, epoch in ((0, 0), (0, 1), (1, 0), (1, 1)))
    for other in others:
        assert abs(np.corrcoef(first, other)[0, 1]) < 6 / np.sqrt(first.size)
