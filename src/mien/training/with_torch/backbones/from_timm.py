"""Any network of timm, with its own ImageNet weights where asked: `timm:NAME`.

R. Wightman, "PyTorch Image Models". timm imports torchvision, whose wheel for CUDA cannot register its
operators beside a torch without CUDA. Their schemas are then declared here: no network uses the operators.
"""

from __future__ import annotations

import importlib
import sys
from functools import partial
from types import ModuleType

import torch
from torch import nn

from mien.errors import InputError, MissingExtraError
from mien.training.with_torch.backbones.backbone import Backbone, Size

PREFIX = "timm:"
INSTALL = "pip install --no-deps timm==1.0.31 torchvision==0.28.0 huggingface_hub safetensors"
SCHEMAS = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
SHOWN = 8  # names that an error suggests


class MissingTimmError(MissingExtraError):
    """timm is not installed. Its install line keeps the torch that is there."""

    def __init__(self) -> None:
        Exception.__init__(self, f"the package 'timm' is needed for backbones named {PREFIX}NAME: {INSTALL}")


def timm_backbone(name: str) -> Backbone:
    """The row of a timm network, by its name there. InputError for an unknown one, MissingTimmError without it.

    Its option: pretrained, 1 for timm's own weights, which timm takes from its cache or from the network.
    """
    timm = _timm()
    if not timm.is_model(name.split(".")[0]):
        near = timm.list_models(f"*{name.split('_')[0]}*")[:SHOWN]
        raise InputError(
            f"{PREFIX}{name} is not known to timm {timm.__version__}; near it: {', '.join(near) or 'none'}"
        )
    return Backbone(partial(_build, timm, name), f"timm {timm.__version__}", options=("pretrained",))


def _build(
    timm: ModuleType, name: str, *, dimension: int, size: Size, dropout: float, pretrained: float = 0
) -> nn.Module:
    make = partial(
        timm.create_model, name, pretrained=bool(pretrained), num_classes=dimension, drop_rate=dropout
    )
    try:
        network: nn.Module = make(img_size=size)
    except TypeError:  # a network of convolutions alone takes any size, and timm gives it no such word
        network = make()
    return network


def _timm() -> ModuleType:
    try:
        _torchvision()
        return importlib.import_module("timm")
    except ModuleNotFoundError as error:
        raise MissingTimmError from error


def _torchvision() -> None:
    """Import torchvision, with its operators' schemas declared where its own library cannot be loaded."""
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        for half in [module for module in sys.modules if module.split(".")[0] == "torchvision"]:
            del sys.modules[half]  # what the failed import left behind
        for name, schema in SCHEMAS.items():
            torch.library.define(f"torchvision::{name}", schema)
        importlib.import_module("torchvision")
