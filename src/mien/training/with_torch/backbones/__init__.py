"""Networks that make a vector of a face: one file a family, chosen by name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from torch import nn

from mien.errors import InputError
from mien.training.with_torch.backbones.backbone import Backbone, Published, Size
from mien.training.with_torch.backbones.from_timm import PREFIX, timm_backbone
from mien.training.with_torch.backbones.ghostfacenet import GhostFaceNet
from mien.training.with_torch.backbones.inception_resnet import InceptionResnetV1
from mien.training.with_torch.backbones.iresnet import IResNet
from mien.training.with_torch.backbones.mobilefacenet import MBF, PAPER, MobileFaceNet
from mien.training.with_torch.backbones.mobilenet import V2, V3_LARGE, V3_SMALL, MobileNet
from mien.training.with_torch.backbones.swin import Swin
from mien.training.with_torch.backbones.vit import VisionTransformer

__all__ = ["BACKBONES", "Backbone", "Published", "build", "find"]

ARCFACE = "Deng et al., ArcFace, CVPR 2019"
MOBILE_FACE = "Chen et al., MobileFaceNets, CCBR 2018"
MOBILE_3 = "Howard et al., Searching for MobileNetV3, ICCV 2019"
PATCHES = "Dosovitskiy et al., ViT, ICLR 2021; An et al., Partial FC, CVPR 2022"
README = "insightface, recognition/arcface_torch/README.md, table 3 (its FLOPs are multiply-accumulates)"
ZOO = "Open Model Zoo, 2021.4 (its FLOPs are twice the multiply-accumulates): "
IMAGENET = "stem of stride 2, ImageNet's classifier for the head"
MASKS = ("mask_ratio", "drop_path")

BACKBONES: Mapping[str, Backbone] = MappingProxyType(
    {
        "ghostfacenet": Backbone(
            partial(GhostFaceNet, 1, 1.3),
            "Alansari et al., GhostFaceNets, IEEE Access 2023",
            Published(
                "HamadYA/GhostFaceNets, plot_parameters.py", macs=215.7e6, form="normalisations count as well"
            ),
        ),
        "inception-resnet-v1": Backbone(
            InceptionResnetV1,
            "Szegedy et al., Inception-v4, AAAI 2017; Schroff et al., FaceNet, CVPR 2015",
            Published(f"{ZOO}facenet-20180408-102900", 23.469e6, 1.423e9, size=(160, 160)),
            size=(160, 160),
        ),
        "iresnet18": Backbone(partial(IResNet, (2, 2, 2, 2)), ARCFACE, Published(README, macs=2.6e9)),
        "iresnet34": Backbone(
            partial(IResNet, (3, 4, 6, 3)),
            ARCFACE,
            Published(f"{ZOO}face-recognition-resnet34-arcface", 34.129e6, 4.467e9),
        ),
        "iresnet50": Backbone(partial(IResNet, (3, 4, 14, 3)), ARCFACE, Published(README, macs=6.3e9)),
        "iresnet100": Backbone(
            partial(IResNet, (3, 13, 30, 3)),
            ARCFACE,
            Published(f"{ZOO}face-recognition-resnet100-arcface-onnx", 65.132e6, 12.106e9),
        ),
        "mbf": Backbone(
            partial(MobileFaceNet, MBF),
            MOBILE_FACE,
            Published(README, macs=0.45e9, form="normalisations and activations count as well"),
        ),
        "mobilefacenet": Backbone(
            partial(MobileFaceNet, PAPER),
            MOBILE_FACE,
            Published("the paper, section 4", 0.99e6, 221e6, form="without the slopes of PReLU", dimension=128),
        ),
        "mobilenetv2": Backbone(
            partial(MobileNet, V2),
            "Sandler et al., MobileNetV2, CVPR 2018",
            Published("torchvision's documentation; the paper", 3504872, 300e6, IMAGENET, 1000, (224, 224)),
        ),
        "mobilenetv3-large": Backbone(
            partial(MobileNet, V3_LARGE),
            MOBILE_3,
            Published("documentation of torchvision, of Keras", 5483032, 217e6, IMAGENET, 1000, (224, 224)),
        ),
        "mobilenetv3-small": Backbone(
            partial(MobileNet, V3_SMALL),
            MOBILE_3,
            Published("torchvision's documentation; the paper", 2542856, 56e6, IMAGENET, 1000, (224, 224)),
        ),
        "swin-tiny": Backbone(
            Swin,
            "Liu et al., Swin Transformer, ICCV 2021",
            Published(
                "torchvision's documentation",
                28288354,
                4.49e9,
                "patches of 4, ImageNet's classifier for the head",
                1000,
                (224, 224),
            ),
            options=("drop_path",),
        ),
        "vit-base": Backbone(
            partial(VisionTransformer, 512, 24), PATCHES, Published(README, macs=11.4e9), options=MASKS
        ),
        "vit-small": Backbone(
            partial(VisionTransformer, 512, 12), PATCHES, Published(README, macs=5.7e9), options=MASKS
        ),
        "vit-tiny": Backbone(
            partial(VisionTransformer, 256, 12), PATCHES, Published(README, macs=1.5e9), options=MASKS
        ),
    }
)


def find(name: str) -> Backbone:
    """A row of the table, or that of a timm network by `timm:NAME`. InputError lists what is known."""
    if name.startswith(PREFIX):
        return timm_backbone(name.removeprefix(PREFIX))
    if name not in BACKBONES:
        known = ", ".join(sorted(BACKBONES))
        raise InputError(f"backbone {name!r} is not known; known are {known} and {PREFIX}NAME")
    return BACKBONES[name]


def build(
    name: str, *, dimension: int = 512, size: Size | None = None, dropout: float = 0.0, **options: float
) -> nn.Module:
    """A network by name: (n,3,h,w) normalised pixels → (n,dimension) features that are not of unit length.

    size: (h, w), None: the one that the backbone is meant for. dropout: before the last layer. options: the
    backbone's own, named in its row. InputError lists what is known where the name or an option is not.
    """
    return find(name).build(dimension, size, dropout, **options)
