"""The gallery's index beside faiss, hnswlib and NumPy, in one run.

    python benchmarks/gallery.py [--only TABLE]… [--rounds 15] [--quick] [--people FOLDER]

Every contender builds its index of the same people in a process of its own, and then they take turns of half a
second, so that what else the machine does falls on all alike. $OPENBLAS_CORETYPE is unset for all of them: it
would choose kernels for some alone. Prints each table and puts it into docs/performance.md, with a plot beside
it (not with --quick). A million people want 9 GB of memory and 2 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Literal

import gallery_people
import peers
from contenders.gallery_searching import Searched
from gallery_people import People
from gallery_plot import Panel, drawing
from material import ROOT
from tables import machine, number, rewrite

PAGE = ROOT / "docs" / "performance.md"
PLOT = ROOT / "docs" / "gallery-growth.svg"
CONTEND = Path(__file__).resolve().parent / "gallery_contend.py"
DIMENSION = 512
RECALL = 0.99  # @1, to which graphs are compared
NEIGHBOURS, BUILDING = 32, 128  # of every graph
KINDS = ("exact", "int8", "float16", "int8-compact", "hnsw")
GRAPH_PEOPLE = 50_000
Key = Literal["alone_ms", "rate", "mb", "first", "ten", "seconds"]


@dataclass(frozen=True, slots=True)
class Contender:
    """settings: beside folder and count."""

    name: str
    call: str
    settings: dict[str, Any] = field(default_factory=dict)
    peer: bool = False


def ours(kind: str) -> Contender:
    return Contender(f"mien, {kind}", "gallery_ours:index", {"kind": kind})


PRODUCT = Contender("product alone", "gallery_ours:product")
PLAIN = Contender("plain NumPy", "gallery_ours:plain")
FAISS = Contender("faiss IndexFlatIP", "gallery_peers:faiss_flat", peer=True)
BUILT = {"neighbours": NEIGHBOURS, "building": BUILDING, "recall": RECALL}
GRAPH = Contender(f"mien, hnsw, just to {RECALL}", "gallery_ours:graph", {"recall": RECALL})
GRAPHS = [
    Contender(f"hnswlib, just to {RECALL}", "gallery_peers:hnswlib_graph", BUILT, peer=True),
    Contender(f"faiss IndexHNSWFlat, just to {RECALL}", "gallery_peers:faiss_graph", BUILT, peer=True),
]
FLAT = [ours(kind) for kind in KINDS if kind != "hnsw"]
Results = dict[str, list[Searched]]


class Bench:
    """A run: where the people are, how many rounds, who the peers are."""

    def __init__(self, scratch: Path, rounds: int, scale: int) -> None:
        self._scratch, self._rounds, self._scale = scratch, rounds, scale
        self._peer = peers.python("gallery_peers")
        self._million: Results = {}

    def million(self) -> Iterator[str]:
        """The great tables, and what was asked of them: two, so that each fits into memory."""
        people = self._people(1_000_000)
        first = self._measure([ours("exact"), ours("int8"), FAISS, PRODUCT], people)
        yield from table(first)
        yield ""
        yield from verdicts(first)
        second = self._measure([ours("exact"), ours("float16"), ours("int8-compact"), PLAIN], people)
        yield from table(second)
        yield ""
        yield from recalls(second)
        self._million = second | first

    def random(self) -> Iterator[str]:
        """Directions drawn evenly: exact forms hardly care."""
        people = self._people(200_000, like_faces=False)
        yield from table(self._measure([*FLAT, FAISS, PRODUCT], people))
        yield ""

    def graphs(self) -> Iterator[str]:
        """Graphs of neighbours at equal recall, beside what looks at everybody."""
        results = self._measure([ours("hnsw"), GRAPH, *GRAPHS, ours("int8")], self._people(GRAPH_PEOPLE))
        yield from table(results, building=True)
        yield ""
        yield from graph_verdicts(results)

    def growth(self) -> Iterator[str]:
        """From a thousand people to a million."""
        sizes = [count // self._scale for count in (1_000, 10_000, 100_000)]
        grown = {count: self._growth(count) for count in sizes}
        if self._million:
            grown[1_000_000 // self._scale] = self._million
        if self._scale == 1:
            PLOT.write_text(drawing(panels(grown)), "utf-8")
        yield from growth_table(grown)
        yield f"\n![Time, rate and memory over the number of people]({PLOT.name})\n"

    def _growth(self, count: int) -> Results:
        return self._measure([*FLAT, FAISS, ours("hnsw")], self._people(count * self._scale))

    def _people(self, count: int, *, like_faces: bool = True) -> People:
        count //= self._scale
        folder = self._scratch / f"{count}-{like_faces}"
        if folder.exists():
            return People(folder, count)
        return gallery_people.make(folder, count, DIMENSION, like_faces=like_faces)

    def _measure(self, contenders: Sequence[Contender], people: People) -> Results:
        with ExitStack() as stack:
            running: dict[str, Running] = {}
            for contender in contenders:
                started = self._start(contender, contender.settings | people.settings)
                if started:
                    running[contender.name] = stack.enter_context(started)
            return take_turns(running, self._rounds)

    def _start(self, contender: Contender, settings: dict[str, Any]) -> Running | None:
        interpreter = self._peer if contender.peer else Path(sys.executable)
        if interpreter is None:
            return None
        try:
            return Running(interpreter, {"call": contender.call, "settings": settings})
        except EOFError:
            print(f"{contender.name} failed, see above", file=sys.stderr)
            return None


class Running:
    """A contender's process, which waits between its turns."""

    def __init__(self, interpreter: Path, order: dict[str, Any]) -> None:
        quiet = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
        self._process = subprocess.Popen(
            [interpreter, CONTEND], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=quiet
        )
        self.held: Searched = self._ask(json.dumps(order))
        print(f"  {order['call']} {order['settings']}: {self.held}", file=sys.stderr, flush=True)

    def turn(self, number: int) -> Searched:
        return self._ask(str(number))

    def _ask(self, line: str) -> Searched:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = next(each for each in iter(self._process.stdout.readline, None) if each[:1] in ("{", ""))
        if not answer:
            self._process.communicate()
            raise EOFError
        measured: Searched = json.loads(answer)
        return measured

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate()  # nothing more to do: it ends with its input


