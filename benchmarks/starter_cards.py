"""Write the cards of the starter bundles anew, from their importers, with golden numbers from this machine.

    python benchmarks/starter_cards.py

To be run when an importer changes; the digests change with it, so the calibrations must be measured again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from mien.bundle import catalog
from mien.bundle.bundle import Bundle
from mien.bundle.card import AnyCard, encode_card
from mien.bundle.golden import measure
from mien.bundle.importers import dlib, mtcnn

STARTER = Path(catalog.__file__).parent / "starter"
Parts = Mapping[str, bytes]


@dataclass(frozen=True)
class Recipe:
    """How a starter bundle is imported, and the pattern sizes its graphs are proved on."""

    make: Callable[[Parts], tuple[AnyCard, Mapping[str, bytes]]]
    golden: dict[str, tuple[tuple[int, int], int]]


RECIPES = {
    "mtcnn": Recipe(
        lambda parts: mtcnn.detector(parts["pnet"], parts["rnet"], parts["onet"]),
        {"pnet.onnx": ((40, 48), 2), "rnet.onnx": ((24, 24), 2), "onet.onnx": ((48, 48), 3)},
    ),
    "dlib-resnet": Recipe(lambda parts: dlib.embedder(parts["resnet"]), {"model.onnx": ((150, 150), 1)}),
    "mmod": Recipe(
        lambda parts: dlib.detector(parts["mmod"], mtcnn.onet(parts["onet"])),
        {"model.onnx": ((120, 120), 1), "onet.onnx": ((48, 48), 3)},
    ),
}


def main() -> None:
    for name, recipe in RECIPES.items():
        card, files = recipe.make(catalog.ingredients(name))
        with tempfile.TemporaryDirectory() as scratch:
            bundle = Bundle.write(Path(scratch) / name, card, files)
            golden = [
                measure(bundle, file, size, output)
                for file, (size, outputs) in recipe.golden.items()
                for output in range(outputs)
            ]
        path = STARTER / name / "card.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_card(replace(card, golden=tuple(golden))))
        print(f"{name}: digest {card.digest}, {len(golden)} golden rows → {path.name}")


if __name__ == "__main__":
    main()
