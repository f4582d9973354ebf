"""Speed and memory, side by side with peers, in one run.

    python benchmarks/run.py [--only GROUP]… [--rounds 3] [--quick]

Every contender runs in a process of its own; the contenders of a group take turns over the rounds, so that what
else the machine does falls on all of them. Prints a table a group and puts it into docs/performance.md
(not with --quick). A difference under 20 % between two single runs means nothing: look at the spread.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import peers
from clock import Measured
from groups import GROUPS, Contender, Group
from material import MODELS, ROOT, gather
from tables import machine, rewrite, table, verdicts

PAGE = ROOT / "docs" / "performance.md"
CONTEND = Path(__file__).resolve().parent / "contend.py"


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    peer = peers.python()
    with tempfile.TemporaryDirectory(prefix="mien-bench-") as scratch:
        material = gather(Path(scratch), quick=options.quick)
        for name in options.only or GROUPS:
            make, needs = GROUPS[name]
            missing = [MODELS[key] for key in needs if key not in material.models]
            if missing:
                print(f"\n{name}: skipped, no {', '.join(missing)} in ../shared/data/models")
                continue
            lines = measure(make(material), options.rounds, peer)
            if not options.quick:
                rewrite(PAGE, name, lines)


def measure(group: Group, rounds: int, peer: Path | None) -> list[str]:
    """Run a group and print what comes out; its lines for the page."""
    print(f"\n## {group.title}\n", flush=True)
    results: dict[str, list[Measured]] = {}
    for turn in range(rounds):
        for contender in group.contenders:
            measured = one(contender, peer)
            if measured:
                results.setdefault(contender.name, []).append(measured)
                print(f"  round {turn + 1}, {contender.name}: {measured['value']:.4g}", file=sys.stderr)
    bullets = [f"- {line}" for line in verdicts(group, results)]
    lines = [f"{group.note}\n"] if group.note else []
    lines += [*table(group, results), "", *bullets, *([""] if bullets else []), f"*{machine(rounds)}*"]
    print("\n".join(lines), flush=True)
    return lines


def one(contender: Contender, peer: Path | None) -> Measured | None:
    """One turn of one contender; None, with a line, where it cannot run."""
    interpreter = peer if contender.peer else Path(sys.executable)
    if interpreter is None:
        return None
    order = json.dumps({"call": contender.call, "settings": dict(contender.settings)})
    done = subprocess.run([interpreter, CONTEND], input=order, capture_output=True, text=True)
    if done.returncode:
        print(f"{contender.name} failed: {done.stderr.strip()[-800:]}", file=sys.stderr)
        return None
    measured: Measured = json.loads(done.stdout.strip().splitlines()[-1])
    return measured


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=GROUPS, metavar="GROUP", help=", ".join(GROUPS))
    parser.add_argument("--rounds", type=int, default=None, help="3 by default, 1 with --quick")
    parser.add_argument("--quick", action="store_true", help="fewer pictures, one round, the page left alone")
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (1 if options.quick else 3)
    return options


if __name__ == "__main__":
    main()
