"""The report shows the study's own figures, leaves out what the study has not, and runs or fetches nothing."""

from __future__ import annotations

import re

import msgspec
import numpy as np
import pytest
from elements import Elements
from made_study import GENUINE, IMPOSTOR, WHY, full, minimal, renamed, trap

from mien.evaluation.report import build
from mien.evaluation.report.words import PERCENT, POINTS, SIMILARITY, day, score_rate
from mien.evaluation.study import Figure, Missed, Study
from mien.pages.page import data_uri

EVIL = "<script>alert('x')</script>\"&"
SECTIONS = [
    "In plain words",
    "The same person?",
    "Do the stated rates hold?",
    "Who is it?",
    "Groups of people",
    "If it were fed wrongly",
    "The hardest pairs",
    "Pictures that could not be used",
    "How it was measured",
]


@pytest.fixture(scope="module")
def whole() -> Elements:
    """The page of the full study, without pictures."""
    return Elements(build(full(), {}))


@pytest.fixture(scope="module")
def bare() -> Elements:
    """The page of a study in which nothing could be stated."""
    return Elements(build(minimal(), {}))


def headings(found: Elements) -> list[str]:
    return [text for text in found.texts if text in SECTIONS][len(links(found)) :]


def links(found: Elements) -> list[str]:
    return [attributes["href"] or "" for name, attributes in found.tags if name == "a"]


def test_everything_stands_in_its_order(whole: Elements) -> None:
    assert headings(whole) == SECTIONS
    ids = [attributes["id"] for name, attributes in whole.tags if name == "section" and "id" in attributes]
    assert links(whole) == [f"#{name}" for name in ids]


def test_what_the_study_has_not_is_left_out(bare: Elements) -> None:
    assert headings(bare) == ["In plain words", "The same person?", "How it was measured"]


def test_the_head_names_system_data_protocol_and_date(whole: Elements) -> None:
    words = whole.text()
    assert "made model on made faces" in words
    assert "400 people in 2,000 pictures, by the protocol “folder”, 9 March 2026." in words
    for fact in ("98.83 % ± 0.76", "accuracy over 3 folds", "8,400", "1,990,600", "0.35 % (0.15–0.69)"):
        assert fact in words


def test_a_point_shows_its_figures_with_their_intervals(whole: Elements) -> None:
    threshold = IMPOSTOR.inv_cdf(0.999)
    tar = 100 * (1 - GENUINE.cdf(threshold))
    row = whole.row("1e-3")
    assert row[0] == "1e-3 1 in 1,000"
    assert row[1] == f"{threshold:.3f} ({0.99 * threshold:.3f}–{1.01 * threshold:.3f})"
    assert row[2].startswith(f"{tar:.1f} % (")
    assert row[3].startswith(f"{100 - tar:.1f} % (")
    assert len(row) == 9
    assert row[5:] == row[1:5]


def test_the_plain_words_hold_the_headline(whole: Elements) -> None:
    tar = 100 * (1 - GENUINE.cdf(IMPOSTOR.inv_cdf(0.999)))
    words = whole.text()
    assert f"At the threshold that one pair of strangers in a thousand passes, {tar:.1f} % (" in words
    assert "of the comparisons of two pictures of one person pass" in words


def test_what_cannot_be_stated_says_why_across_its_columns(whole: Elements, bare: Elements) -> None:
    assert whole.row("1e-6") == ["1e-6 1 in 1,000,000", WHY, WHY]
    spans = [
        attributes.get("colspan") for name, attributes in whole.tags if attributes.get("class") == "refused"
    ]
    assert spans[:2] == ["4", "4"]
    assert bare.row("1e-3") == ["1e-3 1 in 1,000", WHY]
    assert bare.row("EER") == ["EER", WHY]
    assert f"No error rate can be stated here: {WHY}." in bare.text()
    assert f"TAR at FMR 1e-3, over all comparisons: {WHY}" in bare.text()


def test_no_cell_of_figures_is_blank(whole: Elements, bare: Elements) -> None:
    for found in (whole, bare):
        for row in found.rows:
            if row[0] not in {"worst over best", ""}:
                assert all(row), row


def test_accuracy_and_whole_curves(whole: Elements) -> None:
    assert whole.row("accuracy") == ["accuracy", "99.00 %", "98.00 %", "99.50 %"]
    assert ["threshold", "0.310", "0.320", "0.300"] in whole.rows
    assert whole.row("EER")[1] == "0.43 % (0.39–0.47)"
    assert whole.row("AUC")[1].startswith("0.99910 (")


def test_identification_and_reliability(whole: Elements) -> None:
    assert whole.row("rank 5") == ["rank 5", "96.0 % (95.0–97.0)"]
    assert ["1e-2 1 in 100", "0.450 (0.405–0.495)", "10.0 % (9.0–11.0)"] in whole.rows
    assert "A gallery of 300 people is searched with 900 pictures" in whole.text()
    stated, observed = "0.010 % (0.004–0.019)", "0.011 % (0.007–0.015)"
    assert ["1e-4 1 in 10,000extrapolated", stated, observed, "95.5 % of 200 splits"] in whole.rows


