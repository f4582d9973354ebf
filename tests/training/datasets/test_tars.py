from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.errors import InputError
from mien.training.datasets.tars import BLOCK, Member, members

CONTENTS = {"a.jpg": b"", "b/c.png": b"x" * 511, "d.cls": b"y" * 512, "é.json": b"z" * 1500, "f": b"1"}
FORMS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def written(contents: Mapping[str, bytes], form: int, **facts: object) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as tar:
        folder = tarfile.TarInfo("b")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name, data in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            for fact, value in facts.items():
                setattr(member, fact, value)
            tar.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def read(tmp_path: Path, data: bytes) -> list[Member]:
    file = tmp_path / "x.tar"
    file.write_bytes(data)
    return list(members(file))


@pytest.mark.parametrize("form", FORMS)
def test_files_are_found_where_tarfile_finds_them(tmp_path: Path, form: str) -> None:
    long = {f"{'deep/' * 30}{'n' * 90}.jpg": b"1", f"{'p/' * 60}q.jpg": b"22"}
    data = written(CONTENTS | long, FORMS[form])
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        expected = [(each.name, each.offset_data, each.size) for each in tar if each.isfile()]
    found = read(tmp_path, data)
    assert [(each.name, each.offset, each.size) for each in found] == expected
    assert [data[each.offset :][: each.size] for each in found] == list((CONTENTS | long).values())
    assert [each.head for each in found] == [content[:BLOCK] for content in (CONTENTS | long).values()]


def test_links_and_notes_of_another_kind_are_passed_over(tmp_path: Path) -> None:
    data = written({"a.jpg": b"1"}, tarfile.PAX_FORMAT, pax_headers={"comment": "é", "SCHILY.x": "1=2\n3"})
    link = tarfile.TarInfo("link")
    link.type, link.linkname = tarfile.LNKTYPE, "a.jpg"
    blocks = link.tobuf(tarfile.USTAR_FORMAT) + data
    assert [each.name for each in read(tmp_path, blocks)] == ["a.jpg"]


def test_a_size_in_gnus_large_numbers_is_read(tmp_path: Path) -> None:
    data = bytearray(written({"a.jpg": b"123"}, tarfile.USTAR_FORMAT)[BLOCK:])
    data[124:136] = b"\x80" + (3).to_bytes(11, "big")
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:BLOCK])
    assert [(each.name, each.size) for each in read(tmp_path, bytes(data))] == [("a.jpg", 3)]


def test_a_tar_may_end_without_its_end(tmp_path: Path) -> None:
    data = written({"a.jpg": b"123"}, tarfile.USTAR_FORMAT)
    assert len(read(tmp_path, data[: 3 * BLOCK])) == 1
    assert read(tmp_path, b"") == []


def pax(note: bytes) -> bytes:
    """A header of notes, the note, and a file behind it."""
    info = tarfile.TarInfo("notes")
    info.type, info.size = b"x", len(note)
    head = info.tobuf(tarfile.USTAR_FORMAT)
    folder = BLOCK  # which stands before the file
    return head + note.ljust(BLOCK, b"\0") + written({"a.jpg": b"1"}, tarfile.USTAR_FORMAT)[folder:]


@pytest.mark.parametrize(
    ("note", "complaint"),
    [
        (b"12 size=-99\n", "cut short"),  # what leads tarfile round in circles (CVE-2025-8194)
        (b"19 size=999999999\n", "damaged notes"),
        (b"18 size=999999999\n", "cut short"),
        (b"0 size=1\n", "damaged notes"),
        (b"-1 size=1\n", "damaged notes"),
        (b"9 size 1\n", "damaged notes"),
        (b"x size=1\n", "invalid literal"),
        (b"22 GNU.sparse.major=1\n", "holes"),
    ],
)
def test_notes_that_lead_astray_are_refused(tmp_path: Path, note: bytes, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        read(tmp_path, pax(note))


@pytest.mark.parametrize("data", [b"x", b"\x1f\x8b" + bytes(600), bytes(511) + b"1", b"GIF89a" * 200])
def test_what_is_no_tar_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(InputError, match=r"x.tar: no tar, or a damaged one"):
        read(tmp_path, data)


def test_a_missing_tar_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none.tar: cannot be read"):
        list(members(tmp_path / "none.tar"))


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_tars_are_refused_or_read_inside_their_bounds(
    tmp_path: Path, form: str, data: st.DataObject
) -> None:
    content = bytearray(written({"a.jpg": b"123", f"{'n' * 60}/{'m' * 60}": b"4" * 600}, FORMS[form]))
    for place in data.draw(st.lists(st.integers(0, 6 * BLOCK - 1), max_size=2)):
        content[place] = data.draw(st.sampled_from([0, 0x80, 0xFF, 32, 45, 48, 55, 76, 120]))
    for head in data.draw(st.lists(st.sampled_from(range(0, 6 * BLOCK, BLOCK)), max_size=2)):
        block = content[head : head + BLOCK]  # a sum that is right again, or nothing else is ever reached
        block[148:156] = b" " * 8
        content[head + 148 : head + 156] = b"%06o\0 " % sum(block)
    cut = bytes(content[: data.draw(st.just(len(content)) | st.integers(0, len(content)))])
    try:
        found = read(tmp_path, cut)
    except InputError:
        return
    assert all(0 <= each.offset <= each.offset + each.size <= len(cut) for each in found)
