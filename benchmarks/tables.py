"""Figures → tables for people, and the tables of docs/performance.md."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Literal

from clock import Measured
from groups import Group, Limit, Target

from mien.bundle.runtime import available_cores

LIBRARIES = ("onnxruntime", "opencv-python-headless", "numpy")

Results = Mapping[str, Sequence[Measured]]  # by contender, one a round


def table(group: Group, results: Results) -> list[str]:
    """A Markdown table: the median of the rounds, their spread, our ratio, processor time, peak memory.

    Columns that no contender fills are left out.
    """
    titles = ["", group.unit, "rounds", f"{group.reference} is × as fast", "CPU ms", "peak MB", "faces"]
    rows = [_row(group, contender.name, results) for contender in group.contenders]
    shown = [i for i, title in enumerate(titles) if not title or any(row[i] for row in rows)]
    lines = [titles, ["---"] + ["---:"] * (len(titles) - 1), *rows]
    return ["| " + " | ".join(line[i] for i in shown) + " |" for line in lines]


def verdicts(group: Group, results: Results) -> list[str]:
    """A line for each target and limit: what was asked, what came out; and how memory went."""
    targets = [_verdict(group, target, results) for target in group.targets]
    limits = [_limit(limit, results, group.unit) for limit in group.limits]
    marks = {name: rounds[-1]["marks"] for name, rounds in results.items() if "marks" in rounds[-1]}
    courses = [f"{name}, MB on the way: {', '.join(map(number, each))}" for name, each in marks.items()]
    return [line for line in (*targets, *limits, *courses) if line]


def machine(rounds: int) -> str:
    """Where and when, in one line."""
    libraries = ", ".join(f"{package} {version(package)}" for package in LIBRARIES)
    return (
        f"{available_cores()} cores ({_processor()}), {platform.system()}, Python {platform.python_version()}, "
        f"{libraries}; {date.today().isoformat()}; rounds, alternated: {rounds}"
    )


def rewrite(page: Path, name: str, lines: Sequence[str]) -> None:
    """Put the lines between the page's markers of that name. SystemExit where it has none."""
    text = page.read_text("utf-8")
    marked = re.compile(rf"(<!-- bench:{name} -->\n).*?(<!-- /bench -->)", re.S)
    if not marked.search(text):
        raise SystemExit(f"{page} has no <!-- bench:{name} --> … <!-- /bench -->")
    body = "\n".join(lines) + "\n"
    page.write_text(marked.sub(lambda found: found[1] + body + found[2], text), "utf-8")


def number(value: float) -> str:
    """Three digits that mean something: 0.0123, 1.23, 12.3, 123."""
    return f"{value:.{max(0, 2 - len(str(int(abs(value)))) + 1)}f}" if abs(value) >= 1 else f"{value:.3g}"


def _row(group: Group, name: str, results: Results) -> list[str]:
    rounds = results.get(name)
    if not rounds:
        return [name, "not measured", *[""] * 5]
    values = [each["value"] for each in rounds]
    ours = results.get(group.reference)
    return [
        name,
        number(median(values)),
        f"{number(min(values))}–{number(max(values))}",
        f"{_ratio(group, _middle(ours), median(values)):.2f}" if ours else "",
        number(_middle(rounds, "cpu_ms")) if "cpu_ms" in rounds[0] else "",
        f"{max(each['peak_mb'] for each in rounds):.0f}",
        str(rounds[0].get("faces", "")),
    ]


def _verdict(group: Group, target: Target, results: Results) -> str:
    measured = [name for name in target.than if name in results]
    if target.of not in results or not measured:
        return ""
    pick = max if group.better == "more" else min
    best = {name: pick(each["value"] for each in results[name]) for name in measured}
    name = pick(best, key=lambda each: best[each])
    ratio = _ratio(group, _middle(results[target.of]), best[name])
    met = "met" if ratio >= target.least else "MISSED"
    return f"{target.of}: {ratio:.2f} × the best round of {name}; at least {target.least:g} wanted: {met}"


def _limit(limit: Limit, results: Results, unit: str) -> str:
    if limit.of not in results:
        return ""
    worst = max(each["value"] for each in results[limit.of])
    met = "met" if worst < limit.most else "MISSED"
    return f"{limit.of}: {worst:.0f} {unit}; under {limit.most:g} wanted: {met}"


def _ratio(group: Group, ours: float, theirs: float) -> float:
    return ours / theirs if group.better == "more" else theirs / ours


def _middle(rounds: Sequence[Measured], key: Literal["value", "cpu_ms"] = "value") -> float:
    return median(each[key] for each in rounds)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    named = {key.strip(): value.strip() for key, value in fields.items()}
    if "model name" not in named:
        return platform.processor() or os.uname().machine
    return f"{named['model name']}, family {named.get('cpu family')} model {named.get('model')}"
