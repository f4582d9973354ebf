"""Pictures to samples: on real faces, and with a reader made up for the test."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from mien.errors import ImageError, InputError
from mien.evaluation.cache import ReadingCache, cache_key
from mien.evaluation.enrol import Enrolment, Entry, Source, enrol, numbered, people_in, printable
from mien.recognition.recognizer import Recognizer
from mien.values import Embeddings, FaceChoice, Faces, Failure, Quality, Reading

BUNDLE, ALIGNER = "b" * 64, "a" * 64
KEY = cache_key(BUNDLE, ALIGNER)


class Reader:
    """Sees as many faces in a picture as its bytes begin with; says what it was asked to read."""

    def __init__(self, bundle: str = BUNDLE) -> None:
        self.asked: list[Source] = []
        self.bundle = bundle

    def __call__(self, sources: Iterable[Source]) -> Iterator[Reading | Failure]:
        for source in sources:
            self.asked.append(source)
            try:
                data = source if isinstance(source, bytes) else source.read_bytes()
                yield self.reading(data, "bytes" if isinstance(source, bytes) else str(source))
            except (OSError, ValueError):
                yield Failure(str(source), ImageError(f"{source}: the picture is damaged"))

    def reading(self, data: bytes, name: str) -> Reading:
        n = int(data[:1])
        draw = np.random.default_rng(list(data))
        vectors = draw.normal(size=(n, 8))
        norms = np.linalg.norm(vectors, axis=1)
        faces = Faces(BOXES[:n], draw.uniform(0, 90, (n, 5, 2)), np.full(n, 0.9))
        quality = Quality(np.full(n, 0.3), (("small", "dark"),) * n, {"yaw": np.zeros(n)})
        embeddings = Embeddings(vectors / norms.reshape(-1, 1), norms, self.bundle, ALIGNER)
        return Reading(name, hashlib.sha256(data).hexdigest(), (100, 100), faces, embeddings, quality)


# In a picture of 100×100: in a corner, large at the side, small in the middle.
BOXES = np.array([[0, 0, 10, 10], [10, 0, 50, 40], [45, 45, 55, 55]])


def entry(name: str, data: bytes, person: str | None = None) -> Entry:
    return Entry(name, person, data)


def enrolled(
    entries: list[Entry], reader: Reader, cache: ReadingCache | None = None, face: FaceChoice = "only"
) -> Enrolment:
    return enrol(entries, reader, face=face, bundle=BUNDLE, aligner=ALIGNER, dimension=8, cache=cache)


def vector(data: bytes, face: int = 0) -> object:
    return Reader().reading(data, "").embeddings.vectors[face]


def test_real_people_are_enrolled_and_the_second_time_nothing_is_read(
    recognizer: Recognizer, people: dict[str, list[Path]], tmp_path: Path
) -> None:
    root = people["astronaut"][0].parents[1]
    bundle, aligner = recognizer.bundle.digest, recognizer.aligner.digest
    entries = [each for each in people_in(root) if not each.name.endswith(("2.jpg", "3.jpg"))]

    def run(read_many: object) -> Enrolment:
        with ReadingCache(tmp_path, cache_key(bundle, aligner)) as cache:
            return enrol(
                entries,
                read_many,  # type: ignore[arg-type]
                face="only",
                bundle=bundle,
                aligner=aligner,
                dimension=recognizer.dimension,
                cache=cache,
            )

    def nothing(_: object) -> Iterator[Reading]:
        raise AssertionError("no picture need be read")

    first, second = run(recognizer.read_many), run(nothing)
    assert (first.embedded, first.cached, second.embedded, second.cached) == (16, 0, 0, 16)
    for one in (first, second):
        assert one.samples.enrolled.all()
        assert one.samples.people == tuple(sorted(people))
        assert one.samples.names[:2] == ("astronaut/0.jpg", "astronaut/1.jpg")
        assert one.samples.subjects.tolist() == sorted([*range(8)] * 2)
        assert (one.samples.bundle, one.samples.aligner, one.samples.known) == (bundle, aligner, True)
        assert one.seconds > 0
    np.testing.assert_array_equal(first.samples.vectors, second.samples.vectors)
    np.testing.assert_array_equal(first.boxes, second.boxes)
    assert first.low_quality == second.low_quality
    fresh = recognizer.read(people["astronaut"][0])
    np.testing.assert_allclose(first.samples.vectors[0], fresh.embeddings.vectors[0], atol=1e-5)
    np.testing.assert_allclose(first.boxes[0], fresh.faces.boxes[0], atol=1e-3)
    assert any("blurred" in reasons for reasons in first.low_quality)


def test_real_pictures_that_are_none_or_show_nobody_are_missed(
    recognizer: Recognizer, people: dict[str, list[Path]], tmp_path: Path
) -> None:
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((80, 80, 3), 128, np.uint8))
    (tmp_path / "broken.jpg").write_bytes(people["astronaut"][0].read_bytes()[:900])
    (tmp_path / "text.jpg").write_text("hello")
    entries = [
        *(Entry(name, None, tmp_path / name) for name in ("grey.png", "broken.jpg", "text.jpg", "gone.jpg")),
        Entry("folder", None, tmp_path),
        Entry("bytes", None, people["person-001"][0].read_bytes()),
    ]
    found = enrol(
        entries,
        recognizer.read_many,
        face="only",
        bundle=recognizer.bundle.digest,
        aligner=recognizer.aligner.digest,
        dimension=recognizer.dimension,
    )
    why = {missed.picture: missed.why for missed in found.samples.missed}
    assert list(why) == ["grey.png", "broken.jpg", "text.jpg", "gone.jpg", "folder"]
    assert why["grey.png"] == "no face found"
    assert why["broken.jpg"] == "the JPEG is truncated: its end is missing"
    assert why["text.jpg"].startswith("not a picture of a kind")
    assert why["gone.jpg"] == "there is no such file"
    assert why["folder"] == "a folder, where a picture is wanted"
    assert found.samples.enrolled.tolist() == [False] * 5 + [True]
    assert found.embedded == 2


def test_each_face_choice() -> None:
    entries = [entry("none", b"0"), entry("one", b"1"), entry("three", b"3")]
    only, largest, central = (enrolled(entries, Reader(), face=face) for face in ("only", "largest", "central"))  # type: ignore[arg-type]
    assert [(m.picture, m.why) for m in only.samples.missed] == [
        ("none", "no face found"),
        ("three", "3 faces found where one is wanted"),
    ]
    assert only.samples.enrolled.tolist() == [False, True, False]
    assert only.samples.several == 0
    for found, number in ((largest, 1), (central, 2)):
        assert found.samples.enrolled.tolist() == [False, True, True]
        assert found.samples.several == 1
        np.testing.assert_array_equal(found.samples.vectors[2], vector(b"3", number))
        np.testing.assert_array_equal(found.boxes[2], BOXES[number])


def test_what_is_not_enrolled_has_zeros_and_no_reasons() -> None:
    found = enrolled([entry("none", b"0"), entry("one", b"1")], Reader())
    assert not found.samples.vectors[0].any()
    assert not found.boxes[0].any()
    assert found.low_quality == ((), ("small", "dark"))


def test_an_unknown_face_choice_is_refused() -> None:
    with pytest.raises(InputError, match="face='first' is unknown; known: only"):
        enrolled([entry("one", b"1")], Reader(), face="first")  # type: ignore[arg-type]


def test_a_second_enrolment_reads_only_what_is_new_or_failed(tmp_path: Path) -> None:
    entries = [entry("one", b"1"), entry("none", b"0"), entry("bad", b"x"), entry("three", b"3")]
    first, second = Reader(), Reader()
    enrolled(entries, first, ReadingCache(tmp_path, KEY), "largest")
    found = enrolled([*entries, entry("new", b"1 new")], second, ReadingCache(tmp_path, KEY), "central")
    assert first.asked == [b"1", b"0", b"x", b"3"]
    assert second.asked == [b"x", b"1 new"]
    assert (found.embedded, found.cached) == (1, 3)
    np.testing.assert_array_equal(found.samples.vectors[3], vector(b"3", 2))


def test_pictures_known_by_their_bytes_not_their_names(tmp_path: Path) -> None:
    reader = Reader()
    enrolled([entry("old name", b"1")], reader, ReadingCache(tmp_path / "cache", KEY))
    (tmp_path / "new.jpg").write_bytes(b"1")
    moved = [Entry("new name", "Ann", tmp_path / "new.jpg")]
    found = enrolled(moved, reader, ReadingCache(tmp_path / "cache", KEY))
    assert found.cached == 1
    (tmp_path / "new.jpg").write_bytes(b"1 changed")
    found = enrolled(moved, reader, ReadingCache(tmp_path / "cache", KEY))
    assert found.cached == 0
    np.testing.assert_array_equal(found.samples.vectors[0], vector(b"1 changed"))


def test_another_key_reads_anew(tmp_path: Path) -> None:
    reader = Reader()
    for key in (KEY, cache_key(BUNDLE, ALIGNER, any_rotation=True)):
        enrolled([entry("one", b"1")], reader, ReadingCache(tmp_path, key))
    assert reader.asked == [b"1", b"1"]


def test_a_run_that_is_stopped_keeps_what_it_read(tmp_path: Path) -> None:
    class Stopped(Reader):
        def reading(self, data: bytes, name: str) -> Reading:
            if len(self.asked) == 3:
                raise KeyboardInterrupt
            return super().reading(data, name)

    entries = [entry(str(number), b"1 %d" % number) for number in range(5)]
    with pytest.raises(KeyboardInterrupt):
        enrolled(entries, Stopped(), ReadingCache(tmp_path, KEY))
    reader = Reader()
    assert enrolled(entries, reader, ReadingCache(tmp_path, KEY)).cached == 2
    assert reader.asked == [b"1 2", b"1 3", b"1 4"]


def test_identical_pictures_are_read_once_and_noted(tmp_path: Path) -> None:
    (tmp_path / "file.jpg").write_bytes(b"2")
    entries = [
        entry("Ann/1", b"2", "Ann"),
        entry("Ann/2", b"1", "Ann"),
        Entry("Bob/1", "Bob", tmp_path / "file.jpg"),
        entry("Bob/2", b"x", "Bob"),
        entry("Cy/1", b"x", "Cy"),
    ]
    reader = Reader()
    found = enrolled(entries, reader, face="largest")
    assert reader.asked == [b"2", b"1", b"x"]
    assert found.identical == (("Ann/1", "Bob/1"), ("Bob/2", "Cy/1"))
    assert found.samples.several == 2
    assert [missed.picture for missed in found.samples.missed] == ["Bob/2", "Cy/1"]
    np.testing.assert_array_equal(found.samples.vectors[0], found.samples.vectors[2])
    assert found.low_quality[2] == ("small", "dark")


def test_two_files_that_cannot_be_read_are_not_the_same(tmp_path: Path) -> None:
    entries = [Entry(name, None, tmp_path / name) for name in ("gone", "lost", "nul\0")]
    found = enrolled(entries, Reader())
    assert found.identical == ()
    assert [missed.picture for missed in found.samples.missed] == ["gone", "lost", "nul\0"]
    assert {missed.why for missed in found.samples.missed} == {"the picture is damaged"}


def test_readings_of_another_model_are_refused_and_not_kept(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="another bundle or aligner than the one evaluated"):
        enrolled([entry("one", b"1")], Reader("c" * 64), ReadingCache(tmp_path, KEY))
    assert len(ReadingCache(tmp_path, KEY)) == 0


def test_without_people_every_picture_is_somebody() -> None:
    found = enrolled([entry("x", b"1"), entry("y", b"1 y")], Reader()).samples
    assert not found.known
    assert found.people == ("x", "y")
    assert found.subjects.tolist() == [0, 1]


def test_either_all_pictures_have_a_person_or_none() -> None:
    reader = Reader()
    with pytest.raises(InputError, match="y: whose picture is it"):
        enrolled([entry("x", b"1", "Ann"), entry("y", b"1")], reader)
    assert not reader.asked


def test_people_are_numbered_by_name() -> None:
    subjects, people, known = numbered([entry(str(i), b"", person) for i, person in enumerate("cabac")])
    assert (subjects.tolist(), people, known) == ([2, 0, 1, 0, 2], ("a", "b", "c"), True)


def test_no_picture_at_all() -> None:
    found = enrolled([], Reader())
    assert len(found.samples) == 0
    assert found.samples.vectors.shape == (0, 8)


def test_an_enrolment_needs_a_row_for_each_picture() -> None:
    found = enrolled([entry("x", b"1")], Reader())
    for boxes, reasons in ((np.zeros((2, 4)), ((),)), (found.boxes, ())):
        with pytest.raises(InputError, match=r"boxes: shape|1 pictures want reasons"):
            Enrolment(found.samples, boxes, reasons, 0, 0, (), 0.0)  # type: ignore[arg-type]


# ── A user's folder ──


def write(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"1 " + os.fsencode(name))
    return folder


def test_a_folder_a_person(tmp_path: Path) -> None:
    names = ("Bob/2.jpg", "Bob/1.PNG", "Ann/deep/er/1.jpg", "Ann/0.webp", "北京 é/🙂 'x\".jpg")
    write(tmp_path, *names, "stray.jpg", "Ann/notes.txt", "Ann/.hidden.jpg", ".trash/1.jpg", "Empty/x.txt")
    found = people_in(tmp_path)
    assert [(each.name, each.person) for each in found] == [
        ("Ann/0.webp", "Ann"),
        ("Ann/deep/er/1.jpg", "Ann"),
        ("Bob/1.PNG", "Bob"),
        ("Bob/2.jpg", "Bob"),
        ("北京 é/🙂 'x\".jpg", "北京 é"),
    ]
    assert all(each.source == tmp_path / each.name for each in found)
    assert enrolled(found, Reader()).samples.enrolled.all()


def test_a_folder_named_from_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "Ann/1.jpg", "Bob/1.jpg")
    monkeypatch.chdir(tmp_path)
    assert [each.name for each in people_in(Path())] == ["Ann/1.jpg", "Bob/1.jpg"]


def test_file_names_that_are_no_utf8_are_spelt_out(tmp_path: Path) -> None:
    odd = os.fsdecode(b"\xff\xfe")
    write(tmp_path, f"{odd}/{odd}.jpg", "Ann/line\nbreak.jpg", f"{odd}/bad.jpg")
    (tmp_path / odd / "bad.jpg").write_bytes(b"x")
    found = enrolled(people_in(tmp_path), Reader()).samples
    assert found.names == ("Ann/line\nbreak.jpg", r"\udcff\udcfe/bad.jpg", r"\udcff\udcfe/\udcff\udcfe.jpg")
    assert found.enrolled.tolist() == [True, False, True]
    assert found.people == ("Ann", r"\udcff\udcfe")
    msgspec.json.encode((found.names, found.people, found.missed))  # as a study is written


def test_printable_leaves_text_alone() -> None:
    assert printable("Zoë/北京\\🙂\n") == "Zoë/北京\\🙂\n"


def test_pictures_without_person_folders_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "1.jpg", "2.jpg")
    for path in (tmp_path, tmp_path / "1.jpg"):
        with pytest.raises(InputError, match="the pictures lie directly in it; one folder a person is wanted"):
            people_in(path)


def test_one_person_alone_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "Ann/1.jpg", "Ann/2.jpg", "stray.jpg")
    with pytest.raises(InputError, match="folder of one person, 'Ann'; two people at least"):
        people_in(tmp_path)


def test_no_folder_and_no_picture_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        people_in(tmp_path / "gone")
    with pytest.raises(InputError, match="no picture there"):
        people_in(tmp_path)
