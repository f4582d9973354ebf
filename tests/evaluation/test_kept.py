"""The folder that a study leaves: it comes back as it was, or says why not."""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import made_study
import msgspec
import numpy as np
import pytest
from simulated import samples_of

from mien.errors import InputError
from mien.evaluation.comparisons import genuine_pairs
from mien.evaluation.kept import SAMPLES, STUDY, Kept, encode_study
from mien.evaluation.protocols.pairs import PairList
from mien.evaluation.samples import Samples
from mien.evaluation.study import Study

Change = Callable[[dict[str, Any]], object]
STUDIES = {"everything": made_study.full(), "nothing": made_study.minimal()}


def people(known: bool = True) -> Samples:
    made = made_study.SYSTEM
    samples = samples_of([3, 2, 1, 2], failed=[2], known=known)
    return replace(
        samples,
        groups={"age": tuple(["old", "young"] * 4), "größe": ("",) * 8},
        missed=STUDIES["everything"].missed,
        several=2,
        bundle=made.bundle,
        aligner=made.aligner,
    )


def pairs(samples: Samples) -> PairList:
    genuine = genuine_pairs(samples)
    named = tuple(samples.people[i] for i in samples.subjects) if samples.known else None
    fold = np.arange(len(genuine), dtype=np.int32)
    return PairList(samples.names, named, genuine.left, genuine.right, np.ones(len(genuine), np.bool_), fold)


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    Kept(STUDIES[name], samples_of([2, 2])).save(tmp_path)
    assert Kept.load(tmp_path).study == STUDIES[name]
    assert msgspec.json.decode(encode_study(STUDIES[name]), type=Study) == STUDIES[name]


@pytest.mark.parametrize("known", [True, False])
def test_samples_come_back_as_they_were(known: bool, tmp_path: Path) -> None:
    given = people(known)
    Kept(STUDIES["everything"], given).save(tmp_path)
    found = Kept.load(tmp_path).samples
    for field in fields(Samples):
        one, other = getattr(given, field.name), getattr(found, field.name)
        assert np.array_equal(one, other) if isinstance(one, np.ndarray) else one == other, field.name
    assert found.vectors.dtype == np.float32


def test_samples_without_groups_or_pictures_come_back(tmp_path: Path) -> None:
    for samples in (samples_of([2, 1]), samples_of([])):
        Kept(STUDIES["nothing"], samples).save(tmp_path)
        found = Kept.load(tmp_path).samples
        assert (len(found), found.names, found.groups) == (len(samples), samples.names, {})


@pytest.mark.parametrize("known", [True, False])
def test_the_pairs_come_back(known: bool, tmp_path: Path) -> None:
    samples = people(known)
    given = pairs(samples)
    Kept(STUDIES["everything"], samples, given).save(tmp_path)
    found = Kept.load(tmp_path).pairs
    assert found is not None
    assert (found.pictures, found.people) == (given.pictures, given.people)
    for column in ("first", "second", "same", "fold"):
        assert np.array_equal(getattr(found, column), getattr(given, column))


def test_without_a_list_there_is_none(tmp_path: Path) -> None:
    Kept(STUDIES["everything"], people()).save(tmp_path)
    assert Kept.load(tmp_path).pairs is None


def test_names_may_be_anything_that_is_text(tmp_path: Path) -> None:
    samples = samples_of([2, 1])
    named = replace(samples, names=("a b/ü.jpg", "", "漢字"), people=("Ann, B.", 'C "D"'))
    Kept(STUDIES["nothing"], named).save(tmp_path)
    found = Kept.load(tmp_path).samples
    assert (found.names, found.people) == (named.names, named.people)


