from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import InputError
from mien.evaluation.protocols.named import LAYOUTS, read_named
from mien.evaluation.protocols.pairs import PairList, locate

LFW = "1\t1\nAda\t1\t2\nAda\t1\tBo\t3\n"
TWO_LINES = "Ada_1.jpg 1\nAda_2.jpg 1\nAda_1.jpg 0\nJean_Luc_3.jpg 0\n"
THREE_WORDS = "0.jpg 1.jpg 1\n2.jpg 3.jpg 0\n"


def written(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def compared(pairs: PairList) -> list[tuple[str, str, bool, int]]:
    rows = zip(pairs.first, pairs.second, pairs.same.tolist(), pairs.fold.tolist(), strict=True)
    return [(pairs.pictures[i], pairs.pictures[j], same, fold) for i, j, same, fold in rows]


def test_the_known_sets_are_these() -> None:
    assert sorted(LAYOUTS) == ["agedb-30", "calfw", "cfp-ff", "cfp-fp", "cplfw", "lfw"]


def test_an_unknown_set_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="'megaface' is unknown; known: lfw, cfp-fp, cfp-ff, agedb-30, calfw, cplfw"
    ):
        read_named("megaface", tmp_path)


@pytest.mark.parametrize("name", [*LAYOUTS])
def test_an_empty_folder_is_told_what_it_lacks(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"pairs|Pair_list_F\.txt"):
        read_named(name, tmp_path / "set")


# --- LFW ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["pairs.txt", "../pairs.txt"])
@pytest.mark.parametrize("room", ["", "lfw", "lfw_funneled", "lfw-deepfunneled"])
def test_lfw_lies_in_its_folder_or_beside_its_list(tmp_path: Path, place: str, room: str) -> None:
    folder = tmp_path / "set"
    first = written(folder / room / "Ada/Ada_0001.jpg", "")
    written(folder / place, LFW)
    pairs = read_named("lfw", folder)
    assert pairs.people == ("Ada", "Ada", "Bo")
    assert locate(folder, pairs.pictures[:1]) == [first]
    assert pairs.pictures[2] == f"{room}/Bo/Bo_0003.jpg".lstrip("/")


def test_the_list_in_the_folder_comes_before_the_one_beside_it(tmp_path: Path) -> None:
    written(tmp_path / "pairs.txt", "no list")
    written(tmp_path / "set/pairs.txt", LFW)
    assert len(read_named("lfw", tmp_path / "set")) == 2


def test_a_list_may_be_named_and_be_of_any_form(tmp_path: Path) -> None:
    assert len(read_named("lfw", tmp_path, written(tmp_path / "mine.txt", THREE_WORDS))) == 2
    assert read_named("agedb-30", tmp_path, written(tmp_path / "lfw.txt", LFW)).people == ("Ada", "Ada", "Bo")


def test_lfw_is_read_with_its_list_named(shared_data: Path) -> None:
    faces = shared_data / "faces"
    pairs = read_named("lfw", faces / "lfw-dev", faces / "lfw-dev-pairs.txt")
    assert (len(pairs), pairs.fold.max()) == (1800, 2)
    assert len(locate(faces / "lfw-dev", pairs.pictures)) == len(pairs.pictures)
    assert read_named("lfw", faces, faces / "lfw-dev-pairs.txt").pictures == pairs.pictures


# --- CALFW, CPLFW: two lines a pair -------------------------------------------------------------------------


def test_two_lines_are_a_pair_and_their_names_name_people(tmp_path: Path) -> None:
    written(tmp_path / "pairs_CPLFW.txt", TWO_LINES)
    pairs = read_named("cplfw", tmp_path)
    ada, luc = ("Ada_1.jpg", "Ada_2.jpg"), "Jean_Luc_3.jpg"
    assert compared(pairs) == [(*ada, True, 0), (ada[0], luc, False, 0)]
    assert pairs.people == ("Ada", "Ada", "Jean_Luc")


def two_line_list(positives: list[int], negatives: int) -> str:
    lines = [f"P{i}_1.jpg {label}\nP{i}_2.jpg {label}" for i, label in enumerate(positives)]
    lines += [f"P{i}_1.jpg 0\nQ{i}_1.jpg 0" for i in range(negatives)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("name", "list_name", "label"), [("calfw", "pairs_CALFW.txt", "fold"), ("cplfw", "pairs_CPLFW.txt", "one")]
)
def test_each_kind_falls_into_ten_folds(tmp_path: Path, name: str, list_name: str, label: str) -> None:
    positives = [fold if label == "fold" else 1 for fold in range(1, 11) for _ in range(3)]
    written(tmp_path / list_name, two_line_list(positives, 30))
    pairs = read_named(name, tmp_path)
    folds = np.repeat(np.arange(10), 3)
    assert pairs.same.tolist() == [True] * 30 + [False] * 30
    assert pairs.fold.tolist() == [*folds, *folds]


