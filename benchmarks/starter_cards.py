"""Write the cards of the starter bundles anew, from their importers, with golden numbers from this machine.

    python benchmarks/starter_cards.py

To be run when an importer changes; the digests change with it, so the calibrations must be measured again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec.structs import replace

from mien.bundle import catalog
from mien.bundle.card import AnyCard, Measured, encode_card
from mien.bundle.golden import write_proved
from mien.bundle.importers import dlib, mtcnn

STARTER = Path(catalog.__file__).parent / "starter"
Parts = Mapping[str, bytes]


MAKE: dict[str, Callable[[Parts], tuple[AnyCard, Mapping[str, bytes]]]] = {
    "mtcnn": lambda parts: mtcnn.detector(parts["pnet"], parts["rnet"], parts["onet"]),
    "dlib-resnet": lambda parts: dlib.embedder(parts["resnet"]),
    "mmod": lambda parts: dlib.detector(parts["mmod"], mtcnn.landmark_network(parts["onet"])),
}

# What `mien evaluate` printed for each: to be measured again when a bundle or the road changes.
MEASURED = {
    "dlib-resnet": (
        Measured(
            protocol="LFW pairs, three folds of View 2, threshold from the other two",
            data="deep-funneled pictures, faces by the bundle mtcnn, none missed",
            date="2026-11-24",
            figures={"accuracy": 0.9944, "failure_to_enrol": 0.0},
        ),
        Measured(
            protocol="all pairs of 3,380 LFW pictures of 1,256 people, averaged per person",
            data="deep-funneled pictures, faces by the bundle mtcnn, none missed",
            date="2026-11-24",
            figures={"tar_at_fmr_1e-2": 0.993, "tar_at_fmr_1e-3": 0.951, "tar_at_fmr_1e-4": 0.845},
        ),
    ),
}


def main() -> None:
    for name, make in MAKE.items():
        card, files = make(catalog.ingredients(name))
        with tempfile.TemporaryDirectory() as scratch:
            bundle = write_proved(Path(scratch) / name, card, files)
        path = STARTER / name / "card.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_card(replace(bundle.card, measured=MEASURED.get(name, ()))))
        print(f"{name}: digest {bundle.digest}, {len(bundle.card.golden)} golden rows → {path.name}")


if __name__ == "__main__":
    main()
