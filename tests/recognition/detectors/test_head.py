"""What the detector heads share."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mien.recognition.detectors.head import RUN_PIXELS, runs


@given(st.lists(st.sampled_from([(32, 32), (32, 64), (2000, 1500)]), max_size=12))
def test_runs_hold_every_canvas_once_with_its_like(sizes: list[tuple[int, int]]) -> None:
    groups = list(runs(sizes))
    assert sorted(number for group in groups for number in group) == list(range(len(sizes)))
    for group in groups:
        assert len({sizes[number] for number in group}) == 1
        height, width = sizes[group[0]]
        assert len(group) * height * width <= max(RUN_PIXELS, height * width)
