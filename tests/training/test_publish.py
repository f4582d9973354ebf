"""A trained network becomes a bundle that is proved, measured and calibrated, or nothing at all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from people import make_people
from torch import nn

from mien.bundle.bundle import Bundle
from mien.bundle.card import EmbedCard, Provenance
from mien.bundle.golden import verify
from mien.errors import BundleError, CardError, InputError, ProofError
from mien.evaluation.metrics import verification
from mien.evaluation.samples import Samples
from mien.evaluation.trials import all_pairs
from mien.recognition.align import transforms, warp
from mien.recognition.recognizer import Recognizer
from mien.training.datasets.contract import CropContract, named_contract
from mien.training.publish import Labelled, Trained, chosen, publish
from mien.training.with_torch.export import to_onnx
from mien.values import Floats, Pixels

PEOPLE, PICTURES = 27, 3  # 351 pairs of people, 3,159 of strangers' crops: enough for FMR 1e-2, and 1e-3
ARCFACE = named_contract("arcface")
MEAN, SCALE, DIMENSION = 127.5, 1 / 127.5, 48


class Tiny(nn.Module):
    """Means over an 8×6 grid through a linear layer, enough to tell the people of tests apart."""

    def __init__(self) -> None:
        super().__init__()
        self.pool, self.last = nn.AvgPool2d((14, 16)), nn.Linear(3 * 8 * 7, DIMENSION)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        means = self.pool(x).flatten(1)
        out: torch.Tensor = self.last(means - means.mean(1, keepdim=True))
        return out


@dataclass(frozen=True)
class World:
    """Aligned crops of people, and a network."""

    pictures: dict[str, list[Pixels]]
    crops: Pixels
    subjects: np.ndarray
    contract: CropContract
    network: nn.Module
    graph: bytes

    def embed(self, crops: Pixels) -> Floats:
        planes = (torch.from_numpy(crops.astype(np.float32)) - MEAN) * SCALE
        with torch.inference_mode():
            vectors: Floats = self.network(planes.permute(0, 3, 1, 2)).numpy()
        return vectors

    @property
    def model(self) -> Trained:
        told = Provenance(
            source="mien train", licence="MIT", framework="torch 2", recipe="ab12", data="27 people"
        )
        return Trained("tiny", self.graph, self.embed, self.contract, DIMENSION, told)

    @property
    def labelled(self) -> Labelled:
        return Labelled("stamps", tuple(self.pictures), self.subjects, self.crops.__getitem__, self.contract)


@pytest.fixture(scope="module")
def world(recognizer: Recognizer) -> World:
    """People whose faces the starter detector found, in crops of its aligner. Their rates mean nothing."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = Tiny().eval()
    pictures = make_people(PEOPLE, PICTURES)
    found = [recognizer.find(each).faces.landmarks[:1] for images in pictures.values() for each in images]
    images = [each for of_person in pictures.values() for each in of_person]
    crops = [
        warp(pixels, transforms(landmarks, ARCFACE.reference), ARCFACE.size)[0]
        for pixels, landmarks in zip(images, found, strict=True)
    ]
    subjects = np.repeat(np.arange(PEOPLE, dtype=np.int32), PICTURES)
    detector = recognizer.detector
    made = replace(recognizer.aligner, reference=ARCFACE.reference, size=ARCFACE.size)
    contract = CropContract(
        reference=ARCFACE.reference,
        size=ARCFACE.size,
        aligner=made.digest,
        detector=detector.digest,
        detector_name=detector.card.name,
    )
    return World(pictures, np.stack(crops), subjects, contract, network, to_onnx(network, ARCFACE.size))


def require_nothing(folder: Path) -> None:
    assert list(folder.iterdir()) == []


