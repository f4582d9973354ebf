"""A trained network → a bundle: proved against the network, measured, calibrated, written whole or not."""

from __future__ import annotations

import datetime
import shlex
import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, Self

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from mien.bundle import golden
from mien.bundle.bundle import Bundle
from mien.bundle.calibration import Calibration
from mien.bundle.card import AnyCard, EmbedCard, Input, Measured, Provenance, listed
from mien.bundle.runtime import Runtime
from mien.errors import BundleError, CalibrationError, CardError, InputError
from mien.evaluation.calibrate import AVERAGES, calibrate
from mien.evaluation.comparisons import WEIGHTINGS
from mien.evaluation.enrol import printable
from mien.evaluation.metrics import Trial, unsupported, verification
from mien.evaluation.samples import Samples
from mien.evaluation.study import Figure, Weighting
from mien.evaluation.trials import all_pairs
from mien.recognition.embed import BATCH, Embedder
from mien.shipping.proof import Limits, Proof, Vectors, prove, require
from mien.training.datasets.contract import CropContract
from mien.training.datasets.dataset import Dataset, decode
from mien.values import Pixels, rate_text

GRAPH = "model.onnx"
LEAST, MOST = 64, 256  # crops that a proof is made on
FINE = 1e-3  # where people are too few for this rate, figures over pairs are stated too


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A network after its training, and what a card says of it.

    onnx: its graph. embed: crops (n,h,w,3) uint8 RGB → the network's own raw vectors (n, dimension), mirrored
    nowhere. contract: of the crops it was trained on. mean, scale: it takes (pixel − mean) × scale in the order
    of `channels`. mirror: the runtime shall average with the mirrored crop. people: the names of those it was
    trained on. provenance: `parity` is filled in by `publish`.
    """

    name: str
    onnx: bytes
    embed: Vectors
    contract: CropContract
    dimension: int
    provenance: Provenance
    channels: Literal["RGB", "BGR"] = "RGB"
    mean: tuple[float, float, float] = (127.5, 127.5, 127.5)
    scale: tuple[float, float, float] = (1 / 127.5, 1 / 127.5, 1 / 127.5)
    mirror: bool = False
    people: Collection[str] = ()

    def card(self) -> EmbedCard:
        """The card as the network itself decides it, without proof, golden numbers and figures.

        CardError where a setting cannot stand in one.
        """
        try:
            return EmbedCard(
                name=self.name,
                files=listed({GRAPH: self.onnx}),
                input=Input(size=self.contract.size, channels=self.channels, mean=self.mean, scale=self.scale),
                provenance=self.provenance,
                reference=self.contract.reference,
                dimension=self.dimension,
                mirror=self.mirror,
            )
        except ValueError as error:
            raise CardError(f"{self.name}: {error}") from error


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Crops of known people, on which a bundle is measured.

    data: what they are, in words. people: their names; subjects (n,): the number of each crop's person in
    `people`. crop: number → (h,w,3) uint8 RGB. contract: what made the crops, None where nobody knows.
    """

    data: str
    people: tuple[str, ...]
    subjects: NDArray[np.int32]
    crop: Callable[[int], Pixels]
    contract: CropContract | None = None

    def __post_init__(self) -> None:
        """Refuse crops of fewer than two people: they show no strangers."""
        if len(np.unique(self.subjects)) < 2:
            raise InputError(f"{self.data}: crops of at least two people are wanted to measure on")

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """The crops of a data set, read when they are wanted."""
        return cls(dataset.name, dataset.people, dataset.labels, partial(decode, dataset), dataset.contract)

    def __len__(self) -> int:
        return len(self.subjects)

    @property
    def present(self) -> frozenset[str]:
        """The names of those who are shown."""
        return frozenset(self.people[subject] for subject in np.unique(self.subjects))


@dataclass(frozen=True, slots=True)
class Found:
    """What a bundle showed on labelled crops. notes: what somebody who uses it must know."""

    measured: tuple[Measured, ...]
    calibration: Calibration | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Published:
    """A bundle in its place, its proof, and what was found of it."""

    bundle: Bundle
    proof: Proof
    found: Found


def publish(
    model: Trained,
    out: Path,
    *,
    crops: Pixels,
    validation: Labelled | None = None,
    limits: Limits | None = None,
    runtime: Runtime | None = None,
) -> Published:
    """Write the bundle of a trained network to a new folder `out`.

    crops (n,h,w,3) uint8 RGB: at least 64 real ones, on which graph and network must agree within `limits`
    (default: cosine 1 − 1e-6, differences of 1e-4 of the numbers' RMS). validation: what its figures are
    measured on, and its calibration where the aligner of those crops is known.
    Raises ProofError where they do not agree, InputError where crops do not fit, CardError where the settings
    do not, BundleError where `out` exists; then nothing is written.
    """
    runtime = runtime or Runtime()
    if out.exists():
        raise BundleError(f"{out}: exists already; choose another folder or remove it first")
    if validation is not None:
        _require_same_crops(model, validation)
    files = {GRAPH: model.onnx}
    with tempfile.TemporaryDirectory(prefix="mien-") as scratch:
        draft = Bundle.write(Path(scratch) / "draft", model.card(), files)
        proof = prove(model.embed, draft, chosen(crops), runtime=runtime)
        require(proof, limits or Limits())
        found = _found(draft, model, validation, runtime, _command(out, validation))
        card = _complete(draft, proof, found)
    bundle = Bundle.write(out, card, files, check=partial(_finish, found.calibration))
    return Published(bundle, proof, found)


