"""Groups that grow: numbers stay, names hold, removed faces stay away, and the file keeps all of it."""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
import pytest
from elements import Elements
from hypothesis import given
from hypothesis import strategies as st

from mien.bundle.calibration import Calibration, Threshold
from mien.errors import InputError, OriginError, UnknownPersonError
from mien.gallery.clustering.found import FoundFaces
from mien.gallery.clustering.groups import NOBODY, Groups, renumbered
from mien.gallery.clustering.groups_file import load, save
from mien.gallery.clustering.page import MOST, SHOWN, build
from mien.values import Embeddings

BUNDLE, ALIGNER = "a" * 64, "b" * 64
CALIBRATION = Calibration(
    bundle=BUNDLE,
    aligner=ALIGNER,
    thresholds=tuple(
        Threshold(fmr=fmr, similarity=s, low=s, high=s, fmr_low=fmr, fmr_high=fmr)
        for fmr, s in ((1e-1, 0.5), (1e-2, 0.6), (1e-3, 0.8), (1e-4, 0.9))
    ),
    tar=(1, 1, 1, 1),
    people=9,
    genuine_pairs=9,
    impostor_pairs=100_000,
    data="made up",
    date="2026-01-01",
    method="by hand",
)


def faces(*degrees: float, good: bool = True, bundle: str = BUNDLE) -> FoundFaces:
    """A face in a picture of its own for each direction; the picture is called after it."""
    angles = np.radians(degrees)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    names = tuple(f"{degree}.jpg" for degree in degrees)
    n = len(degrees)
    return FoundFaces(
        Embeddings(vectors, np.ones(n), bundle, ALIGNER),
        np.full(n, good),
        names,
        tuple(f"sha of {name}" for name in names),
        np.zeros(n, np.int64),
        tuple(name.encode() for name in names),
    )


def start(*degrees: float) -> Groups:
    return Groups.none(BUNDLE, ALIGNER, 2).add([faces(*degrees)], CALIBRATION)


def test_new_pictures_join_old_groups_and_numbers_stay() -> None:
    groups = start(0, 1, 90, 91, 92, 200)
    assert groups.numbers.tolist() == [2, 2, 1, 1, 1, 3]
    # The second group outgrows the first, the lone face gets company, and somebody new comes in.
    more = groups.add([faces(2, 3, 4), faces(201, 300)], CALIBRATION)
    assert more.numbers.tolist() == [2, 2, 1, 1, 1, 3, 2, 2, 2, 3, 4]
    assert more.members() == {2: [0, 1, 6, 7, 8], 1: [2, 3, 4], 3: [5, 9], 4: [10]}
    assert more.next == 5


def test_a_number_is_never_given_twice() -> None:
    groups = start(0, 1, 90).removed(1)
    assert groups.faces.pictures == ("90.jpg",)
    assert groups.add([faces(0)], CALIBRATION).numbers.tolist() == [2, 3]


def test_pictures_stay_known_when_their_faces_are_removed() -> None:
    groups = start(0, 1, 90).add([], CALIBRATION, seen={"sha of a wall"})
    assert groups.removed(1).seen == {"sha of 0.jpg", "sha of 1.jpg", "sha of 90.jpg", "sha of a wall"}


def test_two_names_never_come_together() -> None:
    groups = start(0, 40)
    between = faces(20)
    assert len(groups.add([between], CALIBRATION).members()) == 1  # nameless, the one between joins them
    named = groups.named(1, "Ann").named(2, "Bea").add([between], CALIBRATION)
    assert named.names == {1: "Ann", 2: "Bea"}
    assert named.numbers[0] != named.numbers[1]


def test_a_named_group_stays_together() -> None:
    groups = start(0, 35).named(1, "Ann")
    crowd = faces(*range(100, 350, 5))  # more faces, a stricter rate: 35° is too far
    assert len(set(start(0, 35).add([crowd], CALIBRATION).numbers[:2].tolist())) == 2
    assert groups.add([crowd], CALIBRATION).numbers[:2].tolist() == [1, 1]


def test_one_name_makes_one_group_and_an_empty_one_takes_it_away() -> None:
    groups = start(0, 90, 180).named(3, "Ann").named(1, "Ann")
    assert groups.names == {1: "Ann"}
    assert groups.numbers.tolist() == [1, 2, 1]
    assert groups.add([faces(300)], CALIBRATION).numbers.tolist() == [1, 2, 1, 4]
    assert groups.named(1, "").names == {}
    assert groups.named(1, "Bea").names == {1: "Bea"}


@pytest.mark.parametrize("number", [NOBODY, 7])
def test_there_is_no_such_group(number: int) -> None:
    poor = start(0).add([faces(180, good=False)], CALIBRATION)
    assert poor.numbers.tolist() == [1, NOBODY]
    for change in (poor.removed, lambda n: poor.named(n, "Ann")):
        with pytest.raises(UnknownPersonError, match=f"no group {number}"):
            change(number)


def test_another_models_faces_are_refused() -> None:
    with pytest.raises(OriginError, match="another bundle"):
        start(0).add([faces(1, bundle="c" * 64)], CALIBRATION)


