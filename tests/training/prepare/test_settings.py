from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mien.errors import InputError
from mien.training.datasets.contract import named_contract
from mien.training.prepare.settings import PrepareSettings

DEFAULTS = PrepareSettings()


@pytest.mark.parametrize("wrong", [{"face": "best"}, {"quality": 0}, {"quality": 101}, {"least_pictures": 0}])
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        PrepareSettings(**wrong)


def test_what_decides_a_crop_is_in_the_digest_and_nothing_else() -> None:
    crops = DEFAULTS.crops
    same = DEFAULTS.reading(crops, "b")
    assert len(same) == 64
    for change in ({"keep_poor": True}, {"form": "records"}, {"least_pictures": 9}, {"drop_suspects": True}):
        assert replace(DEFAULTS, **change).reading(crops, "b") == same
    for change in ({"face": "only"}, {"quality": 90}, {"aligned": True}):
        assert replace(DEFAULTS, **change).reading(crops, "b") != same
    assert DEFAULTS.reading(crops, "another") != same
    assert DEFAULTS.reading(named_contract("facenet"), "b") != same
