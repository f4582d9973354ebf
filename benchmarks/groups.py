"""What is compared with what: each group a table of contenders that do the same work."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from material import INSIGHTFACE_NAME, Material

from mien.bundle.runtime import available_cores

OURS = "mien"
STARTER = {"bundle": "dlib-resnet", "detector": "mtcnn"}
LONGEST = 1.4  # times the matrix product that all pairs may take
DETECTOR_SHAPES = {"scrfd": (1, 3, 640, 640), "mobilefacenet": (8, 3, 112, 112)}


@dataclass(frozen=True, slots=True)
class Contender:
    """name: in the table; two words that tell it from the others. call: module:function under contenders/."""

    name: str
    call: str
    settings: Mapping[str, Any]
    peer: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """What issue or design ask: `of` at least `least` times better than the best round of `than`'s best.

    Where lower is better the ratio is turned over, so that more is always better.
    """

    of: str
    than: tuple[str, ...]
    least: float


@dataclass(frozen=True, slots=True)
class Limit:
    """What a figure must stay under."""

    of: str
    most: float


@dataclass(frozen=True, slots=True)
class Group:
    """A table. reference: the contender whose speed every row is compared with."""

    title: str
    unit: str
    better: Literal["more", "less"]
    contenders: Sequence[Contender]
    reference: str = ""
    targets: Sequence[Target] = ()
    limits: Sequence[Limit] = ()
    note: str = ""


def embedder(material: Material) -> Group:
    """One face through dlib's network, ours and theirs."""
    cores = available_cores()
    contenders = []
    for batch in (1, 32):
        for threads in sorted({1, cores}):
            settings = {"chips": material.chips, "batch": batch, "threads": threads}
            contenders.append(Contender(f"mien, batch {batch}, threads {threads}", "ours:embed", settings))
        settings = {"chips": material.chips, "batch": batch}
        contenders.append(Contender(f"dlib, batch {batch}", "dlib_peer:embed", settings, peer=True))
    return Group(
        "dlib-resnet, the graph alone (uint8 chips in, 128 numbers out)",
        "ms a face",
        "less",
        contenders,
        targets=[
            Target(f"mien, batch {batch}, threads {threads}", (f"dlib, batch {batch}",), least)
            for batch in (1, 32)
            for threads, least in ((cores, 20.0), (1, 12.0))
        ],
        note="dlib's wheel has no BLAS and runs this network on one core, whatever the machine has.",
    )


def starter(material: Material) -> Group:
    """The road of the starter bundles beside dlib's."""
    pictures = {"pictures": material.portraits}
    return Group(
        "mtcnn + dlib-resnet (with mirror), end to end from files",
        "images/s",
        "more",
        [
            Contender(OURS, "ours:read", pictures | STARTER),
            Contender("dlib", "dlib_peer:read", pictures, peer=True),
            *_alone(pictures | STARTER),
        ],
        reference=OURS,
        targets=[Target(OURS, ("dlib",), 5.0)],
        note=f"On {len(material.portraits)} pictures, {material.pictures}. dlib as face_recognition calls it: "
        "HOG with the picture doubled once, five-point landmarks, ResNet without mirror; it uses one core.",
    )


def scrfd(material: Material) -> Group:
    """SCRFD at 640 with MobileFaceNet on portraits."""
    return _scrfd_group(
        material,
        "scrfd_500m at 640×640 + mobilefacenet, end to end from files",
        material.portraits,
        f"On {len(material.portraits)} pictures, {material.pictures}.",
    )


def parties(material: Material) -> Group:
    """The same on pictures of many faces."""
    pictures = list(material.parties) * (4 if material.quick else 20)
    return _scrfd_group(
        material,
        "group pictures, scrfd_500m at 640×640 + mobilefacenet",
        pictures,
        f"{len(material.parties)} pictures of about 1200×800 with five faces or more, over and over.",
    )


def yunet(material: Material) -> Group:
    """YuNet at the picture's own size with MobileFaceNet."""
    pictures = {"pictures": material.portraits}
    ours = pictures | {"bundle": material.bundles["mobilefacenet"], "detector": material.bundles["yunet"]}
    loops = _loops("yunet", material, pictures)
    return Group(
        "yunet_n at the picture's own size + mobilefacenet (no mirror), end to end from files",
        "images/s",
        "more",
        [Contender(OURS, "ours:read", ours), *loops, *_alone(ours)],
        reference=OURS,
        targets=[Target(OURS, tuple(loop.name for loop in loops), 1.3)],
        note=f"On {len(material.portraits)} pictures, {material.pictures}.",
    )


def start(_: Material) -> Group:
    """What importing costs."""
    codes = {
        "bare python": "pass",
        "import numpy": "import numpy",
        "import mien": "import mien",
        "from mien import Recognizer": "from mien import Recognizer",
    }
    return Group(
        "starting: `python -c …`",
        "ms",
        "less",
        [Contender(name, "start:statement", {"code": code, "times": 7}) for name, code in codes.items()],
        reference="import mien",
    )


def latency(material: Material) -> Group:
    """One picture at a time, nothing to overlap with."""
    settings = {"pictures": material.portraits[:60]} | STARTER
    return Group(
        "one picture at a time (`read`), mtcnn + dlib-resnet",
        "ms a picture",
        "less",
        [
            Contender(OURS, "ours:latency", settings),
            Contender("models alone: all cores a run", "alone:latency", settings),
        ],
        reference=OURS,
        note=f"{material.pictures}; the median picture.",
    )


