from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from mien.training.with_torch.backbones import BACKBONES, build
from mien.training.with_torch.backbones.cost import cost
from mien.training.with_torch.backbones.mobilenet import V2, V3_LARGE, V3_SMALL, Plan, trunk

# ImageNet's classifiers: one linear layer, or two with a hard swish between.
CLASSIFIERS = {
    "mobilenetv2": (V2, ()),
    "mobilenetv3-large": (V3_LARGE, (1280,)),
    "mobilenetv3-small": (V3_SMALL, (1024,)),
}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_trunk_with_imagenets_classifier_costs_what_is_published(name: str) -> None:
    plan, hidden = CLASSIFIERS[name]
    published = BACKBONES[name].published
    assert published is not None
    widths = (plan.last, *hidden, published.dimension)
    with torch.device("meta"):
        layers = [nn.Linear(a, b) for a, b in pairwise(widths)]
        whole = nn.Sequential(trunk(plan, stride=2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), *layers)
    found = cost(whole, published.size)
    assert found.parameters == published.parameters
    assert found.macs == pytest.approx(published.macs, rel=0.01)


@pytest.mark.parametrize("plan", [V2, V3_LARGE, V3_SMALL])
def test_a_face_leaves_what_a_picture_of_twice_its_size_left(plan: Plan) -> None:
    with torch.device("meta"):
        face = trunk(plan, stride=1).eval()(torch.empty(1, 3, 112, 112))
        picture = trunk(plan, stride=2).eval()(torch.empty(1, 3, 224, 224))
    assert face.shape == picture.shape == (1, plan.last, 7, 7)


def test_names_of_the_trunk_are_torchvisions() -> None:
    v2, v3 = (set(build(name, dimension=8).state_dict()) for name in ("mobilenetv2", "mobilenetv3-large"))
    assert {"features.0.0.weight", "features.1.conv.0.0.weight", "features.1.conv.1.weight"} <= v2
    assert {"features.2.conv.1.1.running_var", "features.2.conv.2.weight", "features.18.1.bias"} <= v2
    assert {"features.1.block.0.0.weight", "features.1.block.1.1.weight", "features.16.0.weight"} <= v3
    assert {"features.4.block.2.fc1.weight", "features.4.block.3.1.weight"} <= v3
    assert not {"features.4.block.2.fc1.bias", "features.4.block.2.fc2.bias"} - v3


def test_normalisation_of_version_3_is_its_papers() -> None:
    norm = build("mobilenetv3-small", dimension=8).features[0][1]
    assert (norm.eps, norm.momentum) == (1e-3, 0.01)