def test_extrapolated_rates_are_explained_where_there_are_any(whole: Elements) -> None:
    assert "Extrapolated: rarer than the comparisons can show" in whole.text()
    measured = msgspec.structs.replace(full(), reliability=full().reliability[:2])
    assert "xtrapolated" not in build(measured, {})


def test_groups_are_told_in_numbers_words_and_shades(whole: Elements) -> None:
    assert whole.row("old") == ["old", "40", "4,000", "0.50 % (0.45–0.55)", "3.0 % (2.7–3.3)"]
    assert whole.row("worst over best")[3:] == ["5.0 times (3.1–8.2)", "too few people of each"]
    words = whole.text()
    assert (
        "Among “old”, strangers are taken for one another 5.0 times (3.1–8.2) as often as among “young”."
        in words
    )
    assert "how often people are refused cannot be stated: too few people of each." in words
    shades = [
        style for _, attributes in whole.tags if (style := attributes.get("style") or "").startswith("--shade")
    ]
    assert shades == ["--shade:0.70", "--shade:0.00", "--shade:0.00", "--shade:0.00"]  # log 5 / log 10


def test_a_change_that_reads_better_than_the_card_is_a_warning(whole: Elements) -> None:
    notes = [attributes for name, attributes in whole.tags if attributes.get("class") == "note"]
    assert len(notes) == 1
    words = whole.text()
    assert "“mean of 127.5” reads better than the settings that the card states, which lose 2.1 points" in words
    assert whole.row("BGR for RGBworse")[2] == "−5.0 points (−7.0 to −3.0)"
    assert whole.row("one crop")[0] == "one cropno clear change"
    assert whole.row("as the card states")[1] == "95.0 % at FMR 1e-3, per person"


def test_what_each_change_costs_is_told_in_a_sentence(whole: Elements) -> None:
    words = whole.text()
    lost = "“BGR for RGB” loses 5.0 points (3.0 to 7.0) of TAR at FMR 1e-3: 90.0 % instead of 95.0 %."
    assert lost in words
    assert "“one crop” changes nothing at FMR 1e-3, on these pictures." in words
    assert "“mean of 127.5” gains 2.1 points (1.1 to 3.0) of TAR" in words


def test_a_loss_that_could_be_chance_says_so_and_one_that_cannot_be_stated_why() -> None:
    refused = msgspec.structs.replace(trap("no", 0.0, (0, 0, 0)), difference=Figure(why=WHY), stated=0.0)
    study = msgspec.structs.replace(full(), traps=(trap("maybe", 0.94, (-0.01, -0.03, 0.01)), refused))
    found = Elements(build(study, {}))
    maybe = "“maybe” loses 1.0 points (−1.0 to 3.0) of TAR at FMR 1e-3: 94.0 % instead of 95.0 %; that could be"
    assert maybe in found.text()
    assert f"“no” cannot be judged: {WHY}." in found.text()
    assert found.row("no") == ["no", WHY]
    assert [row[1] for row in found.rows if row[0] == "as the card states"] == [
        "95.0 % at FMR 1e-3, per person"
    ]


def test_what_is_averaged_per_person_is_said_where_there_is_any_of_it(whole: Elements, bare: Elements) -> None:
    said = "reliability, identification, groups and changed settings are all averaged per person"
    assert said in whole.text()
    assert said not in bare.text()
    alone = {"reliability": (), "identification": None, "groups": (), "traps": ()}
    assert said not in build(msgspec.structs.replace(full(), **alone), {})


def test_pictures_stand_beside_their_names_and_names_alone_without() -> None:
    study, pixels = full(), np.full((8, 8, 3), 90, np.uint8)
    pictures = {"Ann/g1.jpg": pixels, "Di/i2.jpg": b"\xff\xd8 a jpeg", "p3.jpg": pixels}
    found = Elements(build(study, pictures))
    images = {attributes["alt"]: attributes["src"] for name, attributes in found.tags if name == "img"}
    assert images == {name: data_uri(picture) for name, picture in pictures.items()}
    unseen = [attributes for _, attributes in found.tags if attributes.get("class") == "unseen"]
    assert len(unseen) == 2 * 3 - 2
    assert "Bo/h1.jpg" in found.texts
    assert "no face found" in found.texts
    assert ["p4.jpg", "no face found"] in found.rows


def test_a_hard_pair_says_how_often_strangers_score_so(whole: Elements) -> None:
    rate = 1 - IMPOSTOR.cdf(0.452)
    (written,) = re.findall(r"0\.452 · FMR ([\d.e-]+)", whole.text())
    assert float(written) == pytest.approx(rate, rel=0.1)