def test_a_published_bundle_is_whole_and_gives_verdicts(tmp_path: Path, world: World) -> None:
    out = tmp_path / "models" / "tiny"
    published = publish(world.model, out, crops=world.crops, validation=world.labelled)
    bundle = Bundle.open(out)
    assert published.bundle == bundle
    assert published.found.notes == ()
    assert verify(bundle) < 1e-5
    assert bundle.calibration(world.contract.aligner) == published.found.calibration
    assert sorted(path.name for path in tmp_path.rglob("*")) == sorted(
        ["models", "tiny", "card.json", "model.onnx", "calibrations", f"{world.contract.aligner}.json"]
    )
    road = Recognizer.load(out, threads=2)
    assert road.calibration == published.found.calibration
    same = road.compare(*world.pictures["astronaut"][:2], fmr=1e-2)
    other = road.compare(world.pictures["astronaut"][0], world.pictures["person-003"][0], fmr=1e-2)
    assert same.similarity > other.similarity
    assert same.verdict != "uncalibrated"
    assert other.verdict == "different"


def test_the_card_says_what_is_known(tmp_path: Path, world: World) -> None:
    published = publish(replace(world.model, mirror=True), tmp_path / "tiny", crops=world.crops)
    card = published.bundle.card
    assert isinstance(card, EmbedCard)
    assert (card.name, card.dimension, card.mirror) == ("tiny", DIMENSION, True)
    assert (card.reference, card.input.size) == (ARCFACE.reference, (112, 112))
    assert (card.input.channels, card.input.mean, card.input.scale) == ("RGB", (MEAN,) * 3, (SCALE,) * 3)
    assert (card.provenance.recipe, card.provenance.licence, card.provenance.parent) == ("ab12", "MIT", None)
    assert card.provenance.parity == published.proof.figures()
    assert published.proof.pictures == len(world.crops)
    assert published.proof.relative < 1e-5
    assert len(card.golden) == 1
    assert card.measured == ()
    assert published.found.calibration is None
    assert "--bundle" in published.found.notes[0]
    assert str(tmp_path / "tiny") in published.found.notes[0]


def test_the_figures_are_those_of_the_evaluation(tmp_path: Path, world: World) -> None:
    published = publish(world.model, tmp_path / "tiny", crops=world.crops, validation=world.labelled)
    vectors = world.embed(world.crops)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    enrolled = np.ones(len(vectors), np.bool_)
    names = tuple(map(str, range(len(vectors))))
    trial = all_pairs(Samples(names, world.subjects, tuple(world.pictures), vectors, enrolled))
    person, pair = published.bundle.card.measured  # few people: over pairs as well
    assert person.protocol == "all pairs of 81 crops of 27 people, averaged per pair of people"
    assert pair.protocol == "all pairs of 81 crops of 27 people, over all pairs of pictures"
    assert (person.data, pair.data) == ("stamps", "stamps")
    for found, weighting in ((person, "person"), (pair, "pair")):
        want = verification(trial, weighting)  # type: ignore[arg-type]
        assert found.figures["eer"] == pytest.approx(want.eer.value, abs=1e-5)
        tar = {point.fmr: point.tar for point in want.points}
        assert found.figures["tar_at_fmr_1e-2"] == pytest.approx(tar[1e-2].value, abs=1e-5)
        assert found.figures["tar_at_fmr_1e-2_low"] == pytest.approx(tar[1e-2].low, abs=1e-5)
    assert "tar_at_fmr_1e-3" not in person.figures
    assert "tar_at_fmr_1e-3" in pair.figures


def test_a_changed_graph_is_refused_and_leaves_nothing(tmp_path: Path, world: World) -> None:
    model = onnx.load_from_string(world.graph)
    weight = next(each for each in model.graph.initializer if each.name == "last.weight")
    values = numpy_helper.to_array(weight)
    noise = np.random.default_rng(0).choice(np.float32([-1e-3, 1e-3]), values.shape)
    weight.CopyFrom(numpy_helper.from_array(values + noise, weight.name))
    tampered = replace(world.model, onnx=model.SerializeToString())
    with pytest.raises(ProofError, match="times as much"):
        publish(tampered, tmp_path / "tiny", crops=world.crops, validation=world.labelled)
    require_nothing(tmp_path)


