"""Who of a folder looks most like the face in one picture? Usage: find_someone.py PICTURE FOLDER"""

import sys

import numpy as np

from mien import Reading, Recognizer
from mien.images import find_pictures

wanted, folder = sys.argv[1:]
recognizer = Recognizer.load()
person = recognizer.read(wanted).choose("largest").embeddings.vectors[0]
readings = [each for each in recognizer.read_many(find_pictures([folder])) if isinstance(each, Reading)]
names = [each.source for each in readings for _ in range(len(each))]
similarities = np.concatenate([each.embeddings.vectors for each in readings]) @ person
for i in np.argsort(-similarities)[:5]:
    print(f"{similarities[i]:.3f}  {names[i]}")
