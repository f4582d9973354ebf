"""The whole preparation, on people with faults planted among them."""

from __future__ import annotations

import csv
import shutil
import stat
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.bundle.importers.onnx import ARCFACE
from mien.errors import InputError
from mien.images import encode_jpeg, load, save
from mien.recognition.align import Aligner
from mien.recognition.recognizer import Recognizer
from mien.recognition.recrop import CropReader
from mien.training.datasets import open_dataset
from mien.training.datasets.contract import CONTRACTS, named_contract, read_contract
from mien.training.prepare.listing import Listed
from mien.training.prepare.prepare import prepare
from mien.training.prepare.prepared import Prepared
from mien.training.prepare.reading import FaceReader, Seen
from mien.training.prepare.settings import PrepareSettings
from mien.values import Pixels

KEEP_POOR = PrepareSettings(keep_poor=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, people: dict[str, list[Path]]) -> Path:
    """Four people; a smaller copy of a picture, a copied file, a wall, a torn file, an empty folder."""
    place = tmp_path_factory.mktemp("faulty") / "people"
    for name in list(people)[:4]:
        shutil.copytree(people[name][0].parent, place / name)
    (place / "empty").mkdir()
    small = cv2.resize(load(place / "astronaut" / "0.jpg").pixels, (180, 180), interpolation=cv2.INTER_AREA)
    save(place / "astronaut" / "small.png", small.astype(np.uint8))
    shutil.copyfile(place / "astronaut" / "1.jpg", place / "person-001" / "taken.jpg")
    save(place / "astronaut" / "wall.png", np.full((99, 99, 3), 200, np.uint8))
    (place / "astronaut" / "torn.jpg").write_bytes(encode_jpeg(small)[:300])
    return place


@pytest.fixture(scope="module")
def done(folder: Path, tmp_path_factory: pytest.TempPathFactory, recognizer: Recognizer) -> Prepared:
    return prepare(folder, tmp_path_factory.mktemp("out") / "crops", KEEP_POOR, recognizer=recognizer)


def crops_in(out: Path) -> list[str]:
    return sorted(each.relative_to(out).as_posix() for each in out.glob("[!.]*/**/*") if each.is_file())


def test_crops_keep_the_contract_and_say_so(done: Prepared, recognizer: Recognizer) -> None:
    assert (done.pictures, done.people, done.crops, done.kept_people) == (20, 4, 18, 4)
    assert len(crops_in(done.out)) == 18
    assert "astronaut/small.png.jpg" in crops_in(done.out)
    data = open_dataset(done.out)
    assert data.contract == done.contract == read_contract(done.out)
    reference = CONTRACTS["arcface"].reference
    aligner = Aligner(recognizer.detector.digest, reference, (112, 112), recognizer.aligner.head)
    assert reference.points == ARCFACE
    assert done.contract.aligner == aligner.digest
    assert done.contract.detector_name == "mtcnn"


def test_a_crop_is_what_the_aligner_makes(done: Prepared, folder: Path, recognizer: Recognizer) -> None:
    picture = load(folder / "astronaut" / "2.jpg").pixels
    (landmarks,) = recognizer.find(folder / "astronaut" / "2.jpg").faces.landmarks
    cut = Aligner(recognizer.detector.digest, CONTRACTS["arcface"].reference, (112, 112))(
        picture, landmarks[None]
    )[0]
    stored = load(done.out / "astronaut" / "2.jpg").pixels
    assert stored.shape == (112, 112, 3)
    assert np.abs(stored.astype(int) - cut).mean() < 1.5


def test_what_cannot_be_used_is_said_with_why(done: Prepared) -> None:
    why = {each.looked.picture: each.why for each in done.outcomes if each.person is None}
    assert why["astronaut/wall.png"] == "no face"
    assert "damaged" in why["astronaut/torn.jpg"]
    assert sum(done.dropped.values()) == 2
    assert done.warnings == ("1 people's folders hold no picture: empty",)


def test_copies_are_found_and_the_right_person_keeps_the_picture(done: Prepared) -> None:
    found = {each.picture: each for each in done.suggested if each.finding in ("copy", "same bytes")}
    assert {name: each.finding for name, each in found.items()} == {
        "astronaut/small.png": "copy",
        "person-001/taken.jpg": "same bytes",
    }


def test_the_review_is_for_its_owner(done: Prepared) -> None:
    for name in ("review.html", "review.csv", "review.json", ".prepare/journal.jsonl"):
        assert stat.S_IMODE((done.out / name).stat().st_mode) == 0o600
    page = done.page.read_text("utf-8")
    assert page.count("person-001/taken.jpg") >= 1
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")
    assert "Copies of one photograph · 1" in page
    assert "astronaut/torn.jpg" in page


def test_poor_faces_are_left_out_unless_they_are_wanted(
    done: Prepared, folder: Path, recognizer: Recognizer
) -> None:
    again = prepare(folder, done.out, recognizer=recognizer)
    assert again.dropped["poor: blurred"] > 0
    assert again.crops == 18 - sum(count for why, count in again.dropped.items() if why.startswith("poor"))
    assert len(crops_in(done.out)) == again.crops
    assert prepare(folder, done.out, KEEP_POOR, recognizer=recognizer).crops == 18


