"""What is planted is found, wherever; what is not there is not."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.errors import InputError
from mien.gallery.protection import scan as scan_module
from mien.gallery.protection import windows
from mien.gallery.protection.scan import Hit, Search, scan

RANDOM = np.random.default_rng([3, 1, 4])
SECRETS = [RANDOM.bytes(512) for _ in range(5)] + [RANDOM.bytes(16), RANDOM.bytes(3000)]
SEARCH = Search.of(SECRETS, ["Zoë Müller".encode(), b"Anna"])


@st.composite
def plants(draw: st.DrawFn) -> tuple[bytes, int, int, int]:
    """Bytes without a secret in them but for a run of one; where, of which, how long."""
    content = bytearray(np.random.default_rng(draw(st.integers(0, 2**32))).bytes(draw(st.integers(16, 700))))
    number = draw(st.integers(0, len(SECRETS) - 1))
    length = draw(st.integers(16, min(len(SECRETS[number]), len(content), 60)))
    start = draw(st.integers(0, len(SECRETS[number]) - length))
    at = draw(st.integers(0, len(content) - length))
    content[at : at + length] = SECRETS[number][start : start + length]
    return bytes(content), at, number, length


def cut(content: bytes, places: list[int]) -> list[bytes]:
    ends = sorted(place % (len(content) + 1) for place in places)
    return [content[a:b] for a, b in zip([0, *ends], [*ends, len(content)], strict=True)]


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "CHUNK", 64)
    monkeypatch.setattr(windows, "BLOCK", 4)
    monkeypatch.setattr(windows, "PAIRS", 3)


@pytest.mark.usefixtures("small_parts")
def test_a_planted_run_is_always_found() -> None:
    @given(plants(), st.lists(st.integers(0, 10_000), max_size=6))
    def always(plant: tuple[bytes, int, int, int], places: list[int]) -> None:
        content, at, number, length = plant
        hits = SEARCH.stream("s", cut(content, places))
        assert any(
            hit.kind == "run"
            and hit.number == number
            and hit.offset <= at
            and hit.offset + hit.length >= at + length
            for hit in hits
        )

    always()


@pytest.mark.usefixtures("small_parts")
def test_fifteen_bytes_are_no_run_and_nothing_is_found_in_nothing() -> None:
    @given(plants(), st.lists(st.integers(0, 10_000), max_size=6))
    def never(plant: tuple[bytes, int, int, int], places: list[int]) -> None:
        content, at, _, length = plant
        broken = bytearray(content)
        for place in {*range(at, at + length, 16), at + length - 1}:
            broken[place] ^= 0xFF
        assert SEARCH.stream("s", cut(bytes(broken), places)) == []

    never()


@pytest.mark.usefixtures("small_parts")
def test_runs_are_found_whole_and_once_across_parts() -> None:
    content = bytes(100) + SECRETS[0] + bytes(37) + SECRETS[6][100:164] + SECRETS[0][:20]
    assert SEARCH.stream("s", [content]) == [
        Hit("s", "run", 0, 100, 512),
        Hit("s", "run", 6, 649, 64),
        Hit("s", "run", 0, 713, 20),
    ]


def test_one_secret_within_another_counts_for_both() -> None:
    inner, outer = SECRETS[5], b"before" + SECRETS[5] + b"after"
    hits = Search.of([inner, outer]).stream("s", [b"x" * 11 + outer])
    assert [(hit.number, hit.offset, hit.length) for hit in hits] == [(1, 11, 27), (0, 17, 16)]


def test_secrets_side_by_side_do_not_run_into_each_other() -> None:
    """The end of one secret and the beginning of the next are no run, though they stand side by side inside."""
    one, other = RANDOM.bytes(32), RANDOM.bytes(32)
    assert Search.of([one, other]).stream("s", [one[-12:] + other[:12]]) == []


@pytest.mark.parametrize("filler", [b"\0", b"\xff", b"a"])
def test_one_repeated_byte_is_not_searched(filler: bytes) -> None:
    blank = filler * 400
    assert Search.of([blank]).stream("s", [filler * 1000]) == []
    mixed = Search.of([blank + SECRETS[0][:24] + blank])
    assert mixed.stream("s", [filler * 1000]) == []
    assert len(mixed.stream("s", [filler * 1001 + SECRETS[0][:24] + filler * 9])) == 1


@pytest.mark.usefixtures("small_parts")
def test_words_are_found_at_any_offset_and_in_any_parts() -> None:
    @given(st.integers(0, 300), st.lists(st.integers(0, 10_000), max_size=6))
    def always(before: int, places: list[int]) -> None:
        content = b"." * before + "Zoë Müller".encode() + b"." * 70
        assert SEARCH.stream("s", cut(content, places)) == [Hit("s", "word", 0, before, 12)]

    always()


@pytest.mark.usefixtures("small_parts")
def test_a_word_within_one_that_may_be_there_is_told_apart() -> None:
    search = Search.of(
        [], [b"Anna"], allowed=[b"Joanna", b"Hannah Arendt", b"Hanna, Anna and Annabel", b"tiny"]
    )
    text = b"Anna." + b"Hannah Arendt" + b"/" * 90 + b"Hanna, Anna and Annabel" + b"/" * 55 + b"Annabel"
    found = [(hit.offset, hit.allowed) for hit in search.stream("s", cut(text, [3, 8, 107]))]
    assert found == [(0, False), (115, True), (124, True), (186, False)]


@pytest.mark.usefixtures("small_parts")
def test_a_long_name_is_known_wherever_it_is_cut() -> None:
    name = b"The Right Honourable Lady Joanna of the Long Name, and of others"
    search = Search.of([], [b"Joanna"], allowed=[name])

    @given(st.integers(0, 300), st.lists(st.integers(0, 10_000), max_size=6))
    def always(before: int, places: list[int]) -> None:
        content = b"." * before + name + b"." * 90 + name[1:]
        assert [hit.allowed for hit in search.stream("s", cut(content, places))] == [True, False]

    always()


def test_heads_that_others_have_too_are_left_out() -> None:
    head, rest, other = RANDOM.bytes(40), RANDOM.bytes(200), RANDOM.bytes(200)
    assert len(Search.of([head + rest]).stream("s", [head + other])) == 1
    search = Search.of([head + rest], allowed=[head + other, b"short"])
    assert search.stream("s", [head + other]) == []
    assert len(search.stream("s", [rest])) == 1


def test_what_stands_compressed_is_not_found() -> None:
    """The limit that the module states."""
    assert SEARCH.stream("s", [zlib.compress(b"Anna" * 100)]) == []


def test_files_are_searched_and_named(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a", "b", "empty")]
    files[0].write_bytes(bytes(5000) + SECRETS[2][3:99])
    files[1].write_bytes(b"-" * 77 + b"Anna")
    files[2].write_bytes(b"")
    assert scan(files, SECRETS, [b"Anna"]) == [
        Hit(str(files[0]), "run", 2, 5000, 96),
        Hit(str(files[1]), "word", 0, 77, 4),
    ]
    with pytest.raises(InputError, match="gone: cannot be searched"):
        scan([tmp_path / "gone"], SECRETS)


def test_when_everything_is_still_there_the_search_ends_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_module, "MOST", 10)
    monkeypatch.setattr(windows, "CHUNK", 4096)
    values = [RANDOM.bytes(64) for _ in range(1000)]
    taken = []

    def chunks() -> object:
        for value in values:
            taken.append(value)
            yield value

    assert len(Search.of(values).stream("s", chunks())) == 10  # type: ignore[arg-type]
    assert len(taken) < 500
    assert len(Search.of([], [b"Anna"]).stream("s", [b"Anna" * 500])) == 10


@pytest.mark.parametrize(("secrets", "words"), [([bytes(15)], []), ([], [b"Ann"])])
def test_what_occurs_by_chance_is_refused(secrets: list[bytes], words: list[bytes]) -> None:
    with pytest.raises(InputError, match="occurs by chance"):
        Search.of(secrets, words)


def test_nothing_to_look_for() -> None:
    assert Search.of([]).stream("s", [RANDOM.bytes(10_000)]) == []
    assert SEARCH.stream("s", []) == []
