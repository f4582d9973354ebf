"""Another model by kept crops: names, ids and marks stay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import pytest
from galleries import calibration, filled, of_person, opened, picture, reading

from mien.errors import GalleryError, InputError
from mien.gallery.answers import Consent
from mien.gallery.cutout import Cutout
from mien.gallery.gallery import Gallery
from mien.gallery.protection.keys import MainKey
from mien.gallery.vault import Origin
from mien.images import load
from mien.values import Embeddings, Reading

NEW, SIZE = "c" * 64, 96
ORIGIN = Origin(NEW, NEW, SIZE)
KEPT = Consent("signed", keep_crops=True)


def shot(number: int, seed: int) -> tuple[bytes, Reading]:
    """A picture whose brightness tells who is on it, and its reading."""
    noise = np.random.default_rng(seed).integers(0, 3, (120, 100, 3), np.uint8)
    image = cv2.imencode(".png", noise + np.uint8(20 * number + 20))[1].tobytes()
    return image, reading(picture(number, seed), source=f"{number}-{seed}.png", sha256=load(image).sha256)


def embed(cutouts: Sequence[Cutout]) -> Embeddings:
    """The other model: it knows people by brightness."""
    numbers = [round((float(cutout.pixels.mean()) - 21) / 20) for cutout in cutouts]
    vectors = np.stack([picture(200 + n, i, SIZE) for i, n in enumerate(numbers)])
    return Embeddings(vectors, np.ones(len(vectors), np.float32), NEW, NEW)


def seen(number: int, seed: int = 0) -> Reading:
    """A reading of a person by the other model."""
    return reading(picture(200 + number, seed, SIZE), bundle=NEW, aligner=NEW)


@pytest.fixture(params=["open", "protected"])
def gallery(request: pytest.FixtureRequest, database: str) -> Iterator[Gallery]:
    closed = request.param == "protected"
    key = MainKey.generate() if closed else None
    with opened(database, key=key, encrypt=closed, renewable=closed) as held:
        for number in range(4):
            for seed in range(2):
                image, read = shot(number, seed)
                held.enroll(f"person {number}", read, consent=KEPT, picture=image)
        yield held


def test_everybody_moves_with_name_id_and_marks(gallery: Gallery) -> None:
    _, double = shot(3, 0)
    gallery.mark("person 1", double)
    gallery.mark("person 1", of_person(99))
    before = [(each.id, each.name, each.templates) for each in gallery.people()]
    gallery._desk.given = calibration(NEW, NEW, SIZE)
    moved = gallery.migrate(embed, ORIGIN)
    assert (moved.templates, moved.marks, moved.left_behind) == (8, 1, ())
    assert [(each.id, each.name, each.templates) for each in gallery.people()] == before
    assert gallery.info()["marks"] == 2
    assert (gallery.info()["bundle"], gallery.info()["dimension"]) == (NEW, SIZE)
    for number in range(4):
        assert gallery.identify(seen(number, 7))[0].person == f"person {number}"
    assert gallery.identify(seen(53))[0].verdict == "unknown"
    # The mark holds with the new vectors: that face is never person 1.
    assert gallery.identify(seen(3, 8), top=4)[0].person == "person 3"
    assert gallery.check_log() == []


def test_those_without_a_crop_are_named_and_not_lost(gallery: Gallery) -> None:
    gallery.enroll("no crop", of_person(60))
    gallery.enroll("person 1", of_person(1, 9))
    gallery.enroll("person 2", of_person(2, 9), consent=Consent("withdrawn"))
    assert gallery.info()["crops"] == 6
    moved = gallery.migrate(embed, ORIGIN)
    assert [each.name for each in moved.left_behind] == ["person 2", "no crop"]
    assert "no crop" in gallery
    found = gallery.identify(seen(1, 5), top=9)[0].candidates
    assert "no crop" not in [each.person for each in found]
    again = gallery.enroll("no crop", seen(60))
    assert again.person.templates == 2
    assert len(gallery.export("no crop")["templates"]) == 2
    assert gallery.forget("no crop").state == "done"


def test_another_process_follows(gallery: Gallery, database: str) -> None:
    with opened(database, key=gallery._desk.key, calibration=calibration(NEW, NEW, SIZE)) as other:
        other.identify(of_person(1, 5))
        gallery.migrate(embed, ORIGIN)
        assert other.identify(seen(1, 7))[0].person == "person 1"


def test_nothing_to_move_by(database: str) -> None:
    with filled(database, 2) as held:
        with pytest.raises(GalleryError, match="no crop was kept of anybody"):
            held.migrate(embed, ORIGIN)
        assert held.identify(of_person(1, 5))[0].person == "person 1"


def test_the_same_model(gallery: Gallery) -> None:
    with pytest.raises(InputError, match="of this bundle and aligner already"):
        gallery.migrate(embed, Origin("b" * 64, "a" * 64, 64))


def test_a_model_that_makes_something_else(gallery: Gallery) -> None:
    before = gallery.info()
    with pytest.raises(InputError, match="other vectors than it said"):
        gallery.migrate(embed, Origin(NEW, NEW, 12))
    assert gallery.info() == before
