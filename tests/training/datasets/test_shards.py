from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import webdataset
from made_datasets import picture

from mien.errors import InputError
from mien.training.datasets.listing import INDEX
from mien.training.datasets.shards import read_shards, split_name


def write(file: Path, contents: Mapping[str, bytes]) -> Path:
    with tarfile.open(file, "w") as tar:
        for name, data in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return file.parent


def test_what_webdataset_writes_is_read(tmp_path: Path) -> None:
    with webdataset.ShardWriter(f"{tmp_path}/faces-%06d.tar", maxcount=2, verbose=0) as sink:
        for i, label in enumerate((7, 3, 7, 10, 3)):
            sink.write({"__key__": f"sub/k{i}", "png": picture(i), "cls": label})
    for _ in range(2):  # found, then kept
        dataset = read_shards(tmp_path)
        assert dataset.people == ("3", "7", "10")
        assert dataset.labels.tolist() == [1, 0, 1, 2, 0]
        assert [dataset.encoded(i) for i in range(5)] == [picture(i) for i in range(5)]
        assert list(dataset.names) == [f"sub/k{i}.png" for i in range(5)]
        assert (tmp_path / INDEX).is_file()


def test_persons_may_be_named_in_json(tmp_path: Path) -> None:
    with webdataset.TarWriter(str(tmp_path / "one.tar")) as sink:
        for i, person in enumerate(("Zoë", "Ann")):
            sink.write({"__key__": f"{i}", "jpg": picture(i), "json": {"person": person, "age": 3}, "cls": 9})
    dataset = read_shards(tmp_path / "one.tar")
    assert dataset.people == ("Ann", "Zoë")
    assert dataset.labels.tolist() == [1, 0]


def test_classes_may_be_named_beside_the_shards(tmp_path: Path) -> None:
    write(tmp_path / "0.tar", {"a.jpg": b"1", "a.cls": b"1\n", "b.cls": b"0", "b.jpg": b"2"})
    (tmp_path / "people.json").write_text('["Ann", "Bob"]')
    dataset = read_shards(tmp_path)
    assert [dataset.people[label] for label in dataset.labels] == ["Bob", "Ann"]


def test_a_shard_that_changes_or_comes_is_looked_into_anew(tmp_path: Path) -> None:
    write(tmp_path / "0.tar", {"a.jpg": b"1", "a.cls": b"1"})
    assert len(read_shards(tmp_path)) == 1
    write(tmp_path / "1.tar", {"a.jpg": b"1", "a.cls": b"2"})
    assert len(read_shards(tmp_path)) == 2
    write(
        tmp_path / "1.tar", {"b.jpg": b"12", "b.cls": b"2", "c.jpg": b"3", "c.cls": b"2"} | {"x": bytes(9999)}
    )
    assert len(read_shards(tmp_path)) == 3


@pytest.mark.parametrize(
    ("name", "key", "ending"),
    [
        ("a.jpg", "a", "jpg"),
        ("b/a.LEFT.Jpg", "b/a", "left.jpg"),
        ("v1.0/a.cls", "v1.0/a", "cls"),
        ("a", "a", ""),
        ("b/.hidden.jpg", "b/", ""),
    ],
)
def test_a_key_is_what_webdataset_takes_for_it(name: str, key: str, ending: str) -> None:
    assert split_name(name) == (key, ending)
    if ending:
        assert webdataset.tariterators.base_plus_ext(name) == (key, ending if name.islower() else "LEFT.Jpg")


@pytest.mark.parametrize(
    ("contents", "complaint"),
    [
        ({"a.jpg": b"1"}, r"a.jpg: whose picture is it\? a.cls or a.json"),
        ({"a.jpg": b"1", "a.json": b"{}"}, "whose picture"),
        ({"a.jpg": b"1", "a.cls": b"x"}, r"a.cls: b'x' is no class"),
        ({"a.jpg": b"1", "a.cls": b"9" * 10}, "is no class"),
        ({"a.jpg": b"1", "a.cls": b"1" * 70_000}, r"a.cls of 70000 bytes; at most 65536"),
        ({"a.jpg": b"1", "a.json": b'{"person": 1}'}, r"a.json: {\"person\": NAME} is wanted"),
        ({"a.jpg": b"1", "a.json": b"[" * 900}, "NAME} is wanted"),
        ({"a.jpg": b"1", "a.png": b"1", "a.cls": b"1"}, "two pictures have the key 'a'"),
        ({"a.cls": b"1"}, "no pictures"),
        (
            {"a.jpg": b"1", "a.cls": b"1", "b.jpg": b"1", "b.json": json.dumps({"person": "B"}).encode()},
            "mixed",
        ),
    ],
)
def test_shards_that_do_not_say_who_are_refused(
    tmp_path: Path, contents: Mapping[str, bytes], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        read_shards(write(tmp_path / "0.tar", contents))


def test_no_shards_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(b"")
    with pytest.raises(InputError, match="are to be unpacked"):
        read_shards(tmp_path)
