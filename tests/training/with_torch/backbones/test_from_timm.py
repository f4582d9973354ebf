from __future__ import annotations

import importlib.util
import sys

import pytest
import torch

from mien.errors import InputError, MissingExtraError
from mien.training.with_torch.backbones import build, find

needs_timm = pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="timm is not installed")


def test_without_timm_the_install_line_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)  # the import of a module that is not there
    with pytest.raises(MissingExtraError, match=r"pip install --no-deps timm==1\.0\.31 torchvision==0\.28\.0"):
        build("timm:resnet18")


@needs_timm
@pytest.mark.parametrize("name", ["mobilenetv3_small_050", "vit_tiny_patch16_224"])
def test_network_of_timm(name: str) -> None:
    network = build(f"timm:{name}", dimension=16, size=(112, 112), dropout=0.1).eval()
    assert network(torch.randn(2, 3, 112, 112)).shape == (2, 16)


@needs_timm
def test_unknown_name_tells_what_is_near() -> None:
    with pytest.raises(InputError, match=r"timm:mobilenetv9_x is not known to timm .*near it: "):
        find("timm:mobilenetv9_x")


@needs_timm
def test_pretrained_is_its_only_option() -> None:
    with pytest.raises(InputError, match="known here: pretrained"):
        build("timm:resnet18", mask_ratio=0.5)
