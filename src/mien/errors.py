"""Every error mien raises on purpose.

MienError
├── InputError              what was handed over cannot be used
│   ├── ImageError          not a picture, or one that cannot be read safely
│   └── FaceCountError      no face, or several where one is wanted
├── BundleError             a model's folder cannot be used
│   ├── CardError           the card or a calibration does not say what it must
│   ├── DigestError         a file is not the one that the card names
│   └── GraphError          the graph does not fit its card or its family
├── CalibrationError        no threshold stands for what was asked
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


class CalibrationError(MienError):
    """No threshold stands for what was asked."""


class DeviceError(MienError):
    """The engine or device asked for is not on this machine."""


class MissingExtraError(MienError):
    """An optional part of mien is not installed; the message holds the install line."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"the package {package!r} is needed here: pip install 'mien[{extra}]'")