@pytest.mark.parametrize(
    "wrong", [{"channels": "BGR"}, {"mean": (127.5, 127.5, 120.0)}, {"scale": (0.0078,) * 3}]
)
def test_a_wrong_contract_is_refused(tmp_path: Path, world: World, wrong: dict[str, object]) -> None:
    """What the card says of the pixels is proved with the graph."""
    with pytest.raises(ProofError):
        publish(replace(world.model, **wrong), tmp_path / "tiny", crops=world.crops)  # type: ignore[arg-type]
    require_nothing(tmp_path)


def test_people_seen_in_training_are_named_and_calibrate_nothing(tmp_path: Path, world: World) -> None:
    model = replace(world.model, people=("astronaut", "person-001", "somebody else"))
    published = publish(model, tmp_path / "tiny", crops=world.crops, validation=world.labelled)
    (note,) = published.found.notes
    assert "2 of its 27 people were seen in training (astronaut, person-001 …)" in note
    assert published.bundle.card.measured[0].data == "stamps; 2 of its 27 people were seen in training"
    assert published.bundle.calibrations() == {}


def test_crops_of_an_unknown_aligner_calibrate_nothing(tmp_path: Path, world: World) -> None:
    validation = replace(world.labelled, contract=ARCFACE)
    published = publish(world.model, tmp_path / "a b", crops=world.crops, validation=validation)
    (note,) = published.found.notes
    assert "not known which detector and aligner" in note
    assert f"mien calibrate FOLDER --bundle '{tmp_path / 'a b'}' --detector DETECTOR --write" in note
    assert len(published.bundle.card.measured) == 2
    assert published.bundle.calibrations() == {}


def test_too_few_people_calibrate_nothing(tmp_path: Path, world: World) -> None:
    few = replace(world.labelled, subjects=world.subjects[:12])
    published = publish(world.model, tmp_path / "tiny", crops=world.crops, validation=few)
    (note,) = published.found.notes
    assert "too few strangers were compared" in note
    assert "--detector mtcnn --write" in note


def test_another_aligner_is_calibrated_and_said(tmp_path: Path, world: World) -> None:
    model = replace(world.model, contract=ARCFACE)
    published = publish(model, tmp_path / "one", crops=world.crops, validation=world.labelled)
    assert published.found.notes == ()
    trained = CropContract(reference=ARCFACE.reference, size=ARCFACE.size, aligner="ab" * 32)
    model = replace(world.model, contract=trained)
    published = publish(model, tmp_path / "two", crops=world.crops, validation=world.labelled)
    assert "trained on crops of one aligner" in published.found.notes[0]
    assert list(published.bundle.calibrations()) == [world.contract.aligner]


def test_what_cannot_be_published_is_refused_first(tmp_path: Path, world: World) -> None:
    out = tmp_path / "tiny"
    with pytest.raises(InputError, match="63 crops; at least 64"):
        publish(world.model, out, crops=world.crops[:63])
    other = replace(world.labelled, contract=named_contract("facenet"))
    with pytest.raises(InputError, match=r"crops of \(160, 160\) with other reference points"):
        publish(world.model, out, crops=world.crops, validation=other)
    with pytest.raises(CardError, match="not a plain name"):
        publish(replace(world.model, name="my/run"), out, crops=world.crops)
    with pytest.raises(InputError, match="stamps: crops of at least two people"):
        replace(world.labelled, subjects=world.subjects[:3])
    require_nothing(tmp_path)
    out.mkdir()
    with pytest.raises(BundleError, match="exists already"):
        publish(world.model, out, crops=world.crops)
    require_nothing(out)


def test_the_crops_of_a_proof_are_chosen_evenly() -> None:
    crops = np.arange(1000, dtype=np.uint16).astype(np.uint8).reshape(-1, 1, 1, 1).repeat(3, axis=3)
    assert len(chosen(crops)) == 256
    assert np.array_equal(chosen(crops), chosen(crops))
    np.testing.assert_array_equal(chosen(crops[:64]), crops[:64])
    rows = np.linspace(0, 999, 256).astype(int)
    np.testing.assert_array_equal(chosen(crops), crops[rows])