def take_turns(running: dict[str, Running], rounds: int) -> Results:
    """Every contender's figures, one a round; the order turns round, so that none always follows the same."""
    results: Results = {name: [] for name in running}
    names = list(running)
    for turn in range(rounds):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            results[name].append(running[name].held | running[name].turn(turn))
    return results


TABLES: dict[str, Callable[[Bench], Iterator[str]]] = {
    "million": Bench.million,
    "random": Bench.random,
    "graphs": Bench.graphs,
    "growth": Bench.growth,
}


def table(results: Results, *, building: bool = False) -> Iterator[str]:
    """A Markdown table: medians of the rounds, and within what the middle half of them lies."""
    titles = [
        "",
        "ms a query",
        "half of the rounds",
        "queries/s, batches of 100",
        "half of the rounds",
        "MB",
        "recall@1",
        "recall@10",
    ]
    titles += ["s to build"] if building else []
    yield "| " + " | ".join(titles) + " |"
    yield "| --- |" + " ---: |" * (len(titles) - 1)
    for name, rounds in results.items():
        cells = [name, *_spread(rounds, "alone_ms"), *_spread(rounds, "rate"), f"{middle(rounds, 'mb'):,.0f}"]
        cells += [f"{middle(rounds, key):.4f}" if key in rounds[0] else "" for key in ("first", "ten")]
        cells += [number(middle(rounds, "seconds")) if "seconds" in rounds[0] else ""] if building else []
        yield "| " + " | ".join(cells) + " |"


def verdicts(results: Results) -> Iterator[str]:
    """What was asked of a million people."""
    for kind, key, than, least in (
        ("exact", "alone_ms", FAISS.name, 2.0),
        ("exact", "rate", PRODUCT.name, 0.65),
        ("int8", "rate", "mien, exact", 2.5),
    ):
        yield from _verdict(results, f"mien, {kind}", key, than, least)  # type: ignore[arg-type]
    yield from recalls(results)


