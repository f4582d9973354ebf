"""A bundle: a folder with `card.json`, the files the card names, and calibrations beside them."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from mien.bundle.calibration import Calibration, decode_calibration, encode_calibration
from mien.bundle.card import DIGEST, MAX_BYTES, AnyCard, decode_card, encode_card
from mien.errors import BundleError, CardError, DigestError, InputError
from mien.files import read_bounded, write_whole

MAX_FILE_BYTES = 2 << 30


@dataclass(frozen=True, slots=True)
class Bundle:
    """A model on disk: its folder and its card. Open one with `Bundle.open`.

    shipped: a second folder of calibrations, read where the bundle's own has none.
    """

    folder: Path
    card: AnyCard
    shipped: Path | None = None

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Self:
        """Read a bundle's card. Files are read, and held against the card, when they are asked for.

        Raises BundleError where there is no card, CardError where it is not a card.
        """
        path = Path(folder)
        card_file = path / "card.json"
        if not card_file.is_file():
            raise BundleError(f"{path}: no card.json here, so this is no bundle")
        return cls(path, decode_card(_read(card_file, MAX_BYTES), str(card_file)))

    @classmethod
    def write(
        cls,
        folder: str | os.PathLike[str],
        card: AnyCard,
        files: Mapping[str, bytes],
        *,
        check: Callable[[Self], object] | None = None,
    ) -> Self:
        """Write a new bundle, whole or not at all. BundleError where the folder exists already.

        `check` gets the written bundle before it stands in its place; what it raises undoes the writing.
        """
        path = Path(folder)
        if path.exists():
            raise BundleError(f"{path}: exists already; choose another folder or remove it first")
        if set(files) != {file.name for file in card.files}:
            raise BundleError(
                f"{path}: the card names other files than those given: {', '.join(sorted(files))}"
            )
        with _writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
            try:
                cls._fill(scratch, card, files, check)
                scratch.rename(path)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)  # gone already where all went well
        return cls.open(path)

    @classmethod
    def _fill(
        cls, scratch: Path, card: AnyCard, files: Mapping[str, bytes], check: Callable[[Self], object] | None
    ) -> None:
        for name, content in files.items():
            (scratch / name).write_bytes(content)
        (scratch / "card.json").write_bytes(encode_card(card))
        written = cls.open(scratch)
        for name in files:
            written.read(name)
        if check:
            check(written)
        scratch.chmod(0o755)

    @property
    def digest(self) -> str:
        """What identifies the model: see `Card.digest`."""
        return self.card.digest

    def read(self, name: str) -> bytes:
        """A file's bytes, after their SHA-256 was held against the card. DigestError where it differs."""
        wanted = {file.name: file.sha256 for file in self.card.files}
        if name not in wanted:
            raise CardError(f"{self.folder}: no file {name!r} in the card; it names {', '.join(wanted)}")
        path = self.folder / name
        # A link could point outside the folder; a bundle is whole in itself.
        if path.is_symlink() or not path.is_file():
            raise BundleError(f"{path}: not a plain file")
        content = _read(path, MAX_FILE_BYTES)
        if hashlib.sha256(content).hexdigest() != wanted[name]:
            raise DigestError(f"{path}: not the file its card names (SHA-256 differs); fetch or build it again")
        return content

    def calibration(self, aligner: str) -> Calibration | None:
        """The calibration measured over the aligner with this digest, or None where none was made.

        Raises CardError where the file is there but does not belong to this model.
        """
        path = self.calibrations().get(aligner)
        if path is None:
            return None
        found = decode_calibration(_read(path, MAX_BYTES), str(path))
        if (found.bundle, found.aligner) != (self.digest, aligner):
            raise CardError(f"{path}: this calibration is another model's or aligner's")
        return found

    def calibrations(self) -> dict[str, Path]:
        """The calibration files by aligner digest; the bundle's own come before those shipped with mien."""
        folders = [folder for folder in (self.shipped, self.folder / "calibrations") if folder]
        found = (path for folder in folders for path in sorted(folder.glob("*.json")))
        return {path.stem: path for path in found if DIGEST.fullmatch(path.stem)}

    def write_calibration(self, calibration: Calibration) -> Path:
        """Put a calibration of this bundle beside its card, in place of an older one of that aligner."""
        if calibration.bundle != self.digest:
            raise CardError(
                f"calibration is for bundle {calibration.bundle[:12]}…, this is {self.digest[:12]}…"
            )
        path = self.folder / "calibrations" / f"{calibration.aligner}.json"
        with _writing(path):
            path.parent.mkdir(exist_ok=True)
        write_whole(path, encode_calibration(calibration))
        return path


def require_task(bundle: Bundle, kind: type[AnyCard], use: str) -> None:
    """BundleError unless the bundle's card is of `kind`."""
    if not isinstance(bundle.card, kind):
        raise BundleError(f"{bundle.folder}: a bundle for {bundle.card.task!r} cannot serve as {use}")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BundleError(f"{path}: cannot be written ({error.strerror or error})") from error


def _read(path: Path, limit: int) -> bytes:
    try:
        return read_bounded(path, limit)
    except InputError as error:
        raise BundleError(str(error)) from error
