"""The vectors of a network in training: as it is measured, and as it is published."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from mien.training.with_torch.face_module import FaceModule
from mien.training.with_torch.view import Normal
from mien.values import Floats, Pixels

TOGETHER = 64


def embedded(network: nn.Module, normal: Normal, crops: Pixels) -> Floats:
    """(n,h,w,3) uint8 RGB → (n,d) raw vectors, in float32; the network is as it was afterwards."""
    parameter = next(network.parameters())
    training = network.training
    network.eval()
    parts = []
    with torch.inference_mode(), torch.autocast(parameter.device.type, enabled=False):
        for start in range(0, len(crops), TOGETHER):
            pixels = torch.from_numpy(crops[start : start + TOGETHER]).to(parameter.device)
            parts.append(network(normal(pixels.permute(0, 3, 1, 2).float())).float().cpu().numpy())
    network.train(training)
    return np.concatenate(parts)


def vectors(face: FaceModule, crops: Pixels) -> Floats:
    """Those of a network in training, mirrored too where the bundle will be: the mean of both vectors."""
    settings = face.recipe.network
    normal = Normal(settings.mean, settings.scale)
    plain = embedded(face.network, normal, crops)
    if not settings.mirror:
        return plain
    mirrored = embedded(face.network, normal, np.ascontiguousarray(crops[:, :, ::-1]))
    return ((plain + mirrored) / 2).astype(np.float32)