def recalls(results: Results) -> Iterator[str]:
    """What each form finds, and in how much memory."""
    for kind in ("int8", "float16", "int8-compact"):
        rounds = results.get(f"mien, {kind}")
        if rounds:
            found = f"{middle(rounds, 'first'):.4f} at 1, {middle(rounds, 'ten'):.4f} at 10"
            yield f"- mien, {kind}: recall {found}, in {middle(rounds, 'mb'):,.0f} MB"
    yield ""


def graph_verdicts(results: Results) -> Iterator[str]:
    for peer in GRAPHS:
        yield from _verdict(results, GRAPH.name, "rate", peer.name, 1.0)
        yield from _verdict(results, GRAPH.name, "alone_ms", peer.name, 1.0)
    yield ""


def _verdict(results: Results, name: str, key: Key, than: str, least: float) -> Iterator[str]:
    """The median of the rounds' ratios: both sides of each were taken within seconds of each other."""
    if name not in results or than not in results:
        return
    pairs = [(mine[key], theirs[key]) for mine, theirs in zip(results[name], results[than], strict=True)]
    ratio = median(mine / theirs if key == "rate" else theirs / mine for mine, theirs in pairs)
    words = {"rate": "in batches", "alone_ms": "alone"}[key]
    met = "met" if ratio >= least else "MISSED"
    yield f"- {name}: {ratio:.2f} × the rate of {than}, {words}; at least {least:g} wanted: {met}"


def growth_table(grown: dict[int, Results]) -> Iterator[str]:
    """ms a query alone / queries a second in batches / MB."""
    names = list(
        dict.fromkeys(
            name for results in grown.values() for name in results if "," in name or name == FAISS.name
        )
    )
    yield "| people | " + " | ".join(names) + " |"
    yield "| ---: |" + " ---: |" * len(names)
    for count, results in grown.items():
        cells = [_three(results[name]) if name in results else "" for name in names]
        yield f"| {count:,} | " + " | ".join(cells) + " |"


def panels(grown: dict[int, Results]) -> list[Panel]:
    titles: dict[Key, str] = {
        "alone_ms": "ms a query, alone",
        "rate": "queries/s, batches of 100",
        "mb": "MB held",
    }
    names = dict.fromkeys(name for results in grown.values() for name in results)
    return [
        Panel(
            title,
            {
                name: [
                    (count, middle(results[name], key)) for count, results in grown.items() if name in results
                ]
                for name in names
                if name not in (PLAIN.name, PRODUCT.name)
            },
        )
        for key, title in titles.items()
    ]


def middle(rounds: Sequence[Searched], key: Key) -> float:
    return median(each[key] for each in rounds)


def _spread(rounds: Sequence[Searched], key: Key) -> list[str]:
    values = [each[key] for each in rounds]
    low, high = (sorted(values)[round(share * (len(values) - 1))] for share in (0.25, 0.75))
    return [number(median(values)), f"{number(low)}–{number(high)}"]


def _three(rounds: Sequence[Searched]) -> str:
    return " / ".join(number(middle(rounds, key)) for key in ("alone_ms", "rate", "mb"))


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    with tempfile.TemporaryDirectory(prefix="mien-gallery-") as scratch:
        bench = Bench(options.people or Path(scratch), options.rounds, 100 if options.quick else 1)
        for name in options.only or TABLES:
            lines = [*TABLES[name](bench), f"*{machine(options.rounds)}*"]
            print("\n".join([f"\n## {name}\n", *lines]), flush=True)
            if not options.quick:
                rewrite(PAGE, f"gallery-{name}", lines)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=TABLES, metavar="TABLE", help=", ".join(TABLES))
    parser.add_argument("--rounds", type=int, default=None, help="15 by default, 2 with --quick")
    parser.add_argument(
        "--people", type=Path, metavar="FOLDER", help="keep the made people there, for a next run"
    )
    parser.add_argument("--quick", action="store_true", help="a hundredth of the people, the page left alone")
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (2 if options.quick else 15)
    return options


if __name__ == "__main__":
    main()