def test_a_fold_in_the_label_counts_wherever_it_stands(tmp_path: Path) -> None:
    written(tmp_path / "pairs_CALFW.txt", two_line_list([10, 2, 1], 2))
    assert read_named("calfw", tmp_path).fold.tolist() == [9, 1, 0, 0, 1]


@pytest.mark.parametrize(
    ("name", "list_name", "room"),
    [
        ("calfw", "pairs_CALFW.txt", "aligned images"),
        ("calfw", "pairs_CALFW.txt", "images&landmarks/images"),
        ("cplfw", "pairs_CPLFW.txt", "images"),
    ],
)
def test_pictures_may_lie_in_a_room_of_the_folder(tmp_path: Path, name: str, list_name: str, room: str) -> None:
    written(tmp_path / list_name, TWO_LINES)
    written(tmp_path / room / "Ada_1.png", "")
    pairs = read_named(name, tmp_path)
    assert pairs.pictures == tuple(f"{room}/{name}.jpg" for name in ("Ada_1", "Ada_2", "Jean_Luc_3"))
    assert pairs.people == ("Ada", "Ada", "Jean_Luc")


def test_the_originals_come_before_the_aligned_pictures(tmp_path: Path) -> None:
    written(tmp_path / "pairs_CPLFW.txt", TWO_LINES)
    for room in ("images", "aligned images"):
        written(tmp_path / room / "Ada_1.jpg", "")
    assert read_named("cplfw", tmp_path).pictures[0] == "images/Ada_1.jpg"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("A_1.jpg 1\nA_2.jpg 1\nA_3.jpg 0\n", "3 lines found, an even number wanted"),
        ("A_1.jpg 1\nA_2.jpg 0\n", "line 2: 'A_1.jpg / 1 / A_2.jpg / 0' found, twice"),
        ("A_1.jpg 1\nA_2.jpg\n", "line 2"),
        ("A_1.jpg 11\nA_2.jpg 11\n", "0 to 10"),
        ("A_1.jpg -1\nA_2.jpg -1\n", "line 2"),
        ("A_1.jpg yes\nA_2.jpg yes\n", "line 2"),
        ("A_1.jpg 1\nAda.jpg 1\n", "`Name_NUMBER.jpg label`"),
        ("A_1.jpg 1\nA_2.jpg 1\n../B_1.jpg 0\nB_2.jpg 0\n", "line 4"),
        ("a b c d\n", "line 1: 'a b c d' found, `folds n`, `picture label` or `picture picture label`"),
        ("word\n", "line 1"),
        ("\n\n", "line 1: '' found"),
    ],
)
def test_every_wrong_line_of_two_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    file = written(tmp_path / "pairs_CALFW.txt", text)
    with pytest.raises(InputError, match=complaint) as caught:
        read_named("calfw", tmp_path)
    assert str(file) in str(caught.value)


# --- AgeDB-30 -----------------------------------------------------------------------------------------------


def test_three_words_are_a_pair_and_ten_equal_folds(tmp_path: Path) -> None:
    lines = [f"{2 * i}.jpg {2 * i + 1}.jpg {1 - i % 2}" for i in range(20)]
    written(tmp_path / "agedb_30_pair.txt", "\n".join(lines))
    pairs = read_named("agedb-30", tmp_path)
    assert pairs.fold.tolist() == [*np.repeat(np.arange(10), 2)]
    assert pairs.same.tolist() == [True, False] * 10
    assert pairs.people is None
    assert pairs.pictures == tuple(f"{i}.jpg" for i in range(40))


@pytest.mark.parametrize(
    "text", ["1 a/x b.png\n0 c.d a/x\n", "a/x b.png 1\nc.d a/x 0\n", "a/x b.png 1\nc.d a/x -1\n"]
)
def test_the_label_stands_first_or_last_and_suffixes_may_lack(tmp_path: Path, text: str) -> None:
    pairs = read_named("agedb-30", tmp_path, written(tmp_path / "list.txt", text))
    assert compared(pairs) == [("a/x.jpg", "b.png", True, 0), ("c.d.jpg", "a/x.jpg", False, 1)]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a b 1\nc d 2\n", "line 2: 'c d 2' found, `picture picture label`, the label 1, 0 or -1"),
        ("1 a b\nx a b\n", "line 2: 'x a b' found, `label picture picture`"),
        ("a b 1\nc d\n", "line 2"),
        ("a b 1\nc d 1 1\n", "line 2"),
        ("a b c\n", "line 1"),
        ("a ../b 1\n", "line 1"),
        ("/a b 1\n", "line 1"),
    ],
)
def test_every_wrong_line_of_three_words_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    written(tmp_path / "agedb_30.txt", text)
    with pytest.raises(InputError, match=complaint):
        read_named("agedb-30", tmp_path)


def test_of_several_lists_none_is_guessed(tmp_path: Path) -> None:
    for name in ("a30.txt", "b30.txt"):
        written(tmp_path / name, THREE_WORDS)
    with pytest.raises(InputError, match=r"several lists are there \(a30\.txt, b30\.txt\); name the one"):
        read_named("agedb-30", tmp_path)


