"""Augmentation on the training device: one operation a function, each for many pictures at once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mien.bundle.card import Reference
from mien.errors import InputError
from mien.training.augmentation import COLUMNS, Augmentation
from mien.training.with_torch.augment.colour import coloured, greyed
from mien.training.with_torch.augment.drawn import PLACES, Drawn, Face, Operation
from mien.training.with_torch.augment.geometry import cropped, mirrored, occluded, warped
from mien.training.with_torch.augment.resolution import blurred, coarsened, compressed, smeared
from mien.training.with_torch.augment.shapes import masked, shaded

__all__ = ["OPERATIONS", "Augment"]

# In the order of a photograph: what is worn, how it is framed and lit, the lens, the sensor, the file.
OPERATIONS: dict[str, Operation] = {
    "mask": masked,
    "sunglasses": shaded,
    "mirror": mirrored,
    "warp": warped,
    "occlusion": occluded,
    "crop": cropped,
    "colour": coloured,
    "grey": greyed,
    "blur": blurred,
    "motion": smeared,
    "low_resolution": coarsened,
    "jpeg": compressed,
}


class Augment(nn.Module):
    """Pictures varied as `settings` say, for crops that follow `reference` and have `size` (height, width).

    It learns nothing and has no state. InputError where the reference has not the places of a face.
    """

    across: Tensor
    down: Tensor

    def __init__(self, settings: Augmentation, reference: Reference, size: tuple[int, int]) -> None:
        super().__init__()
        self.settings = settings
        self.size = size
        self.operations = {name: make for name, make in OPERATIONS.items() if getattr(settings, name) > 0}
        face = Face.of(reference, size)
        self.face_pixels = face.pixels
        self.register_buffer("across", face.across, persistent=False)
        self.register_buffer("down", face.down, persistent=False)

    @torch.no_grad()
    def forward(self, pixels: Tensor, draws: Tensor) -> Tensor:
        """(n,3,h,w) RGB in 0..255, float or uint8, on this module's device → as many float32 in 0..255.

        draws: (n,k) float32 from `mien.training.augmentation.draws`. Leave them on the CPU: which pictures an
        operation is for is decided there, and a GPU need not be waited for. The numbers are float32 under
        autocast too.
        """
        self._check(pixels, draws)
        with torch.autocast(pixels.device.type, enabled=False):
            varied = pixels.to(torch.float32, memory_format=torch.contiguous_format, copy=True)
            face = Face(self.across, self.down, self.face_pixels)
            drawn = Drawn(self.settings, face, draws.to(varied.device))
            chosen = draws.cpu()
            for name, operation in self.operations.items():
                rows = torch.nonzero(chosen[:, PLACES[name]] < getattr(self.settings, name))[:, 0]
                if len(rows):
                    rows = rows.to(varied.device)
                    varied.index_copy_(0, rows, operation(varied[rows], drawn.of(rows)))
        return varied

    def _check(self, pixels: Tensor, draws: Tensor) -> None:
        wanted = (len(draws), 3, *self.size)
        if tuple(pixels.shape) != wanted or tuple(draws.shape[1:]) != (len(COLUMNS),):
            raise InputError(
                f"augmentation: {wanted} pixels and ({len(draws)},{len(COLUMNS)}) draws are wanted, "
                f"{tuple(pixels.shape)} and {tuple(draws.shape)} given"
            )
