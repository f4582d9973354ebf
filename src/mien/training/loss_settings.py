"""What each loss can be told: one value a loss, chosen by its `name`, with the papers' numbers as defaults."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import msgspec

LARGEST = 1e6  # no number of a loss is larger; it also refuses what is not a number


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


class LossSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="name"):
    """A loss. `pairwise`: it compares a batch's faces with each other, so a batch needs P people × K faces."""

    pairwise: ClassVar[bool] = False


class Softmax(LossSettings, frozen=True, kw_only=True, tag="softmax"):
    """Plain softmax: features and weights as they are, with a bias."""


class MarginSettings(LossSettings, frozen=True, kw_only=True):
    """A softmax over cosines, a weight a class.

    sample: the share of the classes that each step looks at, 0 to 1 (Partial FC); 1 is all of them.
    shard: several processes each hold a part of the classes. Where `sample` is below 1 they always do.
    """

    sample: float = 1.0
    shard: bool = False

    def __post_init__(self) -> None:
        """Refuse shares of nothing."""
        _require(0 < self.sample <= 1, f"sample: above 0 and at most 1 is wanted, {self.sample} given")


class ScaledSettings(MarginSettings, frozen=True, kw_only=True):
    """Cosines that are multiplied by `scale` before the softmax, written s in the papers."""

    scale: float = 64.0

    def __post_init__(self) -> None:
        """Refuse scales that leave nothing to learn from."""
        super().__post_init__()
        _require(0 < self.scale <= LARGEST, f"scale: a number above 0 is wanted, {self.scale} given")


def _require_angle(name: str, value: float) -> None:
    _require(0 <= value < math.pi / 2, f"{name}: an angle of 0 to π/2 (1.57) is wanted, {value} given")


def _require_momentum(value: float) -> None:
    _require(0 <= value < 1, f"momentum: 0 or more and below 1 is wanted, {value} given")


class NormFace(ScaledSettings, frozen=True, kw_only=True, tag="normface"):
    """Softmax of cosines without a margin (Wang et al. 2017)."""


class ArcFace(ScaledSettings, frozen=True, kw_only=True, tag="arcface"):
    """Deng et al. 2019; s 64 and m 0.5 are the paper's. margin: radians."""

    margin: float = 0.5

    def __post_init__(self) -> None:
        """Refuse margins that no angle can bear."""
        super().__post_init__()
        _require_angle("margin", self.margin)


class SubCentreArcFace(ArcFace, frozen=True, kw_only=True, tag="subcentre-arcface"):
    """Deng et al. 2020: ArcFace with several centres a class, for noisy labels; K = 3 is the paper's."""

    centres: int = 3

    def __post_init__(self) -> None:
        """Refuse classes without a centre."""
        super().__post_init__()
        _require(1 <= self.centres <= 64, f"centres: 1 to 64 are wanted, {self.centres} given")


class CosFace(ScaledSettings, frozen=True, kw_only=True, tag="cosface"):
    """Wang et al. 2018; s 64 and m 0.35 are the paper's. InsightFace's arcface_torch trains with m 0.4."""

    margin: float = 0.35

    def __post_init__(self) -> None:
        """Refuse margins wider than all cosines."""
        super().__post_init__()
        _require(0 <= self.margin <= 1, f"margin: a cosine of 0 to 1 is wanted, {self.margin} given")


class SphereFace(MarginSettings, frozen=True, kw_only=True, tag="sphereface"):
    """Liu et al. 2017: the angle times m, the features at their own length.

    The target is (λ·cos θ + ψ(θ)) / (1 + λ), λ = max(least, start·(1 + decay·step)^−power). The schedule's
    defaults are those of the authors' published training file.
    """

    margin: int = 4
    start: float = 1000.0
    decay: float = 0.12
    power: float = 1.0
    least: float = 5.0

    def __post_init__(self) -> None:
        """Refuse margins without a polynomial, and schedules that rise."""
        super().__post_init__()
        _require(self.margin in (1, 2, 3, 4), f"margin: 1, 2, 3 or 4 is wanted, {self.margin} given")
        for name in ("start", "decay", "power", "least"):
            value = getattr(self, name)
            _require(0 <= value <= LARGEST, f"{name}: a number of 0 or more is wanted, {value} given")


