"""Crops cut anew out of wider ones, held against the aligner's own warp; pixels as the network takes them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from mien.errors import InputError
from mien.recognition.align import transforms, warp
from mien.training.augmentation import Augmentation, draws
from mien.training.datasets.contract import CropContract, framed, named_contract, square
from mien.training.with_torch.view import Normal, Recrop, View, recrop
from mien.values import Pixels

ARCFACE, FACENET, WIDE = (named_contract(name) for name in ("arcface", "facenet", "wide"))


def smooth(side: int, seed: int = 0) -> Pixels:
    """(side,side,3) uint8: noise so smooth that two ways to interpolate it agree."""
    noise = np.random.default_rng(seed).integers(0, 256, (side, side, 3)).astype(np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), 3)
    low, high = blurred.min(), blurred.max()
    pixels: Pixels = ((blurred - low) / (high - low) * 255).astype(np.uint8)
    return pixels


def planes(pixels: Pixels) -> torch.Tensor:
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float()


def aligned(pixels: Pixels, have: CropContract, want: CropContract) -> Pixels:
    """What the aligner would cut, if the reference points of the wide crop were the landmarks found."""
    landmarks = np.array([have.reference.points], np.float32)
    crop: Pixels = warp(pixels, transforms(landmarks, want.reference), want.size)[0]
    return crop


@pytest.mark.parametrize(
    ("have", "want"),
    [
        (WIDE, ARCFACE),
        (WIDE, square(80)),
        (FACENET, ARCFACE),
        (ARCFACE, FACENET),
        (WIDE, framed(150, 1.1, (10, 4))),
    ],
)
def test_a_crop_is_cut_as_the_aligner_would(have: CropContract, want: CropContract) -> None:
    pixels = smooth(have.size[0])
    found = Recrop(have, want)(planes(pixels)).round()[0].permute(1, 2, 0).numpy()
    apart = np.abs(found - aligned(pixels, have, want).astype(np.float32))
    inside = apart[2:-2, 2:-2]  # at the edge the one fades to black, and so does the other, but not in step
    assert inside.max() <= 2
    assert inside.mean() < 0.3


def test_points_meet_points() -> None:
    pixels = np.zeros((200, 200, 3), np.uint8)
    for x, y in WIDE.reference.points:
        cv2.circle(pixels, (round(x), round(y)), 3, (255, 255, 255), -1)
    found = Recrop(WIDE, ARCFACE)(planes(pixels))[0, 0].numpy()
    for x, y in ARCFACE.reference.points:
        assert found[round(y), round(x)] > 200
    assert (found > 100).sum() < 5 * 40


def test_crops_of_one_contract_stay_as_they_are() -> None:
    known = CropContract(reference=ARCFACE.reference, size=ARCFACE.size, aligner="0" * 64)
    assert isinstance(recrop(ARCFACE, known), nn.Identity)
    assert isinstance(recrop(WIDE, ARCFACE), Recrop)
    same = Recrop(square(32), square(32))(planes(smooth(32)))
    assert torch.allclose(same, planes(smooth(32)), atol=1e-2)


def test_more_than_the_data_hold_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"crops of 200×200 show more of a face than the data's of 112×112: \d\d% would"
    ):
        Recrop(ARCFACE, WIDE)


def test_nothing_of_it_is_kept_in_a_checkpoint() -> None:
    assert Recrop(WIDE, ARCFACE).state_dict() == {}


def test_a_view_is_pixels_as_they_are_where_nothing_is_varied() -> None:
    batch = torch.from_numpy(np.stack([smooth(32, seed) for seed in range(3)]))
    chance = torch.from_numpy(draws(0, 0, np.arange(3)))
    found = View(Augmentation(mirror=0), square(32))(batch, chance)
    assert found.dtype == torch.float32
    assert torch.equal(found, batch.permute(0, 3, 1, 2).float())
    turned = View(Augmentation(mirror=1), square(32))(batch, chance)
    assert torch.equal(turned, batch.permute(0, 3, 1, 2).flip(3).float())


def test_what_is_drawn_decides_and_not_the_place_in_the_batch() -> None:
    settings = Augmentation(mirror=0.5, warp=0.5, colour=0.5, occlusion=0.5)
    batch = torch.from_numpy(np.stack([smooth(32, seed) for seed in range(8)]))
    chance = torch.from_numpy(draws(3, 1, np.arange(8)))
    view = View(settings, square(32))
    whole, parts = view(batch, chance), torch.cat([view(batch[:3], chance[:3]), view(batch[3:], chance[3:])])
    assert torch.allclose(whole, parts, atol=1e-3)
    assert not torch.allclose(whole, view(batch, torch.from_numpy(draws(3, 2, np.arange(8)))), atol=1)


def test_normalised_pixels_are_what_the_card_will_say() -> None:
    pixels = planes(smooth(16))
    found = Normal(127.5, 1 / 127.5)(pixels)
    assert torch.allclose(found, (pixels - 127.5) / 127.5)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert -1 <= float(found.min()) < float(found.max()) <= 1
