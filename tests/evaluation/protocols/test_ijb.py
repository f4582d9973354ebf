from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import InputError
from mien.evaluation.protocols.ijb import TemplateSet, read_ijb

FACES = "1.jpg 30 7\n2.jpg 30 7\n3.jpg 5 8\n1.jpg 12 9\n4.jpg 5 10\n"
PAIRS = "5 30 1\n30 12 0\n12 5 0\n"
HEAD = "TEMPLATE_ID,SUBJECT_ID,FILENAME,SIGHTING_ID\n"


def written(root: Path, name: str, **files: str) -> Path:
    """A set's folder; files: the middle of a list's name → its text."""
    names = {"faces": "face_tid_mid.txt", "pairs": "template_pair_label.txt", "probes": "1N_probe_mixed.csv"}
    (root / "meta").mkdir(parents=True, exist_ok=True)
    for key, text in ({"faces": FACES, "pairs": PAIRS} | files).items():
        (root / "meta" / f"{name}_{names.get(key, f'1N_gallery_{key}.csv')}").write_bytes(text.encode())
    return root


def test_the_lists_of_one_to_one(tmp_path: Path) -> None:
    found = read_ijb(written(tmp_path, "ijbc"))
    assert found.template_names == ("5", "12", "30")
    assert found.pictures == tuple(f"loose_crop/{i}.jpg" for i in (1, 2, 3, 1, 4))
    assert found.template.tolist() == [2, 2, 0, 1, 0]
    assert found.media.tolist() == [7, 7, 8, 9, 10]
    assert found.pairs_first.tolist() == [0, 2, 1]
    assert found.pairs_second.tolist() == [2, 1, 0]
    assert found.pairs_same.tolist() == [True, False, False]
    assert (found.subjects, found.galleries, found.probes) == (None, (), None)
    for array in (found.template, found.media, found.pairs_first, found.pairs_second, found.pairs_same):
        assert not array.flags.writeable


@pytest.mark.parametrize(("name", "galleries"), [("ijbb", ("S1", "S2")), ("ijbc", ("G1", "G2"))])
def test_the_lists_of_one_to_many(tmp_path: Path, name: str, galleries: tuple[str, str]) -> None:
    first, second = galleries
    lists = {
        first: "12,204,img/1.png,4\n12,204,img/2.png,5\n",
        second: "5,73,a,1\r\n\r\n",
        "probes": "30,73,a,1\n5,73,b,1\n",
    }
    found = read_ijb(written(tmp_path, name, **{key: HEAD + text for key, text in lists.items()}))
    assert found.subjects == ("73", "204", "73")
    assert [(label, listed.tolist()) for label, listed in found.galleries] == [(first, [1]), (second, [0])]
    assert found.probes is not None
    assert found.probes.tolist() == [2, 0]
    assert not found.probes.flags.writeable


def test_a_template_of_no_list_is_nobodys(tmp_path: Path) -> None:
    found = read_ijb(written(tmp_path, "ijbc", G1=HEAD + "12,204,a,1\n"))
    assert found.subjects == ("", "204", "")
    assert found.probes is None


def test_blank_lines_and_other_line_ends_are_no_matter(tmp_path: Path) -> None:
    plain = read_ijb(written(tmp_path / "a", "ijbc"))
    text = {
        key: "\r\n".join(("", *text.split("\n"), " ")) for key, text in (("faces", FACES), ("pairs", PAIRS))
    }
    other = read_ijb(written(tmp_path / "b", "ijbc", **text))
    assert other.pictures == plain.pictures
    assert other.pairs_second.tolist() == plain.pairs_second.tolist()


def test_a_folder_holds_one_set(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no set found, one of meta/ijbb_face_tid_mid\.txt and meta/ijbc"):
        read_ijb(tmp_path)
    written(tmp_path, "ijbb")
    written(tmp_path, "ijbc")
    with pytest.raises(InputError, match="ijbb and ijbc found, one of"):
        read_ijb(tmp_path)


def test_the_list_of_pairs_is_wanted(tmp_path: Path) -> None:
    (written(tmp_path, "ijbb") / "meta/ijbb_template_pair_label.txt").unlink()
    with pytest.raises(InputError, match=r"ijbb_template_pair_label\.txt: cannot be read"):
        read_ijb(tmp_path)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty; lines `picture template media` are wanted"),
        ("1.jpg 1 1\n2.jpg 1\n", "line 2: '2.jpg 1' found, `picture template media`"),
        ("1.jpg 1 1 1\n", "line 1"),
        ("1.jpg one 1\n", "line 1"),
        ("1.jpg 1 -1\n", "line 1"),
        ("1.jpg 1 9999999999\n", "line 1"),
        ("../1.jpg 1 1\n", "line 1: '../1.jpg 1 1' found"),
        ("/1.jpg 1 1\n", "line 1"),
        ("a\0.jpg 1 1\n", "line 1"),
    ],
)
def test_every_wrong_line_of_faces_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(InputError) as caught:
        read_ijb(written(tmp_path, "ijbc", faces=text))
    assert complaint in str(caught.value)
    assert "ijbc_face_tid_mid.txt" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "lines `template template label` are wanted, none found"),
        ("\n \n", "lines `template template label` are wanted, none found"),
        ("5 30 1\n5 30\n", "line 2: '5 30' found, `template template label`, three numbers"),
        ("5 30\n5 30\n", "line 1: '5 30' found"),
        ("5 30 1 1\n5 30\n", "line 1: '5 30 1 1' found"),
        ("5 30 1\n\n5 30 x\n", "line 3: '5 30 x' found"),
        ("5 30 1\n5 30 1.0\n", "line 2"),
        ("5 30 1\n5 -30 1\n", "line 2"),
        ("5 30 1\n# 5 30 1\n", "line 2"),
        ("5 30 1\n5 99999999999999999999 1\n", "line 2"),
        ("5 30 1\r5 30 1\n", "line 1"),
        ("\n5 30 1\n\n5 30 2\n", "line 4: '5 30 2' found, two templates of the list of faces, and 0 or 1"),
        ("5 30 1\n5 31 1\n", "line 2: '5 31 1' found, two templates of the list of faces"),
        ("4 30 1\n", "line 1"),
        ("5 30 ¹\n", "line 1"),
    ],
)
def test_every_wrong_line_of_pairs_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(InputError) as caught:
        read_ijb(written(tmp_path, "ijbc", pairs=text))
    assert complaint in str(caught.value)
    assert "ijbc_template_pair_label.txt" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "line 1: '' found, `TEMPLATE_ID,SUBJECT_ID,…`"),
        ("SUBJECT_ID,TEMPLATE_ID\n", "line 1"),
        (HEAD + "5,1,a\n6,1,a\n", "line 3: '6,1,a' found, a template of the list of faces and its one subject"),
        (HEAD + "x,1,a\n", "line 2"),
        (HEAD + "5\n", "line 2"),
        (HEAD + "5,,a\n", "line 2"),
        (HEAD + "5,1,a\n5,2,a\n", "line 3"),
        (HEAD + '5,"1\n', "line 2: unexpected end of data"),
        (f"TEMPLATE_ID,{'x' * 200_000}\n", "line 1: field larger"),
    ],
)
def test_every_wrong_line_of_a_gallery_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(InputError) as caught:
        read_ijb(written(tmp_path, "ijbc", G1=text))
    assert complaint in str(caught.value)
    assert "ijbc_1N_gallery_G1.csv" in str(caught.value)