def test_matlabs_list_is_not_read_and_that_is_said(tmp_path: Path) -> None:
    written(tmp_path / "04_FINAL_protocol_30_years.mat", "")
    with pytest.raises(InputError, match=r"\.mat is not read: write it as text"):
        read_named("agedb-30", tmp_path)


# --- CFP ----------------------------------------------------------------------------------------------------


@pytest.fixture
def cfp(tmp_path: Path) -> Path:
    """Two people with two frontal and one profile picture each, ten folds of the same two pairs a split."""
    protocol = tmp_path / "cfp" / "Protocol"
    frontal = [f"{i + 1} ../Data/Images/00{i // 2 + 1}/frontal/0{i % 2 + 1}.jpg" for i in range(4)]
    profile = [f"{i + 1} ../Data/Images/00{i + 1}/profile/01.jpg" for i in range(2)]
    written(protocol / "Pair_list_F.txt", "\r\n".join(frontal))
    written(protocol / "Pair_list_P.txt", "\n".join(profile))
    for fold in range(1, 11):
        for split, same, diff in (("FF", "1,2", "2,3"), ("FP", "3,2", "4, 1\n")):
            written(protocol / f"Split/{split}/{fold:02d}/same.txt", same)
            written(protocol / f"Split/{split}/{fold:02d}/diff.txt", diff)
    return protocol.parent


def test_cfp_compares_frontal_with_frontal_or_profile(cfp: Path) -> None:
    ids = "Data/Images/001", "Data/Images/002"
    frontal = [f"{person}/frontal/0{i}.jpg" for person in ids for i in (1, 2)]
    profile = [f"{person}/profile/01.jpg" for person in ids]
    ff, fp = read_named("cfp-ff", cfp), read_named("cfp-fp", cfp)
    assert compared(ff)[2:4] == [(frontal[0], frontal[1], True, 1), (frontal[1], frontal[2], False, 1)]
    assert compared(fp)[-2:] == [(frontal[2], profile[1], True, 9), (frontal[3], profile[0], False, 9)]
    assert ff.people == ("001", "001", "002")
    assert fp.people == ("002", "002", "002", "001")
    assert len(ff) == len(fp) == 20


def test_cfps_protocol_may_lie_elsewhere_or_be_a_list(cfp: Path, tmp_path: Path) -> None:
    moved = (cfp / "Protocol").rename(tmp_path / "lists")
    assert len(read_named("cfp-fp", cfp, moved)) == 20
    assert len(read_named("cfp-fp", cfp, written(tmp_path / "cfp_fp_pair.txt", THREE_WORDS))) == 2


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("Split/FP/03/diff.txt", "1,1\n1,3\n", "line 2: '1,3' found, `i,j`"),
        ("Split/FP/03/diff.txt", "1,1,1\n", "line 1"),
        ("Split/FP/03/diff.txt", "1;1\n", "line 1"),
        ("Split/FP/03/diff.txt", "x,1\n", "line 1"),
        (
            "Pair_list_F.txt",
            "1 ../Data/Images/001/frontal/01.jpg\n1 ../Data/Images/001/frontal/02.jpg",
            "line 2",
        ),
        ("Pair_list_P.txt", "1 ../../Data/Images/001/profile/01.jpg", "line 1"),
        ("Pair_list_P.txt", "1 /Data/Images/001/profile/01.jpg", "line 1"),
        ("Pair_list_P.txt", "1 profile/01.jpg", "line 1"),
        ("Pair_list_P.txt", "1 ../Data/Images/001/01.jpg", "`number ../Data/Images/ID/frontal/NN.jpg`"),
        ("Pair_list_P.txt", "one ../Data/Images/001/profile/01.jpg", "line 1"),
    ],
)
def test_every_wrong_line_of_cfp_is_named(cfp: Path, file: str, text: str, complaint: str) -> None:
    written(cfp / "Protocol" / file, text)
    with pytest.raises(InputError) as caught:
        read_named("cfp-fp", cfp)
    assert complaint in str(caught.value)
    assert file in str(caught.value)


def test_a_fold_that_is_missing_is_named(cfp: Path) -> None:
    (cfp / "Protocol/Split/FF/10/same.txt").unlink()
    with pytest.raises(InputError, match=r"FF/10/same\.txt: cannot be read"):
        read_named("cfp-ff", cfp)


# --- damage -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged") / "list.txt"


@given(
    st.sampled_from([LFW, TWO_LINES, THREE_WORDS]),
    st.dictionaries(st.integers(0, 60), st.sampled_from(b"\x00\n\t ,./\\019-_aA\xff"), max_size=4),
)
@settings(deadline=None)
def test_a_damaged_list_is_refused_or_read(damaged: Path, text: str, flips: dict[int, int]) -> None:
    content = bytearray(text.encode())
    for at, byte in flips.items():
        content[at % len(content)] = byte
    damaged.write_bytes(content)
    with contextlib.suppress(InputError):
        assert len(read_named("calfw", damaged.parent, damaged))
