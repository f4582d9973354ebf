"""Readings to disk and back to the bit; what is damaged, foreign, shared or half written."""

from __future__ import annotations

import hashlib
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from damaged import DAMAGES

from mien.errors import InputError
from mien.evaluation import cache as module
from mien.evaluation.cache import ReadingCache, cache_key
from mien.recognition.recognizer import Recognizer
from mien.values import Embeddings, Faces, Quality, Reading

KEY = cache_key("b" * 64, "a" * 64)
REASONS = ((), ("small",), ("low score", "blurred"))


def reading(
    number: int, n: int, bundle: str = "b" * 64, measures: tuple[str, ...] = ("yaw", "size")
) -> Reading:
    draw = np.random.default_rng(number)
    vectors = draw.normal(size=(n, 8))
    norms = np.linalg.norm(vectors, axis=1)
    corners = draw.uniform(0, 50, (n, 2))
    boxes = np.concatenate([corners, corners + 20], axis=1)
    faces = Faces(boxes, draw.uniform(0, 50, (n, 5, 2)), draw.uniform(0, 1, n))
    quality = Quality(
        draw.uniform(0, 1, n),
        tuple(REASONS[(number + i) % 3] for i in range(n)),
        {name: draw.normal(size=n) for name in measures},
    )
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    embeddings = Embeddings(vectors / norms.reshape(-1, 1), norms, bundle, "a" * 64)
    return Reading(f"{number}.jpg", digest, (70 + number, 60), faces, embeddings, quality)


def assert_same(one: Reading | None, other: Reading) -> None:
    assert one is not None
    assert (one.source, one.sha256, one.size) == (other.source, other.sha256, other.size)
    for part in ("faces", "embeddings", "quality"):
        for name in getattr(other, part).__slots__:
            mine, its = (getattr(getattr(each, part), name) for each in (one, other))
            if isinstance(its, np.ndarray):
                assert mine.dtype == its.dtype
                np.testing.assert_array_equal(mine, its)
            elif name != "measures":
                assert mine == its
    assert list(one.quality.measures) == list(other.quality.measures)
    for name, values in other.quality.measures.items():
        np.testing.assert_array_equal(one.quality.measures[name], values)


def fill(folder: Path, readings: list[Reading], flush_every: int = 2000) -> None:
    with ReadingCache(folder, KEY, flush_every=flush_every) as cache:
        for each in readings:
            cache.put(each)


def shards(folder: Path) -> list[Path]:
    return sorted((folder / KEY).glob("*.npz"))


def test_what_is_put_comes_back_to_the_bit(tmp_path: Path) -> None:
    readings = [reading(number, n) for number, n in enumerate((1, 0, 3, 2, 0))]
    with ReadingCache(tmp_path, KEY) as cache:
        for each in readings:
            cache.put(each)
            assert_same(cache.get(each.sha256, each.source), each)
    again = ReadingCache(tmp_path, KEY)
    assert len(again) == len(cache) == 5
    for each in readings:
        assert_same(again.get(each.sha256, each.source), each)
    assert again.get("0" * 64, "x.jpg") is None


def test_the_source_is_the_one_asked_for(tmp_path: Path) -> None:
    one = reading(1, 1)
    cache = ReadingCache(tmp_path, KEY)
    cache.put(one)
    for _ in range(2):  # before it is on disk, and after
        found = cache.get(one.sha256, "elsewhere/北京.jpg")
        assert found is not None
        assert found.source == "elsewhere/北京.jpg"
        cache.flush()


def test_real_readings_come_back_to_the_bit(
    tmp_path: Path, recognizer: Recognizer, people: dict[str, list[Path]]
) -> None:
    key = cache_key(recognizer.bundle.digest, recognizer.aligner.digest)
    grey = np.full((64, 64, 3), 128, np.uint8)
    readings = [recognizer.read(source) for source in (people["astronaut"][0], people["person-001"][1], grey)]
    with ReadingCache(tmp_path, key) as cache:
        for each in readings:
            cache.put(each)
    again = ReadingCache(tmp_path, key)
    assert len(readings[2]) == 0
    for each in readings:
        assert_same(again.get(each.sha256, each.source), each)


def test_pictures_without_faces_alone_are_kept(tmp_path: Path) -> None:
    fill(tmp_path, [reading(1, 0), reading(2, 0)])
    found = ReadingCache(tmp_path, KEY).get(reading(2, 0).sha256, "2.jpg")
    assert_same(found, reading(2, 0))


