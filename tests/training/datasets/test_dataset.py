from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_datasets import COUNTS, made, picture

from mien.errors import ImageError, InputError
from mien.images import load
from mien.training.datasets.contract import CONTRACTS
from mien.training.datasets.dataset import Dataset, decode, merged


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return made(tmp_path / "set")


def held(dataset: Dataset) -> list[tuple[str, bytes]]:
    return [(dataset.people[dataset.labels[i]], dataset.encoded(i)) for i in range(len(dataset))]


def test_it_counts_and_decodes(dataset: Dataset) -> None:
    assert len(dataset) == sum(COUNTS.values())
    assert dict(zip(dataset.people, dataset.counts.tolist(), strict=True)) == COUNTS
    assert np.array_equal(decode(dataset, 4), load(picture(4)).pixels)
    assert not dataset.labels.flags.writeable


def test_a_subset_keeps_the_order_asked_for_and_numbers_people_anew(dataset: Dataset) -> None:
    part = dataset.subset([8, 3, 5])
    assert part.people == ("Bob", "Cy")
    assert list(part.names) == ["Cy/3.png", "Bob/0.png", "Cy/0.png"]
    assert held(part) == [held(dataset)[i] for i in (8, 3, 5)]
    mask = dataset.labels == 0
    assert held(dataset.subset(mask)) == held(dataset)[:3]


@pytest.mark.parametrize("keep", [[9], [-1], np.ones(8, bool)])
def test_a_subset_of_what_is_not_there_is_refused(dataset: Dataset, keep: object) -> None:
    with pytest.raises(InputError, match="of its 9 pictures"):
        dataset.subset(keep)  # type: ignore[arg-type]


def test_a_subset_of_nothing_is_refused(dataset: Dataset) -> None:
    with pytest.raises(InputError, match="one picture at least"):
        dataset.subset([])


def test_people_are_split_and_shared_by_nobody(dataset: Dataset) -> None:
    rest, out = dataset.split_people(2, seed=3)
    assert sorted(rest.people + out.people) == sorted(COUNTS)
    assert sorted(held(rest) + held(out)) == sorted(held(dataset))
    assert dataset.split_people(2, seed=3)[1].people == out.people
    assert len({dataset.split_people(1, seed=seed)[1].people for seed in range(20)}) == 3
    rest, out = dataset.split_people(["Bob"])
    assert (rest.people, out.people) == (("Ann", "Cy"), ("Bob",))
    assert dataset.of_people(["Cy", "Ann"]).people == ("Ann", "Cy")


@pytest.mark.parametrize("count", [0, 3, -1])
def test_nobody_and_everybody_cannot_be_held_out(dataset: Dataset, count: int) -> None:
    with pytest.raises(InputError, match="1 to 2 can"):
        dataset.split_people(count)


def test_a_stranger_cannot_be_held_out(dataset: Dataset) -> None:
    with pytest.raises(InputError, match="1 names are nobody's here: 'Dee'"):
        dataset.split_people(["Ann", "Dee"])


def test_people_of_several_sets_are_others_unless_united(tmp_path: Path, dataset: Dataset) -> None:
    other = made(tmp_path / "more", {"Bob": 1, "Dee": 2})
    apart = merged([dataset, other])
    assert apart.people == ("set/Ann", "set/Bob", "set/Cy", "more/Bob", "more/Dee")
    assert [data for _, data in held(apart)] == [data for each in (dataset, other) for _, data in held(each)]
    united = merged([dataset, other], unite=True)
    assert united.people == ("Ann", "Bob", "Cy", "Dee")
    assert united.counts.tolist() == [3, 3, 4, 2]
    assert held(united.subset([10, 2])) == [held(other)[1], held(dataset)[2]]
    assert list(united.names[9:]) == list(other.names)


def test_sets_of_one_name_or_of_other_crops_are_not_merged(dataset: Dataset) -> None:
    with pytest.raises(InputError, match="two data sets have one name"):
        merged([dataset, dataset])
    arcface, facenet = (
        replace(dataset, name=name, contract=CONTRACTS[name]) for name in ("arcface", "facenet")
    )
    with pytest.raises(InputError, match="160×160"):
        merged([arcface, facenet])
    assert merged([arcface, replace(arcface, name="b")]).contract == CONTRACTS["arcface"]
    assert merged([arcface, dataset]).contract is None
    with pytest.raises(InputError, match="at least one"):
        merged([])


def test_it_travels_to_workers_and_serves_threads(dataset: Dataset) -> None:
    travelled = pickle.loads(pickle.dumps(merged([dataset])))
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(travelled.encoded, range(9))) == [data for _, data in held(dataset)]


def test_the_digest_tells_another_list(dataset: Dataset) -> None:
    other = replace(dataset, people=("Ann", "Bob", "Cyd"))
    digests = {
        dataset.digest,
        other.digest,
        dataset.subset(range(8)).digest,
        dataset.subset([1, *range(9)]).digest,
    }
    assert len(digests) == 4
    assert dataset.digest == dataset.subset(range(9)).digest


def test_a_picture_that_is_none_names_itself(tmp_path: Path, dataset: Dataset) -> None:
    (tmp_path / "set" / "Bob" / "1.png").write_bytes(b"GIF8")
    with pytest.raises(ImageError, match=r"^set: Bob/1.png: not a picture"):
        decode(dataset, 4)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"people": ("Ann", "Bob")}, "labels 0 to 2 where there are 2 people"),
        ({"people": ("Ann", "Bob", "Cy", "Dee")}, "1 people without a picture: 'Dee'"),
        ({"people": ("Ann", "Bob", "Ann")}, "two people have one name"),
        ({"labels": np.zeros(8, np.int32)}, "9 pictures and"),
        ({"labels": np.zeros(9)}, "float64 labels"),
        ({"labels": np.full(9, -1, np.int32)}, "labels -1"),
    ],
)
def test_what_does_not_fit_is_refused(dataset: Dataset, change: dict[str, object], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        replace(dataset, **change)  # type: ignore[arg-type]
