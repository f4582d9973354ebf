"""What the READMEs say is so: their Python prints what stands below it, their commands exist, both agree."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mien.cli import build_app

ROOT = Path(__file__).resolve().parents[1]
READMES = ("README.md", "README.zh-CN.md")


def blocks(name: str, kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", (ROOT / name).read_text("utf-8"), flags=re.DOTALL)


@pytest.mark.parametrize("name", READMES)
def test_the_python_block_prints_what_it_says(name: str, tmp_path: Path) -> None:
    (code,), (wanted,) = blocks(name, "python"), blocks(name, "text")
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.stderr == ""
    assert ran.stdout == wanted


def test_the_newcomer_sees_it_before_line_30() -> None:
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    assert lines.index("```text") < 30
    assert any("make demo" in line for line in lines[:30])


@pytest.mark.parametrize("name", READMES)
def test_the_commands_and_their_options_exist(name: str) -> None:
    text = "\n".join(blocks(name, "console"))
    commands = [words for line in text.splitlines() for words in mien_commands(line)]
    assert len(commands) >= 6
    for words in commands:
        verb = words[:2] if words[0] in ("models", "evaluate", "people", "gallery", "review") else words[:1]
        shown = CliRunner().invoke(build_app(), [*verb, "--help"])
        assert shown.exit_code == 0, words
        for option in (word for word in words if word.startswith("--")):
            assert option in shown.stdout, (words, option)


def mien_commands(line: str) -> list[list[str]]:
    words = shlex.split(line.removeprefix("$ "), comments=True)
    parts = " ".join(words).split(" && ")
    return [part.split()[1:] for part in parts if part.startswith("mien ")]


def test_make_targets_that_are_named_exist() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE)
    for name in (*READMES, "CONTRIBUTING.md"):
        for target in re.findall(r"make ([a-z-]+)`?", "\n".join(blocks(name, "console"))):
            assert target in targets


def test_both_languages_say_the_same() -> None:
    english, chinese = ((ROOT / name).read_text("utf-8") for name in READMES)

    def shape(text: str) -> list[str]:
        without_comments = re.sub(r"(?m) +#.*$", "", text)
        return re.findall(r"```\w+\n.*?```", without_comments, flags=re.DOTALL)

    assert shape(english) == shape(chinese)
    assert english.count("\n## ") == chinese.count("\n## ")
    cells = [re.findall(r"(?m)^\|[^|]*\|([^|]*)\|$", text) for text in (english, chinese)]
    assert len(cells[0]) > 4
    assert cells[0] == cells[1]


def test_links_lead_somewhere() -> None:
    pages = [*(ROOT / name for name in (*READMES, "CONTRIBUTING.md", "CHANGELOG.md")), *ROOT.glob("docs/*.md")]
    for page in pages:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