def test_the_key_is_made_of_everything_that_changes_a_reading() -> None:
    keys = {
        cache_key("b", "a"),
        cache_key("a", "b"),
        cache_key("b", "a", any_rotation=True),
        cache_key("b", "a", any_rotation=False),
        cache_key("b", "a", bundle_of=1),
    }
    assert len(keys) == 5
    assert cache_key("b", "a", x=1, y=2) == cache_key("b", "a", y=2, x=1)


def test_a_raised_version_makes_other_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    before = cache_key("b", "a")
    monkeypatch.setattr(module, "VERSION", module.VERSION + 1)
    assert cache_key("b", "a") != before


def test_another_key_misses(tmp_path: Path) -> None:
    fill(tmp_path, [reading(1, 1)])
    other = ReadingCache(tmp_path, cache_key("b" * 64, "a" * 64, any_rotation=True))
    assert other.get(reading(1, 1).sha256, "1.jpg") is None


@pytest.mark.parametrize("key", ["", "../up", "B" * 64])
def test_a_key_that_is_no_digest_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(InputError, match="a key made by `cache_key` is wanted"):
        ReadingCache(tmp_path, key)
    assert not list(tmp_path.iterdir())


def test_a_killed_run_keeps_what_was_flushed(tmp_path: Path) -> None:
    cache = ReadingCache(tmp_path, KEY, flush_every=4)
    for number in range(10):
        cache.put(reading(number, 1))
    assert len(shards(tmp_path)) == 2  # nobody flushes the last two
    assert len(ReadingCache(tmp_path, KEY)) == 8


def test_an_error_inside_the_context_still_flushes(tmp_path: Path) -> None:
    cache = ReadingCache(tmp_path, KEY)
    cache.put(reading(1, 1))
    with pytest.raises(KeyboardInterrupt), cache:
        raise KeyboardInterrupt
    assert len(ReadingCache(tmp_path, KEY)) == 1


def test_what_is_there_is_not_written_again(tmp_path: Path) -> None:
    fill(tmp_path, [reading(1, 1), reading(1, 1)])
    before = shards(tmp_path)
    fill(tmp_path, [reading(1, 1)])
    fill(tmp_path, [])
    assert len(before) == 1
    assert shards(tmp_path) == before


def test_many_shards_become_one_that_holds_each_picture_once(tmp_path: Path) -> None:
    readings = [reading(number, number % 3) for number in range(16)]
    first, second = ReadingCache(tmp_path, KEY, flush_every=1), ReadingCache(tmp_path, KEY, flush_every=2)
    for each in readings:  # neither knows of the other's
        first.put(each)
        second.put(each)
    assert len(shards(tmp_path)) == 16 + 8
    again = ReadingCache(tmp_path, KEY)
    (merged,) = shards(tmp_path)
    with np.load(merged) as file:
        assert len(file["digests"]) == 16
    for each in readings:
        assert_same(again.get(each.sha256, each.source), each)
        assert_same(ReadingCache(tmp_path, KEY).get(each.sha256, each.source), each)


def test_a_run_merges_its_own_shards(tmp_path: Path) -> None:
    fill(tmp_path, [reading(number, 1) for number in range(40)], flush_every=1)
    assert len(shards(tmp_path)) <= module.MOST_SHARDS
    assert len(ReadingCache(tmp_path, KEY)) == 40


def test_large_shards_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGE", 3)
    fill(tmp_path, [reading(number, 1) for number in range(3)])
    large = shards(tmp_path)
    fill(tmp_path, [reading(number, 1) for number in range(3, 22)], flush_every=1)
    assert set(large) < set(shards(tmp_path))
    assert len(ReadingCache(tmp_path, KEY)) == 22


def test_several_write_merge_and_read_at_once(tmp_path: Path) -> None:
    def run(worker: int) -> None:
        fill(tmp_path, [reading(number, 1) for number in range(worker * 5, worker * 5 + 25)], flush_every=1)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, range(4)))
    again = ReadingCache(tmp_path, KEY)
    assert len(again) == 40
    for number in range(40):
        assert_same(again.get(reading(number, 1).sha256, f"{number}.jpg"), reading(number, 1))
    assert len(shards(tmp_path)) <= module.MOST_SHARDS


