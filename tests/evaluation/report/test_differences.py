"""The page on two systems shows their own figures, says what is chance, and runs or fetches nothing."""

from __future__ import annotations

import msgspec
import pytest
from elements import Elements
from made_study import OTHER, SYSTEM, WHY, compared, full, minimal, other, renamed

from mien.evaluation.diff import Difference, Differences
from mien.evaluation.report.differences import build_differences
from mien.evaluation.study import Figure

EVIL = "<script>alert('x')</script>\"&"
STUDIES = (full(), other())
SECTIONS = [
    "In plain words",
    "Per person",
    "Over all comparisons",
    "Pictures that could not be used",
    "What was compared",
    "How to read it",
]


def page(found: Differences) -> Elements:
    return Elements(build_differences(found, STUDIES))


def with_rows(*rows: Difference) -> Differences:
    return msgspec.structs.replace(compared(), rows=rows)


def first_row(low: float, high: float, name: str = "TAR") -> Difference:
    """The row of FMR 1e-3, with another difference."""
    chosen = next(row for row in compared().rows if row.name == name and row.fmr in (1e-3, None))
    middle = Figure(value=(low + high) / 2, low=low, high=high)
    return msgspec.structs.replace(chosen, difference=middle)


@pytest.fixture(scope="module")
def whole() -> Elements:
    return page(compared())


def test_everything_stands_in_its_order(whole: Elements) -> None:
    assert [text for text in whole.texts if text in SECTIONS] == SECTIONS


def test_the_head_says_who_is_who_and_what_was_compared(whole: Elements) -> None:
    words = whole.text()
    assert "What B (other model) gains over A (made model) on the same comparisons of “made faces”" in words
    for fact in ("400", "1,990", "8,300", "1,970,000"):
        assert fact in whole.texts


def test_the_head_holds_the_differences_that_are_looked_for_first(whole: Elements) -> None:
    facts = whole.text().split("In plain words")[0]
    assert "TAR at FMR 1e-3, per person: B − A+1.0 points (−1.0 to +3.0)" in facts
    assert "TAR at FMR 1e-4, per person: B − A−3.0 points (−5.0 to −1.0)" in facts
    assert "EER, per person: B − A−0.4 points (−0.6 to −0.2)" in facts
    assert "over all comparisons" not in facts


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.01, 0.03, "B is better by 2.0 points (1.0 to 3.0)."),
        (-0.03, -0.01, "B is worse by 2.0 points (1.0 to 3.0)."),
        (-0.01, 0.03, "The difference could be chance: +1.0 points (−1.0 to +3.0)."),
        (0.0, 0.0, "There is no difference at all."),
    ],
)
def test_the_plain_words_say_which_is_better_and_whether_it_is_chance(
    low: float, high: float, said: str
) -> None:
    words = page(with_rows(first_row(low, high))).text()
    assert (
        "At FMR 1e-3, per person, of the comparisons of two pictures of one person 90.0 % (88.2–91.8) pass"
        in words
    )
    assert said in words


def test_every_row_has_both_figures_their_difference_and_a_word(whole: Elements) -> None:
    assert ["TARthe same", "1e-1 1 in 10", "90.0 % (88.2–91.8)"] in [row[:3] for row in whole.rows]
    row = next(row for row in whole.rows if row[0] == "TARbetter")
    assert row[1:] == [
        "1e-2 1 in 100",
        "90.0 % (88.2–91.8)",
        "92.0 % (90.2–93.8)",
        "+2.0 points (+1.0 to +3.0)",
    ]
    for weighting in (0, 1):
        rows = [row for row in whole.rows if row[0].startswith("generalised TAR")]
        words = [row[0].removeprefix("generalised TAR") for row in rows]
        assert words[5 * weighting :][:5] == [
            "the same",
            "better",
            "could be chance",
            "worse",
            "could be chance",
        ]


def test_a_lower_error_rate_is_better(whole: Elements) -> None:
    assert whole.row("EER") == [
        "EERbetter",
        "–",
        "2.0 % (2.0–2.0)",
        "1.6 % (1.6–1.6)",
        "−0.4 points (−0.6 to −0.2)",
    ]
    assert page(with_rows(first_row(0.001, 0.003, "EER"))).row("EER")[0] == "EERworse"


