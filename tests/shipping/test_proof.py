"""A proof finds what a conversion changed, and only that; every number is held against one made by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from graphs import detect_card, embed_card, graph_of, linear_parts, serialised

from mien.bundle.bundle import Bundle
from mien.bundle.runtime import Runtime
from mien.errors import BundleError, InputError, ProofError
from mien.evaluation.diff import Difference
from mien.evaluation.study import Figure
from mien.recognition.embed import BATCH
from mien.shipping.proof import Limits, Proof, prove, require
from mien.values import Floats, Pixels

SIZE, DIMENSION = (12, 10), 8
ONE = Runtime(threads=1)
PROOF = Proof(pictures=64, cosine=1.0, cosine_mean=1.0, delta=1e-6, relative=1e-6)


def weights(seed: int = 0) -> tuple[Floats, Floats]:
    parts = linear_parts(SIZE, DIMENSION, "n", seed)[3]
    return parts["weight"], parts["bias"]


def network(crops: Pixels, change: float = 0.0) -> Floats:
    """The linear graph by hand; change: added to one weight."""
    weight, bias = weights()
    weight[0, 0] += change
    planes = ((crops.astype(np.float32) - 127.5) / 128).transpose(0, 3, 1, 2)
    return planes.reshape(len(crops), -1) @ weight + bias


def bundle(folder: Path, *, noise: float = 0.0, mirror: bool = False) -> Bundle:
    """The linear graph; noise: added to every weight."""
    nodes, taken, returned, parts = linear_parts(SIZE, DIMENSION, "n", 0)
    parts["weight"] = parts["weight"] + noise * np.random.default_rng(9).normal(size=parts["weight"].shape)
    parts["weight"] = parts["weight"].astype(np.float32)
    graph = serialised(graph_of(nodes, taken, returned, parts))
    return Bundle.write(folder, *embed_card(graph, SIZE, dimension=DIMENSION, mirror=mirror))


def crops(count: int = 70, seed: int = 1) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (count, *SIZE, 3), np.uint8)


def people_crops(people: int = 30, pictures: int = 4) -> tuple[Pixels, list[str]]:
    """Crops of people: each one's own pattern, with noise."""
    rng = np.random.default_rng(3)
    own = rng.integers(60, 196, (people, 1, *SIZE, 3))
    seen = np.clip(own + rng.normal(0, 40, (people, pictures, *SIZE, 3)), 0, 255).astype(np.uint8)
    return seen.reshape(-1, *SIZE, 3), [f"p{person}" for person in range(people) for _ in range(pictures)]


@pytest.fixture
def child(tmp_path: Path) -> Bundle:
    return bundle(tmp_path / "child")


@pytest.mark.parametrize("mirror", [False, True])
def test_the_same_model_passes(tmp_path: Path, mirror: bool) -> None:
    proof = prove(network, bundle(tmp_path / "same", mirror=mirror), crops(), runtime=ONE)
    require(proof, Limits())
    assert proof.pictures == 70
    assert proof.cosine_mean >= proof.cosine > 1 - 1e-9
    assert proof.relative < 1e-5


def test_the_numbers_are_these(tmp_path: Path) -> None:
    seen, child = crops(), bundle(tmp_path / "child", noise=0.01, mirror=True)
    proof = prove(network, child, seen, runtime=ONE)
    parts = linear_parts(SIZE, DIMENSION, "n", 0)[3]
    other = parts["weight"] + 0.01 * np.random.default_rng(9).normal(size=parts["weight"].shape)

    def moved(pixels: Pixels) -> np.ndarray:
        planes = ((pixels.astype(np.float64) - 127.5) / 128).transpose(0, 3, 1, 2)
        return np.asarray(planes.reshape(len(pixels), -1) @ other + parts["bias"])

    delta = np.abs(moved(seen) - network(seen))
    both = [
        (made(seen) + made(seen[:, :, ::-1])) / 2
        for made in (lambda pixels: network(pixels).astype(np.float64), moved)
    ]
    a, b = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in both)
    cosines = (a * b).sum(axis=1)
    assert proof.delta == pytest.approx(delta.max(), rel=1e-3)
    assert proof.relative == pytest.approx(delta.max() / np.sqrt((network(seen) ** 2).mean()), rel=1e-3)
    assert 1 - proof.cosine == pytest.approx(1 - cosines.min(), rel=1e-3)
    assert 1 - proof.cosine_mean == pytest.approx(1 - cosines.mean(), rel=1e-3)


def test_a_bundle_may_be_the_parent(tmp_path: Path, child: Bundle) -> None:
    other = bundle(tmp_path / "other", noise=1e-3)
    assert prove(child, child, crops(), runtime=ONE).delta == 0
    of_bundle, of_function = (prove(parent, other, crops(), runtime=ONE) for parent in (child, network))
    assert of_bundle.delta == pytest.approx(of_function.delta, rel=1e-3)


