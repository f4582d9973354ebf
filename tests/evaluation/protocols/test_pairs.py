from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import InputError
from mien.evaluation.protocols.pairs import PairList, folds_of, gathered, locate, read_lfw, stays_inside

SMALL = "2\t1\nAda\t1\t2\nAda\t1\tBo\t3\nBo\t3\t10\nCy\t1\tAda\t2\n"


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lists") / "pairs.txt"


def pair_list() -> PairList:
    return gathered([("a.jpg", "b.jpg", True, 0), ("c.jpg", "a.jpg", False, 1)])


# --- LFW's format -------------------------------------------------------------------------------------------


def test_a_list_of_two_folds(listed: Path) -> None:
    listed.write_text(SMALL)
    pairs = read_lfw(listed)
    ada, bo, cy = (
        ("Ada/Ada_0001.jpg", "Ada/Ada_0002.jpg"),
        ("Bo/Bo_0003.jpg", "Bo/Bo_0010.jpg"),
        "Cy/Cy_0001.jpg",
    )
    assert pairs.pictures == (*ada, *bo, cy)
    assert pairs.people == ("Ada", "Ada", "Bo", "Bo", "Cy")
    assert pairs.first.tolist() == [0, 0, 2, 4]
    assert pairs.second.tolist() == [1, 2, 3, 1]
    assert pairs.same.tolist() == [True, False, True, False]
    assert pairs.fold.tolist() == [0, 0, 1, 1]
    assert len(pairs) == 4


def test_a_development_list_is_one_fold(listed: Path) -> None:
    listed.write_text("2\r\nAda 1 2\r\nBo 1 2\r\n\r\nAda 1 Bo 1\r\nBo 2 Ada 2\r\n")
    pairs = read_lfw(listed, suffix=".png")
    assert pairs.fold.tolist() == [0, 0, 0, 0]
    assert pairs.same.tolist() == [True, True, False, False]
    assert pairs.pictures[0] == "Ada/Ada_0001.png"


def test_the_published_list_is_read_whole(shared_data: Path) -> None:
    pairs = read_lfw(shared_data / "faces" / "lfw-dev-pairs.txt")
    assert len(pairs) == 1800
    assert np.bincount(pairs.fold).tolist() == [600, 600, 600]
    assert [int(pairs.same[pairs.fold == fold].sum()) for fold in range(3)] == [300, 300, 300]
    people = np.array(pairs.people)
    assert ((people[pairs.first] == people[pairs.second]) == pairs.same).all()
    paths = locate(shared_data / "faces" / "lfw-dev", pairs.pictures)
    assert [path.name for path in paths] == [picture.split("/")[1] for picture in pairs.pictures]


names = st.text("abcXYZ_-.é", min_size=1, max_size=6).filter(lambda name: name.strip(".") != "")
people = st.lists(names, min_size=2, max_size=6, unique=True)


@given(people, st.integers(1, 3), st.integers(1, 3), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_what_is_written_is_read(listed: Path, people: list[str], folds: int, n: int, random: object) -> None:
    choose = random.choice  # type: ignore[attr-defined]
    lines, wanted = [f"{folds} {n}"], []
    for fold in range(folds):
        for _ in range(n):
            lines.append(f"{(name := choose(people))}\t{(i := choose(range(1, 9)))}\t{i + 1}")
            wanted.append((f"{name}/{name}_{i:04d}.jpg", f"{name}/{name}_{i + 1:04d}.jpg", True, fold))
        for _ in range(n):
            one, other = (people[i] for i in choose([(0, 1), (1, 0), (0, -1)]))
            lines.append(f"{one} 7 {other} 12345")
            wanted.append((f"{one}/{one}_0007.jpg", f"{other}/{other}_12345.jpg", False, fold))
    listed.write_text("\n".join(lines), "utf-8")
    pairs = read_lfw(listed)
    rows = zip(pairs.first, pairs.second, pairs.same.tolist(), pairs.fold.tolist(), strict=True)
    assert [(pairs.pictures[i], pairs.pictures[j], same, fold) for i, j, same, fold in rows] == wanted
    assert pairs.people == tuple(picture.split("/")[0] for picture in pairs.pictures)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty; LFW's first line is wanted"),
        ("ten 300\n", "line 1: 'ten 300' found, `folds n` or `n`"),
        ("0 5\n", "line 1: '0 5' found"),
        ("1 2 3\n", "line 1"),
        ("9999999\n", "line 1"),
        ("1\nAda 1 2\nAda 1 Bo 1\nAda 1 2\n", "line 4: 'Ada 1 2' found, the end, after 2 pairs, wanted"),
        ("2\t1\nAda 1 2\nAda 1 Bo 1\n", "2 pairs found, 4 wanted by its first line: 2 folds of 1 pairs"),
        ("1\nAda 1 Bo 2\nAda 1 2\n", "line 2: 'Ada 1 Bo 2' found, `name n1 n2`, two pictures of one person"),
        ("1\nAda 1 2\nAda 1 2\n", "line 3: 'Ada 1 2' found, `name1 n1 name2 n2`, two people"),
        ("1\n\nAda 1 2\nAda 1 Ada 2\n", "line 4: 'Ada 1 Ada 2' found"),
        ("1\nAda 3 3\nAda 1 Bo 2\n", "line 2: 'Ada 3 3' found"),
        ("1\nAda one 2\nAda 1 Bo 2\n", "line 2"),
        ("1\nAda -1 2\nAda 1 Bo 2\n", "line 2"),
        ("1\nAda 1 ²\nAda 1 Bo 2\n", "line 2"),
        ("1\nAda 1\nAda 1 Bo 2\n", "line 2"),
        ("1\n../Ada 1 2\nAda 1 Bo 2\n", "line 2: '../Ada 1 2' found"),
        ("1\n.. 1 2\nAda 1 Bo 2\n", "line 2"),
        ("1\nA/B 1 2\nAda 1 Bo 2\n", "line 2"),
        ("1\nA\\B 1 2\nAda 1 Bo 2\n", "line 2"),
        ("1\nA\0 1 2\nAda 1 Bo 2\n", "line 2"),
        (f"1\n{'x' * 500} 1 2 3 4\n", "x…"),
    ],
)
def test_every_wrong_line_is_named(listed: Path, text: str, complaint: str) -> None:
    listed.write_text(text)
    with pytest.raises(InputError) as caught:
        read_lfw(listed)
    assert complaint in str(caught.value)
    assert str(listed) in str(caught.value)


