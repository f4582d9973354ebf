"""How good is mien on a folder of your people? Vectors, error rates with intervals, a page.

python examples/how_good.py photos/ report.html
"""

from __future__ import annotations

import sys
from pathlib import Path

from mien import Recognizer
from mien.evaluation.enrol import enrol, people_in
from mien.evaluation.measure import About, measure
from mien.evaluation.report import build
from mien.evaluation.study import System
from mien.evaluation.trials import all_pairs
from mien.pages.page import write

folder, page = sys.argv[1:]
recognizer = Recognizer.load()
bundle, aligner = recognizer.bundle.digest, recognizer.aligner.digest
done = enrol(
    people_in(Path(folder)),
    recognizer.read_many,
    face="central",
    bundle=bundle,
    aligner=aligner,
    dimension=recognizer.dimension,
)
system = System(name="starter", bundle=bundle, aligner=aligner)
study = measure(all_pairs(done.samples), About(protocol="all pairs", data=folder, system=system))
for point in study.verification[0].points:
    tar = point.tar
    print(point.fmr, tar.why or f"TAR {tar.value:.3f} ({tar.low:.3f} to {tar.high:.3f})")
write(page, build(study, pictures={}))
