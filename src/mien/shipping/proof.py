"""The proof that a converted model is still the same: its vectors beside its parent's, on the same crops."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from mien.bundle.bundle import Bundle, require_task
from mien.bundle.card import EmbedCard
from mien.bundle.runtime import Runtime
from mien.errors import CardError, InputError, ProofError
from mien.evaluation.diff import Difference, tar_difference
from mien.evaluation.metrics import Measured
from mien.evaluation.samples import Samples
from mien.evaluation.study import RATES, Weighting
from mien.evaluation.trials import all_pairs
from mien.recognition.embed import BATCH, Embedder
from mien.values import Floats, Pixels, rate_text

Vectors = Callable[[Pixels], Floats]
Doubles = NDArray[np.float64]
PAIRED: Weighting = "person"  # what the rates of a paired difference average over


@dataclass(frozen=True, slots=True)
class Proof:
    """How far a child's vectors lie from its parent's.

    pictures: on how many crops. cosine, cosine_mean: the least and the mean cosine between the unit vectors of
    one crop, mirrored where a card says so. delta: the largest difference between two numbers of raw vectors,
    mirrored nowhere; relative: the same as a part of the root mean square of the parent's numbers. tars: child
    minus parent, each at its own threshold, where the crops' people are known.
    """

    pictures: int
    cosine: float
    cosine_mean: float
    delta: float
    relative: float
    tars: tuple[Difference, ...] = ()

    def figures(self) -> dict[str, float]:
        """The proof as a card's `provenance.parity` holds it, to six digits."""
        plain = {
            "pictures": float(self.pictures),
            "cosine_min": self.cosine,
            "cosine_mean": self.cosine_mean,
            "delta_max": self.delta,
            "delta_relative": self.relative,
        }
        return {key: float(f"{value:.6g}") for key, value in (plain | self._tar_figures()).items()}

    def _tar_figures(self) -> dict[str, float]:
        figures: dict[str, float] = {}
        for row in self.tars:
            name = f"tar_difference_at_fmr_{rate_text(row.fmr)}"
            ends = {"": row.difference.value, "_low": row.difference.low, "_high": row.difference.high}
            figures |= {name + end: value for end, value in ends.items() if value is not None}
        return figures

    def table(self) -> str:
        """The proof in lines for people."""
        lines = [
            ("pictures", f"{self.pictures:,}"),
            ("cosine, least", f"{self.cosine:.8f}"),
            ("cosine, mean", f"{self.cosine_mean:.8f}"),
            ("largest difference", f"{self.delta:.2e}"),
            ("  of the numbers' RMS", f"{self.relative:.2e}"),
        ]
        lines += [(f"TAR at FMR {rate_text(row.fmr)}", _gained(row)) for row in self.tars]
        width = max(len(name) for name, _ in lines)
        return "\n".join(f"{name:<{width}}  {value}" for name, value in lines)


def _gained(row: Difference) -> str:
    gain = row.difference
    if gain.value is None or gain.low is None or gain.high is None:
        return gain.why
    return f"{gain.value:+.4f} (95 %: {gain.low:+.4f} to {gain.high:+.4f})"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a proof must show. The defaults are for conversions that keep every number as it is.

    cosine: the least that is allowed. delta: the largest difference of raw numbers, as a part of the root mean
    square of the parent's: features that end in a batch norm have one of about 1, others any. tar_loss: how
    much TAR may be lost at any rate that was looked at.
    """

    cosine: float = 1 - 1e-6
    delta: float = 1e-4
    tar_loss: float = 1.0

    def __post_init__(self) -> None:
        """Refuse limits that nothing, or anything, would pass by mistake."""
        if not (-1 <= self.cosine <= 1 and self.delta > 0 and 0 <= self.tar_loss <= 1):
            raise InputError(
                f"{self}: a cosine of −1 to 1, a delta above 0 and a TAR loss of 0 to 1 are wanted"
            )

    def exceeded(self, proof: Proof) -> list[str]:
        """Each limit that the proof does not keep, and by how much."""
        losses = [-row.difference.value for row in proof.tars if row.difference.value is not None]
        loss = max(losses, default=0.0)
        # Not "cosine < limit": that would let NaN through.
        checks = {
            f"1 − cosine is {1 - proof.cosine:.2g}, at most {1 - self.cosine:.2g} is allowed": (
                proof.cosine >= self.cosine
            ),
            f"the largest difference is {proof.relative:.2g} of the numbers' RMS, at most {self.delta:.2g} is "
            f"allowed ({proof.relative / self.delta:,.1f} times as much)": proof.relative <= self.delta,
            f"a TAR of {loss:.4f} is lost, at most {self.tar_loss:.4f} is allowed": loss <= self.tar_loss,
        }
        return [complaint for complaint, kept in checks.items() if not kept]


def require(proof: Proof, limits: Limits) -> None:
    """ProofError, naming every limit that is exceeded and by how much, unless the proof keeps them all."""
    if exceeded := limits.exceeded(proof):
        raise ProofError(
            f"the converted model is not its parent, on {proof.pictures} crops: {'; '.join(exceeded)}; "
            f"convert it anew from the same weights, or allow more if it is meant to differ"
        )


def prove(
    parent: Vectors | Bundle,
    child: Bundle,
    crops: Pixels,
    *,
    people: Sequence[str] | None = None,
    runtime: Runtime | None = None,
) -> Proof:
    """How far `child` is from `parent` on crops (n,h,w,3) uint8 RGB.

    parent: a bundle, or a function from crops to raw vectors (n,d), which is mirrored where the child's card
    says so. people: whose each crop is; then TARs are compared too, paired over people, at the rates that all
    pairs of the crops support. Raises InputError where crops, people or vectors do not fit, GraphError where a
    bundle returns no usable vectors.
    """
    require_task(child, EmbedCard, "an embedder")
    if not len(crops):
        raise InputError("no crops: a proof needs some to compare vectors on")
    runtime = runtime or Runtime()
    theirs = _of_bundle(child, crops, runtime)
    ours = (
        _of_bundle(parent, crops, runtime)
        if isinstance(parent, Bundle)
        else _of_function(parent, crops, mirror=_card(child).mirror)
    )
    if ours.raw.shape != theirs.raw.shape:
        raise InputError(f"vectors of shape {ours.raw.shape} by the parent, {theirs.raw.shape} by the child")
    return _compared(ours, theirs, people)


@dataclass(frozen=True, slots=True, eq=False)
class _Pair:
    """One model's vectors: raw (n,d) without mirror images, whole (n,d) of unit length as the runtime makes."""

    raw: Doubles
    whole: Doubles


