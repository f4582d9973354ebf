"""A teacher bundle's vectors of the very pictures that the student sees.

Teacher and student see one view of a face, varied alike: a teacher that is consistent teaches more than one
whose answers were written down beforehand (Beyer et al. 2022, Knowledge distillation: a good teacher is
patient and consistent).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mien.bundle.bundle import Bundle, require_task
from mien.bundle.card import EmbedCard
from mien.bundle.runtime import Runtime
from mien.errors import CardError, InputError
from mien.recognition.embed import Embedder
from mien.training.datasets.contract import CropContract
from mien.training.distillation_settings import AnyDistillation
from mien.training.recipe import Distil
from mien.training.with_torch.losses.distillation import distilled
from mien.training.with_torch.losses.partial_fc import generator_for
from mien.training.with_torch.objectives import Objective
from mien.training.with_torch.view import recrop


class Teacher:
    """An embedder that looks at training pictures: (n,3,h,w) float in 0..255, cut to `have` → (n,e) unit
    vectors.
    """

    def __init__(self, bundle: Bundle, have: CropContract, runtime: Runtime) -> None:
        require_task(bundle, EmbedCard, "a teacher")
        card = bundle.card
        if not isinstance(card, EmbedCard) or card.input.size is None:  # both held by the card itself
            raise CardError(f"{bundle.folder}: the card names no crop")
        self.dimension = card.dimension
        self._recrop = recrop(have, CropContract(reference=card.reference, size=card.input.size))
        self._embed = Embedder(bundle, runtime)

    @torch.no_grad()
    def __call__(self, pixels: Tensor) -> Tensor:
        """The vectors, on the pixels' device."""
        crops = self._recrop.to(pixels.device)(pixels).round().clamp(0, 255).to(torch.uint8)
        vectors, _ = self._embed(crops.permute(0, 2, 3, 1).contiguous().cpu().numpy())
        return torch.from_numpy(vectors).to(pixels.device)


class Teaching(Objective):
    """The student's features drawn to what the teacher makes of the same view.

    settings.mixed: so large a share of the faces are blended with another of the batch, evenly drawn, before
    both look at them (mixup, Zhang et al. 2018, as Beyer et al. use it): few pictures become many.
    """

    def __init__(self, prepare: nn.Module, teacher: Teacher, settings: Distil, dimension: int) -> None:
        super().__init__(prepare)
        require_fitting(settings.losses, dimension, teacher.dimension)
        self.teacher, self._settings = teacher, settings
        self._draw = (0, 0)

    def begin_step(self, seed: int, step: int) -> None:
        """See `Objective`."""
        self._draw = (seed, step)

    def forward(self, network: nn.Module, pixels: Tensor, labels: Tensor) -> Tensor:
        """See `Objective`; the labels are not looked at."""
        with torch.autocast(pixels.device.type, enabled=False):
            seen = self._mixed(pixels)
            taught = self.teacher(seen)
        features = network(self.prepare(seen))
        parts = {
            each.__struct_config__.tag: distilled(each, features, taught) for each in self._settings.losses
        }
        self.logs = {str(name): value.detach() for name, value in parts.items()}
        return torch.stack(list(parts.values())).sum()

    def _mixed(self, pixels: Tensor) -> Tensor:
        if not self._settings.mixed:
            return pixels
        generator = generator_for(*self._draw, torch.distributed.get_rank() if _several() else 0)
        share = torch.rand(len(pixels), generator=generator)
        blended = torch.rand(len(pixels), generator=generator) < self._settings.mixed
        share = torch.where(blended, share, torch.ones(())).to(pixels.device)[:, None, None, None]
        other = torch.randperm(len(pixels), generator=generator).to(pixels.device)
        return pixels * share + pixels[other] * (1 - share)


def _several() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def require_fitting(losses: Sequence[AnyDistillation], student: int, teacher: int) -> None:
    """InputError where a loss compares the numbers of vectors that differ in length."""
    direct = [str(each.__struct_config__.tag) for each in losses if not each.relational]
    if direct and student != teacher:
        raise InputError(
            f"{', '.join(direct)}: the teacher's vectors have {teacher} numbers, the student's {student}: set "
            f"network.dimension={teacher}, or take relational losses alone"
        )