def test_two_lists_that_disagree_are_refused(tmp_path: Path) -> None:
    lists = {"G1": HEAD + "5,73,a,1\n", "probes": HEAD + "5,74,a,1\n"}
    with pytest.raises(InputError, match="template 5 is of subject '73' in one list, of '74' in another"):
        read_ijb(written(tmp_path, "ijbc", **lists))


def template_set() -> TemplateSet:
    return TemplateSet(
        pictures=("a.jpg", "b.jpg"),
        template=np.array([0, 1]),
        media=np.array([0, 1]),
        template_names=("x", "y"),
        subjects=("1", "2"),
        pairs_first=np.array([0]),
        pairs_second=np.array([1]),
        pairs_same=np.array([False]),
        galleries=(("G1", np.array([1])),),
        probes=np.array([0]),
    )


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"pictures": ("a.jpg", "../b.jpg")}, "paths within the set's folder"),
        ({"template": [0, 2]}, "template: 0 to 1 is wanted"),
        ({"template": [0]}, "template: 2 whole numbers"),
        ({"media": [0, -1]}, "media: 0 to"),
        ({"subjects": ("1",)}, "subjects: 2 are wanted"),
        ({"pairs_first": [2]}, "pairs_first: 0 to 1 is wanted"),
        ({"pairs_second": [0, 1]}, "pairs_second: 1 whole numbers"),
        ({"pairs_same": np.array([1])}, "pairs_same: 1 truth values"),
        ({"galleries": (("G1", np.array([2])),)}, "G1: 0 to 1 is wanted"),
        ({"probes": np.array([-1])}, "probes: 0 to 1 is wanted"),
    ],
)
def test_the_value_is_checked_at_birth(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        replace(template_set(), **change)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ijb")


@given(st.lists(st.tuples(st.integers(0, 10**9 - 1), st.integers(0, 99)), min_size=1, max_size=30), st.data())
@settings(deadline=None)
def test_what_is_written_is_read(damaged: Path, faces: list[tuple[int, int]], data: st.DataObject) -> None:
    ids = [template for template, _ in faces]
    triples = st.tuples(st.sampled_from(ids), st.sampled_from(ids), st.integers(0, 1))
    pairs = data.draw(st.lists(triples, min_size=1, max_size=30))
    lines = [f"{i}.jpg {template} {media}" for i, (template, media) in enumerate(faces)]
    texts = {"faces": "\n".join(lines), "pairs": "\n".join(" ".join(map(str, pair)) for pair in pairs)}
    found = read_ijb(written(damaged, "ijbb", **texts))
    names = np.array(found.template_names).astype(int)
    assert names.tolist() == sorted(set(ids))
    assert names[found.template].tolist() == ids
    assert found.media.tolist() == [media for _, media in faces]
    columns = names[found.pairs_first].tolist(), names[found.pairs_second].tolist(), found.pairs_same.tolist()
    assert [*zip(*columns, strict=True)] == pairs


@given(
    st.sampled_from(["faces", "pairs", "S1"]),
    st.dictionaries(st.integers(0, 99), st.integers(0, 255), max_size=4),
)
@settings(deadline=None)
def test_a_damaged_set_is_refused_or_read(damaged: Path, part: str, flips: dict[int, int]) -> None:
    texts = {"faces": FACES, "pairs": PAIRS, "S1": HEAD + "5,73,a,1\n12,204,b,2\n"}
    root = written(damaged, "ijbb", **texts)
    (file,) = (file for file in (root / "meta").iterdir() if file.read_bytes() == texts[part].encode())
    content = bytearray(texts[part].encode())
    for at, byte in flips.items():
        content[at % len(content)] = byte
    file.write_bytes(content)
    with contextlib.suppress(InputError):
        assert len(read_ijb(root).pairs_same)
