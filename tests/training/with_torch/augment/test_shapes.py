"""Masks and glasses lie where the contract puts mouth and eyes, on crops of both contracts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from augmented import REFERENCE, WIDER, drawn, numbers
from torch import Tensor

from mien.bundle.card import Reference
from mien.errors import InputError
from mien.training.augmentation import Augmentation
from mien.training.with_torch.augment.drawn import Face
from mien.training.with_torch.augment.shapes import CLOTHS, masked, shaded

CONTRACTS = [(REFERENCE, (112, 112)), (WIDER, (160, 160))]
MANY = 200


def any_draws() -> Tensor:
    draws = numbers(MANY)
    return draws.copy_(torch.from_numpy(np.random.default_rng(0).random(draws.shape)))


def changed_at(pixels: Tensor, points: np.ndarray[tuple[int, int], np.dtype[np.int64]]) -> Tensor:
    """(n,p): whether every channel at these points is no longer 255."""
    x, y = torch.from_numpy(points).T
    return (pixels[:, :, y, x] < 254).any(1)


@pytest.mark.parametrize(("reference", "size"), CONTRACTS)
def test_a_mask_covers_the_mouth_and_leaves_the_eyes(reference: Reference, size: tuple[int, int]) -> None:
    white = torch.full((MANY, 3, *size), 255.0)
    made = masked(white, drawn(Augmentation(), any_draws(), reference, size))
    points = np.rint(reference.points).astype(np.int64)
    assert changed_at(made, points[3:]).all()
    assert not changed_at(made, points[:2]).any()
    above = int(points[:2, 1].max())
    assert (made[:, :, : above + 1] == 255).all()
    chin = np.array([[size[1] // 2, size[0] - 4]])
    assert changed_at(made, chin).all()
    hidden = (made < 254).any(1).float().mean((1, 2))
    assert hidden.min() > 0.15
    assert hidden.max() < 0.45


@pytest.mark.parametrize(("reference", "size"), CONTRACTS)
def test_glasses_cover_the_eyes_and_leave_nose_and_mouth(reference: Reference, size: tuple[int, int]) -> None:
    white = torch.full((MANY, 3, *size), 255.0)
    made = shaded(white, drawn(Augmentation(), any_draws(), reference, size))
    points = np.rint(reference.points).astype(np.int64)
    eyes = made[:, :, points[:2, 1], points[:2, 0]]
    assert eyes.max() < 110
    assert not changed_at(made, points[2:]).any()
    bridge = np.rint(np.mean(reference.points[:2], axis=0) - [0, size[0] * 0.02]).astype(np.int64)
    assert changed_at(made, bridge[None]).all()


def test_shapes_are_as_large_as_their_numbers_say() -> None:
    """Half the width of a mask is 0.85 to 1.1 of the distance between the eyes."""
    grey = torch.full((2, 3, 112, 112), 0.0)
    made = masked(grey, drawn(Augmentation(), numbers(2, mask__width=[0, 1], mask__shade=1)))
    wide = (made > 0).any(1).any(1).sum(1)
    apart = REFERENCE.points[1][0] - REFERENCE.points[0][0]
    np.testing.assert_allclose(wide.numpy(), [2 * 0.85 * apart, 2 * 1.1 * apart], atol=2)


def test_a_mask_has_the_colour_of_its_cloth() -> None:
    draws = numbers(len(CLOTHS), mask__cloth=(np.arange(len(CLOTHS)) + 0.5) / len(CLOTHS))
    made = masked(torch.zeros(len(CLOTHS), 3, 112, 112), drawn(Augmentation(), draws))
    middle = made[:, :, 85:100, 50:62].mean((2, 3))
    cosine = torch.nn.functional.cosine_similarity(middle, torch.tensor(CLOTHS, dtype=torch.float32))
    assert cosine.min() > 0.9999


def test_a_face_needs_eyes_and_mouth_apart() -> None:
    points = ((10.0, 10.0), (20.0, 10.0), (30.0, 10.0), (40.0, 10.0), (50.0, 10.0))
    with pytest.raises(InputError, match="a face was wanted"):
        Face.of(Reference(points=points), (112, 112))


def test_a_faces_coordinates_follow_a_tilted_reference() -> None:
    quarter = Reference(points=tuple((111 - y, x) for x, y in REFERENCE.points))
    upright, turned = Face.of(REFERENCE, (112, 112)), Face.of(quarter, (112, 112))
    torch.testing.assert_close(turned.across, upright.across.rot90(-1), atol=1e-4, rtol=0)
    torch.testing.assert_close(turned.down, upright.down.rot90(-1), atol=1e-4, rtol=0)