def test_a_folder_is_made_with_those_above_it_and_written_over(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    Kept(STUDIES["everything"], people(), pairs(people())).save(folder)
    Kept(STUDIES["nothing"], samples_of([1, 1])).save(str(folder))
    found = Kept.load(str(folder))
    assert (found.study, found.pairs, len(found.samples)) == (STUDIES["nothing"], None, 2)
    assert sorted(path.name for path in folder.iterdir()) == [SAMPLES, STUDY]


def test_templates_are_nobody_else_s_business(tmp_path: Path) -> None:
    Kept(STUDIES["nothing"], people()).save(tmp_path)
    for name in (SAMPLES, STUDY):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_where_a_folder_cannot_be_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file: cannot be made a folder"):
        Kept(STUDIES["nothing"], people()).save(tmp_path / "file")


def test_where_no_study_is_it_is_said_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no study\.json there; `mien evaluate … --out"):
        Kept.load(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"protocol": 1}',
        encode_study(STUDIES["nothing"]).replace(b'"protocol"', b'"protokoll"'),
        encode_study(STUDIES["nothing"]).replace(b'"pictures": 6', b'"pictures": "six"'),
        encode_study(STUDIES["nothing"])[:-20],
    ],
    ids=["empty", "half", "list", "no-text", "wrong-kind", "unknown-field", "no-number", "torn"],
)
def test_what_is_no_study_is_refused(text: bytes, tmp_path: Path) -> None:
    Kept(STUDIES["nothing"], people()).save(tmp_path)
    (tmp_path / STUDY).write_bytes(text)
    with pytest.raises(InputError, match="not a study that this mien wrote"):
        Kept.load(tmp_path)


def rewritten(folder: Path, change: Change) -> None:
    """samples.npz with its arrays changed."""
    with np.load(folder / SAMPLES) as file:
        arrays = dict(file)
    change(arrays)
    np.savez(folder / SAMPLES, **arrays)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda a: a.pop("vectors"), id="lacks-vectors"),
        pytest.param(lambda a: a.update(vectors=a["vectors"] * 2), id="longer-vectors"),
        pytest.param(lambda a: a.update(vectors=a["vectors"][:-1]), id="fewer-vectors"),
        pytest.param(lambda a: a.update(vectors=a["names"]), id="names-for-vectors"),
        pytest.param(lambda a: a.update(subjects=a["subjects"] + 9), id="nobody-s-pictures"),
        pytest.param(lambda a: a.update(subjects=a["names"]), id="names-for-numbers"),
        pytest.param(lambda a: a.update(names=np.array("one name")), id="one-name"),
        pytest.param(lambda a: a.update(people=np.array("one name")), id="one-person"),
        pytest.param(lambda a: a.update(several=np.array([1, 2])), id="two-counts"),
        pytest.param(lambda a: a.update(several=np.array("many")), id="words-for-a-count"),
        pytest.param(lambda a: a.update(known=np.array([True, False])), id="two-answers"),
        pytest.param(lambda a: a.update(columns=np.array("age")), id="one-column"),
        pytest.param(lambda a: a.update(labels=np.array("old")), id="one-label"),
        pytest.param(lambda a: a.update(labels=a["labels"][:1]), id="fewer-labels"),
        pytest.param(lambda a: a.update(labels=a["labels"][:, :3]), id="shorter-labels"),
        pytest.param(lambda a: a.pop("fold"), id="lacks-folds"),
        pytest.param(lambda a: a.pop("first"), id="half-a-list"),
        pytest.param(lambda a: a.update(first=a["first"] + 99), id="pictures-that-are-none"),
        pytest.param(lambda a: a.update(same=a["same"][1:]), id="fewer-answers"),
        pytest.param(lambda a: a.update(names=np.full(8, "twice")), id="names-twice"),
        pytest.param(lambda a: a.update(vectors=a["names"].astype(object)), id="pickled"),
    ],
)
def test_samples_that_do_not_fit_are_refused(
    change: Callable[[dict[str, Any]], object], tmp_path: Path
) -> None:
    samples = people()
    Kept(STUDIES["everything"], samples, pairs(samples)).save(tmp_path)
    rewritten(tmp_path, change)
    with pytest.raises(InputError):
        Kept.load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no zip"])
def test_samples_that_are_no_npz_are_refused(content: bytes, tmp_path: Path) -> None:
    Kept(STUDIES["nothing"], people()).save(tmp_path)
    (tmp_path / SAMPLES).write_bytes(content)
    with pytest.raises(InputError, match=SAMPLES):
        Kept.load(tmp_path)