def test_only_the_owner_may_look(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        fill(tmp_path / "cache", [reading(1, 1)])
    finally:
        os.umask(before)
    (file,) = shards(tmp_path / "cache")
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_folder_that_was_open_to_all_is_closed(tmp_path: Path) -> None:
    (tmp_path / KEY).mkdir()
    (tmp_path / KEY).chmod(0o755)
    ReadingCache(tmp_path, KEY)
    assert stat.S_IMODE((tmp_path / KEY).stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match=r"cannot be made to keep readings in \(.*\); name another folder"):
        ReadingCache(tmp_path / "file", KEY)


def test_readings_of_another_form_are_refused(tmp_path: Path) -> None:
    fill(tmp_path, [reading(1, 1)])
    cache = ReadingCache(tmp_path, KEY)
    for other in (reading(2, 1, bundle="c" * 64), reading(2, 1, measures=("yaw",))):
        with pytest.raises(InputError, match="another bundle, aligner or set of quality measures"):
            cache.put(other)


def test_a_shard_of_another_key_is_removed(tmp_path: Path) -> None:
    fill(tmp_path, [reading(1, 1)])
    other = cache_key("b" * 64, "a" * 64, any_rotation=True)
    (tmp_path / KEY).rename(tmp_path / other)
    assert len(ReadingCache(tmp_path, other)) == 0
    assert not list((tmp_path / other).iterdir())


def test_a_shard_of_another_form_is_removed(tmp_path: Path) -> None:
    fill(tmp_path, [reading(1, 1)])
    fill(tmp_path / "other", [reading(2, 1, measures=("yaw",))])
    (stranger,) = shards(tmp_path / "other")
    stranger.rename(tmp_path / KEY / "zzz.npz")
    assert len(ReadingCache(tmp_path, KEY)) == 1
    assert len(shards(tmp_path)) == 1


def test_a_pickle_a_folder_and_other_files_do_no_harm(tmp_path: Path) -> None:
    fill(tmp_path, [reading(1, 1)])
    folder = tmp_path / KEY
    np.savez(folder / "pickle.npz", key=np.array([{"a": 1}], dtype=object))
    (folder / "folder.npz").mkdir()
    (folder / "notes.txt").write_text("mine")
    assert len(ReadingCache(tmp_path, KEY)) == 1
    assert not (folder / "pickle.npz").exists()
    assert (folder / "folder.npz").is_dir()
    assert (folder / "notes.txt").read_text() == "mine"


def test_two_hundred_damaged_shards_are_removed_or_whole(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    readings = [reading(number, n) for number, n in enumerate((1, 0, 2))]
    fill(tmp_path, readings)
    (file,) = shards(tmp_path)
    whole = file.read_bytes()
    survived = 0
    for number in range(200):
        file.write_bytes(DAMAGES[number % len(DAMAGES)](whole, whole, random))
        cache = ReadingCache(tmp_path, KEY)
        assert file.exists() == bool(len(cache))
        survived += file.exists()
        for each in readings:
            found = cache.get(each.sha256, each.source)
            if found is not None:
                np.testing.assert_array_equal(found.embeddings.vectors, each.embeddings.vectors)
    assert survived < 100


def changed(tmp_path: Path, **arrays: object) -> int:
    """How many pictures a cache holds whose shard has other arrays, behind check sums that are right."""
    fill(tmp_path, [reading(number, n) for number, n in enumerate((1, 0, 2))])
    (file,) = shards(tmp_path)
    with np.load(file) as old:
        whole = dict(old)
    np.savez(file, **{**whole, **{name: np.array(value) for name, value in arrays.items()}})
    held = len(ReadingCache(tmp_path, KEY))
    assert file.exists() == bool(held)
    return held


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("digests", np.zeros((2, 32), np.uint8)),
        ("digests", np.zeros((3, 32), np.int64)),
        ("pictures", np.array([[9, 9, -1], [9, 9, 2], [9, 9, 2]], np.int32)),
        ("pictures", np.array([[9, 9, 1], [9, 9, 2], [9, 9, 2]], np.int32)),
        ("pictures", np.zeros((0, 3), np.int32)),
        ("pictures", 3),
        ("vectors", np.full((3, 8), np.nan)),
        ("vectors", np.full((3, 8), 1e300)),
        ("vectors", np.zeros((3, 8))),
        ("boxes", np.zeros((3, 5))),
        ("reasons", ["small"]),
        ("reasons", 1),
        ("measure_names", ["yaw"]),
        ("measures", 1.0),
        ("quality", ["a", "b", "c"]),
    ],
)
def test_arrays_that_do_not_fit_are_removed(tmp_path: Path, name: str, value: object) -> None:
    assert changed(tmp_path, **{name: value}) == 0


def test_unchanged_arrays_are_read(tmp_path: Path) -> None:
    assert changed(tmp_path) == 3
