from __future__ import annotations

import contextlib
import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import InputError
from mien.evaluation.protocols.columns import Columns, labels, read_columns

TABLE = 'picture,group,"age band"\nAda/1.jpg,a,"20, 30"\nBo/1.jpg,b,\n2.jpg,a,40\n'


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("columns") / "table.csv"


def read(file: Path, text: str) -> Columns:
    file.write_bytes(text.encode())
    return read_columns(file)


def test_a_table_is_a_mapping_of_pictures(file: Path) -> None:
    columns = read(file, TABLE)
    assert columns.headings == ("group", "age band")
    assert {**columns} == {
        "Ada/1.jpg": {"group": "a", "age band": "20, 30"},
        "Bo/1.jpg": {"group": "b", "age band": ""},
        "2.jpg": {"group": "a", "age band": "40"},
    }
    assert len(columns) == 3
    assert columns.source == str(file)
    with pytest.raises(KeyError):
        columns["nobody.jpg"]


@pytest.mark.parametrize("start", ["\ufeff", ""])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("between", [",", ";", "\t", "; "])
@pytest.mark.parametrize("head", ["picture", "file", "name", "Picture", '"FILE"'])
def test_the_first_line_decides(file: Path, head: str, between: str, end: str, start: str) -> None:
    lines = [(head, "light", "when"), ("./A\\1.jpg", "dim", "a b"), ("", "", ""), ("B/2.jpg", "Tür", "")]
    columns = read(file, start + end.join(between.join(line) for line in lines) + end * 2)
    assert {**columns} == {
        "A/1.jpg": {"light": "dim", "when": "a b"},
        "B/2.jpg": {"light": "Tür", "when": ""},
    }


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "line 1: '' found, `picture,…`"),
        (
            "Ada/1.jpg,a\n",
            "line 1: 'Ada/1.jpg,a' found, `picture,…` (picture or file or name; comma, semicolon or tab)",
        ),
        ("pictures,a\n", "line 1"),
        ("picture\nAda/1.jpg\n", "line 1"),
        ("picture|group\n", "line 1"),
        ("picture,\nAda/1.jpg,a\n", "each with a name of its own"),
        ("picture,a,a\nAda/1.jpg,a,b\n", "each with a name of its own"),
        ("picture,a\nAda/1.jpg,a,b\n", "line 2: 'Ada/1.jpg a b' found, 2 cells, as in the first line"),
        ("picture,a\n\nAda/1.jpg\n", "line 3: 'Ada/1.jpg' found"),
        ("picture,a\n,b\n", "line 2: '' found, a picture's path, each picture once"),
        ("picture,a\n1.jpg,b\n./1.jpg,b\n", "line 3: './1.jpg' found, a picture's path, each picture once"),
        ('picture,a\n1.jpg,"b\n', "line 2: unexpected end of data"),
        ('picture,a\n1.jpg,"b"c\n', "line 2: ',' expected after '\"'"),
        (f"picture,a\n1.jpg,{'x' * 200_000}\n", "line 2: field larger than field limit"),
    ],
)
def test_every_wrong_line_is_named(file: Path, text: str, complaint: str) -> None:
    with pytest.raises(InputError) as caught:
        read(file, text)
    assert complaint in str(caught.value)
    assert str(file) in str(caught.value)


def test_what_is_no_utf_8_is_named(file: Path) -> None:
    file.write_bytes("picture,a\n1.jpg,Tür\n".encode("latin-1"))
    with pytest.raises(InputError, match="line 2: text in UTF-8 is wanted"):
        read_columns(file)


def test_the_value_is_checked_at_birth() -> None:
    with pytest.raises(InputError, match="2 words a picture are wanted"):
        Columns("here", ("a", "b"), {"1.jpg": ("x",)})
    with pytest.raises(InputError, match="one or more columns"):
        Columns("here", (), {})


# --- labels -------------------------------------------------------------------------------------------------


