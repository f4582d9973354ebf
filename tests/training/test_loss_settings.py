from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from mien.training.loss_settings import (
    AdaFace,
    AnyLoss,
    ArcFace,
    CombinedMargin,
    CosFace,
    CurricularFace,
    LossSettings,
    MagFace,
    NormFace,
    SphereFace,
    SubCentreArcFace,
    SupCon,
    Triplet,
)

NAMES = {
    "softmax",
    "normface",
    "arcface",
    "subcentre-arcface",
    "cosface",
    "sphereface",
    "combined",
    "curricularface",
    "adaface",
    "magface",
    "triplet",
    "supcon",
}


class Recipe(msgspec.Struct):
    loss: AnyLoss


def read(**fields: Any) -> LossSettings:
    return msgspec.toml.decode(_toml(fields), type=Recipe).loss


def _toml(fields: dict[str, Any]) -> bytes:
    values = {
        name: str(value).lower() if isinstance(value, bool) else repr(value) for name, value in fields.items()
    }
    return ("[loss]\n" + "\n".join(f"{name} = {value}" for name, value in values.items())).encode()


def test_a_recipe_names_each_loss_and_may_leave_the_rest() -> None:
    made = {name: read(name=name) for name in NAMES}
    assert {type(settings) for settings in made.values()} == set(AnyLoss.__args__)
    assert all(settings == type(settings)() for settings in made.values())


def test_a_recipe_is_read_as_it_was_written() -> None:
    settings = MagFace(scale=32.0, sample=0.1, low_margin=0.4)
    assert msgspec.convert(msgspec.to_builtins(Recipe(settings)), Recipe).loss == settings


def test_whole_numbers_are_numbers() -> None:
    assert read(name="arcface", scale=32, margin=1) == ArcFace(scale=32, margin=1)


def test_unknown_names_and_fields_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="Invalid value 'arcfase'"):
        read(name="arcfase")
    with pytest.raises(msgspec.ValidationError, match="unknown field `margn`"):
        read(name="arcface", margn=0.4)


def test_a_bad_value_is_refused_with_its_place() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"margin: an angle .* 2.0 given - at `\$.loss`"):
        read(name="arcface", margin=2.0)


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (ArcFace, {"sample": 0.0}, "sample: above 0 and at most 1"),
        (ArcFace, {"sample": 1.1}, "sample: above 0 and at most 1"),
        (ArcFace, {"sample": math.nan}, "sample: above 0 and at most 1"),
        (NormFace, {"scale": 0.0}, "scale: a number above 0"),
        (NormFace, {"scale": math.inf}, "scale: a number above 0"),
        (ArcFace, {"margin": math.pi / 2}, "margin: an angle of 0 to"),
        (ArcFace, {"margin": math.nan}, "margin: an angle of 0 to"),
        (SubCentreArcFace, {"margin": -0.1}, "margin: an angle of 0 to"),
        (SubCentreArcFace, {"centres": 0}, "centres: 1 to 64"),
        (CosFace, {"margin": 1.1}, "margin: a cosine of 0 to 1"),
        (CosFace, {"shard": True, "scale": -1}, "scale: a number above 0"),
        (SphereFace, {"margin": 5}, "margin: 1, 2, 3 or 4"),
        (SphereFace, {"sample": 0}, "sample: above 0"),
        (SphereFace, {"least": -1}, "least: a number of 0 or more"),
        (SphereFace, {"decay": math.nan}, "decay: a number of 0 or more"),
        (CombinedMargin, {"m1": 0}, "m1: above 0 and at most 4"),
        (CombinedMargin, {"m2": 2}, "m2: an angle"),
        (CombinedMargin, {"m3": -0.1}, "m3: a cosine"),
        (CurricularFace, {"momentum": 1}, "momentum: 0 or more and below 1"),
        (CurricularFace, {"margin": 2}, "margin: an angle"),
        (AdaFace, {"concentration": 0}, "concentration: a number above 0"),
        (AdaFace, {"momentum": -0.1}, "momentum: 0 or more and below 1"),
        (AdaFace, {"margin": 2}, "margin: an angle"),
        (MagFace, {"low_norm": 0}, "norms: 0 < low_norm < high_norm"),
        (MagFace, {"high_norm": 10}, "norms: 0 < low_norm < high_norm"),
        (MagFace, {"low_margin": 0.9}, "margins: low_margin ≤ high_margin"),
        (MagFace, {"high_margin": 2}, "high_margin: an angle"),
        (MagFace, {"regulariser": -1}, "regulariser: a number of 0 or more"),
        (Triplet, {"mining": "easy"}, "mining: hard or semi-hard, 'easy' given"),
        (Triplet, {"margin": -1}, "margin: a distance of 0 to 4"),
        (SupCon, {"temperature": 0}, "temperature: 0.001 to 1000"),
    ],
)
def test_what_no_loss_can_use_is_refused(
    kind: type[LossSettings], fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**fields)


def test_losses_that_compare_a_batch_s_faces_say_so() -> None:
    assert {kind for kind in AnyLoss.__args__ if kind.pairwise} == {Triplet, SupCon}