def test_a_parent_is_mirrored_as_its_own_card_says(tmp_path: Path, child: Bundle) -> None:
    """Two bundles of one graph, of which one mirrors: raw numbers agree, the vectors that are used do not."""
    proof = prove(child, bundle(tmp_path / "mirrored", mirror=True), crops(), runtime=ONE)
    assert proof.relative < 1e-6
    assert proof.cosine < 0.99
    with pytest.raises(ProofError, match=r"1 − cosine is .*, at most 1e-06 is allowed"):
        require(proof, Limits())


def test_a_slightly_changed_weight_is_refused_by_how_much(child: Bundle) -> None:
    proof = prove(lambda pixels: network(pixels, change=0.1), child, crops(), runtime=ONE)
    times = proof.relative / 1e-4
    with pytest.raises(ProofError, match=rf"on 70 crops: .*{times:,.1f} times as much") as caught:
        require(proof, Limits())
    assert isinstance(caught.value, BundleError)
    require(proof, Limits(cosine=0.9, delta=1.0))


def test_a_parent_is_asked_for_few_crops_at_a_time(child: Bundle) -> None:
    asked: list[int] = []

    def counted(pixels: Pixels) -> Floats:
        asked.append(len(pixels))
        return network(pixels)

    prove(counted, child, crops(2 * BATCH + 3), runtime=ONE)
    assert asked == [BATCH, BATCH, 3]


def test_what_cannot_be_compared_is_refused(tmp_path: Path, child: Bundle) -> None:
    with pytest.raises(InputError, match="no crops"):
        prove(network, child, crops(0), runtime=ONE)
    with pytest.raises(InputError, match=r"\(70, 4\) by the parent, \(70, 8\) by the child"):
        prove(lambda pixels: network(pixels)[:, :4], child, crops(), runtime=ONE)
    with pytest.raises(InputError, match="empty or not finite"):
        prove(lambda pixels: network(pixels) * np.float32(np.nan), child, crops(), runtime=ONE)
    with pytest.raises(InputError, match="70 crops and 2 names"):
        prove(network, child, crops(), people=["a", "b"], runtime=ONE)
    with pytest.raises(BundleError, match="cannot serve as an embedder"):
        prove(network, Bundle.write(tmp_path / "detector", *detect_card()), crops(), runtime=ONE)


def test_tar_is_compared_over_people(tmp_path: Path) -> None:
    seen, people = people_crops()
    worse = bundle(tmp_path / "worse", noise=1.0)
    proof = prove(network, worse, seen, people=people, runtime=ONE)
    rates = [row.fmr for row in proof.tars]
    assert rates == [1e-1, 1e-2]  # 435 pairs of people support no more
    hundredth = proof.tars[1]
    assert hundredth.weighting == "person"
    assert hundredth.difference.value is not None
    assert hundredth.difference.low is not None
    assert hundredth.difference.low < hundredth.difference.value < 0
    assert hundredth.difference.value == hundredth.second.value - hundredth.first.value  # type: ignore[operator]
    with pytest.raises(ProofError, match=r"a TAR of 0\.\d+ is lost, at most 0\.0100"):
        require(proof, Limits(cosine=-1, delta=10, tar_loss=0.01))
    figures = proof.figures()
    assert figures["tar_difference_at_fmr_1e-2"] == pytest.approx(hundredth.difference.value, rel=1e-5)
    assert figures["tar_difference_at_fmr_1e-2_low"] == pytest.approx(hundredth.difference.low, rel=1e-5)
    assert "TAR at FMR 1e-2" in proof.table()


def test_equal_models_lose_no_tar(child: Bundle) -> None:
    seen, people = people_crops()
    proof = prove(child, child, seen, people=people, runtime=ONE)
    assert [row.difference.value for row in proof.tars] == [0.0, 0.0]


def test_a_proof_can_be_read() -> None:
    gain = Figure(value=-0.01, low=-0.02, high=0.0)
    row = Difference(name="TAR", weighting="person", fmr=1e-3, first=gain, second=gain, difference=gain)
    proof = replace(PROOF, cosine=1 / 3, tars=(row,))
    assert proof.figures() == {
        "pictures": 64.0,
        "cosine_min": 0.333333,
        "cosine_mean": 1.0,
        "delta_max": 1e-6,
        "delta_relative": 1e-6,
        "tar_difference_at_fmr_1e-3": -0.01,
        "tar_difference_at_fmr_1e-3_low": -0.02,
        "tar_difference_at_fmr_1e-3_high": 0.0,
    }
    lines = proof.table().splitlines()
    assert lines[0] == "pictures               64"
    assert lines[1] == "cosine, least          0.33333333"
    assert lines[-1] == "TAR at FMR 1e-3        -0.0100 (95 %: -0.0200 to +0.0000)"


def test_every_limit_is_named_and_nan_passes_none() -> None:
    nan = float("nan")
    bad = replace(PROOF, cosine=nan, relative=nan)
    exceeded = Limits().exceeded(bad)
    assert len(exceeded) == 2
    assert exceeded[0].startswith("1 − cosine")
    assert exceeded[1].startswith("the largest difference")
    assert Limits().exceeded(PROOF) == []


@pytest.mark.parametrize("wrong", [{"cosine": 1.5}, {"delta": 0.0}, {"tar_loss": -0.1}])
def test_limits_that_mean_nothing_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match="are wanted"):
        Limits(**wrong)
