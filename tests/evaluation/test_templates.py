"""Templates of several pictures: by hand, against a slow reference, and from IJB's files to a study."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien.errors import InputError
from mien.evaluation.enrol import Enrolment, enrol
from mien.evaluation.measure import About, measure
from mien.evaluation.protocols.ijb import TemplateSet, read_ijb
from mien.evaluation.samples import Samples
from mien.evaluation.study import Missed, Study, System
from mien.evaluation.templates import entries, fuse, identify, pair_list
from mien.evaluation.trials import listed_pairs
from mien.recognition.recognizer import Recognizer

Row = tuple[str, str, int]  # picture, template, medium
Pair = tuple[str, str, bool]
ABOUT = About(protocol="ijb", data="made", system=System(name="made", bundle="b", aligner="a"))


def template_set(
    rows: Sequence[Row],
    pairs: Sequence[Pair] = (),
    *,
    subjects: Mapping[str, str] | None = None,
    galleries: Mapping[str, Sequence[str]] | None = None,
    probes: Sequence[str] | None = None,
) -> TemplateSet:
    """Templates by name, in the order in which rows, then pairs, name them."""
    pictures, of, media = zip(*rows, strict=True)
    first, second, same = zip(*pairs, strict=True) if pairs else ((), (), ())
    names = tuple(dict.fromkeys((*of, *first, *second)))

    def numbers(listed: Iterable[str]) -> NDArray[np.int32]:
        return np.array([names.index(name) for name in listed], np.int32)

    return TemplateSet(
        pictures=pictures,
        template=numbers(of),
        media=np.array(media),
        template_names=names,
        subjects=None if subjects is None else tuple(subjects.get(name, "") for name in names),
        pairs_first=numbers(first),
        pairs_second=numbers(second),
        pairs_same=np.array(same, np.bool_),
        galleries=tuple((name, numbers(listed)) for name, listed in (galleries or {}).items()),
        probes=None if probes is None else numbers(probes),
    )


def pictures(vectors: Mapping[str, Sequence[float] | str], **more: object) -> Samples:
    """Samples by name; a word in place of a vector is why that picture was not enrolled."""
    d = max(len(each) for each in vectors.values() if not isinstance(each, str))
    rows = [np.zeros(d) if isinstance(each, str) else np.array(each, float) for each in vectors.values()]
    missed = {name: why for name, why in vectors.items() if isinstance(why, str)}
    given: dict[str, object] = {
        "names": tuple(vectors),
        "subjects": np.arange(len(vectors)),
        "people": tuple(vectors),
        "vectors": np.array([row / (np.linalg.norm(row) or 1) for row in rows]),
        "enrolled": [name not in missed for name in vectors],
        "missed": tuple(Missed(picture=name, why=why) for name, why in missed.items()),
        "known": False,
    }
    return Samples(**{**given, **more})  # type: ignore[arg-type]


def row(found: Samples, name: str) -> NDArray[np.float32]:
    return found.vectors[found.names.index(name)]


def gfrr(study: Study, weighting: str) -> tuple[float | None, float | None]:
    """FNMR and generalised FRR at FMR 0.1."""
    table = next(each for each in study.verification if each.weighting == weighting)
    point = next(each for each in table.points if each.fmr == 0.1)
    return point.fnmr.value, point.gfrr.value


# ── Vectors ──

RIGHT, UP = (1, 0), (0, 1)


def test_media_are_averaged_before_the_template_is() -> None:
    rows = [("1.jpg", "t", 7), ("2.jpg", "t", 7), ("3.jpg", "t", 7), ("4.jpg", "t", 8)]
    samples = pictures({"1.jpg": RIGHT, "2.jpg": RIGHT, "3.jpg": RIGHT, "4.jpg": UP})
    found = fuse(samples, template_set(rows))
    # Three frames and a photograph: the video's mean and the photograph count alike, not as 3 to 1.
    np.testing.assert_allclose(found.vectors, [[0.5**0.5, 0.5**0.5]], atol=1e-6)
    flat = fuse(samples, template_set([(name, of, i) for i, (name, of, _) in enumerate(rows)]))
    np.testing.assert_allclose(flat.vectors, [[3 / 10**0.5, 1 / 10**0.5]], atol=1e-6)


def test_a_mean_of_frames_that_differ_is_short_and_counts_for_less() -> None:
    rows = [("1.jpg", "t", 7), ("2.jpg", "t", 7), ("3.jpg", "t", 8)]
    found = fuse(pictures({"1.jpg": RIGHT, "2.jpg": UP, "3.jpg": RIGHT}), template_set(rows))
    # (½, ½) of the video and (1, 0) of the photograph; were the video's brought to length one: (1.71, 0.71).
    np.testing.assert_allclose(found.vectors, [[1.5 / 2.5**0.5, 0.5 / 2.5**0.5]], atol=1e-6)


def test_a_picture_may_be_in_several_templates_and_in_each_it_is_of_that_ones_media() -> None:
    rows = [("1.jpg", "a", 7), ("2.jpg", "a", 7), ("1.jpg", "b", 7), ("3.jpg", "b", 8), ("2.jpg", "c", 7)]
    found = fuse(pictures({"1.jpg": RIGHT, "2.jpg": UP, "3.jpg": UP}), template_set(rows))
    assert found.names == ("a", "b", "c")
    np.testing.assert_allclose(row(found, "a"), [0.5**0.5, 0.5**0.5], atol=1e-6)
    np.testing.assert_allclose(row(found, "b"), [0.5**0.5, 0.5**0.5], atol=1e-6)
    np.testing.assert_allclose(row(found, "c"), UP, atol=1e-6)


def test_a_picture_that_was_not_enrolled_takes_no_part_in_its_mediums_mean() -> None:
    rows = [("1.jpg", "t", 7), ("2.jpg", "t", 7), ("3.jpg", "t", 8), ("4.jpg", "t", 9)]
    samples = pictures({"1.jpg": RIGHT, "2.jpg": "no face found", "3.jpg": UP, "4.jpg": "no face found"})
    found = fuse(samples, template_set(rows))
    np.testing.assert_allclose(found.vectors, [[0.5**0.5, 0.5**0.5]], atol=1e-6)
    assert found.missed == ()


def test_a_template_without_a_vector_is_missed_and_says_why() -> None:
    rows = [("1.jpg", "seen", 1), ("2.jpg", "one", 1), ("2.jpg", "two", 1), ("3.jpg", "two", 1)]
    rows += [("1.jpg", "cancels", 1), ("4.jpg", "cancels", 2)]
    vectors = {"1.jpg": RIGHT, "2.jpg": "no face found", "3.jpg": "damaged", "4.jpg": (-1, 0)}
    found = fuse(pictures(vectors), template_set(rows, [("seen", "empty", False)]))
    assert {each.picture: each.why for each in found.missed} == {
        "one": "2.jpg: no face found",
        "two": "none of its 2 pictures was enrolled; 2.jpg: no face found",
        "cancels": "the vectors of its pictures cancel out",
        "empty": "no picture of it is listed",
    }
    assert found.enrolled.tolist() == [True, False, False, False, False]
    assert not found.vectors[1:].any()


def test_what_is_known_of_the_pictures_goes_along() -> None:
    rows = [("1.jpg", "a", 1), ("2.jpg", "a", 1), ("2.jpg", "b", 1), ("3.jpg", "b", 1), ("4.jpg", "c", 1)]
    groups = {"age": ("old", "old", "young", ""), "camera": ("x", "y", "y", "y")}
    more = {"bundle": "B", "aligner": "A", "groups": groups, "several": 2}
    vectors = {"1.jpg": RIGHT, "2.jpg": RIGHT, "3.jpg": RIGHT, "4.jpg": RIGHT}
    found = fuse(pictures(vectors, **more), template_set(rows))
    assert (found.bundle, found.aligner, found.several, found.known) == ("B", "A", 2, True)
    assert found.groups == {"age": ("old", "", ""), "camera": ("", "y", "y")}


def test_other_pictures_are_refused() -> None:
    lists = template_set([("1.jpg", "a", 1), ("2.jpg", "b", 1), ("1.jpg", "c", 1)])
    for names in (("2.jpg", "1.jpg"), ("1.jpg",), ("1.jpg", "2.jpg", "1.jpg")):
        other = Samples(names, np.arange(len(names)), names, np.eye(len(names)), np.ones(len(names), bool))
        with pytest.raises(InputError, match=r"2 different pictures are wanted, as `entries` lists them"):
            fuse(other, lists)


def test_names_that_are_no_utf_8_are_those_of_the_entries() -> None:
    lists = template_set([("\udce9.jpg", "a", 1)])
    assert fuse(pictures({"\\udce9.jpg": RIGHT}), lists).enrolled.all()


def slowly(samples: Samples, lists: TemplateSet) -> NDArray[np.float64]:
    """(t,d) in float64, medium by medium."""
    made = np.zeros((len(lists.template_names), samples.vectors.shape[1]))
    for t in range(len(made)):
        for medium in np.unique(lists.media[lists.template == t]):
            here = np.flatnonzero((lists.template == t) & (lists.media == medium))
            places = [samples.names.index(lists.pictures[i]) for i in here]
            vectors = [samples.vectors[place].astype(float) for place in places if samples.enrolled[place]]
            if vectors:
                made[t] += np.mean(vectors, axis=0)
    return made / np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-12)


@pytest.mark.parametrize("block", [1, 7, 1024])
def test_against_medium_by_medium(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.evaluation.templates.BLOCK", block)
    rng = np.random.default_rng(block)
    places = rng.permutation(np.concatenate([np.arange(300), rng.integers(0, 300, 700)]))
    some = rng.integers(0, 8, 1000) * 300_000_000  # of media: large numbers must not run over
    rows = [
        (f"{p}.jpg", f"t{t}", int(m)) for p, t, m in zip(places, rng.integers(0, 80, 1000), some, strict=True)
    ]
    vectors = {
        name: "no face found" if rng.random() < 0.4 else rng.normal(size=64)
        for name in dict.fromkeys(name for name, *_ in rows)
    }
    samples, lists = pictures(vectors), template_set(rows)
    found = fuse(samples, lists)
    np.testing.assert_allclose(found.vectors, slowly(samples, lists), atol=1e-6)
    assert found.vectors.dtype == np.float32
    assert (found.enrolled == found.vectors.any(axis=1)).all()
    assert len(found.missed) == (~found.enrolled).sum()


# ── People ──


def people_of(found: Samples) -> dict[str, str]:
    return {name: found.people[found.subjects[i]] for i, name in enumerate(found.names)}


def fused(pairs: Sequence[Pair], subjects: Mapping[str, str] | None = None) -> Samples:
    """One picture for every template of the pairs."""
    names = dict.fromkeys(name for pair in pairs for name in pair[:2])
    lists = template_set([("1.jpg", name, 1) for name in names], pairs, subjects=subjects)
    return fuse(pictures({"1.jpg": RIGHT}), lists)


def test_people_are_found_by_the_labels() -> None:
    found = fused([("a", "b", True), ("d", "c", True), ("b", "c", True), ("e", "f", True), ("a", "e", False)])
    assert people_of(found) == dict.fromkeys("abcd", "template a") | dict.fromkeys("ef", "template e")
    assert found.people == ("template a", "template e")
    assert found.known


def test_who_is_in_no_pair_of_one_person_is_somebody_of_his_own() -> None:
    assert people_of(fused([("a", "b", False), ("a", "c", False)])) == {c: f"template {c}" for c in "abc"}


def test_the_lists_name_people_and_the_labels_the_rest() -> None:
    pairs = [("x", "a", True), ("b", "y", True), ("z", "w", True), ("x", "y", False), ("a", "z", False)]
    found = fused(pairs, {"a": "73", "y": "204", "c": "73"})
    named = {"x": "73", "a": "73", "b": "204", "y": "204", "z": "template z", "w": "template z"}
    assert people_of(found) == named


def test_templates_of_one_subject_are_of_one_person_without_a_label() -> None:
    found = fused([("a", "b", False), ("c", "d", True)], {"a": "73", "b": "74", "c": "73"})
    assert people_of(found) == {"a": "73", "b": "74", "c": "73", "d": "73"}


@pytest.mark.parametrize(
    ("pairs", "subjects", "complaint"),
    [
        ([("a", "b", True), ("b", "c", True), ("a", "c", False)], None, "templates a and c are of two people"),
        ([("a", "b", True), ("b", "a", False)], None, r"templates b and a .* \(1 such pairs\)"),
        ([("a", "b", False)], {"a": "73", "b": "73"}, "templates a and b are of two people by their label"),
        ([("a", "b", True)], {"a": "73", "b": "74"}, "templates a of subject '73' and b of subject '74'"),
        (
            [("a", "b", True), ("c", "b", True)],
            {"a": "73", "c": "74"},
            "a of subject '73' and c of subject '74'",
        ),
    ],
)
def test_labels_that_contradict_are_refused(
    pairs: list[Pair], subjects: Mapping[str, str] | None, complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        fused(pairs, subjects)


@given(edges=st.lists(st.tuples(st.integers(0, 13), st.integers(0, 13)), max_size=20))
@settings(deadline=None)
def test_people_are_the_components_of_the_labels(edges: list[tuple[int, int]]) -> None:
    groups = [{node} for node in range(14)]
    for one, other in edges:
        joined = groups[one] | groups[other]
        for node in joined:
            groups[node] = joined
    pairs = [(f"{one:02}", f"{other:02}", True) for one, other in edges]
    lists = template_set([("1.jpg", f"{node:02}", 1) for node in range(14)], pairs)
    found = people_of(fuse(pictures({"1.jpg": RIGHT}), lists))
    assert found == {f"{node:02}": f"template {min(groups[node]):02}" for node in range(14)}


# ── What is compared, and what is searched ──


def test_a_template_that_was_not_enrolled_is_refused_in_the_generalised_rate() -> None:
    rng = np.random.default_rng(0)
    people = 40
    vectors: dict[str, Sequence[float] | str] = {}
    for person, shot in product(range(people), "gp"):
        mean = np.eye(people)[person]
        vectors[f"{person}{shot}.jpg"] = (mean + 0.02 * rng.normal(size=people)).tolist()
    vectors["0p.jpg"] = "no face found"
    rows = [(name, name.removesuffix(".jpg"), 1) for name in vectors]
    pairs = [(f"{i}g", f"{j}p", i == j) for i, j in product(range(people), repeat=2)]
    lists = template_set(rows, pairs)
    found = fuse(pictures(vectors), lists)
    listing = pair_list(lists, found)
    study = measure(listed_pairs(found, listing, draws=50), ABOUT, pairs=listing)
    assert (study.pictures, study.people, study.accuracy) == (80, 40, None)
    assert (study.genuine_pairs, study.impostor_pairs) == (40, 40 * 39 - 39)  # 39 would be with 0p
    assert study.missed == (Missed(picture="0p", why="0p.jpg: no face found"),)
    assert study.failure_to_enrol.value == pytest.approx(1 / 80)
    for weighting in ("person", "pair"):
        assert gfrr(study, weighting) == (pytest.approx(0), pytest.approx(1 / 40))


def test_the_pairs_are_of_the_fused_templates() -> None:
    lists = template_set([("1.jpg", "a", 1), ("1.jpg", "b", 1)], [("b", "a", True)], subjects={"a": "73"})
    found = fuse(pictures({"1.jpg": RIGHT}), lists)
    listing = pair_list(lists, found)
    assert (listing.pictures, listing.people) == (("a", "b"), ("73", "73"))
    assert (listing.first.tolist(), listing.second.tolist(), listing.same.tolist()) == ([1], [0], [True])
    assert listing.fold.tolist() == [0]
    for wrong in (pictures({"1.jpg": RIGHT}), found.subset(np.array([1, 0]))):
        with pytest.raises(InputError, match="2 templates are wanted, as `fuse` gives them"):
            pair_list(lists, wrong)
        with pytest.raises(InputError, match="2 templates are wanted"):
            identify(wrong, lists)


def test_probes_are_searched_for_in_each_gallery() -> None:
    """By hand: Ann and Bob in G1, Cid in G2, strangers in neither."""
    near = {
        "ann": (1, 0, 0, 0),
        "bob": (0, 1, 0, 0),
        "cid": (0, 0, 1, 0),
        "ann1": (0.9, 0, 0, 0),
        "ann2": "no face found",
        "bob1": (0.6, 0.5, 0, 0),  # nearer to Ann
        "cid1": (0, 0, 0.3, 0),
    }
    near |= {f"s{i}": ((0.4 - i / 100), 0, (0.4 - i / 100), 0) for i in range(39)}
    vectors = {
        k: v if isinstance(v, str) else (*v[:3], (1 - sum(x * x for x in v)) ** 0.5) for k, v in near.items()
    }
    probes = [name for name in near if name not in ("ann", "bob", "cid")]
    lists = template_set(
        [(f"{name}.jpg", name, 1) for name in near],
        subjects={name: name.rstrip("12") if name[0] != "s" else name for name in near},
        galleries={"G1": ("ann", "bob"), "G2": ("cid",)},
        probes=probes,
    )
    found = identify(fuse(pictures({f"{name}.jpg": v for name, v in vectors.items()}), lists), lists)
    assert found is not None
    assert found.splits == 2
    # G1: of Ann's two probes one is found, Bob's is second. G2: Cid's is found.
    ranks = {rank: figure.value for rank, figure in found.ranks}
    assert ranks[1] == pytest.approx(((0.5 + 0) / 2 + 1) / 2)
    assert ranks[5] == pytest.approx(((0.5 + 1) / 2 + 1) / 2)
    # 40 and 41 strangers: four of them score 0.37, where G1 misses one of Ann's and Bob, and G2 misses Cid.
    threshold, fnir = next(rest for rate, *rest in found.fnirs if rate == 0.1)
    assert threshold.value == pytest.approx(0.37, abs=1e-6)
    assert fnir.value == pytest.approx(((0.5 + 1) / 2 + 1) / 2)


@pytest.mark.parametrize("absent", ["galleries", "probes"])
def test_without_the_lists_nobody_is_searched_for(absent: str) -> None:
    lists = template_set(
        [("1.jpg", "a", 1), ("1.jpg", "b", 1)], subjects={"a": "1", "b": "1"}, galleries={"G1": "a"}, probes="b"
    )
    without = replace(lists, **{absent: () if absent == "galleries" else None})
    assert identify(fuse(pictures({"1.jpg": RIGHT}), lists), without) is None


# ── From files to a study ──


def write_ijbc(root: Path, people: Mapping[str, Sequence[Path]]) -> Path:
    """Of each person template 1x, of two photographs, and 2x, of a video of two frames and the first photograph
    again; 30 is the first person's and shows nobody. Odd people are in G1, even ones in G2.
    """
    (root / "meta").mkdir(parents=True)
    (root / "loose_crop").mkdir()
    faces, galleries, probes = [], {"G1": [], "G2": []}, []
    for number, paths in enumerate(people.values()):
        for shot, path in enumerate(paths):
            shutil.copy(path, root / f"loose_crop/{number}-{shot}.jpg")
        media = ((0, 10, 1), (1, 10, 2), (2, 20, 3), (3, 20, 3), (0, 20, 1))
        faces += [f"{number}-{shot}.jpg {of + number} {10 * number + medium}" for shot, of, medium in media]
        galleries["G2" if number % 2 else "G1"].append(f"{10 + number},S{number},img/{number}.png,1")
        probes.append(f"{20 + number},S{number},img/{number}.png,1")
    cv2.imwrite(str(root / "loose_crop/nobody.png"), np.full((112, 112, 3), 128, np.uint8))
    faces.append("nobody.jpg 30 99")
    probes.append("30,S0,img/nobody.png,1")
    count = len(people)
    pairs = [(10 + i, 20 + j, int(i == j)) for i, j in product(range(count), repeat=2)]
    write_lines(root, "face_tid_mid.txt", faces)
    write_lines(root, "template_pair_label.txt", [" ".join(map(str, pair)) for pair in [*pairs, (10, 30, 1)]])
    for name, listed in (
        *((f"gallery_{key}", value) for key, value in galleries.items()),
        ("probe_mixed", probes),
    ):
        write_lines(root, f"1N_{name}.csv", ["TEMPLATE_ID,SUBJECT_ID,FILENAME,SIGHTING_ID", *listed])
    return root


def write_lines(root: Path, name: str, lines: Iterable[str]) -> None:
    (root / "meta" / f"ijbc_{name}").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def folder(people: dict[str, list[Path]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ijbc(tmp_path_factory.mktemp("ijb") / "IJBC", people)


@pytest.fixture(scope="module")
def read(folder: Path, recognizer: Recognizer) -> Enrolment:
    return enrol(
        entries(read_ijb(folder), folder),
        recognizer.read_many,
        face="central",
        bundle=recognizer.bundle.digest,
        aligner=recognizer.aligner.digest,
        dimension=recognizer.dimension,
    )


def test_each_picture_is_an_entry_once_where_it_lies(folder: Path) -> None:
    lists = read_ijb(folder)
    found = entries(lists, folder)
    assert len(lists.pictures) == 41
    assert len(found) == 33
    assert [each.name for each in found[:3]] == [f"loose_crop/0-{shot}.jpg" for shot in range(3)]
    assert {each.person for each in found} == {None}
    assert found[0].source == folder / "loose_crop/0-0.jpg"
    assert found[-1].source == folder / "loose_crop/nobody.png"
    with pytest.raises(InputError, match="33 of 33 listed pictures are not there"):
        entries(lists, folder / "meta")


def test_from_the_files_to_a_study(folder: Path, read: Enrolment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.evaluation.metrics.RULE_OF_THREE", 2.8)  # eight people make 28 pairs of people
    lists = read_ijb(folder)
    assert (read.embedded, read.identical) == (33, ())
    found = fuse(read.samples, lists)
    assert (found.bundle, found.aligner) == (read.samples.bundle, read.samples.aligner)
    assert found.names == (*map(str, range(10, 18)), *map(str, range(20, 28)), "30")
    assert people_of(found) == {name: f"S{int(name) % 10}" for name in found.names}
    np.testing.assert_allclose(found.vectors, slowly(read.samples, lists), atol=1e-6)
    assert found.missed == (Missed(picture="30", why="loose_crop/nobody.jpg: no face found"),)

    listing = pair_list(lists, found)
    study = measure(
        listed_pairs(found, listing, draws=50), ABOUT, pairs=listing, identification=identify(found, lists)
    )
    assert (study.pictures, study.people, study.genuine_pairs, study.impostor_pairs) == (17, 8, 9, 56)
    assert study.accuracy is None
    assert study.failure_to_enrol.value == pytest.approx(1 / 17)
    # Everybody is accepted, but for the template that shows nobody: a half of one person's two comparisons.
    assert gfrr(study, "person") == (pytest.approx(0), pytest.approx(1 / 16))
    assert gfrr(study, "pair") == (pytest.approx(0), pytest.approx(1 / 9))
    assert {each.first for each in study.hard_genuine} <= set(found.names)
    assert study.identification is not None
    assert study.identification.splits == 2
    # G1 holds the person with that template, and three others; G2 four others.
    assert study.identification.ranks[0][1].value == pytest.approx((3.5 / 4 + 1) / 2)