@pytest.mark.parametrize("parts", [2, 10])
def test_in_parts_or_at_once_the_groups_are_the_same(parts: int) -> None:
    rng = np.random.default_rng(parts)
    vectors = np.repeat(rng.normal(size=(40, 8)), 4, axis=0) + rng.normal(0, 0.35, (160, 8))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True))[rng.permutation(160)]
    words = tuple(map(str, range(160)))
    every = FoundFaces(
        Embeddings(vectors, np.ones(160), BUNDLE, ALIGNER),
        rng.random(160) > 0.1,
        words,
        words,
        np.zeros(160, np.int64),
        (b"",) * 160,
    )
    once = Groups.none(BUNDLE, ALIGNER, 8).add([every], CALIBRATION)
    grown = Groups.none(BUNDLE, ALIGNER, 8)
    for rows in np.array_split(np.arange(160), parts):
        grown = grown.add([every[rows]], CALIBRATION)
    pairs = set(zip(once.numbers.tolist(), grown.numbers.tolist(), strict=True))
    assert len(pairs) == len(set(once.numbers.tolist())) == len(set(grown.numbers.tolist())) > 20


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(-1, 5)), max_size=30))
def test_every_new_group_has_one_number_and_old_ones_go_to_whom_they_share_most_with(
    pairs: list[tuple[int, int]],
) -> None:
    before, labels = np.array(pairs, np.int64).reshape(-1, 2).T
    numbers, following = renumbered(before, labels, (), 6)
    found = {(label, number) for label, number in zip(labels.tolist(), numbers.tolist(), strict=True)}
    assert len({label for label, _ in found}) == len(found) == len({number for _, number in found})
    assert all((label == -1) == (number == NOBODY) for label, number in found)
    assert numbers.max(initial=0) < following
    for old in range(1, 6):  # an old group that went whole into a new one with nobody else keeps its number
        inside = labels[before == old]
        if len(inside) and (inside == inside[0]).all() and inside[0] >= 0:
            others = before[(labels == inside[0]) & (before != old)]
            if (others == NOBODY).all():
                assert set(numbers[before == old].tolist()) == {old}


def test_the_file_keeps_everything_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    groups = (
        start(0, 1, 90).named(1, "Ann 陳").add([faces(180, good=False)], CALIBRATION, seen={"sha of a wall"})
    )
    path = tmp_path / "groups.npz"
    save(path, groups)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = load(path)
    assert again.numbers.tolist() == groups.numbers.tolist()
    assert (again.names, again.seen, again.next, again.fmr) == (groups.names, groups.seen, groups.next, None)
    assert again.faces.embeddings.vectors.tolist() == groups.faces.embeddings.vectors.tolist()
    assert (again.faces.embeddings.bundle, again.faces.embeddings.aligner) == (BUNDLE, ALIGNER)
    for name in ("pictures", "sha256", "thumbs"):
        assert getattr(again.faces, name) == getattr(groups.faces, name)
    for name in ("good", "places"):
        assert getattr(again.faces, name).tolist() == getattr(groups.faces, name).tolist()


def test_an_empty_state_and_a_rate_of_ones_own_come_back(tmp_path: Path) -> None:
    save(tmp_path / "g.npz", Groups.none(BUNDLE, ALIGNER, 2, fmr=1e-2))
    again = load(tmp_path / "g.npz")
    assert (len(again.faces), again.fmr, again.rate(CALIBRATION)) == (0, 1e-2, 1e-2)
    assert again.add([faces(0, 50)], CALIBRATION).numbers.tolist() == [1, 1]  # 0.64, at 1e-2 (0.6)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", np.array(2)),
        ("numbers", np.array([1, 1])),
        ("numbers", np.array([1, 1, 99])),
        ("named", np.array([5])),
        ("names", np.array(["Ann", "Bea"])),
        ("thumb_ends", np.array([1])),
        ("vectors", np.ones((3, 2))),
        ("good", np.array([True])),
        ("format", np.array(["x"])),
        ("pictures", np.array([{}], object)),
    ],
)
def test_a_file_that_is_not_so_is_refused(tmp_path: Path, field: str, value: np.ndarray) -> None:
    save(tmp_path / "g.npz", start(0, 1, 90).named(1, "Ann"))
    with np.load(tmp_path / "g.npz") as file:
        arrays = dict(file)
    np.savez(tmp_path / "g.npz", **arrays | {field: value})
    with pytest.raises(InputError, match=r"g\.npz"):
        load(tmp_path / "g.npz")


def test_the_page_shows_groups_first_and_folds_the_rest() -> None:
    groups = start(0, 1, 2, 90, 91, 180).named(2, "<b>Ann</b>")
    groups = groups.add([faces(270, good=False)], CALIBRATION)
    page = Elements(build("People", groups, CALIBRATION, {"torn.png": "no picture"}))
    headings = ["Group 1 · 3 faces", "<b>Ann</b> · group 2 · 2 faces", "Seen once · 1", "Too poor to group · 1"]
    places = [page.text().index(heading) for heading in headings]
    assert places == sorted(places)
    assert page.names().count("details") == 2
    assert page.names().count("symbol") == page.names().count("use") == 7
    assert page.row("torn.png") == ["torn.png", "no picture"]
    assert "at a false-match rate of 1e-3" in page.text()
    assert "b" not in page.names()


def test_a_page_of_many_faces_says_what_it_leaves_out() -> None:
    many = start(*np.linspace(0, 0.5, SHOWN + 3).tolist(), 90)
    page = Elements(build("People", many, CALIBRATION, {}))
    assert "and 3 more" in page.text()
    assert page.names().count("symbol") == SHOWN + 1
    assert MOST > SHOWN


def test_a_page_without_faces_is_a_page() -> None:
    page = Elements(build("Nobody", Groups.none(BUNDLE, ALIGNER, 2), CALIBRATION, {}))
    assert "details" not in page.names()
