"""Make a bundle of an ArcFace-style ONNX file, and use it. Usage: own_bundle.py MODEL.onnx FOLDER PICTURE"""

import sys
from pathlib import Path

from mien import Recognizer
from mien.bundle.golden import write_proved
from mien.bundle.importers.onnx import import_onnx

model, folder, picture = sys.argv[1:]
card, files = import_onnx(model, family="arcface", licence="ask whoever trained it")
bundle = write_proved(Path(folder), card, files)
print(bundle.card.name, bundle.digest[:12], "proved on", len(bundle.card.golden), "outputs")
print(Recognizer.load(bundle).read(picture).embeddings.vectors.shape)
