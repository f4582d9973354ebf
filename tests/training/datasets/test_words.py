from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.errors import InputError
from mien.training.datasets.words import Words

TEXTS = st.lists(st.text(max_size=5), max_size=8)


@given(TEXTS, st.data())
def test_words_are_the_sequence_that_they_were_made_of(texts: list[str], data: st.DataObject) -> None:
    words = Words.of(texts)
    assert list(words) == texts
    assert words[1:3] == tuple(texts[1:3])
    rows = data.draw(st.lists(st.integers(0, len(texts) - 1), max_size=9)) if texts else []
    assert list(words.taken(rows)) == [texts[row] for row in rows]
    assert list(pickle.loads(pickle.dumps(words))) == texts


def test_names_of_files_that_are_no_text_come_back_as_they_were() -> None:
    assert list(Words.of(["a\udcff", "ü"])) == ["a\udcff", "ü"]


def test_rows_count_from_the_end_and_end() -> None:
    words = Words.of(["a", "bc"])
    assert words[-1] == "bc"
    with pytest.raises(IndexError):
        _ = words[2]


@pytest.mark.parametrize("ends", [[1, 0, 3], [1, 2], [-1, 3], [1, 4]])
def test_ends_that_lead_outside_are_refused(ends: list[int]) -> None:
    with pytest.raises(InputError, match="rising ends up to 3"):
        Words(np.zeros(3, np.uint8), np.array(ends, np.int64))
