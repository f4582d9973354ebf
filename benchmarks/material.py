"""What is measured on: real pictures and public models beside the project, or pictures made here."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mien.bundle.bundle import Bundle
from mien.bundle.importers.onnx import import_onnx
from mien.values import Pixels

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"
MODELS = {
    "scrfd": "scrfd_500m.onnx",
    "yunet": "yunet_n_dynamic.onnx",
    "mobilefacenet": "mobilefacenet_112_128d.onnx",
}
INSIGHTFACE_NAME = "two"  # of the folder in which FaceAnalysis finds its two files
BIG = (5000, 8000)  # (height, width): 40 megapixels


@dataclass(frozen=True, slots=True)
class Material:
    """Everything that contenders are given; all paths as text. models and bundles: by the keys of MODELS."""

    portraits: Sequence[str]
    parties: Sequence[str]
    pictures: str
    chips: str
    big: Mapping[str, str]
    models: Mapping[str, str]
    bundles: Mapping[str, str]
    insightface_root: str
    quick: bool


def gather(scratch: Path, *, quick: bool) -> Material:
    """The material, with what has to be made written into `scratch`."""
    real = sorted((SHARED / "faces" / "lfw-dev").glob("*/*.jpg"))
    parties = sorted((SHARED / "faces" / "photos" / "groups").glob("*.jpg"))
    portraits = spread(real, 60 if quick else 400) or made_portraits(
        scratch / "portraits", 60 if quick else 400
    )
    models = {key: SHARED / "models" / name for key, name in MODELS.items()}
    models = {key: path for key, path in models.items() if path.is_file()}
    return Material(
        portraits=[str(path) for path in portraits],
        parties=[str(path) for path in parties or made_parties(scratch / "parties")],
        pictures="LFW (250×250)" if real else "made from scikit-image's portrait (250×250)",
        chips=write_chips(scratch / "chips.npy", portraits[:64]),
        big={kind: write_big(scratch / f"big.{kind}", portraits[0]) for kind in ("jpg", "png")},
        models={key: str(path) for key, path in models.items()},
        bundles={key: write_bundle(scratch / "bundles" / key, path) for key, path in models.items()},
        insightface_root=write_insightface(scratch / "insightface", models),
        quick=quick,
    )


def spread(paths: Sequence[Path], count: int) -> Sequence[Path]:
    """`count` of the paths, at even steps."""
    chosen = np.linspace(0, len(paths) - 1, min(count, len(paths))).astype(int)
    return [paths[number] for number in chosen]


def made_portraits(folder: Path, count: int) -> Sequence[Path]:
    """The public-domain portrait of scikit-image, cut, shifted and lit in many ways."""
    folder.mkdir()
    portrait, generator = _portrait(), np.random.default_rng(0)
    paths = []
    for number in range(count):
        x, y = generator.integers(70, 130), generator.integers(0, 30)
        light = generator.uniform(0.6, 1.3)
        cut = np.clip(portrait[y : y + 250, x : x + 250] * light, 0, 255).astype(np.uint8)
        paths.append(folder / f"{number:04}.jpg")
        cv2.imwrite(str(paths[-1]), cut)
    return paths


def made_parties(folder: Path) -> Sequence[Path]:
    """Two pictures of six times the same portrait."""
    folder.mkdir()
    portrait = _portrait()[:300, 50:400]
    paths = []
    for name, light in (("bright", 1.0), ("dark", 0.7)):
        paths.append(folder / f"{name}.jpg")
        cv2.imwrite(str(paths[-1]), (np.tile(portrait, (2, 3, 1)) * light).astype(np.uint8))
    return paths


def write_chips(path: Path, pictures: Sequence[Path]) -> str:
    """Faces as dlib's network takes them, roughly: the middle of each portrait at 150×150, RGB."""
    images = [cv2.cvtColor(cv2.imread(str(picture)), cv2.COLOR_BGR2RGB) for picture in pictures]  # type: ignore[arg-type]
    np.save(path, np.stack([cv2.resize(image[60:190, 60:190], (150, 150)) for image in images]))
    return str(path)


def write_big(path: Path, picture: Path) -> str:
    """A picture of 40 megapixels: the portrait, enlarged."""
    image = cv2.imread(str(picture))
    cv2.imwrite(str(path), cv2.resize(image, BIG[::-1], interpolation=cv2.INTER_CUBIC))  # type: ignore[arg-type]
    return str(path)


def write_bundle(folder: Path, model: Path) -> str:
    card, files = import_onnx(model)
    return str(Bundle.write(folder, card, files).folder)


def write_insightface(root: Path, models: Mapping[str, Path]) -> str:
    folder = root / "models" / INSIGHTFACE_NAME
    folder.mkdir(parents=True)
    for key in {"scrfd", "mobilefacenet"} & set(models):
        shutil.copy(models[key], folder)
    return str(root)


def _portrait() -> Pixels:
    from skimage.data import astronaut

    image: Pixels = astronaut()  # type: ignore[no-untyped-call]
    return image[:, :, ::-1]  # as OpenCV writes it
