"""Galleries' files damaged by the thousand: refused, or read as they were; never an answer that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from damaged_galleries import STRUCTURAL, WAYS, outcomes

from mien.gallery.protection.keys import MainKey

pytestmark = pytest.mark.long
COUNT = 1800
UNSEEN = 0.03  # of flipped bits, at most: those in a value that nothing vouches for


@pytest.mark.parametrize("key", [None, MainKey.generate()], ids=["plain", "encrypted"])
def test_damage_is_refused_or_does_no_harm(tmp_path: Path, key: MainKey | None) -> None:
    ended = outcomes(tmp_path, range(COUNT), key)
    print(sorted(ended.items()))
    each = COUNT // len(WAYS)
    assert ended["cut", "StoreError"] > 0.98 * each
    for way in STRUCTURAL:
        assert ended[way, "wrong"] == 0
        assert ended[way, "StoreError"] > 0.8 * each
    assert sum(count for (_, found), count in ended.items() if found == "wrong") <= UNSEEN * each
