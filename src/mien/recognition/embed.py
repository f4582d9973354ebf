"""Crops → vectors."""

from __future__ import annotations

import numpy as np

from mien.bundle.bundle import Bundle, require_task
from mien.bundle.card import EmbedCard
from mien.bundle.runtime import Runtime
from mien.bundle.session import Session
from mien.errors import BundleError, GraphError, InputError
from mien.values import Floats, Pixels

BATCH = 64  # pictures a model run, mirrored ones counted: beyond it only memory grows
SHORTEST = 1e-6  # a vector shorter than this points nowhere


class Embedder:
    """An embedder bundle ready to run. Safe to call from several threads at once.

    dimension: the length of its vectors; size: the (height, width) of its crops.
    """

    def __init__(self, bundle: Bundle, runtime: Runtime) -> None:
        require_task(bundle, EmbedCard, "an embedder")
        card = bundle.card
        if not isinstance(card, EmbedCard) or len(card.files) != 1:
            raise BundleError(f"{bundle.folder}: an embedder has one graph, this card names {len(card.files)}")
        self.dimension, self.size, self._mirror = card.dimension, card.input.size, card.mirror
        self._where = bundle.folder / card.files[0].name
        self._session = Session(bundle, card.files[0].name, runtime)

    def __call__(self, crops: Pixels) -> tuple[Floats, Floats]:
        """The unit vectors (n,d) of crops (n,h,w,3) uint8 RGB, and their norms (n,) before that.

        Where the card asks for it, a vector is the mean of the crop's and its left-right mirror's. Raises
        InputError for crops of another size, GraphError where the model returns no usable vectors.
        """
        if crops.ndim != 4 or crops.shape[1:] != (*(self.size or ()), 3):
            raise InputError(f"crops: shape {crops.shape} given, (n, *{self.size}, 3) wanted")
        raw = np.empty((len(crops), self.dimension), np.float32)
        step = BATCH // 2 if self._mirror else BATCH
        for start in range(0, len(crops), step):
            raw[start : start + step] = self._run(crops[start : start + step])
        with np.errstate(over="ignore"):  # too long for a float: refused below
            norms = np.linalg.norm(raw, axis=1)
        # Not "norms < SHORTEST": that would let NaN through.
        if not np.all((norms >= SHORTEST) & np.isfinite(norms)):
            raise GraphError(f"{self._where}: the model returned a vector that is empty or not finite")
        return raw / norms[:, None], norms

    def _run(self, crops: Pixels) -> Floats:
        images = np.concatenate([crops, crops[:, :, ::-1]]) if self._mirror else crops
        vectors = self._session(images)[0]
        if vectors.size != len(images) * self.dimension or len(vectors) != len(images):
            raise GraphError(
                f"{self._where}: {vectors.shape} numbers came out for {len(images)} crops, "
                f"the card promises {self.dimension} each"
            )
        vectors = vectors.reshape(len(images), self.dimension)
        return vectors.reshape(2, len(crops), -1).mean(axis=0) if self._mirror else vectors