def test_at_most_sixty_failures_are_shown() -> None:
    missed = tuple(Missed(picture=f"{i}.jpg", why="torn" if i % 3 else "no face found") for i in range(75))
    found = Elements(build(msgspec.structs.replace(full(), missed=missed), {}))
    assert len([row for row in found.rows if row[0].endswith(".jpg")]) == 60
    assert "… and 15 more." in found.text()
    assert "50 pictures: torn" in found.texts


def test_how_it_was_measured(whole: Elements) -> None:
    words = whole.text()
    assert full().command in words
    assert "ISO/IEC 19795-1" in words
    assert "31 pictures hold several faces." in words
    assert whole.row("pictures a second") == ["pictures a second", "12.4"]
    assert whole.row("bundle")[1] == "b" * 64
    for term in ("FMR", "FNMR", "TAR", "EER", "GFRR", "FNIR", "FPIR"):
        assert any(text.startswith(f"{term}, ") for text in whole.texts)


def test_texts_with_tags_in_them_come_out_as_texts() -> None:
    document = build(renamed(full(), EVIL), {EVIL: b"jpeg"})
    found = Elements(document)
    assert "<script" not in document
    assert "script" not in found.names()
    assert found.text().count(EVIL) > 30


@pytest.mark.parametrize("study", [full(), minimal()], ids=["full", "minimal"])
def test_nothing_is_fetched_and_nothing_runs(study: Study) -> None:
    document = build(study, {"Ann/g1.jpg": b"jpeg"})
    for name, attributes in Elements(document).tags:
        assert name not in {"script", "link", "iframe", "object"}
        assert not any(key.startswith("on") for key in attributes)
        for key in ("src", "href"):
            assert (attributes.get(key) or "#").startswith(("#", "data:image/"))
    assert "default-src &#x27;none&#x27;" in document
    assert "http" not in re.sub("http-equiv", "", document)


def test_every_plot_is_there_and_finite(whole: Elements) -> None:
    labels = [attributes["aria-label"] or "" for name, attributes in whole.tags if name == "svg"]
    kinds = ["detection", "receiver", "similarities", "similarities", "FMR observed", "cumulative", "FNIR"]
    assert [label[: len(kind)] for label, kind in zip(labels, kinds, strict=True)] == kinds
    numbers = [
        value
        for name, attributes in whole.tags
        if name in {"path", "circle", "rect", "line", "text"}
        for key, value in attributes.items()
        if key in {"d", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height"}
    ]
    assert not any("nan" in (value or "") or "inf" in (value or "") for value in numbers)


def test_refused_figures_are_no_dots() -> None:
    stated = build(full(), {}).split("receiver operating")[1].split("</svg>")[0]
    assert stated.count("<circle") == 2 * 5  # of six rates, one is refused, in both weightings


def test_a_study_without_any_verification_is_still_a_page() -> None:
    found = Elements(build(msgspec.structs.replace(full(), verification=()), {}))
    assert "No error rate can be stated here: not stated." in found.text()
    assert "The same person?" not in headings(found)


@pytest.mark.parametrize(
    ("rate", "text"),
    [(0.951, "95.1"), (0.00031, "0.031"), (0.0095, "0.95"), (0.9997, "99.970"), (0, "0.0"), (1, "100.0")],
)
def test_rates_have_one_decimal_or_two_digits(rate: float, text: str) -> None:
    assert PERCENT.text(rate) == f"{text}\N{NO-BREAK SPACE}%"


def test_an_interval_is_as_exact_as_its_value() -> None:
    assert PERCENT.interval(Figure(value=0.951, low=0.939, high=0.962)) == "(93.9–96.2)"
    assert PERCENT.interval(Figure(value=0.00031, low=0.00001, high=0.0012)) == "(0.001–0.120)"
    assert PERCENT.interval(Figure(value=0.5)) == ""
    assert (
        POINTS.plain(Figure(value=-0.012, low=-0.02, high=0.001))
        == "−1.2\N{NO-BREAK SPACE}points (−2.0 to +0.1)"
    )
    assert SIMILARITY.plain(Figure(why="too few")) == "too few"


def test_a_score_is_read_off_the_curve() -> None:
    det = ((1.0, 0.0, 1.0), (0.6, 1e-4, 0.5), (0.4, 1e-2, 0.1), (0.0, 1.0, 0.0))
    assert score_rate(det, 0.5) == "FMR 1e-3"
    assert score_rate(det, 0.4) == "FMR 1e-2"
    assert score_rate(det, 0.7) == "FMR below 1e-4"
    assert score_rate(det, -0.5) == ""
    assert score_rate((), 0.5) == ""


def test_a_date_is_written_for_people() -> None:
    assert day("2026-07-28T11:32:10Z") == "28 July 2026"
    assert day("some day") == "some day"
