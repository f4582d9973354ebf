"""Every error mien raises on purpose.

MienError
├── InputError              what was handed over cannot be used
│   ├── ImageError          not a picture, or one that cannot be read safely
│   └── FaceCountError      no face, or several where one is wanted
├── BundleError             a model's folder cannot be used
│   ├── CardError           the card or a calibration does not say what it must
│   ├── DigestError         a file is not the one that the card names
│   ├── GraphError          the graph does not fit its card or its family
│   └── ProofError          a converted model does not return what its parent does
├── CalibrationError        no threshold stands for what was asked
├── GalleryError            a gallery cannot do what was asked
│   ├── StoreError          its database refuses, is damaged, full, or of a newer mien
│   ├── KeyingError         its key is wrong or missing
│   ├── OriginError         the vectors are of another model or aligner than the gallery's
│   ├── EnrolmentError      a face did not pass the gate; `reasons` names why
│   └── UnknownPersonError  nobody is called so, or has this number
├── TrainingError           a training cannot go on
├── DeviceError             the engine or device asked for is not on this machine
└── MissingExtraError       an optional part of mien is not installed

A message says what was given, what was wanted and what to do about it.
"""


class MienError(Exception):
    """The root: catch this to catch everything mien raises on purpose."""


class InputError(MienError):
    """What the caller handed over cannot be used."""


class ImageError(InputError):
    """Not a picture, or one that cannot be read safely."""


class FaceCountError(InputError):
    """No face, or several where exactly one is wanted. `count` says how many there are."""

    def __init__(self, message: str, count: int) -> None:
        super().__init__(message)
        self.count = count


class BundleError(MienError):
    """A model's folder cannot be used."""


class CardError(BundleError):
    """The card or a calibration does not say what it must."""


class DigestError(BundleError):
    """A file is not the one that the card names."""


class GraphError(BundleError):
    """The graph does not fit its card or its family, or the engine refused it."""


class ProofError(BundleError):
    """A converted model does not return what its parent does."""


class CalibrationError(MienError):
    """No threshold stands for what was asked."""


class GalleryError(MienError):
    """A gallery cannot do what was asked."""


class StoreError(GalleryError):
    """The gallery's database refuses, is damaged, full, locked, or written by a newer mien."""


class KeyingError(GalleryError):
    """The gallery's key is wrong or missing."""


class OriginError(GalleryError):
    """The vectors were made by another model or aligner than the gallery's."""


class EnrolmentError(GalleryError):
    """A face did not pass the gate. `reasons` names why, each a word that the caller can allow."""

    def __init__(self, message: str, reasons: tuple[str, ...]) -> None:
        super().__init__(message)
        self.reasons = reasons


class UnknownPersonError(GalleryError):
    """Nobody in the gallery is called so, or has this number."""


class TrainingError(MienError):
    """A training cannot go on: its loss is no number any more, say."""


class DeviceError(MienError):
    """The engine or device asked for is not on this machine."""


class MissingExtraError(MienError):
    """An optional part of mien is not installed; the message holds the install line."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"the package {package!r} is needed here: pip install 'mien[{extra}]'")
