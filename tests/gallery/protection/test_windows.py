"""A stream in parts: whole, in order, with enough of its neighbours."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.gallery.protection import windows
from mien.gallery.protection.windows import Part, Windows, parts


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "CHUNK", 32)


@pytest.mark.usefixtures("small_parts")
def test_parts_are_the_stream() -> None:
    @given(st.lists(st.binary(max_size=90), max_size=8), st.integers(0, 60))
    def always(chunks: list[bytes], reach: int) -> None:
        whole, found, done = b"".join(chunks), b"", 0
        for part in parts(chunks, reach):
            assert part.offset % 8 == part.first % 8 == 0
            assert part.offset + part.first == done
            assert part.content == whole[part.offset : part.offset + len(part.content)]
            assert part.first == part.offset + part.first or part.first >= reach
            assert part.offset + len(part.content) == len(whole) or len(part.content) - part.last >= min(
                reach, len(part.content)
            )
            found += part.content[part.first : part.last]
            done = part.offset + part.last
        assert found == whole

    always()


def test_windows_by_hand() -> None:
    secrets = [bytes(range(10)), bytes(range(100, 107)), b"", bytes(range(50, 58)), b""]
    arranged = Windows.of(secrets)
    expected = sorted(
        (int.from_bytes(secret[at : at + 8], "little"), start + at)
        for secret, start in zip(secrets, (0, 10, 17, 17, 25), strict=True)
        for at in range(len(secret) - 7)
    )
    assert list(zip(arranged.values.tolist(), arranged.starts.tolist(), strict=True)) == expected
    assert arranged.bounds.tolist() == [0, 10, 17, 17, 25, 25]


def test_every_window_is_in_the_table() -> None:
    secrets = [np.random.default_rng(1).bytes(20_000)]
    arranged = Windows.of(secrets)
    seen = [len(found.begins) for found in arranged.matches(Part(secrets[0], 0, 0, len(secrets[0])))]
    assert sum(seen) == 20_000 // 8
    assert arranged.table.mean() < 1 / 100
