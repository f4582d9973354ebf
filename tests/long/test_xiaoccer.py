"""Another project's checkpoint through our network, on real pictures. Skipped where they are absent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mien.bundle.card import Reference
from mien.bundle.importers.onnx import ARCFACE
from mien.evaluation.accuracy import best_threshold
from mien.evaluation.protocols.pairs import read_lfw
from mien.images.picture import load
from mien.recognition.align import Aligner
from mien.recognition.recognizer import Recognizer
from mien.training.with_torch.backbones import build
from mien.training.with_torch.checkpoints import load_weights
from mien.values import Crops, Pixels

pytestmark = pytest.mark.long

SIZE = (112, 96)  # the checkpoint's: 112 × 112 crops without 8 columns at either side
POINTS = tuple((x - 8, y) for x, y in ARCFACE)


def crop_of(found: Crops, aligner: Aligner) -> Pixels:
    height, width = found.size
    centres = found.faces.boxes.reshape(-1, 2, 2).mean(1)
    central = int(np.abs(centres - (width / 2, height / 2)).sum(1).argmin())
    crop: Pixels = aligner(load(found.source).pixels, found.faces.landmarks[[central]])[0]
    return crop


def features(network: torch.nn.Module, crops: list[Pixels]) -> np.ndarray:
    """Unit vectors of each crop and its mirror image side by side, as the checkpoint's authors compare them."""
    pixels = (torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() - 127.5) / 128
    with torch.inference_mode():
        halves = [network(batch) for side in (pixels, pixels.flip(3)) for batch in side.split(64)]
    both = torch.cat(torch.cat(halves).chunk(2), 1)
    return torch.nn.functional.normalize(both).numpy()


def test_xiaoccers_checkpoint_on_lfw_pairs(shared_data: Path) -> None:
    network = build("mobilefacenet", dimension=128, size=SIZE).eval()
    loaded = load_weights(network, shared_data / "models" / "MobileFaceNet_Xiaoccer_068.ckpt")
    assert (loaded.form, loaded.missing, loaded.unexpected) == ("xiaoccer", (), ())

    pairs = read_lfw(shared_data / "faces" / "lfw-dev-pairs.txt")
    recognizer = Recognizer.load()
    aligner = Aligner(recognizer.detector.digest, Reference(points=POINTS), SIZE)
    found = recognizer.find_many([shared_data / "faces" / "lfw-dev" / name for name in pairs.pictures])
    crops = [crop_of(each, aligner) for each in found if isinstance(each, Crops) and len(each)]
    assert len(crops) == len(pairs.pictures)

    vectors = features(network, crops)
    scores = (vectors[pairs.first] * vectors[pairs.second]).sum(1)
    right = []
    for fold in range(3):
        held = pairs.fold == fold
        threshold = best_threshold(scores[~held], pairs.same[~held])
        right.append(np.mean((scores[held] >= threshold) == pairs.same[held]))
    print(f"accuracy {np.mean(right):.4f} over {len(scores)} pairs")
    assert len(scores) == 1800
    assert np.mean(right) >= 0.985