def test_areas_have_a_unit_of_their_own(whole: Elements) -> None:
    assert whole.row("AUC")[0] == "AUCcould be chance"
    assert whole.row("AUC")[4] == "+0.00004 (−0.00010 to +0.00020)"


def test_curves_of_both_and_gains_are_drawn_for_each_weighting() -> None:
    document = build_differences(compared(), STUDIES)
    assert document.count("<svg") == 4
    assert document.count("detection error trade-off") == document.count("differences of TAR") == 2
    det = document.split("detection error trade-off")[1].split("</svg>")[0]
    assert det.count('class="line ') == 2
    assert "NaN" not in document
    assert "inf" not in document.split("<style>")[1].split("</style>")[1].lower().replace("info", "")


def test_the_line_of_no_difference_lies_between_gains_and_losses() -> None:
    document = build_differences(compared(), STUDIES)
    gains = document.split("differences of TAR")[1].split("</svg>")[0]
    (line,) = [each for each in gains.split("<line")[1:] if 'class="level"' in each]
    level = float(line.split('y1="')[1].split('"')[0])
    dots = [float(each.split('cy="')[1].split('"')[0]) for each in gains.split("<circle")[1:]]
    assert len(dots) == 10
    # In the order of the rows: the same, better, better, worse, worse, once for TAR and once generalised.
    expected = [0, 1, 1, -1, -1] * 2
    assert [(level > dot) - (level < dot) for dot in dots] == expected


def test_failures_of_both_are_told(whole: Elements) -> None:
    assert whole.row("A: made model") == ["A: made model", "2,000", "7", "0.35 % (0.15–0.69)"]
    assert whole.row("B: other model") == ["B: other model", "2,000", "1", "0.050 % (0.010–0.280)"]
    assert "A could not use 7 pictures, B 1: go by the generalised TAR below." in whole.text()


def test_what_each_system_is_stands_there_with_its_digests(whole: Elements) -> None:
    words = whole.text()
    for digest in (SYSTEM.bundle, OTHER.bundle, SYSTEM.aligner):
        assert digest in words
    assert "B has another bundle (the embedder) and the same aligner" in words
    assert full().command in words
    assert "left out, since only one of the studies has them: 10 pictures" in words


def test_systems_without_digests_are_not_called_the_same() -> None:
    nameless = tuple(msgspec.structs.replace(each, bundle="", aligner="") for each in (SYSTEM, OTHER))
    found = page(msgspec.structs.replace(compared(), systems=nameless))
    assert "B has" not in found.text()


def test_where_nobody_is_named_intervals_are_called_too_narrow() -> None:
    pairs = [row for row in compared().rows if row.weighting == "pair"]
    found = page(msgspec.structs.replace(compared(), rows=tuple(pairs), people=0))
    assert "The data name no people." in found.text()
    assert "Per person" not in found.texts
    assert "people" not in [text for text in found.texts if text == "people"]


def test_where_nothing_can_be_compared_it_says_why() -> None:
    rows = tuple(row for row in compared().rows if row.name == "EER")
    for each in ((), rows):
        found = msgspec.structs.replace(compared(), rows=each, notes=())
        words = Elements(build_differences(found, (full(), minimal()))).text()
        assert f"No TAR can be compared here: {WHY}." in words


def test_how_to_read_it_explains_the_pairing(whole: Elements) -> None:
    assert "every time the same people for both systems" in whole.text()
    assert "EER, equal error rate" in whole.texts


def test_texts_with_tags_in_them_come_out_as_texts() -> None:
    studies = (renamed(full(), EVIL), renamed(other(), EVIL))
    found = Elements(build_differences(renamed(compared(), EVIL), studies))
    assert "script" not in found.names()
    assert EVIL in found.text()


def test_nothing_is_fetched_and_nothing_runs(whole: Elements) -> None:
    assert not {"script", "link", "iframe", "img", "object"} & set(whole.names())
    for _, attributes in whole.tags:
        assert not any(name.startswith("on") or name in {"src", "srcset"} for name in attributes)
        assert (attributes.get("href") or "#").startswith("#")