def _compared(ours: _Pair, theirs: _Pair, people: Sequence[str] | None) -> Proof:
    cosines = (ours.whole * theirs.whole).sum(axis=1)
    delta = float(np.abs(ours.raw - theirs.raw).max())
    size = float(np.sqrt((ours.raw**2).mean()))
    return Proof(
        pictures=len(cosines),
        cosine=float(cosines.min()),
        cosine_mean=float(cosines.mean()),
        delta=delta,
        relative=delta / size,
        tars=() if people is None else _tars(ours.whole, theirs.whole, people),
    )


def _tars(ours: Doubles, theirs: Doubles, people: Sequence[str]) -> tuple[Difference, ...]:
    if len(people) != len(ours):
        raise InputError(f"{len(ours)} crops and {len(people)} names of people; one each is wanted")
    names, subjects = np.unique(np.asarray(people), return_inverse=True)
    first, second = (
        Measured.of(all_pairs(_samples(each, tuple(map(str, names)), subjects)), PAIRED)
        for each in (ours, theirs)
    )
    rows = (tar_difference(first, second, rate) for rate in RATES)
    return tuple(row for row in rows if row.difference.value is not None)


def _samples(vectors: Doubles, people: tuple[str, ...], subjects: NDArray[np.intp]) -> Samples:
    rows = tuple(str(row) for row in range(len(vectors)))
    known = np.ones(len(rows), np.bool_)
    return Samples(rows, subjects.astype(np.int32), people, vectors.astype(np.float32), known)


def _of_function(embed: Vectors, crops: Pixels, *, mirror: bool) -> _Pair:
    raw = _rows(embed, crops)
    whole = (raw + _rows(embed, np.ascontiguousarray(crops[:, :, ::-1]))) / 2 if mirror else raw
    return _Pair(raw, _unit(whole))


def _rows(embed: Vectors, crops: Pixels) -> Doubles:
    parts = [embed(crops[start : start + BATCH]) for start in range(0, len(crops), BATCH)]
    return np.concatenate(parts).reshape(len(crops), -1).astype(np.float64)


def _of_bundle(bundle: Bundle, crops: Pixels, runtime: Runtime) -> _Pair:
    card = _card(bundle)
    plain = dataclasses.replace(bundle, card=msgspec.structs.replace(card, mirror=False))
    vectors, norms = Embedder(plain, runtime)(crops)
    whole = Embedder(bundle, runtime)(crops)[0] if card.mirror else vectors
    raw = vectors.astype(np.float64) * norms[:, None].astype(np.float64)
    return _Pair(raw, _unit(whole.astype(np.float64)))


def _unit(vectors: Doubles) -> Doubles:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(lengths).all() and lengths.all()):
        raise InputError("the parent returned a vector that is empty or not finite")
    return np.asarray(vectors / lengths, np.float64)


def _card(bundle: Bundle) -> EmbedCard:
    if not isinstance(bundle.card, EmbedCard):
        raise CardError(f"{bundle.folder}: the card is not an embedder's")
    return bundle.card
