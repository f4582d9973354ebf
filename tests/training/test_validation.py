"""Figures of a network in training, against a count by hand, and which of two is better."""

from __future__ import annotations

import pickle
from pathlib import Path

import msgspec
import numpy as np
import pytest
from made_datasets import picture
from made_training import CONTRACT, SIDE, person, write_faces

from mien.errors import ImageError, InputError
from mien.evaluation.protocols.pairs import PairList
from mien.images import encode_png
from mien.training.datasets import open_dataset
from mien.training.datasets.contract import square
from mien.training.recipe import Data, Validation
from mien.training.run import Measurement
from mien.training.validation import Checks, better, checks
from mien.values import Floats, Pixels

PLAIN = Validation()


def means(crops: Pixels) -> Floats:
    """A network of sorts: the means over a 4×4 grid, centred."""
    grid = crops.reshape(len(crops), 4, SIDE // 4, 4, SIDE // 4, 3).mean((2, 4)).reshape(len(crops), -1)
    centred: Floats = (grid - grid.mean(1, keepdims=True)).astype(np.float32)
    return centred


def of_vectors(vectors: Floats, subjects: list[int], pairs: PairList | None = None) -> Checks:
    """Checks whose "crops" are vectors already."""
    people = tuple(f"p{i}" for i in range(max(subjects) + 1))
    names = tuple(f"{i}.png" for i in range(len(subjects)))
    crops = np.zeros((len(vectors), 1, 1, 3), np.uint8)
    return Checks(crops, np.array(subjects, np.int32), people, names, pairs)


def counted(vectors: Floats, subjects: list[int], threshold: float) -> tuple[float, float]:
    """FMR and TAR at a threshold, by counting pairs."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    who = np.array(subjects)
    first, second = np.triu_indices(len(who), 1)
    scores, same = (unit[first] * unit[second]).sum(1), who[first] == who[second]
    return float((scores[~same] >= threshold).mean()), float((scores[same] >= threshold).mean())


def test_the_figures_are_those_of_a_count_by_hand() -> None:
    rng = np.random.default_rng(0)
    subjects = [person for person in range(12) for _ in range(4)]
    centres = rng.normal(size=(12, 8))
    vectors = (centres[subjects] + 0.7 * rng.normal(size=(48, 8))).astype(np.float32)
    found = of_vectors(vectors, subjects)
    measured = found.measured(lambda _: vectors * 3, PLAIN, 7, 1.23456)
    assert (measured.step, measured.epoch, measured.fmr, measured.weighting) == (7, 1.2346, 0.01, "pair")
    assert measured.threshold is not None
    fmr, tar = counted(vectors, subjects, measured.threshold)
    assert fmr <= 0.01
    assert tar == pytest.approx(measured.tar, abs=1e-9)
    assert counted(vectors, subjects, measured.threshold - 0.05)[0] > 0.01  # no lower threshold would do
    sweep = [counted(vectors, subjects, threshold) for threshold in np.linspace(-1, 1, 4001)]
    crossing = min(max(fmr, 1 - tar) for fmr, tar in sweep)
    assert measured.eer == pytest.approx(crossing, abs=0.02)
    assert measured.accuracy is None


def test_a_rate_finer_than_the_pairs_is_not_stated() -> None:
    vectors = np.random.default_rng(1).normal(size=(6, 4)).astype(np.float32)
    measured = of_vectors(vectors, [0, 0, 1, 1, 2, 2]).measured(lambda _: vectors, PLAIN, 0, 0)
    assert measured.tar is None
    assert measured.threshold is None
    assert 0 <= measured.eer <= 1


def test_vectors_that_are_none_are_failures_to_enrol() -> None:
    vectors = np.random.default_rng(2).normal(size=(8, 4)).astype(np.float32)
    vectors[3] = np.nan
    vectors[5] = 0
    trial = of_vectors(vectors, [0, 0, 1, 1, 2, 2, 3, 3]).trial(vectors)
    assert trial.samples.enrolled.tolist() == [True, True, True, False, True, False, True, True]
    assert np.isfinite(trial.samples.vectors).all()


def test_a_list_has_its_folds_accuracy(tmp_path: Path) -> None:
    places = write_faces(tmp_path / "others", 6, 4)
    lines = ["2\t3"]
    for fold in (0, 3):
        lines += [f"p{p:03}\t1\t2" for p in range(fold, fold + 3)]
        lines += [f"p{p:03}\t1\tp{(p + 1) % 6:03}\t3" for p in range(fold, fold + 3)]
    for folder in places.iterdir():
        if folder.is_dir():
            for i in (3, 2, 1, 0):
                (folder / f"{i}.png").rename(folder / f"{folder.name}_{i + 1:04}.png")
    file = tmp_path / "pairs.txt"
    file.write_text("\n".join(lines) + "\n")
    found = checks(Data(validation=str(places), pairs=str(file)), PLAIN, None, CONTRACT)
    assert found is not None
    assert found.pairs is not None
    assert found.names == found.pairs.pictures or len(found.names) == len(found.pairs.pictures)
    row = found.names.index("p002/p002_0003.png")
    assert np.array_equal(found.crops[row], person(2, 4)[2])
    measured = found.measured(means, PLAIN, 1, 0.5)
    assert measured.accuracy == 1.0
    shuffled = found.measured(
        lambda crops: means(crops[np.random.default_rng(0).permutation(len(crops))]), PLAIN, 1, 1
    )
    assert shuffled.accuracy is not None
    assert shuffled.accuracy < 0.9
    file.write_text("1\t1\np000\t1\t2\nnobody\t1\tp001\t1\n")
    with pytest.raises(InputError, match=r"1 of its pictures are not in others: nobody/nobody_0001"):
        checks(Data(validation=str(places), pairs=str(file)), PLAIN, None, CONTRACT)
    with pytest.raises(InputError, match=r"data.pairs: .* lists pictures of data.validation, which names none"):
        checks(Data(pairs=str(file)), PLAIN, None, CONTRACT)


def written_bin(file: Path, pictures: list[bytes], same: list[bool]) -> Data:
    file.write_bytes(pickle.dumps((pictures, same), 4))
    return Data(validation=str(file))


def test_a_bin_is_measured_on_its_pairs(tmp_path: Path) -> None:
    people = [person(number, 2) for number in range(20)]
    same = [i % 2 == 0 for i in range(20)]
    pictures = [
        encode_png(each)
        for i in range(20)
        for each in (people[i][0], people[i if same[i] else (i + 1) % 20][1])
    ]
    found = checks(written_bin(tmp_path / "set.bin", pictures, same), PLAIN, None, CONTRACT)
    assert found is not None
    assert found.dataset is None
    assert found.measured(means, PLAIN, 0, 0).accuracy == 1.0
    with pytest.raises(InputError, match=r"set.bin#0: 32×32, the network takes crops of 24×24"):
        checks(written_bin(tmp_path / "set.bin", pictures, same), PLAIN, None, square(24))
    with pytest.raises(ImageError):
        checks(written_bin(tmp_path / "set.bin", [b"nothing", *pictures[1:]], same), PLAIN, None, CONTRACT)


def test_too_many_pictures_are_thinned_by_people(tmp_path: Path) -> None:
    places = write_faces(tmp_path / "others", 10, 4)
    found = checks(Data(validation=str(places)), Validation(pictures=18), None, CONTRACT)
    assert found is not None
    assert len(found.crops) == 16
    assert np.bincount(found.subjects).tolist() == [4, 4, 4, 4]
    again = checks(Data(validation=str(places)), Validation(pictures=18), None, CONTRACT)
    assert again is not None
    assert again.names == found.names  # the same ones each time, or figures could not be compared
    few = checks(Data(validation=str(places)), Validation(pictures=2), None, CONTRACT)
    assert few is not None
    assert len(few.people) == 2


def test_people_held_out_are_measured_on(tmp_path: Path) -> None:
    faces = open_dataset(write_faces(tmp_path / "faces"))
    train, held = faces.split_people(3, 0)
    found = checks(Data(), PLAIN, held, CONTRACT)
    assert found is not None
    assert set(found.people) & set(train.people) == set()
    assert found.dataset is held
    assert checks(Data(), PLAIN, None, CONTRACT) is None


@pytest.mark.parametrize(("people", "weighting"), [(60, "person"), (4, "pair")])
def test_everybody_counts_alike_where_people_are_enough(tmp_path: Path, people: int, weighting: str) -> None:
    places = write_faces(tmp_path / "others", people, 2)
    found = checks(Data(validation=str(places)), PLAIN, None, CONTRACT)
    assert found is not None
    measured = found.measured(means, PLAIN, 0, 0)
    assert measured.weighting == weighting
    assert measured.eer == pytest.approx(0, abs=1e-6)


def test_whoever_has_pairs_stays_where_pictures_are_thinned(tmp_path: Path) -> None:
    places = write_faces(tmp_path / "others", 30, 1)
    (places / "p017" / "1.png").write_bytes(encode_png(person(17, 2)[1]))
    found = checks(Data(validation=str(places)), Validation(pictures=10), None, CONTRACT)
    assert found is not None
    assert "p017" in found.people
    assert len(found.crops) == 10
    assert found.measured(means, PLAIN, 0, 0).eer == pytest.approx(0, abs=1e-6)


def test_crops_of_other_contracts_are_refused(tmp_path: Path) -> None:
    other = write_faces(tmp_path / "other", 3, 3, contract=square(24))
    with pytest.raises(
        InputError, match="other: crops of 24×24 by aligner unknown, the network takes crops of 32×32"
    ):
        checks(Data(validation=str(other)), PLAIN, None, CONTRACT)


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (picture(1, 40), InputError, "p001/2.png: 40×40, the network takes crops of 32×32"),
        (b"nothing", ImageError, "p001/2.png"),
    ],
)
def test_a_picture_that_does_not_fit_is_named(
    tmp_path: Path, content: bytes, kind: type[InputError], words: str
) -> None:
    places = write_faces(tmp_path / "others", 3, 3)
    (places / "p001" / "2.png").write_bytes(content)
    with pytest.raises(kind, match=words):
        checks(Data(validation=str(places)), PLAIN, None, CONTRACT)


def at(eer: float, tar: float | None = None, accuracy: float | None = None) -> Measurement:
    return Measurement(
        step=0, epoch=0, eer=eer, tar=tar, fmr=0.01, weighting="pair", threshold=None, accuracy=accuracy
    )


@pytest.mark.parametrize(
    ("figure", "good", "bad"),
    [
        ("tar", at(0.2, tar=0.9), at(0.1, tar=0.8)),
        ("tar", at(0.1, tar=0.9), at(0.2, tar=0.9)),  # the EER decides between equals
        ("tar", at(0.1), at(0.2)),  # and where it cannot be stated
        ("eer", at(0.1, tar=0.8), at(0.2, tar=0.9)),
        ("accuracy", at(0.2, accuracy=0.99), at(0.1, accuracy=0.98)),
        ("accuracy", at(0.1), at(0.2)),
    ],
)
def test_the_better_of_two_is_known(figure: str, good: Measurement, bad: Measurement) -> None:
    assert better(figure, good, bad)
    assert not better(figure, bad, good)
    assert not better(figure, good, good)  # patience ends with what is only as good
    assert better(figure, bad, None)


def test_a_measurement_is_json(tmp_path: Path) -> None:
    assert msgspec.json.decode(msgspec.json.encode(at(0.1, 0.9)), type=Measurement) == at(0.1, 0.9)