def test_a_picture_is_matched_by_the_longest_end_of_its_path(file: Path) -> None:
    columns = read(file, TABLE + "set/Ada/1.jpg,c,50\n1.jpg,d,\n")
    names = [
        "x/set/Ada/1.jpg",
        "set/Ada/1.jpg",
        "/data/Ada/1.jpg",
        "Bo/1.jpg",
        "Cy/1.jpg",
        "Cy/2.jpg",
        "Cy/3.jpg",
    ]
    with pytest.raises(
        InputError, match=r"'set/Ada/1.jpg' is the end of 2 paths \(set/Ada/1\.jpg, x/set/Ada/1\.jpg …\)"
    ):
        labels(columns, names)
    assert labels(columns, names[1:]) == {
        "group": ("c", "a", "b", "d", "a", ""),
        "age band": ("50", "20, 30", "", "", "40", ""),
    }


def test_no_part_of_a_folders_or_files_name_matches(file: Path) -> None:
    columns = read(file, "picture,a\na/1.jpg,x\n")
    assert labels(columns, ["b/a/1.jpg", "ba/1.jpg", "a/11.jpg", "a/1.jpg.png"])["a"] == ("x", "", "", "")


def test_names_of_a_bin_or_of_windows_match(file: Path) -> None:
    columns = read(file, "picture,a\nlfw.bin#12,x\nAda/1.jpg,y\n")
    assert labels(columns, ["lfw.bin#12", "lfw.bin#1", "C:\\faces\\Ada\\1.jpg"])["a"] == ("x", "", "y")


def test_a_picture_in_hand_twice_is_labelled_twice(file: Path) -> None:
    assert labels(read(file, TABLE), ["x/2.jpg", "x/2.jpg"])["group"] == ("a", "a")


def test_where_nothing_matches_both_ways_of_writing_are_shown(file: Path) -> None:
    with pytest.raises(
        InputError, match=r"none of its 3 pictures is among the 1 in hand; it says 'Ada/1\.jpg'"
    ):
        labels(read(file, TABLE), ["Ada/0001.jpg"])
    with pytest.raises(InputError, match="none of its 3 pictures is among the 0 in hand"):
        labels(read(file, TABLE), [])
    with pytest.raises(InputError, match="none of its 0 pictures"):
        labels(read(file, "picture,a\n"), ["1.jpg"])


def test_a_column_that_tells_pictures_apart_is_no_group(file: Path) -> None:
    lines = [f"{i}.jpg,{i % 1000},{i}" for i in range(1001)]
    with pytest.raises(InputError, match="column 'id' holds 1001 different words, at most 1000 are wanted"):
        labels(read(file, "\n".join(["picture,group,id", *lines])), ["0.jpg"])
    assert labels(read(file, "\n".join(["picture,group,id", *lines[1:]])), ["1.jpg"]) == {
        "group": ("1",),
        "id": ("1",),
    }


words = st.text("abc,;\t\"' é\n", max_size=6).map(str.strip)


@given(st.lists(st.tuples(words, words), min_size=1, max_size=8), st.sampled_from(",;\t"))
@settings(deadline=None)
def test_what_is_written_is_read(file: Path, cells: list[tuple[str, str]], delimiter: str) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerow(("picture", "one", "two"))
    writer.writerows((f"{i}.jpg", *words) for i, words in enumerate(cells))
    found = labels(read(file, text.getvalue()), [f"a/{i}.jpg" for i in range(len(cells))])
    assert [*zip(found["one"], found["two"], strict=True)] == cells


@given(st.dictionaries(st.integers(0, len(TABLE) - 1), st.integers(0, 255), max_size=5))
@settings(deadline=None)
def test_a_damaged_table_is_refused_or_read(file: Path, flips: dict[int, int]) -> None:
    content = bytearray(TABLE.encode())
    for at, byte in flips.items():
        content[at] = byte
    file.write_bytes(content)
    with contextlib.suppress(InputError):
        labels(read_columns(file), ["Ada/1.jpg", "Bo/1.jpg", "Cy/2.jpg"])
