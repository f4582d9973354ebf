"""The trainer beside a loop as anybody writes it, and what Partial FC saves, in one run.

    python benchmarks/training.py [--only TABLE]… [--rounds 3] [--quick]

Every contender runs in a process of its own, and they take turns over the rounds. All train the same network
on the same JPEG crops with the same loss, batch and mirror; the loop has no schedule, checks, checkpoints and
figures. Prints each table and puts it into docs/training.md (not with --quick). A million classes want 12 GB
of memory.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
from material import ROOT
from tables import machine, rewrite

PAGE = ROOT / "docs" / "training.md"
CONTEND = Path(__file__).resolve().parent / "contend.py"
NETWORKS = {"mobilefacenet": 12, "iresnet50": 4}  # steps that are timed
BATCH, PEOPLE, PICTURES, SIDE = 64, 32, 20, 112
CLASSES = (10_000, 100_000, 1_000_000)
RATES = (1.0, 0.1)
WANTED = 0.95


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    with tempfile.TemporaryDirectory(prefix="mien-bench-") as scratch:
        crops = write_crops(Path(scratch) / "crops")
        for name in options.only or TABLES:
            lines = [*TABLES[name](crops, options), "", f"*{machine(options.rounds)}*"]
            print("\n".join([f"\n## {name}\n", *lines]), flush=True)
            if not options.quick:
                rewrite(PAGE, name, lines)


def write_crops(folder: Path) -> Path:
    """Pictures as crops are: JPEGs of a smooth pattern a person, with noise."""
    rng = np.random.default_rng(0)
    for person in range(PEOPLE):
        (folder / f"p{person:02}").mkdir(parents=True)
        face = cv2.resize(rng.uniform(0, 255, (8, 8, 3)), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        for number in range(PICTURES):
            noisy = (face + rng.normal(0, 12, face.shape)).clip(0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / f"p{person:02}" / f"{number}.jpg"), noisy)
    return folder


def throughput(crops: Path, options: argparse.Namespace) -> Iterator[str]:
    """Faces a second."""
    yield "| network | contender | faces/s (spread) | CPU ms a face | MB |"
    yield "| --- | --- | ---: | ---: | ---: |"
    verdicts = []
    for network, steps in NETWORKS.items():
        steps = 2 if options.quick else steps
        settings = {"crops": str(crops), "network": network, "steps": steps, "batch": BATCH}
        calls = {"mien train": "training_ours:run", "minimal loop": "training_minimal:run"}
        calls["minimal loop, channels last"] = "training_minimal:run_channels_last"
        found: dict[str, list[dict[str, float]]] = {name: [] for name in calls}
        for _ in range(options.rounds):
            for name, call in calls.items():
                found[name].append(one(call, settings))
        yield from (_row(network, name, rounds) for name, rounds in found.items())
        verdicts += [_verdict(network, found, name) for name in list(calls)[1:]]
    yield ""
    yield from verdicts


def _row(network: str, name: str, rounds: list[dict[str, float]]) -> str:
    rates = [each["value"] for each in rounds]
    cpu, peak = (median(each[key] for each in rounds) for key in ("cpu_ms", "peak_mb"))
    spread = f"{median(rates):.1f} ({min(rates):.1f}–{max(rates):.1f})"
    return f"| {network} | {name} | {spread} | {cpu:.0f} | {peak:.0f} |"


def _verdict(network: str, found: dict[str, list[dict[str, float]]], other: str) -> str:
    ours = median(each["value"] for each in found["mien train"])
    theirs = max(each["value"] for each in found[other])
    held = "held" if ours >= WANTED * theirs else "missed"
    return f"- {network}: {ours / theirs:.2f} × the best round of the {other} ({WANTED} wanted: {held})"


def partial_fc(crops: Path, options: argparse.Namespace) -> Iterator[str]:
    """Peak memory of the loss and its optimiser alone."""
    yield "| classes | classes looked at | peak, MB | of it weights and momentum | a step, s |"
    yield "| ---: | ---: | ---: | ---: | ---: |"
    for classes in CLASSES[:1] if options.quick else CLASSES:
        for rate in RATES:
            found = one("training_classes:run", {"classes": classes, "rate": rate})
            held = 2 * classes * 512 * 4 / 1e6
            peak, seconds = found["value"], found["cpu_ms"] / 1000
            yield f"| {classes:,} | {rate:.0%} | {peak:,.0f} | {held:,.0f} | {seconds:.2f} |"


TABLES = {"throughput": throughput, "partial-fc": partial_fc}


def one(call: str, settings: dict[str, Any]) -> dict[str, float]:
    """A contender's figures."""
    order = json.dumps({"call": call, "settings": settings})
    done = subprocess.run(
        [sys.executable, str(CONTEND)], input=order, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{call} failed:\n{done.stderr}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(f"  {call} {settings}: {figures['value']:.4g}", file=sys.stderr, flush=True)
    return figures


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=TABLES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
