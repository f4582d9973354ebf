"""A name → a verified bundle on this disk.

`catalog.toml` lists the known bundles; `starter/NAME/` holds each one's card and calibrations. The weights
of the starter bundles come from two small public packages: they are converted on first use into the
user's cache folder and must hash to what the card says.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tomllib
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

import msgspec
import platformdirs

from mien.bundle.bundle import Bundle
from mien.bundle.calibration import Calibration
from mien.bundle.card import AnyCard, Part, decode_card
from mien.bundle.golden import verify
from mien.bundle.importers import dlib, mtcnn
from mien.errors import BundleError, DigestError, MissingExtraError

HERE = Path(__file__).parent
Parts = Mapping[str, bytes]


class Ingredient(Part, frozen=True, kw_only=True):
    """A file of an installed package: where it is in there, and its SHA-256."""

    package: str
    path: str
    sha256: str


class Entry(Part, frozen=True, kw_only=True):
    """A bundle that mien knows by name."""

    summary: str
    licence: str
    ingredients: dict[str, Ingredient]


# What turns a starter bundle's ingredients into its files.
BUILDERS: Mapping[str, Callable[[Parts], Parts]] = {
    "mtcnn": lambda parts: mtcnn.networks(parts["pnet"], parts["rnet"], parts["onet"]),
    "dlib-resnet": lambda parts: dlib.embedder(parts["resnet"])[1],
    "mmod": lambda parts: dlib.detector(parts["mmod"], mtcnn.landmark_network(parts["onet"]))[1],
}


def entries() -> Mapping[str, Entry]:
    """Every bundle in the catalogue, by name."""
    return msgspec.convert(tomllib.loads((HERE / "catalog.toml").read_text("utf-8")), dict[str, Entry])


def find_bundle(name: str | os.PathLike[str] | Bundle) -> Bundle:
    """The bundle of a catalogue name (built if need be) or in a folder.

    Raises BundleError, listing the known names, where there is neither.
    """
    if isinstance(name, Bundle):
        return name
    if os.fspath(name) in entries():
        return starter(os.fspath(name))
    if not os.path.isdir(name):  # noqa: PTH112 - says no where Path.is_dir raises, as for names too long
        raise BundleError(
            f"{os.fspath(name)!r} is no folder and no known bundle; known: {', '.join(entries())}"
        )
    return Bundle.open(name)


def find_calibration(bundle: str, aligner: str) -> Calibration | None:
    """The calibration of a known bundle with this digest over this aligner; None where none was made."""
    known = (_described(name) for name in entries())
    return next((each.calibration(aligner) for each in known if each.digest == bundle), None)


def describe_bundle(name: str | os.PathLike[str]) -> Bundle:
    """As `find_bundle`, but a starter bundle is not built: its card can be read, its files perhaps not."""
    known = os.fspath(name)
    return _described(known) if known in entries() else find_bundle(name)


def starter(name: str) -> Bundle:
    """A starter bundle from the cache, converted and proved by its golden numbers the first time.

    Raises MissingExtraError where the packages that carry its weights are absent.
    """
    folder = starter_folder(name)
    if not folder.exists():
        _announce(f"mien: building the bundle {name!r} in {folder} (once)")
        _build(name, folder)
    return _described(name)


def _described(name: str) -> Bundle:
    # Card and calibrations are mien's own; only the weights, held against that card, come from the cache.
    return Bundle(starter_folder(name), _shipped_card(name), HERE / "starter" / name / "calibrations")


def starter_folder(name: str) -> Path:
    """Where a starter bundle is, or will be, built: named by its digest, so versions never mix."""
    return cache_folder() / "bundles" / f"{name}-{_shipped_card(name).digest[:16]}"


def cache_folder() -> Path:
    """Where built bundles live: $MIEN_CACHE, else the user's cache folder of this system."""
    return Path(os.environ.get("MIEN_CACHE") or platformdirs.user_cache_path("mien"))


def ingredients(name: str) -> Parts:
    """The bytes a starter bundle is made from, each held against its SHA-256."""
    return {key: _fetch(part) for key, part in entries()[name].ingredients.items()}


def landmark_network() -> bytes:
    """MTCNN's third network reduced to its landmarks: what completes a detector that has none.

    Raises MissingExtraError where the package that carries its weights is absent.
    """
    return mtcnn.landmark_network(ingredients("mtcnn")["onet"])


def _shipped_card(name: str) -> AnyCard:
    return decode_card((HERE / "starter" / name / "card.json").read_bytes())


def _build(name: str, folder: Path) -> None:
    files = BUILDERS[name](ingredients(name))
    try:
        Bundle.write(folder, _shipped_card(name), files, check=verify)
    except BundleError:
        # Another process may have been quicker: then its bundle is the same one.
        if not folder.exists():
            raise


def _fetch(part: Ingredient) -> bytes:
    # find_spec looks where the package is without running any of it.
    spec = find_spec(part.package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(part.package, "starter")
    path = Path(spec.submodule_search_locations[0]) / part.path
    if not path.is_file():
        raise MissingExtraError(part.package, "starter")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != part.sha256:
        raise DigestError(f"{path}: not the file of {part.package} that mien knows; install the pinned version")
    return content


def _announce(line: str) -> None:
    if sys.stderr.isatty():
        print(line, file=sys.stderr)