def memory(material: Material) -> Group:
    """Peak memory of large pictures and of long runs, the process and its models included."""
    large = [
        Contender(f"find, 40 megapixels, {kind.upper()}", "ours:biggest", {"picture": path} | STARTER)
        for kind, path in material.big.items()
    ]
    total = 300 if material.quick else 3000
    many = {"pictures": material.portraits, "total": total, "each": total // 6} | STARTER
    return Group(
        "memory, mtcnn + dlib-resnet, the whole process",
        "MB",
        "less",
        [*large, Contender(f"after {total} pictures", "ours:memory_over", many)],
        limits=[Limit(contender.name, 600.0) for contender in large],
    )


def pairs(material: Material) -> Group:
    """All pairs of many vectors beside the matrix product that makes their similarities."""
    sizes = (4_000, 8_000) if material.quick else (25_000, 50_000, 100_000)
    largest = f"{sizes[-1]:,}"
    return Group(
        "all pairs: similarities, counts, exact thresholds",
        "ns a pair",
        "less",
        [
            Contender(f"mien, {n:,} pictures × 512", "pairs:ours", {"pictures": n, "dimension": 512})
            for n in sizes
        ]
        + [
            Contender(
                f"product alone, {largest} × 512", "pairs:alone", {"pictures": sizes[-1], "dimension": 512}
            )
        ],
        reference=f"mien, {largest} pictures × 512",
        targets=[Target(f"mien, {largest} pictures × 512", (f"product alone, {largest} × 512",), 1 / LONGEST)],
        note="Made vectors, ten a person. MB on the way: before, with the vectors, and after.",
    )


def studies(material: Material) -> Group:
    """A whole study of made vectors."""
    sizes = (2_000,) if material.quick else (3_380, 13_233)
    return Group(
        "a study: all pairs, curves, intervals by 1,000 draws of people, reliability",
        "s",
        "less",
        [Contender(f"{n:,} pictures × 128", "pairs:study", {"pictures": n, "dimension": 128}) for n in sizes],
        note="Made vectors, ten a person; 13,233 pictures (all of LFW) make 87 million pairs.",
    )


def threads(material: Material) -> Group:
    """One model, the cores shared out in different ways."""
    cores = available_cores()
    arrangements = {
        f"one engine of {cores} threads, spinning": (cores, 1, True),
        f"one engine of {cores} threads, not spinning": (cores, 1, False),
        f"one-thread engine, {cores} callers": (1, cores, False),
    }
    contenders = [
        Contender(
            f"{model}: {name}",
            "sessions:runs",
            {
                "graph": material.models[model],
                "shape": shape,
                "threads": count,
                "callers": callers,
                "spinning": spinning,
                "seconds": 0.5 if material.quick else 3.0,
            },
        )
        for model, shape in DETECTOR_SHAPES.items()
        for name, (count, callers, spinning) in arrangements.items()
    ]
    return Group(
        "the same model, the cores shared out differently",
        "pictures/s",
        "more",
        contenders,
        note="scrfd 1×640×640, mobilefacenet 8×112×112. Nothing else runs here; with two models and OpenCV's "
        "own threads on the same cores, spinning costs more than it does here.",
    )


# The groups of `make bench`, by name, and the models (keys of material.MODELS) that each needs.
GROUPS: Mapping[str, tuple[Callable[[Material], Group], tuple[str, ...]]] = {
    "embedder": (embedder, ()),
    "starter": (starter, ()),
    "scrfd": (scrfd, ("scrfd", "mobilefacenet")),
    "yunet": (yunet, ("yunet", "mobilefacenet")),
    "groups": (parties, ("scrfd", "mobilefacenet")),
    "latency": (latency, ()),
    "threads": (threads, ("scrfd", "mobilefacenet")),
    "start": (start, ()),
    "memory": (memory, ()),
    "pairs": (pairs, ()),
    "studies": (studies, ()),
}


def _scrfd_group(material: Material, title: str, files: Sequence[str], note: str) -> Group:
    pictures = {"pictures": files}
    ours = pictures | {"bundle": material.bundles["mobilefacenet"], "detector": material.bundles["scrfd"]}
    shipped, alone = "insightface, as shipped", _alone(ours)
    peers = [
        Contender(
            name,
            "insightface_peer:read",
            pictures | {"root": material.insightface_root, "name": INSIGHTFACE_NAME, "spinning": spinning},
            peer=True,
        )
        for name, spinning in ((shipped, True), ("insightface, not spinning", False))
    ]
    return Group(
        title,
        "images/s",
        "more",
        [Contender(OURS, "ours:read", ours), *peers, *_loops("scrfd", material, pictures), *alone],
        reference=OURS,
        targets=[Target(OURS, (shipped,), 1.5), Target(OURS, tuple(each.name for each in alone), 0.75)],
        note=note,
    )


def _alone(settings: Mapping[str, Any]) -> list[Contender]:
    cores = available_cores()
    return [
        Contender(f"models alone: one-thread engines, {cores} callers", "alone:callers", settings),
        Contender("models alone: all cores a run, one caller", "alone:threads", settings),
    ]


def _loops(head: str, material: Material, pictures: Mapping[str, Any]) -> list[Contender]:
    files = {"head": head, "detector": material.models[head], "embedder": material.models["mobilefacenet"]}
    return [
        Contender(name, "minimal:read", {**pictures, **files, "spinning": spinning})
        for name, spinning in (("minimal loop", True), ("minimal loop, not spinning", False))
    ]
