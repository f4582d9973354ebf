"""From photographs to a model of your own, in minutes on two cores: made people, so that it runs anywhere.

python examples/train_your_own.py OUT

Its figures say that the road works, and nothing of anybody's face: a person is one small photograph, varied.
"""

from __future__ import annotations

import sys
from pathlib import Path

from mien import Recognizer
from mien.demo.people import write_people
from mien.training.datasets import open_dataset
from mien.training.prepare.prepare import prepare
from mien.training.prepare.settings import PrepareSettings
from mien.training.recipe_file import read_recipe
from mien.training.recipes import find
from mien.training.trainer import publish_run, train

out = Path(sys.argv[1])
photos = write_people(out / "photos", 92, 8, hardness=0.3)
learnt, held_out = open_dataset(out / "photos").split_people(32)
for name, people in (("crops", learnt), ("test", held_out)):
    print(name, prepare(people, out / name, PrepareSettings(keep_poor=True)).crops, "crops")
places = [f'data.train="{out / "crops"}"', f'data.validation="{out / "test"}"']
tell = "epoch {0.epoch:g}: equal error rate {0.eer:.1%}".format
run = train(read_recipe(find("demo"), places), out / "run", lambda found: print(tell(found), flush=True))
made = publish_run(run.folder, run.bundle, licence="made to try mien")
calibration = made.found.calibration
print("calibrated for", [row.fmr for row in calibration.thresholds] if calibration else "nothing")
first, second = next(iter(photos.values()))[:2]
print(Recognizer.load(run.bundle).compare(first, second, fmr=1e-2))