class CombinedMargin(ScaledSettings, frozen=True, kw_only=True, tag="combined"):
    """cos(m1·θ + m2) − m3 (Deng et al. 2019, Eq. 4); 1, 0.3 and 0.2 are the paper's CM2."""

    m1: float = 1.0
    m2: float = 0.3
    m3: float = 0.2

    def __post_init__(self) -> None:
        """Refuse factors and margins outside what the papers tried by far."""
        super().__post_init__()
        _require(0 < self.m1 <= 4, f"m1: above 0 and at most 4 is wanted, {self.m1} given")
        _require_angle("m2", self.m2)
        _require(0 <= self.m3 <= 1, f"m3: a cosine of 0 to 1 is wanted, {self.m3} given")


class CurricularFace(ScaledSettings, frozen=True, kw_only=True, tag="curricularface"):
    """Huang et al. 2020; m 0.5 and the momentum 0.99 of the mean target cosine t are the paper's."""

    margin: float = 0.5
    momentum: float = 0.99

    def __post_init__(self) -> None:
        """Refuse margins that no angle can bear, and means that never move."""
        super().__post_init__()
        _require_angle("margin", self.margin)
        _require_momentum(self.momentum)


class AdaFace(ScaledSettings, frozen=True, kw_only=True, tag="adaface"):
    """Kim et al. 2022; m 0.4, h 0.333 and the momentum 0.99 of the norms' mean and deviation are theirs."""

    margin: float = 0.4
    concentration: float = 0.333
    momentum: float = 0.99

    def __post_init__(self) -> None:
        """Refuse margins that no angle can bear, and norms that are never looked at."""
        super().__post_init__()
        _require_angle("margin", self.margin)
        h = self.concentration
        _require(0 < h <= LARGEST, f"concentration: a number above 0 is wanted, {h} given")
        _require_momentum(self.momentum)


class MagFace(ScaledSettings, frozen=True, kw_only=True, tag="magface"):
    """Meng et al. 2021: the margin grows with the feature's length a, and g(a) pulls the length up.

    The margin is straight from low_margin at a = low_norm to high_margin at a = high_norm (l_m, u_m, l_a, u_a);
    regulariser is λ_g; 35 is the paper's, public copies of the authors' script have 20.
    """

    low_norm: float = 10.0
    high_norm: float = 110.0
    low_margin: float = 0.45
    high_margin: float = 0.8
    regulariser: float = 35.0

    def __post_init__(self) -> None:
        """Refuse spans that are empty or turned round."""
        super().__post_init__()
        norms, margins = (self.low_norm, self.high_norm), (self.low_margin, self.high_margin)
        _require(
            0 < norms[0] < norms[1] <= LARGEST, f"norms: 0 < low_norm < high_norm is wanted, {norms} given"
        )
        _require_angle("low_margin", self.low_margin)
        _require_angle("high_margin", self.high_margin)
        _require(margins[0] <= margins[1], f"margins: low_margin ≤ high_margin is wanted, {margins} given")
        value = self.regulariser
        _require(0 <= value <= LARGEST, f"regulariser: a number of 0 or more is wanted, {value} given")


class Triplet(LossSettings, frozen=True, kw_only=True, tag="triplet"):
    """Triplets of unit vectors, chosen within the batch; as they stand, FaceNet's (Schroff et al. 2015).

    mining: "semi-hard" (FaceNet) or "hard" (Hermans et al. 2017). soft: log(1 + exp(x)) in place of the margin
    (Hermans). squared: squared Euclidean distances, 0 to 4, rather than plain ones, 0 to 2.
    """

    pairwise: ClassVar[bool] = True
    mining: Literal["hard", "semi-hard"] = "semi-hard"
    margin: float = 0.2
    soft: bool = False
    squared: bool = True

    def __post_init__(self) -> None:
        """Refuse margins wider than all distances."""
        _require(self.mining in ("hard", "semi-hard"), f"mining: hard or semi-hard, {self.mining!r} given")
        _require(0 <= self.margin <= 4, f"margin: a distance of 0 to 4 is wanted, {self.margin} given")


class SupCon(LossSettings, frozen=True, kw_only=True, tag="supcon"):
    """Supervised contrastive (Khosla et al. 2020, Eq. 2); the temperature 0.1 is the paper's."""

    pairwise: ClassVar[bool] = True
    temperature: float = 0.1

    def __post_init__(self) -> None:
        """Refuse temperatures at which nothing, or only one face, counts."""
        t = self.temperature
        _require(1e-3 <= t <= 1e3, f"temperature: 0.001 to 1000 is wanted, {t} given")


AnyLoss = (
    Softmax
    | NormFace
    | ArcFace
    | SubCentreArcFace
    | CosFace
    | SphereFace
    | CombinedMargin
    | CurricularFace
    | AdaFace
    | MagFace
    | Triplet
    | SupCon
)
