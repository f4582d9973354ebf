from __future__ import annotations

import builtins
import codecs
import contextlib
import os
import pickle
import struct
import tracemalloc
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import InputError
from mien.evaluation.protocols import bins, pickles
from mien.evaluation.protocols.bins import BinSet, read_bin
from mien.images import load

PICTURES = [b"\xff\xd8one", b"two\\\n'\"\x00", b"\xff" * 300, b"four"]
SAME = [True, False]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bins") / "set.bin"


def read(file: Path, content: bytes) -> BinSet:
    file.write_bytes(content)
    return read_bin(file)


def refused(file: Path, content: bytes) -> str:
    with pytest.raises(InputError) as caught:
        read(file, content)
    assert file.name in str(caught.value)
    return str(caught.value)


# --- what is read -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", [list, tuple])
def test_sets_of_python_3_are_read(file: Path, protocol: int, kind: Callable[[Any], Any]) -> None:
    found = read(file, pickle.dumps((kind(PICTURES), kind(SAME)), protocol))
    assert found.pictures == tuple(PICTURES)
    assert found.same.tolist() == SAME
    assert not found.same.flags.writeable
    assert found.name == "set.bin"


def short(data: bytes) -> bytes:
    return b"U" + bytes([len(data)]) + data


def long(data: bytes) -> bytes:
    return b"T" + struct.pack("<i", len(data)) + data


def quoted(data: bytes) -> bytes:
    """As Python 2's repr writes a string."""
    body = b"".join(
        bytes([byte]) if 32 <= byte < 127 and byte not in b"\\'" else ESCAPES.get(byte, b"\\x%02x" % byte)
        for byte in data
    )
    return b"S'" + body + b"'\n"


ESCAPES = {10: b"\\n", 13: b"\\r", 9: b"\\t", 92: b"\\\\", 39: b"\\'"}


def test_a_set_of_python_2_is_read(file: Path) -> None:
    """cPickle's protocol 2, which the sets of insightface's site are in: strings, memo, batches."""
    strings = b"".join(
        (short if len(data) < 256 else long)(data) + b"q" + bytes([i + 1]) for i, data in enumerate(PICTURES)
    )
    content = b"\x80\x02]q\x00(" + strings + b"e]q\x05(\x88\x89e\x86q\x06."
    assert read(file, content).pictures == tuple(PICTURES)


def test_protocol_1_has_its_own_truth(file: Path) -> None:
    content = b"(]q\x00(" + b"".join(map(long, PICTURES)) + b"e](I01\nI00\net."
    found = read(file, content)
    assert (found.pictures, found.same.tolist()) == (tuple(PICTURES), SAME)


def test_protocol_0_is_read(file: Path) -> None:
    strings = b"".join(quoted(data) + b"p%d\na" % (i + 2) for i, data in enumerate(PICTURES))
    found = read(file, b"((lp1\n" + strings + b"(lp9\nI01\naI00\natp10\n.")
    assert (found.pictures, found.same.tolist()) == (tuple(PICTURES), SAME)


@given(st.binary(min_size=1, max_size=60))
@settings(deadline=None)
def test_strings_of_protocol_0_read_back(file: Path, data: bytes) -> None:
    assert read(file, b"((l" + quoted(data) + b"a" + quoted(b"x") + b"a(lI01\nat.").pictures[0] == data


def test_a_picture_met_twice_is_remembered(file: Path) -> None:
    found = read(file, pickle.dumps(([PICTURES[0]] * 4, SAME), 4))
    assert found.pictures == (PICTURES[0],) * 4


def test_a_picture_beyond_four_gigabytes_address_is_written_in_eight_bytes(file: Path) -> None:
    pictures = b"\x8e" + struct.pack("<Q", 3) + b"abc"
    assert read(file, b"\x80\x04](" + 2 * pictures + b"e](\x88e\x86.").pictures == (b"abc", b"abc")


@given(
    st.lists(st.tuples(st.binary(min_size=1), st.binary(min_size=1), st.booleans()), min_size=1, max_size=40)
)
@settings(deadline=None)
def test_what_is_written_is_read(file: Path, pairs: list[tuple[bytes, bytes, bool]]) -> None:
    pictures = [picture for pair in pairs for picture in pair[:2]]
    found = read(file, pickle.dumps((pictures, [same for *_, same in pairs]), 4))
    assert found.pictures == tuple(pictures)
    listed = found.pairs
    assert listed.pictures == tuple(f"set.bin#{i}" for i in range(len(pictures)))
    assert (listed.first.tolist(), listed.second.tolist()) == (
        [*range(0, len(pictures), 2)],
        [*range(1, len(pictures), 2)],
    )
    assert listed.same.tolist() == [same for *_, same in pairs]
    assert listed.people is None
    sizes = np.bincount(listed.fold)
    assert len(sizes) == min(10, len(pairs))
    assert sizes.max() - sizes.min() <= 1


