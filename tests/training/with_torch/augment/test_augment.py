"""The whole: nothing where nothing is asked, every picture for itself, always within 0..255."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import torch
from augmented import REFERENCE, SIZE, numbers, pictures, tensor
from torch import Tensor

from mien.errors import InputError
from mien.training.augmentation import PROBABILITIES, Augmentation, draws
from mien.training.with_torch.augment import OPERATIONS, Augment
from mien.training.with_torch.augment.drawn import Drawn

EVERYTHING = Augmentation(**dict.fromkeys(PROBABILITIES, 0.5))


def drawn_for(count: int, epoch: int = 0) -> Tensor:
    return torch.from_numpy(draws(0, epoch, np.arange(count)))


def test_every_probability_has_its_operation() -> None:
    assert sorted(OPERATIONS) == sorted(PROBABILITIES)


def test_nothing_happens_where_nothing_is_asked() -> None:
    pixels = tensor(pictures(4))
    made = Augment(Augmentation(mirror=0), REFERENCE, SIZE)(
        pixels, numbers(4, **dict.fromkeys(PROBABILITIES, 0))
    )
    assert torch.equal(made, pixels)
    assert made.data_ptr() != pixels.data_ptr()


def test_an_operation_is_for_those_alone_that_drew_it() -> None:
    pixels = tensor(pictures(4))
    made = Augment(Augmentation(), REFERENCE, SIZE)(pixels, numbers(4, mirror=[0.1, 0.5, 0.9, 0.49]))
    wanted = pixels.clone()
    wanted[[0, 3]] = pixels[[0, 3]].flip(3)
    assert torch.equal(made, wanted)


def test_an_operation_that_nobody_drew_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[int] = []

    def counted(pixels: Tensor, drawn: Drawn) -> Tensor:
        ran.append(len(pixels))
        return pixels

    monkeypatch.setitem(OPERATIONS, "jpeg", counted)
    augment = Augment(Augmentation(jpeg=0.3), REFERENCE, SIZE)
    augment(tensor(pictures(4)), numbers(4, jpeg=0.3))
    assert ran == []
    augment(tensor(pictures(4)), numbers(4, jpeg=[0.3, 0.29, 0.9, 0.0]))
    assert ran == [2]


@pytest.mark.parametrize("name", PROBABILITIES)
def test_each_operation_alone_changes_pictures_within_bounds(name: str) -> None:
    extreme = tensor(np.random.default_rng(0).choice(np.array([0, 255], np.uint8), (8, *SIZE, 3)))
    pixels = torch.cat([extreme, tensor(pictures(8))])
    settings = Augmentation(**{"mirror": 0.0, name: 1.0})
    made = Augment(settings, REFERENCE, SIZE)(pixels, drawn_for(16))
    assert made.shape == pixels.shape
    assert made.dtype == torch.float32
    assert made.isfinite().all()
    assert made.min() >= 0
    assert made.max() <= 255.001
    assert ((made - pixels)[8:].abs().amax((1, 2, 3)) > 1).all()


def beside_others_and_apart(settings: Augmentation) -> tuple[Tensor, Tensor]:
    pixels, given = tensor(pictures(12)), drawn_for(12)
    augment = Augment(settings, REFERENCE, SIZE)
    apart = [augment(p, d) for p, d in zip(pixels.split([1, 4, 7]), given.split([1, 4, 7]), strict=True)]
    return augment(pixels, given), torch.cat(apart)


def test_a_picture_does_not_depend_on_those_beside_it() -> None:
    together, apart = beside_others_and_apart(msgspec.structs.replace(EVERYTHING, jpeg=0.0))
    torch.testing.assert_close(apart, together, atol=1e-4, rtol=0)


def test_nor_does_its_jpeg_but_for_rounding() -> None:
    """A number halfway between two may go either way where another batch is summed in another order."""
    together, apart = beside_others_and_apart(EVERYTHING)
    assert ((together - apart).abs() > 1e-4).float().mean() < 1e-3


def test_the_same_draws_give_the_same_pixels() -> None:
    pixels, augment = tensor(pictures(16)), Augment(EVERYTHING, REFERENCE, SIZE)
    before = pixels.clone()
    first, again = augment(pixels, drawn_for(16)), augment(pixels, drawn_for(16))
    assert torch.equal(first, again)
    assert torch.equal(pixels, before)
    assert not torch.equal(first, augment(pixels, drawn_for(16, epoch=1)))


def test_bytes_in_any_memory_order_and_under_autocast_give_the_same() -> None:
    images, augment = pictures(16), Augment(EVERYTHING, REFERENCE, SIZE)
    wanted = augment(tensor(images).contiguous(), drawn_for(16))
    assert torch.equal(augment(torch.from_numpy(images).permute(0, 3, 1, 2), drawn_for(16)), wanted)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(augment(tensor(images), drawn_for(16)), wanted)


def test_it_has_no_state() -> None:
    augment = Augment(EVERYTHING, REFERENCE, SIZE)
    assert not augment.state_dict()
    assert not list(augment.parameters())


def test_pictures_of_another_size_or_number_are_refused() -> None:
    augment = Augment(EVERYTHING, REFERENCE, SIZE)
    for pixels, given in ((tensor(pictures(2, (96, 96))), drawn_for(2)), (tensor(pictures(3)), drawn_for(2))):
        with pytest.raises(InputError, match=r"\(2, 3, 112, 112\) pixels"):
            augment(pixels, given)
    with pytest.raises(InputError, match="draws are wanted"):
        augment(tensor(pictures(2)), torch.zeros(2, 3))