def chosen(crops: Pixels) -> Pixels:
    """The crops that a proof is made on: all, or 256 evenly among them. InputError where there are too few."""
    if len(crops) < LEAST:
        raise InputError(
            f"{len(crops)} crops; at least {LEAST} are wanted to prove that the graph is the network"
        )
    rows = np.linspace(0, len(crops) - 1, min(len(crops), MOST)).astype(np.int64)
    return np.ascontiguousarray(crops[rows])


def _require_same_crops(model: Trained, validation: Labelled) -> None:
    theirs = validation.contract or model.contract
    if (theirs.reference, theirs.size) != (model.contract.reference, model.contract.size):
        raise InputError(
            f"{validation.data}: crops of {theirs.size} with other reference points than the "
            f"{model.contract.size} the network was trained on; prepare them anew for its crops"
        )


def _complete(draft: Bundle, proof: Proof, found: Found) -> AnyCard:
    provenance = replace(draft.card.provenance, parity=proof.figures())
    return replace(draft.card, golden=golden.measure(draft), provenance=provenance, measured=found.measured)


def _finish(calibration: Calibration | None, written: Bundle) -> None:
    golden.verify(written)
    if calibration is not None:
        written.write_calibration(calibration)


def _command(out: Path, validation: Labelled | None) -> str:
    contract = validation.contract if validation is not None else None
    detector = contract.detector_name if contract is not None else ""
    parts = [
        "mien",
        "calibrate",
        "FOLDER",
        "--bundle",
        str(out),
        "--detector",
        detector or "DETECTOR",
        "--write",
    ]
    return f"`{shlex.join(parts)}`, on people like yours, makes one"


def _found(draft: Bundle, model: Trained, validation: Labelled | None, runtime: Runtime, command: str) -> Found:
    if validation is None:
        return Found((), None, (f"no labelled crops: no figures were measured, nor a calibration; {command}",))
    seen = sorted(validation.present & set(model.people))
    share = f"{len(seen):,} of its {len(validation.present):,} people were seen in training"
    data = printable(validation.data + (f"; {share}" if seen else ""))
    trial = all_pairs(_samples(draft, validation, runtime))
    measured = tuple(_measured(trial, weighting, data) for weighting in _weightings(trial))
    if seen:
        why = f"{validation.data}: {share} ({', '.join(seen[:3])} …), so its figures are too good"
        return Found(measured, None, (printable(f"{why} and no calibration was made; {command}"),))
    try:
        return Found(measured, _calibration(trial, data), _moved(model, validation))
    except CalibrationError as error:
        return Found(measured, None, (*_moved(model, validation), f"no calibration: {error}; {command}"))


def _moved(model: Trained, validation: Labelled) -> tuple[str, ...]:
    """A note where the crops measured on are another aligner's than those trained on."""
    theirs = validation.contract.aligner if validation.contract is not None else ""
    if not theirs or not model.contract.aligner or theirs == model.contract.aligner:
        return ()
    return (
        "trained on crops of one aligner and measured on those of another, which calibration and figures mean",
    )


def _samples(draft: Bundle, validation: Labelled, runtime: Runtime) -> Samples:
    """The bundle's own vectors of the crops, a batch at a time."""
    embed = Embedder(draft, runtime)
    vectors = np.empty((len(validation), embed.dimension), np.float32)
    for start in range(0, len(validation), BATCH):
        rows = range(start, min(start + BATCH, len(validation)))
        vectors[rows.start : rows.stop] = embed(np.stack([validation.crop(row) for row in rows]))[0]
    contract = validation.contract
    return Samples(
        names=tuple(map(str, range(len(vectors)))),
        subjects=validation.subjects,
        people=validation.people,
        vectors=vectors,
        enrolled=np.ones(len(vectors), np.bool_),
        bundle=draft.digest,
        aligner=contract.aligner if contract is not None else "",
    )


def _weightings(trial: Trial) -> tuple[Weighting, ...]:
    return WEIGHTINGS if unsupported(FINE, trial.impostor, "person") else WEIGHTINGS[:1]


def _measured(trial: Trial, weighting: Weighting, data: str) -> Measured:
    found = verification(trial, weighting)
    figures = {"eer": found.eer, "auc": found.auc}
    figures |= {f"tar_at_fmr_{rate_text(point.fmr)}": point.tar for point in found.points}
    pictures, people = len(trial.samples), len(np.unique(trial.samples.subjects))
    return Measured(
        protocol=f"all pairs of {pictures:,} crops of {people:,} people, {AVERAGES[weighting]}",
        data=data,
        date=datetime.date.today().isoformat(),
        figures={
            key: value for name, figure in figures.items() for key, value in _stated(name, figure).items()
        },
    )


def _stated(name: str, figure: Figure) -> dict[str, float]:
    """A figure and the ends of its interval by name; nothing where it cannot be stated."""
    ends = {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}
    return {key: round(value, 6) for key, value in ends.items() if value is not None}


def _calibration(trial: Trial, data: str) -> Calibration:
    if not trial.samples.aligner:
        raise CalibrationError(f"{data}: it is not known which detector and aligner made these crops")
    return calibrate(trial, trial.samples.bundle, trial.samples.aligner, data)
