"""The report in a real browser: nothing goes wrong, nothing is fetched, everything fits, day and night."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_study import compared, full, minimal, other, renamed
from typer.testing import CliRunner

from mien.cli import build_app
from mien.evaluation.report import build
from mien.evaluation.report.differences import build_differences
from mien.evaluation.study import Study
from mien.pages.page import write

pytestmark = pytest.mark.long

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
BOXES = "plots => plots.map(plot => plot.getBoundingClientRect()).map(box => [box.width, box.height])"
# Text of a plot as it comes out on the screen, in pixels.
LETTERS = """texts => texts.map(text => parseFloat(getComputedStyle(text).fontSize)
    * text.ownerSVGElement.getBoundingClientRect().width / text.ownerSVGElement.viewBox.baseVal.width)"""
WIDTHS = "document.documentElement.scrollWidth"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's chromium, or a skip."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs chromium and playwright: chromium is absent")
    api = pytest.importorskip(
        "playwright.sync_api", reason="needs chromium and playwright: playwright is absent"
    )
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a study with everything in it and a picture for most names."""
    study = full()
    names = [name for pair in (*study.hard_genuine, *study.hard_impostor) for name in (pair.first, pair.second)]
    ramp = np.linspace(0, 255, 64 * 64 * 3).reshape(64, 64, 3).astype(np.uint8)
    pictures = dict.fromkeys([*names[1:], *(missed.picture for missed in study.missed)], ramp)
    return written(tmp_path_factory.mktemp("report"), study, pictures)


def written(folder: Path, study: Study, pictures: dict[str, Any]) -> Path:
    target = folder / "report.html"
    write(target, build(study, pictures))
    return target


def opened(browser: Any, file: Path, width: int, scheme: str) -> tuple[Any, list[str]]:
    """The page in a tab of its own, and everything that went wrong while it was opened."""
    tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    wrong: list[str] = []
    tab.on("console", lambda message: wrong.append(f"{message.type}: {message.text}"))
    tab.on("pageerror", lambda error: wrong.append(f"page error: {error}"))
    tab.on("requestfailed", lambda request: wrong.append(f"not loaded: {request.url[:80]}"))
    tab.on("request", lambda request: wrong.extend(strangers(request.url, file)))
    tab.goto(file.as_uri(), wait_until="load")
    return tab, wrong


def strangers(url: str, file: Path) -> list[str]:
    """Whatever is loaded besides the page itself and the pictures within it."""
    return [] if url == file.as_uri() or url.startswith("data:image/") else [f"asked for: {url[:80]}"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_report_opens_without_a_word_and_fits(browser: Any, report: Path, width: int, scheme: str) -> None:
    tab, wrong = opened(browser, report, width, scheme)
    boxes = tab.locator("svg.plot").evaluate_all(BOXES)
    assert wrong == []
    assert len(boxes) == 7
    assert all(across > 250 and down > 140 for across, down in boxes)
    assert tab.evaluate(WIDTHS) <= width
    assert min(tab.locator("svg.plot text").evaluate_all(LETTERS)) >= 9
    assert all(tab.locator("img").evaluate_all("images => images.map(image => image.naturalWidth === 64)"))
    tab.close()


def test_night_is_dark_and_paper_is_light(browser: Any, report: Path) -> None:
    tab, _ = opened(browser, report, 1280, "dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    assert tab.evaluate(ground) == "rgb(20, 25, 27)"
    tab.emulate_media(media="print")
    assert tab.evaluate(ground) == "rgb(255, 255, 255)"
    tab.close()


def test_on_paper_no_table_is_cut_off(browser: Any, report: Path) -> None:
    tab, wrong = opened(browser, report, 680, "light")  # A4 with margins of 15 mm
    tab.emulate_media(media="print")
    assert tab.evaluate(WIDTHS) <= 680
    assert tab.pdf(format="A4").startswith(b"%PDF")
    assert wrong == []
    tab.close()


def test_words_without_end_fit_too(browser: Any, tmp_path: Path) -> None:
    tab, wrong = opened(browser, written(tmp_path, renamed(full(), "x" * 200), {}), 390, "light")
    assert wrong == []
    assert tab.evaluate(WIDTHS) <= 390
    tab.close()


def test_a_study_in_which_nothing_could_be_stated_opens_too(browser: Any, tmp_path: Path) -> None:
    tab, wrong = opened(browser, written(tmp_path, minimal(), {}), 390, "light")
    assert wrong == []
    assert tab.evaluate(WIDTHS) <= 390
    tab.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_two_systems_open_without_a_word_and_fit(browser: Any, tmp_path: Path, width: int, scheme: str) -> None:
    target = tmp_path / "differences.html"
    write(target, build_differences(compared(), (full(), other())))
    tab, wrong = opened(browser, target, width, scheme)
    boxes = tab.locator("svg.plot").evaluate_all(BOXES)
    assert wrong == []
    assert len(boxes) == 4
    assert all(across > 250 and down > 140 for across, down in boxes)
    assert tab.evaluate(WIDTHS) <= width
    assert min(tab.locator("svg.plot text").evaluate_all(LETTERS)) >= 9
    tab.close()


def test_two_systems_with_words_without_end_fit_too(browser: Any, tmp_path: Path) -> None:
    target, long = tmp_path / "differences.html", "x" * 200
    studies = (renamed(full(), long), renamed(other(), long))
    write(target, build_differences(renamed(compared(), long), studies))
    tab, wrong = opened(browser, target, 390, "light")
    assert wrong == []
    assert tab.evaluate(WIDTHS) <= 390
    tab.close()


def test_the_report_of_real_pictures_opens_without_a_word(
    browser: Any, shared_data: Path, tmp_path: Path
) -> None:
    faces = shared_data / "faces"
    words = [
        "evaluate",
        "folder",
        faces / "lfw-dev",
        "--report",
        tmp_path / "report.html",
        "--out",
        tmp_path / "study",
    ]
    result = CliRunner().invoke(build_app(), [str(word) for word in words])
    assert result.exit_code == 0, result.output
    tab, wrong = opened(browser, tmp_path / "report.html", 1280, "light")
    assert wrong == []
    assert tab.locator("img").count() >= 40  # twelve hard pairs of each kind
    assert "1,256" in tab.locator("main").inner_text()
    tab.close()
