from __future__ import annotations

from pathlib import Path

import pytest
from made_evidence import calibration, evidence, noise, person

from mien.images import encode_jpeg
from mien.training.datasets.contract import CONTRACTS
from mien.training.prepare import page
from mien.training.prepare.findings import Suggestion, find, suggestions
from mien.training.prepare.page import PAGE, build
from mien.training.prepare.prepared import Prepared
from mien.training.prepare.review import outcomes
from mien.training.prepare.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "out", CONTRACTS["arcface"])


def made(store: Store, more: tuple[Suggestion, ...] = ()) -> str:
    bob = person(2, 6)
    known = evidence({"<i>Ann</i>": [*person(1, 4), bob[5]], "Bob": bob[:5]})
    for each in known.looked:
        store.crop(each).write_bytes(encode_jpeg(noise(1)))
    findings = find(known, calibration(), "b" * 64, "a" * 64)
    suggested = (*suggestions(findings, []), *more)
    became = tuple(outcomes(known.looked, suggested, [], at_once=False))
    prepared = Prepared(store.out, store.contract, became, 10, 2, 0, suggested, 0, store.out / PAGE, ("odd",))
    return build(prepared, findings, store)


def test_a_suggestion_stands_with_its_pictures_reason_and_numbers(store: Store) -> None:
    document = made(store)
    assert "Pictures of somebody else · 1" in document
    assert "move to Bob" in document
    assert document.count('class="face"') == 4  # itself, two of its folder, one of Bob
    assert "similarity" in document
    assert '<p class="note">odd</p>' in document


def test_names_are_text(store: Store) -> None:
    document = made(store)
    assert "<i>Ann" not in document
    assert "&lt;i&gt;Ann" in document


def test_a_crop_that_is_gone_leaves_the_words(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "_thumb", lambda file: None)
    assert "move to Bob" in made(store)


def test_beyond_some_they_are_counted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "MOST", 3)
    poor = tuple(Suggestion(f"Bob/{i}.jpg", "Bob", "poor", "drop", "dark") for i in range(5))
    document = made(store, poor)
    assert "Faces of low quality · 5" in document
    assert "and 2 more in review.csv" in document
