"""Face recognition you own from end to end: detect, align, embed, compare."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mien.bundle.bundle import Bundle
    from mien.bundle.calibration import Calibration
    from mien.bundle.runtime import Runtime
    from mien.errors import MienError
    from mien.gallery.answers import Consent, Match
    from mien.gallery.gallery import Gallery
    from mien.recognition.recognizer import Recognizer
    from mien.values import Comparison, Crops, Embeddings, Faces, Failure, Quality, Reading
    from mien.vectors import VectorFile

__all__ = [
    "Bundle",
    "Calibration",
    "Comparison",
    "Consent",
    "Crops",
    "Embeddings",
    "Faces",
    "Failure",
    "Gallery",
    "Match",
    "MienError",
    "Quality",
    "Reading",
    "Recognizer",
    "Runtime",
    "VectorFile",
]

_HOMES = {
    "Bundle": "mien.bundle.bundle",
    "Calibration": "mien.bundle.calibration",
    "Comparison": "mien.values",
    "Consent": "mien.gallery.answers",
    "Crops": "mien.values",
    "Embeddings": "mien.values",
    "Faces": "mien.values",
    "Failure": "mien.values",
    "Gallery": "mien.gallery.gallery",
    "Match": "mien.gallery.answers",
    "MienError": "mien.errors",
    "Quality": "mien.values",
    "Reading": "mien.values",
    "Recognizer": "mien.recognition.recognizer",
    "Runtime": "mien.bundle.runtime",
    "VectorFile": "mien.vectors",
}


def __getattr__(name: str) -> Any:
    # Each name is fetched when first used (PEP 562), so that `import mien` loads nothing heavy.
    if name not in _HOMES:
        raise AttributeError(f"module 'mien' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
