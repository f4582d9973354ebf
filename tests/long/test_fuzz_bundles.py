"""Damaged bundles by the thousand: an error of the tree or a model that runs, never a crash or a hang."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from broken_bundles import outcomes

COUNT = 4000
WORKERS = 2


@pytest.mark.long
def test_damaged_bundles_are_refused_or_run() -> None:
    share = COUNT // WORKERS
    with ThreadPoolExecutor(WORKERS) as pool:
        parts = pool.map(lambda i: outcomes(i * share, (i + 1) * share, patience=400), range(WORKERS))
        ended = sum(parts, Counter[str]())
    print(ended)
    assert ended.total() == COUNT
    # Damage that spared all, or reached only one parser, would prove little.
    assert min(ended[kind] for kind in ("works", "CardError", "GraphError")) > COUNT / 20
