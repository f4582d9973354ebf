from __future__ import annotations

import pytest
import torch

from mien.training.with_torch.backbones.stochastic_depth import StochasticDepth, rising


def test_leaves_out_whole_pictures_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    out = StochasticDepth(0.25)(torch.ones(4000, 2, 3))
    assert out.unique().tolist() == [0, pytest.approx(4 / 3)]
    assert (out.flatten(1).std(1) == 0).all()
    assert out.mean() == pytest.approx(1, abs=0.03)


def test_does_nothing_in_evaluation() -> None:
    x = torch.randn(5, 2)
    assert StochasticDepth(0.9).eval()(x) is x


def test_rises_evenly() -> None:
    assert [one.share for one in rising(0.2, 3)] == [0, 0.1, 0.2]
    assert [one.share for one in rising(0.2, 1)] == [0]
