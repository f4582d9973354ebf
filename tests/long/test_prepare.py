"""`mien prepare` on real people with known faults among them."""

from __future__ import annotations

from pathlib import Path

import pytest
from planted_faults import Planted, plant

from mien.recognition.recognizer import Recognizer
from mien.training.prepare.findings import Suggestion
from mien.training.prepare.prepare import prepare
from mien.training.prepare.prepared import Prepared
from mien.training.prepare.settings import PrepareSettings
from mien.training.prepare.video import collect

pytestmark = pytest.mark.long


def judged(planted: Planted, found: Prepared) -> tuple[float, float, float, list[str]]:
    """Recall and precision on moved pictures, recall on copies, and the false ones.

    A picture that does not belong is found as mislabelled, as torn from its person's others, or as a copy of
    one that its own person still has. A copy is found when it or its original is called a copy of the other. Of
    two pictures that differ, both are in doubt: one finding, right where one of them was planted. A copy in
    which no face is found is left out, and so counts for nothing.
    """
    by_name = {each.picture: each for each in found.suggested if each.picture}
    doubted = {name for name, each in by_name.items() if each.finding in ("mislabelled", "torn")}
    copies = {name for name, each in by_name.items() if each.finding in ("copy", "same bytes")}
    hits = [name for name in planted.moved if name in doubted | copies]
    torn = {name.split("/")[0] for name in doubted if by_name[name].finding == "torn"}
    right = {name.split("/")[0] for name in planted.moved if name.split("/")[0] in torn}
    singles = [name for name in doubted if by_name[name].finding == "mislabelled"]
    false = [name for name in singles if name not in planted.moved] + sorted(torn - right)
    precision = 1 - len(false) / max(len(singles) + len(torn), 1)
    usable = {each.looked.picture for each in found.outcomes if each.looked.crop}
    copied = {copy: original for copy, original in planted.copies.items() if {copy, original} <= usable}
    pairs = [copy for copy, original in copied.items() if _joined(by_name, copy, original)]
    return len(hits) / len(planted.moved), precision, len(pairs) / len(copied), false


def _joined(by_name: dict[str, Suggestion], copy: str, original: str) -> bool:
    return any(a in by_name and b in by_name[a].beside for a, b in ((copy, original), (original, copy)))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["lfw-dev", "att_faces", "glint24"])
def test_planted_faults_are_found(
    shared_data: Path, tmp_path: Path, recognizer: Recognizer, name: str, seed: int
) -> None:
    planted = plant(shared_data / "faces" / name, tmp_path / "in", seed=seed)
    found = prepare(tmp_path / "in", tmp_path / "out", PrepareSettings(keep_poor=True), recognizer=recognizer)
    recall, precision, copies, false = judged(planted, found)
    print(
        f"{name}, seed {seed}: {len(planted.moved)} moved, recall {recall:.3f}, precision {precision:.3f}; "
        f"{len(planted.copies)} copies, {copies:.3f} found; false: {', '.join(sorted(false))}"
    )
    assert recall >= 0.9
    assert precision >= 0.8
    assert copies == 1


def test_dropping_what_is_suspected_leaves_a_clean_set(
    shared_data: Path, tmp_path: Path, recognizer: Recognizer
) -> None:
    planted = plant(shared_data / "faces" / "att_faces", tmp_path / "in", seed=3)
    settings = PrepareSettings(keep_poor=True, drop_suspects=True)
    found = prepare(tmp_path / "in", tmp_path / "out", settings, recognizer=recognizer)
    whose = {each.looked.picture: each.person for each in found.outcomes}
    assert sum(whose[name] in (None, person) for name, person in planted.moved.items()) >= 0.9 * len(
        planted.moved
    )
    assert found.crops >= 395
    again = prepare(tmp_path / "out", tmp_path / "again", settings, recognizer=recognizer)
    assert sum(again.found.values()) <= 4


def test_a_scene_with_several_people(shared_data: Path, tmp_path: Path, recognizer: Recognizer) -> None:
    found = collect(str(shared_data / "video" / "friends1.mp4"), "somebody", tmp_path, recognizer)
    assert 1 <= sum(map(len, found.written.values())) <= 25
    assert found.left_out["several faces, the largest taken"] > 0
    assert found.missing