# --- NumPy's rows -------------------------------------------------------------------------------------------

LAYOUTS: dict[str, Callable[[bytes], np.ndarray]] = {
    "a row": lambda data: np.frombuffer(data, np.uint8).copy(),
    "a row that may not be written": lambda data: np.frombuffer(data, np.uint8),
    "a column, as OpenCV 3 and 4.5 have it": lambda data: np.frombuffer(data, np.uint8).reshape(-1, 1),
    "one line": lambda data: np.frombuffer(data, np.uint8).reshape(1, -1),
    "columns first": lambda data: np.asfortranarray(np.frombuffer(data, np.uint8).reshape(-1, 1)),
    "with gaps": lambda data: np.frombuffer(data, np.uint8).repeat(2)[::2],
    "a column with gaps": lambda data: np.frombuffer(data, np.uint8).repeat(2).reshape(-1, 2)[:, :1],
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("layout", LAYOUTS)
def test_numpys_rows_are_read(file: Path, layout: str, protocol: int) -> None:
    content = pickle.dumps(([LAYOUTS[layout](data) for data in PICTURES], SAME), protocol)
    for older in content, before_numpy_2(content):
        found = read(file, older)
        assert (found.pictures, found.same.tolist()) == (tuple(PICTURES), SAME)
        assert {type(picture) for picture in found.pictures} == {bytes}


def before_numpy_2(content: bytes) -> bytes:
    """The same pickle as NumPy 1 writes it, whose _core was core: but for frames, which are not held to."""
    for module in b"multiarray", b"numeric":
        old, new = b"numpy.core." + module, b"numpy._core." + module
        content = content.replace(b"c" + new, b"c" + old)
        content = content.replace(b"\x8c" + bytes([len(new)]) + new, b"\x8c" + bytes([len(old)]) + old)
    return content


@given(st.integers(0, 5), st.sampled_from([*LAYOUTS]), st.binary(min_size=1, max_size=600))
@settings(deadline=None)
def test_rows_read_back_as_the_same_bytes(file: Path, protocol: int, layout: str, data: bytes) -> None:
    content = pickle.dumps(([LAYOUTS[layout](data), data], [True]), protocol)
    assert read(file, content).pictures == (data, data)


@pytest.mark.parametrize("protocol", range(6))
def test_a_row_met_twice_is_remembered(file: Path, protocol: int) -> None:
    row, other = (np.frombuffer(data, np.uint8) for data in PICTURES[:2])
    found = read(file, pickle.dumps(([row, other, row, row], SAME), protocol))
    assert found.pictures == (PICTURES[0], PICTURES[1], PICTURES[0], PICTURES[0])


@pytest.mark.parametrize("protocol", range(6))
def test_numpys_truth_is_read(file: Path, protocol: int) -> None:
    content = pickle.dumps((PICTURES, [np.True_, np.False_]), protocol)
    assert read(file, content).same.tolist() == SAME
    assert read(file, before_numpy_2(content)).same.tolist() == SAME


def test_byte_arrays_of_protocol_5_are_bytes(file: Path) -> None:
    found = read(file, pickle.dumps(([bytearray(data) for data in PICTURES], SAME), 5))
    assert found.pictures == tuple(PICTURES)
    assert {type(picture) for picture in found.pictures} == {bytes}


ROW = {
    "function": b"cnumpy.core.multiarray\n_reconstruct\n",
    "class": b"cnumpy\nndarray\n",
    "none": b"K\x00\x85",
    "letter": b"C\x01b\x87R",
    "version": b"(K\x01",
    "shape": b"K\x03\x85",
    "dtype": b"cnumpy\ndtype\n",
    "kind": b"X\x02\x00\x00\x00u1",
    "flags": b"\x89\x88\x87R",
    "third": b"(K\x03",
    "order": b"X\x01\x00\x00\x00|",
    "parts": b"NNN",
    "sizes": b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
    "columns": b"\x89",
    "data": b"C\x03abctb",
}
PYTHON_2 = {"letter": b"U\x01b\x87R", "kind": b"U\x02u1", "flags": b"K\x00K\x01\x87R", "order": b"U\x01|"}
PYTHON_2["data"] = b"T\x03\x00\x00\x00abctb"


def rows(**changes: bytes) -> bytes:
    """A set whose two pictures are rows, in NumPy's own words but for the changes."""
    return b"](" + 2 * b"".join((ROW | changes).values()) + b"e](\x88e\x86."


def test_rows_of_python_2_are_read(file: Path) -> None:
    assert read(file, rows()).pictures == (b"abc", b"abc")
    assert read(file, rows(**PYTHON_2)).pictures == (b"abc", b"abc")


def test_the_real_set_is_read(shared_data: Path) -> None:
    found = read_bin(shared_data / "faces" / "small_lfw.bin")
    assert (len(found.pictures), found.same.tolist(), found.name) == (20, [True] * 10, "small_lfw.bin")
    for picture in found.pictures:
        assert load(picture).pixels.shape == (112, 112, 3)


# --- the value ----------------------------------------------------------------------------------------------


def test_the_value_is_checked_at_birth() -> None:
    with pytest.raises(InputError, match="3 pictures for 2 pairs, two a pair are wanted"):
        BinSet((b"a", b"b", b"c"), np.array([True, False]))
    with pytest.raises(InputError, match="0 pictures for 0 pairs"):
        BinSet((), np.array([], bool))
    with pytest.raises(InputError, match="bytes, and not empty"):
        BinSet((b"a", b""), np.array([True]))
    with pytest.raises(InputError, match="1 truth values are wanted"):
        BinSet((b"a", b"b"), np.array([1]))


# --- what is refused, and never run -------------------------------------------------------------------------


class Calls:
    """Pickles as a call of `function`: what an attacker writes."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self.call


class Built:
    def __init__(self) -> None:
        self.held = b"a"


class Row(np.ndarray):
    pass


ATTACKS: dict[str, Callable[[str], object]] = {
    "a command": lambda marker: Calls(os.system, f"touch {marker}"),
    "code": lambda marker: Calls(builtins.eval, f"open({marker!r}, 'w')"),
    "a call in a call": lambda marker: Calls(builtins.list, Calls(builtins.exec, f"open({marker!r}, 'w')")),
    "another codec": lambda marker: Calls(codecs.encode, f"{marker}", "rot13"),
    "latin-1, but not strictly": lambda marker: Calls(codecs.encode, f"{marker}", "latin-1", "ignore"),
    "a decoder": lambda marker: Calls(codecs.decode, marker.encode(), "latin-1"),
    "an open file": lambda marker: Calls(builtins.open, marker, "w"),
    "NumPy's file": lambda marker: Calls(np.memmap, marker, "u1", "w+", 0, (3,)),
    "NumPy's writer": lambda marker: Calls(np.savetxt, marker, (1,)),
    "NumPy's reader": lambda marker: Calls(np.fromfile, marker),
    "a call of an array's class": lambda marker: Calls(np.ndarray, (3,)),
    "a call of a dtype": lambda marker: Calls(np.dtype, "u1"),
    "a dtype of objects": lambda marker: np.dtype(object),
    "a dtype of parts": lambda marker: np.dtype([("a", "u1")]),
    "objects": lambda marker: np.array([Calls(builtins.open, marker, "w")], object),
    "another class of array": lambda marker: np.frombuffer(b"jpeg", np.uint8).view(Row),
    "a matrix": lambda marker: np.frombuffer(b"jpeg", np.uint8).reshape(2, 2),
    "a picture": lambda marker: np.zeros((4, 4, 3), np.uint8),
    "an array of no dimension": lambda marker: np.array(7, np.uint8),
    "fractions": lambda marker: np.zeros(4),
    "truths": lambda marker: np.array(SAME),
    "large numbers": lambda marker: np.zeros(4, ">u2"),
    "NumPy's number": lambda marker: np.uint8(1),
    "an object": lambda marker: Built(),
    "a dictionary": lambda marker: {b"a": b"b"},
    "an ordered one": lambda marker: OrderedDict(a=1),
    "a set": lambda marker: {b"a"},
    "a frozen set": lambda marker: frozenset({b"a"}),
    "a large number": lambda marker: 1 << 3000,
    "a fraction": lambda marker: 0.5,
    "a text beyond Latin-1": lambda marker: "€",
    "a class": lambda marker: Built,
}
INERT: dict[str, tuple[object, str]] = {
    "a number": (7, "int"),
    "a text": ("text", "Text"),
    "nothing": (None, "NoneType"),
    "a name": (np.ndarray, "Name"),
    "a dtype": (np.dtype("u1"), "Dtype"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_whatever_else_a_pickle_holds_is_refused_unrun(tmp_path: Path, attack: str) -> None:
    file, marker = tmp_path / "attack.bin", tmp_path / "marker"
    bad = ATTACKS[attack](str(marker))
    for protocol in range(6):
        for value in ([*PICTURES, bad], SAME), (PICTURES, [*SAME, bad]), (bad, SAME), (PICTURES, bad), bad:
            message = refused(file, pickle.dumps(value, protocol))
            assert "byte " in message
            assert (
                "is refused; bytes, truth values, lists, tuples and NumPy's rows of uint8 are read" in message
            )
    assert [path.name for path in tmp_path.iterdir()] == ["attack.bin"]


@pytest.mark.parametrize("thing", INERT)
def test_what_rows_are_told_with_is_no_value(file: Path, thing: str) -> None:
    bad, kind = INERT[thing]
    for protocol in range(6):
        for value in ([*PICTURES, bad], SAME), (PICTURES, [*SAME, bad]), (bad, SAME), (PICTURES, bad), bad:
            assert f"{kind} found" in refused(file, pickle.dumps(value, protocol))


@pytest.mark.parametrize("protocol", range(6))
def test_the_attack_would_have_run(tmp_path: Path, protocol: int) -> None:
    """The marker would appear where the same file is unpickled: the test above proves something."""
    marker = tmp_path / "marker"
    pickle.loads(pickle.dumps(ATTACKS["an open file"](str(marker)), protocol)).close()
    assert marker.exists()
    marker.unlink()
    pickle.loads(pickle.dumps(ATTACKS["objects"](str(marker)), protocol))[0].close()
    assert marker.exists()


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"cos\nsystem\n(S'true'\ntR.", "byte 0: GLOBAL 'os system'"),
        (b"\x8c\x02os\x8c\x06system\x93.", "byte 12: STACK_GLOBAL 'os system'"),
        (b"]]\x93.", "byte 2: STACK_GLOBAL ([], [])"),
        (b"U\x05numpyU\x05dtype\x93.", "byte 14: STACK_GLOBAL (b'numpy', b'dtype')"),
        (b"cnumpy.core\nmultiarray._reconstruct\n.", "byte 0: GLOBAL"),
        (b"cnumpy.core.multiarray\n_reconstruct.__globals__\n.", "byte 0: GLOBAL"),
        (b"cnumpy.core.multiarray\nfromfile\n.", "byte 0: GLOBAL"),
        (b"cnumpy\nndarray \n.", "byte 0: GLOBAL 'numpy ndarray '"),
        (b"cnumpy \nndarray\n.", "byte 0: GLOBAL"),
        (b"cnump\\x79\ndtype\n.", "byte 0: GLOBAL"),
        (b"cnump\xff\n\\d\n.", "byte 0: GLOBAL"),
        (b"c_codecs\ndecode\n.", "byte 0: GLOBAL"),
        (b"c__builtin__\nbytes\n)R.", "byte 0: GLOBAL"),
        (b"cnumpy\ndtype\n]R.", "byte 14: REDUCE 'numpy dtype' of []"),
        (b"cnumpy\ndtype\n)R.", "byte 14: REDUCE 'numpy dtype' of ()"),
        (b"cnumpy\nndarray\n)R.", "byte 16: REDUCE"),
        (b"cnumpy\ndtype\n)\x81.", "byte 14: NEWOBJ"),
        (b"cnumpy\ndtype\n)b.", "byte 14: BUILD 'numpy dtype' with ()"),
        (b"])R.", "byte 2: REDUCE [] of ()"),
        (b"]}b.", "byte 1: EMPTY_DICT"),
        (b"])b.", "byte 2: BUILD [] with ()"),
        (b"C\x01a)b.", "byte 4: BUILD b'a' with ()"),
        (b"]]b.", "byte 2: BUILD [] with []"),
        (b"(S'true'\nios\nsystem\n.", "byte 9: INST"),
        (b"(o.", "byte 1: OBJ"),
        (b"])\x81.", "byte 2: NEWOBJ"),
        (b"]))\x92.", "byte 3: NEWOBJ_EX"),
        (b"\x82\x01.", "byte 0: EXT1"),
        (b"\x83\x01\x00.", "byte 0: EXT2"),
        (b"\x84\x01\x00\x00\x00.", "byte 0: EXT4"),
        (b"Pid\n.", "byte 0: PERSID"),
        (b"]Q.", "byte 1: BINPERSID"),
        (b"\x97.", "byte 0: NEXT_BUFFER"),
        (b"]\x98.", "byte 1: READONLY_BUFFER"),
        (b"\x8d\x01\x00\x00\x00\x00\x00\x00\x00a.", "byte 0: BINUNICODE8"),
        (b"]2.", "byte 1: DUP"),
        (b"]0.", "byte 1: POP"),
        (b"(d.", "byte 1: DICT"),
        (b"\x8f.", "byte 0: EMPTY_SET"),
        (b"G\x00\x00\x00\x00\x00\x00\x00\x00.", "byte 0: BINFLOAT"),
        (b"\x8a\x01\x01.", "byte 0: LONG1"),
        (b"L1L\n.", "byte 0: LONG"),
        (b"F1\n.", "byte 0: FLOAT"),
    ],
)
def test_each_other_opcode_is_refused_by_name_and_place(file: Path, content: bytes, named: str) -> None:
    message = refused(file, content)
    assert named in message
    assert "is refused; bytes, truth values, lists, tuples and NumPy's rows of uint8 are read" in message


CODECS = b"c_codecs\nencode\nX\x03\x00\x00\x00abc"
NUMPYS_WORDS_CHANGED = [
    ({"class": b"cnumpy\ndtype\n"}, "REDUCE"),
    ({"class": b"N"}, "REDUCE"),
    ({"class": b"cnumpy\nmatrix\n"}, "GLOBAL"),
    ({"none": b"K\x01\x85"}, "REDUCE"),
    ({"none": b"K\x00"}, "REDUCE"),
    ({"letter": b"C\x01O\x87R"}, "REDUCE"),
    ({"letter": b"C\x01b(NtR"}, "REDUCE"),
    ({"version": b"(K\x02"}, "BUILD"),
    ({"version": b"(NK\x01"}, "BUILD"),
    ({"shape": b"K\x02\x85"}, "BUILD"),
    ({"shape": b"K\x04\x85"}, "BUILD"),
    ({"shape": b"K\x03"}, "BUILD"),
    ({"shape": b")"}, "BUILD"),
    ({"shape": b"](K\x03e"}, "BUILD"),
    ({"shape": b"K\x03K\x01K\x01\x87"}, "BUILD"),
    ({"shape": b"K\x03K\x03\x86"}, "BUILD"),
    ({"shape": b"J\xfd\xff\xff\xff\x85"}, "BUILD"),
    ({"shape": b"J\xfd\xff\xff\xffJ\xff\xff\xff\xff\x86"}, "BUILD"),
    ({"dtype": b"cnumpy\nndarray\n"}, "REDUCE"),
    ({"kind": b"X\x01\x00\x00\x00O"}, "REDUCE"),
    ({"kind": b"X\x02\x00\x00\x00O8"}, "REDUCE"),
    ({"kind": b"X\x02\x00\x00\x00u2"}, "REDUCE"),
    ({"kind": b"X\x02\x00\x00\x00i1"}, "REDUCE"),
    ({"kind": b"X\x02\x00\x00\x00b1"}, "BUILD"),
    ({"kind": b"]X\x02\x00\x00\x00u1a"}, "REDUCE"),
    ({"flags": b"\x88\x88\x87R"}, "REDUCE"),
    ({"flags": b"\x89\x88\x87RN\x85R"}, "REDUCE"),
    ({"flags": b"\x86R"}, "REDUCE"),
    ({"third": b"(K\x04"}, "BUILD"),
    ({"order": b"X\x01\x00\x00\x00<"}, "BUILD"),
    ({"parts": b"N]N"}, "BUILD"),
    ({"parts": b"NN"}, "BUILD"),
    ({"sizes": b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb"}, "BUILD"),
    ({"sizes": b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb(K\x03tb"}, "BUILD"),
    ({"sizes": b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t0"}, "POP"),
    ({"columns": b"K\x00"}, "BUILD"),
    ({"columns": b"N"}, "BUILD"),
    ({"data": b"X\x03\x00\x00\x00abctb"}, "BUILD"),
    ({"data": b"](C\x01ae" + b"tb"}, "BUILD"),
    ({"data": b"C\x03abcltb"}, "BUILD"),
    ({"data": b"C\x03abctb)b"}, "BUILD"),
    ({"data": CODECS + b"X\x05\x00\x00\x00utf-8\x86Rtb"}, "REDUCE"),
    ({"data": CODECS + b"X\x03\x00\x00\x00hex\x86Rtb"}, "REDUCE"),
    ({"data": CODECS + b"U\x06latin1\x86Rtb"}, "REDUCE"),
    ({"data": CODECS + b"\x85Rtb"}, "REDUCE"),
    ({"data": CODECS + b"X\x06\x00\x00\x00latin1N\x87Rtb"}, "REDUCE"),
    ({"data": b"c_codecs\nencode\nC\x03abcX\x06\x00\x00\x00latin1\x86Rtb"}, "REDUCE"),
    ({"data": b"c_codecs\nencode\nX\x03\x00\x00\x00\xe2\x82\xacX\x06\x00\x00\x00latin1\x86Rtb"}, "BINUNICODE"),
]


@pytest.mark.parametrize(("changes", "opcode"), NUMPYS_WORDS_CHANGED)
def test_a_row_told_in_other_words_is_refused(file: Path, changes: dict[str, bytes], opcode: str) -> None:
    message = refused(file, rows(**changes))
    assert f": {opcode} " in message
    assert "is refused" in message


UINT8 = b"".join(ROW[part] for part in ("dtype", "kind", "flags", "third", "order", "parts", "sizes"))
BOOL = UINT8.replace(b"u1", b"b1")
OBJECT = UINT8.replace(b"u1", b"O8")
SCALAR = b"cnumpy.core.multiarray\nscalar\n"
BUFFER = b"cnumpy.core.numeric\n_frombuffer\n("
AS_ROW = b"K\x01\x85\x8c\x01CtR"


@pytest.mark.parametrize(
    ("call", "opcode"),
    [
        (SCALAR + OBJECT + b"C\x01\x01\x86R", "REDUCE 'numpy dtype' of ('O8', False, True)"),
        (SCALAR + UINT8 + b"C\x01\x01\x86R", "REDUCE"),
        (SCALAR + BOOL + b"C\x01\x02\x86R", "REDUCE"),
        (SCALAR + BOOL + b"C\x02\x01\x01\x86R", "REDUCE"),
        (SCALAR + BOOL + b"\x88\x86R", "REDUCE"),
        (SCALAR + BOOL + b"]\x86R", "REDUCE"),
        (SCALAR + BOOL + b"\x85R", "REDUCE"),
        (BUFFER + b"C\x01a" + BOOL + AS_ROW, "REDUCE"),
        (BUFFER + b"C\x02ab" + UINT8 + AS_ROW, "REDUCE"),
        (BUFFER + b"\x8c\x01a" + UINT8 + AS_ROW, "REDUCE"),
        (BUFFER + b"]" + UINT8 + AS_ROW, "REDUCE"),
        (BUFFER + b"C\x01a" + UINT8 + b"K\x01\x85\x8c\x01KtR", "REDUCE"),
        (BUFFER + b"C\x01a" + UINT8 + b"K\x01\x85\x8c\x01CNtR", "REDUCE"),
        (BUFFER + b"C\x01a" + UINT8 + b"K\x01\x85tR", "REDUCE"),
        (BUFFER + b"\x97" + UINT8 + AS_ROW, "NEXT_BUFFER"),
    ],
)
def test_other_calls_are_refused(file: Path, call: bytes, opcode: str) -> None:
    good = SCALAR + BOOL + b"C\x01\x01\x86R"
    assert read(file, b"](U\x01a" + BUFFER + b"C\x01b" + UINT8 + AS_ROW + b"e](" + good + b"e\x86.").pictures
    message = refused(file, b"](" + call + b"e]\x86.")
    assert f": {opcode}" in message
    assert "is refused" in message


def test_a_row_never_filled_is_no_picture(file: Path) -> None:
    unfilled = b"".join(ROW[part] for part in ("function", "class", "none", "letter"))
    assert "Unfilled found in a list, bytes wanted" in refused(file, b"](" + 2 * unfilled + b"e](\x88e\x86.")


def test_pictures_as_pixels_are_refused_with_what_to_do(file: Path) -> None:
    message = refused(file, pickle.dumps(([np.zeros((112, 96, 3), np.uint8)] * 2, [True]), 4))
    assert "BUILD numpy ndarray with (1, (112, 96, 3), numpy u1, False, b'" in message
    assert "load it yourself and save ([bytes(p) …], [bool(s) …]) anew, protocol 4" in message


# --- what is damaged ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "byte 0: no pickle's opcode; the file is damaged or no insightface .bin"),
        (b"\xff\xd8\xff", "byte 0: no pickle's opcode"),
        (b"\x89PNG", "byte 1: PERSID"),
        (b"\x80\x06].", "byte 0, PROTO: protocol 6 found, 0 to 5 are read"),
        (b"\x80", "byte 0, PROTO"),
        (b".", "byte 0: it ends with 0 values, one is wanted"),
        (b"]].", "byte 2: it ends with 2 values"),
        (b"](.", "it ends with 1 values"),
        (b"]\x86.", "byte 1, TUPLE2: 2 values wanted on the stack, 1 there"),
        (b"](\x88\x87.", "byte 3, TUPLE3: 3 values wanted on the stack, 1 there"),
        (b"]a.", "byte 1, APPEND: 1 values wanted on the stack, 0 there"),
        (b"\x88\x88a.", "byte 2, APPEND: a list wanted on the stack, bool there"),
        (b"]e.", "byte 1, APPENDS: a mark wanted on the stack, none there"),
        (b")(\x88e.", "byte 3, APPENDS: a list wanted on the stack, tuple there"),
        (b"t.", "byte 0, TUPLE: a mark wanted"),
        (b"q\x00.", "byte 0, BINPUT: 1 values wanted"),
        (b"h\x00.", "byte 0, BINGET: nothing is remembered as 0"),
        (b"g-1\n.", "byte 0, GET: nothing is remembered as -1"),
        (b"]p-1\n.", "byte 1, PUT: -1 numbers a memory, 0 to"),
        (b"]r\xff\xff\xff\xff.", "byte 1, LONG_BINPUT: 4294967295 numbers a memory"),
        (b"g" + b"9" * 5000 + b"\n.", "byte 0, GET"),
        (b"I1\n.", "int found, a pair of pictures"),
        (b"](\x93.", "byte 2, STACK_GLOBAL: 2 values wanted on the stack, 0 there"),
        (b"]R.", "byte 1, REDUCE: 2 values wanted"),
        (b"]b.", "byte 1, BUILD: 2 values wanted"),
        (b"cnumpy\ndtype", "byte 0, GLOBAL: the ends of two lines wanted"),
        (b"cnumpy", "byte 0, GLOBAL: the ends of two lines wanted"),
        (b"V\\u12\n.", "byte 0, UNICODE"),
        (b"X\x01\x00\x00\x00\xff.", "byte 0, BINUNICODE"),
        (b"X\xff\xff\xff\xffabc", "byte 0, BINUNICODE: expected 4294967295 bytes"),
        (b"\x96" + b"\xff" * 8 + b"abc", "byte 0, BYTEARRAY8"),
        (b"Ix\n.", "byte 0, INT"),
        (b"B\xff\xff\xff\xffabc", "byte 0, BINBYTES: expected 4294967295 bytes"),
        (b"\x8e" + b"\xff" * 8 + b"abc", "byte 0, BINBYTES8"),
        (b"T\xff\xff\xff\xffabc", "byte 0, BINSTRING"),
        (b"S'abc\n.", "byte 0, STRING: a string in quotes"),
        (b"S'\n.", "byte 0, STRING: a string in quotes"),
        (b"S''", "byte 0, STRING: a string in quotes"),
        (b"Sabca\n.", "byte 0, STRING: a string in quotes"),
        (b"S'a\\q'\n.", "byte 0, STRING: an escape that Python 2 does not write"),
        (b"S'a\\x1'\n.", "byte 0, STRING: an escape"),
        (b"S'a\\'\n.", "byte 0, STRING: an escape"),
        (b"S'a\\777'\n.", "byte 0, STRING: an escape"),
        (b"\x95\x00", "byte 0, FRAME"),
        (b"].", "list found, a pair of pictures and truth values wanted"),
        (b"\x88.", "bool found, a pair of pictures"),
        (b"]]]\x87.", "tuple found, a pair of pictures"),
        (b"\x88]\x86.", "bool found, a list of bytes wanted"),
        (b"]\x88\x86.", "bool found, a list of bool wanted"),
        (b"](\x88e](\x88e\x86.", "bool found in a list, bytes wanted"),
        (b"](U\x01ae](U\x01ae\x86.", "bytes found in a list, bool wanted"),
        (b"]]\x86.", "0 pictures for 0 pairs"),
        (b"](U\x01ae](\x88e\x86.", "1 pictures for 1 pairs"),
        (b"](U\x00U\x01ae](\x88e\x86.", "every picture is wanted as bytes, and not empty"),
        (b"]q\x00h\x00ah\x00\x86.", "list found in a list, bytes wanted"),
    ],
)
def test_what_is_wrong_is_said(file: Path, content: bytes, complaint: str) -> None:
    assert complaint in refused(file, content)


def test_no_depth_is_too_deep(file: Path) -> None:
    assert "list found, a pair" in refused(file, b"].")
    assert "tuple found, a pair of pictures" in refused(file, b")" + b"\x85" * 300_000 + b".")
    assert "list found in a list" in refused(file, b"]" * 2 + b"q\x00h\x00" + b"a" + b"a](\x88e\x86.")
    nested = b"]" * 100_000 + b"a" * 99_999 + b"](\x88e\x86."
    assert "list found in a list, bytes wanted" in refused(file, nested)


def test_work_and_memory_are_bounded(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickles, "MAX_STEPS", 1000)
    assert "more than 1000 steps" in refused(file, b"]" * 5000)
    monkeypatch.setattr(bins, "MAX_BYTES", 100)
    assert "larger than the 100 bytes that are read" in refused(file, b"]" * 101)


def test_a_picture_that_lies_about_its_size_costs_nothing(file: Path) -> None:
    file.write_bytes(b"\x8e" + struct.pack("<Q", 1 << 40) + b"abc")
    tracemalloc.start()
    with pytest.raises(InputError, match="BINBYTES8: expected 1099511627776 bytes"):
        read_bin(file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000


def test_a_text_is_made_bytes_once(file: Path) -> None:
    """However often a program asks for it: memory grows with the file, not with the program's steps."""
    size = 1 << 20
    text = b"X" + struct.pack("<I", size) + bytes(size) + b"q\x00"
    encode = b"c_codecs\nencode\nh\x00X\x06\x00\x00\x00latin1\x86R"
    file.write_bytes(b"](" + text + 1000 * encode + b"e](\x88e\x86.")
    tracemalloc.start()
    with pytest.raises(InputError, match="Text found in a list"):
        read_bin(file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * size


@pytest.mark.parametrize("kind", [bytes, np.zeros], ids=["bytes", "rows"])
@pytest.mark.parametrize("protocol", [4, 5])
def test_pictures_are_copied_once(file: Path, protocol: int, kind: Callable[..., Any]) -> None:
    size = 4 << 20
    pictures = [kind(size), kind(size)] if kind is bytes else [kind(size, np.uint8), kind(size, np.uint8)]
    file.write_bytes(pickle.dumps((pictures, [True]), protocol))
    tracemalloc.start()
    read_bin(file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * 2 * size + 200_000  # the file's bytes, and each picture out of them


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a plain file"):
        read_bin(tmp_path)


WHOLE = [pickle.dumps((PICTURES, SAME), protocol) for protocol in range(6)]
WHOLE.append(b"((l" + b"".join(quoted(data) + b"p1\na" for data in PICTURES) + b"(lI01\naI00\nat.")
WHOLE += [
    pickle.dumps(([make(PICTURES[0]), make(PICTURES[1])], [np.True_]), protocol)
    for make in (LAYOUTS["a row"], LAYOUTS["with gaps"])
    for protocol in range(6)
]
WHOLE += [rows(), rows(**PYTHON_2)]


@given(
    st.sampled_from(WHOLE),
    st.dictionaries(st.integers(0, 2000), st.integers(0, 255), max_size=5),
    st.integers(0, 2000) | st.just(1 << 20),
)
@settings(deadline=None, max_examples=500)
def test_a_damaged_set_is_refused_or_read_never_worse(
    file: Path, content: bytes, flips: dict[int, int], length: int
) -> None:
    damaged = bytearray(content)
    for at, byte in flips.items():
        damaged[at % len(damaged)] = byte
    with contextlib.suppress(InputError):
        found = read(file, bytes(damaged[:length]))
        assert all(type(picture) is bytes for picture in found.pictures)
        assert len(found.pairs) * 2 == len(found.pictures)


OPCODES = st.sampled_from([bytes([code]) for code in range(256)])
ALLOWED = [
    b"(",
    b"]",
    b")",
    b"l",
    b"t",
    b"a",
    b"e",
    b"\x85",
    b"\x86",
    b"\x87",
    b"\x88",
    b"\x89",
    b"U\x01a",
    b"q\x00",
]
ALLOWED += [
    b"h\x00",
    b"\x94",
    b"I01\n",
    b"p1\n",
    b"g1\n",
    b"S'a'\n",
    b"C\x01b",
    b"\x80\x04",
    b"\x95" + b"\0" * 8,
    b".",
]
ALLOWED += [
    *ROW.values(),
    *PYTHON_2.values(),
    SCALAR,
    BUFFER,
    UINT8,
    BOOL,
    AS_ROW,
    b"R",
    b"b",
    b"\x93",
    b"N",
    b"K\x01",
]
ALLOWED += [
    b"".join(ROW.values()),
    CODECS + b"\x8c\x06latin1\x86R",
    b"\x8c\x05numpy",
    b"\x8c\x05dtype",
    b"V|\n",
]


@given(st.lists(st.sampled_from(ALLOWED) | OPCODES, max_size=40))
@settings(deadline=None, max_examples=500)
def test_any_program_is_refused_or_read_never_worse(file: Path, program: list[bytes]) -> None:
    with contextlib.suppress(InputError):
        found = read(file, b"".join(program) + b".")
        assert all(type(picture) is bytes for picture in found.pictures)