def test_a_poor_face_vouches_for_nobody_until_somebody_keeps_it(
    portrait: Pixels, tmp_path: Path, recognizer: Recognizer
) -> None:
    """A large, blurred copy of a good picture: neither may go because the other stays."""
    place, out = tmp_path / "in" / "Ann", tmp_path / "out"
    place.mkdir(parents=True)
    save(place / "good.png", portrait)
    large = cv2.resize(cv2.GaussianBlur(portrait, (0, 0), 5), (800, 800), interpolation=cv2.INTER_CUBIC)
    save(place / "large.png", large.astype(np.uint8))
    settings = PrepareSettings(drop_suspects=True)
    first = prepare(place.parent, out, settings, recognizer=recognizer)
    assert first.dropped == {"poor: blurred": 1}
    assert crops_in(out) == ["Ann/good.png.jpg"]
    review = tmp_path / "review.csv"
    review.write_text("picture,person,decision,to\nAnn/large.png,Ann,keep,\n")
    again = prepare(place.parent, out, settings, recognizer=recognizer, review=review)
    assert [each.picture for each in again.suggested] == ["Ann/good.png"]
    assert crops_in(out) == ["Ann/large.png.jpg"]


class Watched:
    """Which pictures a reader looks at; it may be killed after some."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, after: int | None = None) -> None:
        self.names: list[str] = []
        real = FaceReader.look

        def look(reader: FaceReader, pictures: Sequence[Listed]) -> Iterator[Seen]:
            for seen in real(reader, pictures):
                if after is not None and len(self.names) == after:
                    raise KeyboardInterrupt
                self.names.append(seen[0].picture)
                yield seen

        monkeypatch.setattr(FaceReader, "look", look)


def test_a_killed_run_goes_on_where_it_was(
    folder: Path, tmp_path: Path, recognizer: Recognizer, done: Prepared
) -> None:
    out = tmp_path / "crops"
    with pytest.MonkeyPatch.context() as patch:
        first = Watched(patch, after=7)
        with pytest.raises(KeyboardInterrupt):
            prepare(folder, out, KEEP_POOR, recognizer=recognizer)
    with (out / ".prepare" / "journal.jsonl").open("ab") as journal:
        journal.write(b'{"picture": "astronaut/9')  # a line that was cut
    with pytest.MonkeyPatch.context() as patch:
        second = Watched(patch)
        again = prepare(folder, out, KEEP_POOR, recognizer=recognizer)
    assert len(first.names) == 7
    assert not set(first.names) & set(second.names)
    assert len(second.names) == 13
    assert (again.crops, again.found) == (done.crops, done.found)
    assert crops_in(out) == crops_in(done.out)


def test_only_what_is_new_changed_or_lost_is_read(folder: Path, tmp_path: Path, recognizer: Recognizer) -> None:
    place, out = tmp_path / "people", tmp_path / "crops"
    for name in ("person-001", "person-002"):
        shutil.copytree(folder / name, place / name, ignore=shutil.ignore_patterns("taken.jpg"))
    prepare(place, out, KEEP_POOR, recognizer=recognizer)
    shutil.copyfile(folder / "person-003" / "0.jpg", place / "person-001" / "new.jpg")
    shutil.copyfile(folder / "person-003" / "1.jpg", place / "person-001" / "0.jpg")
    (place / "person-002" / "3.jpg").unlink()
    next((out / ".prepare" / "crops").rglob("*.jpg")).unlink()
    with pytest.MonkeyPatch.context() as patch:
        watched = Watched(patch)
        again = prepare(place, out, KEEP_POOR, recognizer=recognizer)
    assert {"person-001/new.jpg", "person-001/0.jpg"} <= set(watched.names)
    assert 2 <= len(watched.names) <= 3
    assert again.crops == 8
    assert "person-002/3.jpg" not in crops_in(out)


def test_a_review_is_followed_now_and_from_now_on(folder: Path, tmp_path: Path, recognizer: Recognizer) -> None:
    out = tmp_path / "crops"
    prepare(folder, out, KEEP_POOR, recognizer=recognizer)
    with (out / "review.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert {line["decision"] for line in lines if line["finding"] == "copy"} == {"drop"}
    edited = tmp_path / "edited.csv"
    with edited.open("w", newline="") as stream:
        table = csv.DictWriter(stream, ["picture", "person", "decision", "to"])
        table.writeheader()
        table.writerow(
            {"picture": "person-001/taken.jpg", "person": "person-001", "decision": "move", "to": "Ann"}
        )
        table.writerow({"picture": "astronaut/small.png", "person": "astronaut", "decision": "drop", "to": ""})
    with pytest.MonkeyPatch.context() as patch:
        watched = Watched(patch)
        applied = prepare(folder, out, KEEP_POOR, recognizer=recognizer, review=edited)
    assert watched.names == []
    assert (applied.crops, applied.kept_people, applied.moved, applied.decided) == (17, 5, 1, 2)
    assert len(list((out / "Ann").iterdir())) == 1
    assert not (out / "astronaut" / "small.png.jpg").exists()
    assert prepare(folder, out, KEEP_POOR, recognizer=recognizer).crops == 17
    few = prepare(folder, out, replace(KEEP_POOR, least_pictures=2), recognizer=recognizer)
    assert (few.kept_people, few.few) == (4, 1)
    assert not (out / "Ann").exists()


def test_suspects_may_go_at_once(folder: Path, tmp_path: Path, recognizer: Recognizer) -> None:
    settings = replace(KEEP_POOR, drop_suspects=True)
    dropped = prepare(folder, tmp_path / "crops", settings, recognizer=recognizer)
    assert dropped.dropped["copy"] == dropped.dropped["same bytes"] == 1
    assert "person-001/taken.jpg" not in crops_in(tmp_path / "crops")


@pytest.mark.parametrize("form", ["records", "shards"])
def test_records_and_shards_hold_the_same_crops(
    folder: Path, tmp_path: Path, recognizer: Recognizer, done: Prepared, form: str
) -> None:
    out = tmp_path / "crops"
    settings = replace(KEEP_POOR, form=form)  # type: ignore[arg-type]
    prepare(folder, out, KEEP_POOR, recognizer=recognizer)
    prepare(folder, out, settings, recognizer=recognizer)
    again = prepare(folder, out, settings, recognizer=recognizer)  # over itself
    assert again.crops == done.crops
    assert crops_in(out) == []
    data = open_dataset(out)
    kept = open_dataset(done.out)
    assert data.people == kept.people
    assert data.contract == done.contract
    assert {data.encoded(row) for row in range(len(data))} == {kept.encoded(row) for row in range(len(kept))}
    assert prepare(folder, out, KEEP_POOR, recognizer=recognizer).crops == 18
    assert len(crops_in(out)) == 18


def test_crops_that_are_ready_stay_as_they_are(done: Prepared, tmp_path: Path, recognizer: Recognizer) -> None:
    crops = CONTRACTS["arcface"]
    reader = CropReader(recognizer.bundle, crops.reference, crops.size, recognizer.runtime)
    settings = replace(KEEP_POOR, aligned=True)
    out = tmp_path / "again"
    again = prepare(done.out, out, settings, recognizer=reader)
    assert again.contract == done.contract
    assert crops_in(out) == crops_in(done.out)
    assert all((out / name).read_bytes() == (done.out / name).read_bytes() for name in crops_in(out))
    other = CropReader(recognizer.bundle, named_contract("facenet").reference, (160, 160), recognizer.runtime)
    with pytest.raises(InputError, match=r"prepared\.json"):
        prepare(
            done.out, tmp_path / "other", replace(settings, crops=named_contract("facenet")), recognizer=other
        )


def test_a_place_that_holds_something_else_is_refused(
    done: Prepared, folder: Path, tmp_path: Path, recognizer: Recognizer
) -> None:
    with pytest.raises(InputError, match="name another place"):
        prepare(folder, done.out, replace(KEEP_POOR, crops=named_contract("facenet")), recognizer=recognizer)
    with pytest.raises(InputError, match="other crops, detector, bundle or choice of face"):
        prepare(folder, done.out, replace(KEEP_POOR, face="largest"), recognizer=recognizer)
    for inside in (folder, folder / "crops", folder.parent):
        with pytest.raises(InputError, match="want a folder of their own"):
            prepare(folder, inside, recognizer=recognizer)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="something else in it"):
        prepare(folder, tmp_path, recognizer=recognizer)
    with pytest.raises(InputError, match="cannot be made"):
        prepare(folder, tmp_path / "notes.txt" / "below", recognizer=recognizer)
    with pytest.raises(InputError, match="want a CropReader"):
        prepare(folder, tmp_path / "new", PrepareSettings(aligned=True), recognizer=recognizer)


def test_two_pictures_that_would_have_one_name_are_named(
    portrait: Pixels, tmp_path: Path, recognizer: Recognizer
) -> None:
    (tmp_path / "in" / "Ann").mkdir(parents=True)
    save(tmp_path / "in" / "Ann" / "1.png", portrait)
    (tmp_path / "in" / "Ann" / "1.png.jpg").write_bytes(encode_jpeg((portrait * 0.5).astype(np.uint8)))
    with pytest.raises(InputError, match=r"would both be Ann/1\.png\.jpg"):
        prepare(tmp_path / "in", tmp_path / "out", recognizer=recognizer)


def test_nobody_with_a_face_leaves_nothing(tmp_path: Path, recognizer: Recognizer) -> None:
    (tmp_path / "in" / "Ann").mkdir(parents=True)
    save(tmp_path / "in" / "Ann" / "wall.png", np.full((99, 99, 3), 200, np.uint8))
    nothing = prepare(tmp_path / "in", tmp_path / "out", recognizer=recognizer)
    assert (nothing.crops, nothing.dropped) == (0, {"no face": 1})