def test_what_is_no_text_is_named(listed: Path) -> None:
    listed.write_bytes(b"1\nAda 1 2\nAd\xff 1 Bo 2\n")
    with pytest.raises(InputError, match="line 3: text in UTF-8 is wanted"):
        read_lfw(listed)


def test_a_list_that_is_no_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.txt: cannot be read"):
        read_lfw(tmp_path / "nowhere.txt")


@given(
    st.dictionaries(st.integers(0, len(SMALL) - 1), st.integers(0, 255), max_size=3), st.integers(0, len(SMALL))
)
@settings(deadline=None)
def test_a_damaged_list_is_refused_or_read(listed: Path, flips: dict[int, int], length: int) -> None:
    content = bytearray(SMALL.encode())
    for at, byte in flips.items():
        content[at] = byte
    listed.write_bytes(content[:length])
    with contextlib.suppress(InputError):
        assert len(read_lfw(listed))


# --- the value ----------------------------------------------------------------------------------------------


def test_pictures_are_numbered_as_they_come() -> None:
    pairs = pair_list()
    assert pairs.pictures == ("a.jpg", "b.jpg", "c.jpg")
    assert (pairs.first.tolist(), pairs.second.tolist(), pairs.people) == ([0, 2], [1, 0], None)


def test_nothing_of_it_can_be_changed() -> None:
    for array in (pairs := pair_list()).first, pairs.second, pairs.same, pairs.fold:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"same": np.array([], bool)}, "at least one is wanted"),
        ({"pictures": ("a.jpg", "b.jpg", "a.jpg")}, "each is wanted once"),
        (
            {"pictures": ("a.jpg", "b.jpg", "../c.jpg")},
            r"within the data set's folder is wanted, '\.\./c\.jpg'",
        ),
        ({"people": ("A",)}, "people: 3 are wanted"),
        ({"first": [0, 3]}, "first: 0 to 2 is wanted, 0 to 3 given"),
        ({"second": [-1, 0]}, "second: 0 to 2 is wanted"),
        ({"second": [1, 0, 0]}, "second: 2 whole numbers are wanted"),
        ({"first": [0.0, 1.0]}, "first: 2 whole numbers are wanted"),
        ({"fold": [0, 1 << 32]}, "fold: 0 to"),
        ({"fold": [0]}, "fold: 2 whole numbers"),
        ({"same": np.array([0, 1])}, "same: 2 truth values are wanted"),
        ({"same": np.array(True)}, "2 given|1 whole numbers|truth"),
    ],
)
def test_it_is_checked_at_birth(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        replace(pair_list(), **change)  # type: ignore[arg-type]


@given(st.integers(1, 500))
def test_folds_are_ten_equal_parts_in_order(count: int) -> None:
    folds = folds_of(count)
    sizes = np.bincount(folds)
    assert (np.diff(folds) >= 0).all()
    assert len(sizes) == min(10, count)
    assert sizes.max() - sizes.min() <= (count % 10 > 0)


@pytest.mark.parametrize("name", ["", "/a", "a/", "a//b", "./a", "a/../b", "..", "a\\b", "a\0b"])
def test_paths_that_leave_their_folder(name: str) -> None:
    assert not stays_inside(name)


# --- where the pictures are ---------------------------------------------------------------------------------


def folder_with(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_pictures_are_found_as_named_or_by_their_stem(tmp_path: Path) -> None:
    folder_with(tmp_path, "A/1.jpg", "A/1.png", "A/2.PNG", "A/3.webp", "A/3.jpeg", "A/4.txt", "5.tif")
    (tmp_path / "A/6").mkdir()
    found = locate(tmp_path, ["A/1.jpg", "A/2.jpg", "A/3.jpg", "5.jpg", "A/1.jpg"])
    assert found == [tmp_path / name for name in ("A/1.jpg", "A/2.PNG", "A/3.jpeg", "5.tif", "A/1.jpg")]
    assert locate(tmp_path, []) == []


@pytest.mark.parametrize(
    "name", ["A/4.jpg", "A/6.jpg", "B/1.jpg", "../1.jpg", "A/../5.tif", "a\0.jpg", "x" * 5000]
)
def test_what_is_no_picture_in_the_folder_is_missing(tmp_path: Path, name: str) -> None:
    folder_with(tmp_path, "A/4.txt", "A/6/7.jpg", "5.tif")
    with pytest.raises(InputError, match="1 of 1 listed pictures are not there"):
        locate(tmp_path, [name])


def test_missing_pictures_are_counted_and_three_named(tmp_path: Path) -> None:
    folder_with(tmp_path, "A/1.jpg")
    with pytest.raises(InputError) as caught:
        locate(tmp_path, ["A/1.jpg", *(f"A/{i}.jpg" for i in range(2, 9))])
    assert "7 of 8 listed pictures are not there: A/2.jpg, A/3.jpg, A/4.jpg, …" in str(caught.value)
    assert f"wanted is {tmp_path}/A/2.jpg, or the same with another suffix" in str(caught.value)
