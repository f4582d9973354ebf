"""Bundles damaged in every way a file can be, with digests restamped so that the parsers are what is tested."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from google.protobuf.message import Message
from graphs import detect_card, embed_card, graph_of, serialised
from onnx import ModelProto, helper

from mien.bundle.bundle import Bundle
from mien.bundle.calibration import Calibration, Threshold, encode_calibration
from mien.bundle.card import EmbedCard, decode_card, encode_card
from mien.bundle.runtime import Runtime
from mien.bundle.session import Session
from mien.errors import MienError
from mien.recognition.embed import Embedder

ALIGNER = "b" * 64
CALIBRATION = f"calibrations/{ALIGNER}.json"
ONE_THREAD = Runtime(threads=1)
LARGEST_SIDE = 2000
MEMORY = 4 << 30  # bytes of address space a worker may ask for
Parts = dict[str, bytes]  # card.json, the graph and a calibration, by their place in the folder

NUMBERS = [0, 1, -1, 2, 3, 7, 255, 4096, 65535, 10**6, 2**31 - 1, 2**31, 2**40, 2**63 - 1, -(2**31), -(2**63)]
JSON_VALUES = [
    *NUMBERS,
    None,
    True,
    "",
    "x",
    "../x",
    "é" * 50,
    [],
    {},
    [[]],
    [1, 2],
    0.5,
    -0.0,
    1e308,
    1e-308,
    2**70,
]


def small_network() -> bytes:
    """A picture of any size → 4 numbers, by a dozen kinds of operator."""
    rng = np.random.default_rng(0)
    weights = {
        "w1": rng.normal(size=(8, 3, 3, 3)).astype(np.float32),
        "w2": rng.normal(size=(8, 1, 3, 3)).astype(np.float32),
        "slope": np.full((8, 1, 1), 0.25, np.float32),
        "g": np.ones(8, np.float32),
        "z": np.zeros(8, np.float32),
        "roi": np.empty(0, np.float32),
        "scales": np.array([1, 1, 2, 2], np.float32),
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
        "shape": np.array([0, -1, 8]),
        "full": np.array([8, 4]),
        "yes": np.array(True),
    }
    constant = helper.make_node("ConstantOfShape", ["full"], ["value"])
    branch = helper.make_graph([constant], "then", [], [helper.make_tensor_value_info("value", 1, [8, 4])])
    other = helper.make_node("ConstantOfShape", ["full"], ["value"])
    otherwise = helper.make_graph([other], "else", [], [helper.make_tensor_value_info("value", 1, [8, 4])])
    make = helper.make_node
    nodes = [
        make("Pad", ["input", "pads"], ["padded"]),
        make("Conv", ["padded", "w1"], ["c1"], strides=[2, 2], pads=[1, 1, 1, 1]),
        make("BatchNormalization", ["c1", "g", "z", "z", "g"], ["b1"]),
        make("PRelu", ["b1", "slope"], ["p1"]),
        make("MaxPool", ["p1"], ["m1"], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
        make("Conv", ["m1", "w2"], ["c2"], group=8, dilations=[1, 1], pads=[1, 1, 1, 1]),
        make("Resize", ["c2", "roi", "scales"], ["r2"], mode="nearest"),
        make("Slice", ["r2", "st", "en", "ax"], ["s2"]),
        make("Transpose", ["s2"], ["t2"], perm=[0, 2, 3, 1]),
        make("Reshape", ["t2", "shape"], ["flat"]),
        make("ReduceMean", ["flat"], ["mean"], axes=[1], keepdims=0),
        make("If", ["yes"], ["offset"], then_branch=branch, else_branch=otherwise),
        make("Gemm", ["mean", "proj"], ["dense"]),
        make("MatMul", ["mean", "offset"], ["zero"]),
        make("Add", ["dense", "zero"], ["output"]),
    ]
    weights |= {"st": np.array([0]), "en": np.array([2**31]), "ax": np.array([2])}
    weights["proj"] = rng.normal(size=(8, 4)).astype(np.float32)
    return serialised(graph_of(nodes, ("n", 3, "h", "w"), {"output": ("n", 4)}, weights))


def calibration(bundle: str) -> bytes:
    rows = tuple(
        Threshold(fmr=f, similarity=s, low=s, high=s, fmr_low=f, fmr_high=f)
        for f, s in ((0.1, 0.2), (0.01, 0.5))
    )
    counts = {"people": 10, "genuine_pairs": 10, "impostor_pairs": 300}
    words = {"data": "made up", "date": "2025-01-01", "method": "by hand"}
    made = Calibration(bundle=bundle, aligner=ALIGNER, thresholds=rows, tar=(1, 1), **counts, **words)
    return encode_calibration(made)


def whole_bundles() -> list[Parts]:
    made = [embed_card(), embed_card(small_network(), (24, 20)), detect_card(small_network())]
    return [
        {
            "card.json": encode_card(card),
            "model.onnx": files["model.onnx"],
            CALIBRATION: calibration(card.digest),
        }
        for card, files in made
    ]


def damaged(seed: int, bundles: list[Parts]) -> Parts:
    """One bundle with one to three kinds of damage, the same for the same seed."""
    rng = Random(seed)
    parts = dict(rng.choice(bundles))
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        kind = rng.random()
        if kind < 0.2:
            parts["card.json"] = in_json(parts["card.json"], rng)
        elif kind < 0.3:
            parts[CALIBRATION] = rng.choice([in_json, in_bytes])(parts[CALIBRATION], rng)
        elif kind < 0.65:
            parts["model.onnx"] = in_bytes(parts["model.onnx"], rng)
        else:
            parts["model.onnx"] = in_graph(parts["model.onnx"], rng)
    return restamped(parts)


def restamped(parts: Parts) -> Parts:
    """The card made to name the graph as it now is, and the calibration to name that card."""
    with suppress(ValueError, KeyError, TypeError, IndexError, MienError):
        card = json.loads(parts["card.json"])
        card["files"][0]["sha256"] = hashlib.sha256(parts["model.onnx"]).hexdigest()
        parts = {**parts, "card.json": json.dumps(card).encode()}
        made = json.loads(parts[CALIBRATION])
        made["bundle"] = decode_card(parts["card.json"]).digest
        parts = {**parts, CALIBRATION: json.dumps(made).encode()}
    return parts


def in_json(text: bytes, rng: Random) -> bytes:
    try:
        whole = json.loads(text)
    except ValueError:
        return in_bytes(text, rng)
    holders = [part for part in everything_in(whole) if isinstance(part, dict | list) and part]
    holder = rng.choice(holders or [[0]])
    key = rng.choice(list(holder)) if isinstance(holder, dict) else rng.randrange(len(holder))
    if rng.random() < 0.2:
        del holder[key]
    elif rng.random() < 0.15 and isinstance(holder, dict):
        holder[rng.choice(["extra", "", "files", "task"])] = rng.choice(JSON_VALUES)
    else:
        holder[key] = rng.choice(JSON_VALUES)
    return json.dumps(whole).encode()


def everything_in(value: Any) -> list[Any]:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [value, *(each for part in inside for each in everything_in(part))]


def in_bytes(content: bytes, rng: Random) -> bytes:
    out = bytearray(content or b"\0")
    at, length = rng.randrange(len(out)), rng.choice([1, 2, 4, 8, 64])
    ways: list[Callable[[], Any]] = [
        lambda: [out.__setitem__(rng.randrange(len(out)), rng.randrange(256)) for _ in range(length)],
        lambda: out.__setitem__(at, out[at] ^ 1 << rng.randrange(8)),
        lambda: out.__delitem__(slice(at, None)),
        lambda: out.__delitem__(slice(at, at + length)),
        lambda: out.__setitem__(slice(at, at), rng.randbytes(length)),
        lambda: out.__setitem__(slice(at, at), out[(b := rng.randrange(len(out))) : b + length]),
        lambda: out.__setitem__(slice(at, at + length), rng.choice([b"\0", b"\xff"]) * length),
    ]
    rng.choice(ways)()
    return bytes(out)


def in_graph(content: bytes, rng: Random) -> bytes:
    """A change that leaves the file a readable graph: a number, a name, an operator, a tensor."""
    model = ModelProto()
    try:
        model.ParseFromString(content)
    except Exception:  # damaged before: protobuf's own errors have no common root
        return in_bytes(content, rng)
    fields = [(m, f) for m in messages_in(model) for f, _ in m.ListFields() if f.message_type is None]
    if not fields:
        return content
    message, field = rng.choice(fields)
    change(message, field, rng, fields)
    return bytes(model.SerializePartialToString())


def messages_in(message: Message) -> list[Message]:
    found = [message]
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in value if field.is_repeated else [value]:
                found += messages_in(part)
    return found


def change(message: Any, field: Any, rng: Random, fields: list[Any]) -> None:
    """Another value of the field's own kind, at times one that stands elsewhere in the graph."""
    alike = [
        getattr(m, f.name) for m, f in fields if f.type == field.type and f.is_repeated == field.is_repeated
    ]
    try:
        value = getattr(message, field.name)
        if field.is_repeated:
            at = rng.randrange(len(value))
            if rng.random() < 0.2:
                del value[at]
            elif rng.random() < 0.2:
                value.append(value[at])
            else:
                value[at] = another(value[at], [v for many in alike for v in many], rng)
        else:
            setattr(message, field.name, another(value, alike, rng))
    except (ValueError, TypeError):  # out of the field's range: the graph stays as it was
        return


def another(value: Any, alike: list[Any], rng: Random) -> Any:
    if rng.random() < 0.4:
        return rng.choice(alike)
    if isinstance(value, bytes) and rng.random() < 0.7:
        return in_bytes(value, rng)
    if isinstance(value, float):
        return rng.choice([0.0, -1.0, 1e38, float("nan"), float("inf")])
    if isinstance(value, int):
        return rng.choice([*NUMBERS, value + 1, value - 1, -value])
    return rng.choice([value * 2, value[:-1], type(value)()])


def use(folder: Path, parts: Parts) -> str:
    """Write the parts as they are, open and run the bundle once: "works", or the name of our error."""
    for name, content in parts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    try:
        run_once(Bundle.open(folder))
    except MienError as error:
        return type(error).__name__
    return "works"


def run_once(bundle: Bundle) -> None:
    bundle.calibration(ALIGNER)
    for file in bundle.card.files:
        session = Session(bundle, file.name, ONE_THREAD)
        sides = bundle.card.input.size or session.sides
        height, width = (min(side or 24, LARGEST_SIDE) for side in sides)
        session(np.full((1, height, width, 3), 99, np.uint8))
    if isinstance(bundle.card, EmbedCard) and max(bundle.card.input.size or ()) <= LARGEST_SIDE:
        Embedder(bundle, ONE_THREAD)(np.full((2, *(bundle.card.input.size or ()), 3), 99, np.uint8))


def outcomes(first: int, last: int, *, patience: float) -> Counter[str]:
    """How many of these seeds ended how, in an interpreter of its own; AssertionError where one ended that.

    An engine that crashes takes its interpreter along, and one that hangs would hold the tests: hence the
    process, its bounded memory, and `patience` in seconds.
    """
    command = [sys.executable, "-W", "error", __file__, str(first), str(last)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=patience, env=environment, check=False
        )
    except subprocess.TimeoutExpired as late:
        begun = (late.stdout or b"").decode().split()
        raise AssertionError(f"no end after {patience} s, at {begun[-1:]}") from late
    lines = done.stdout.split()
    assert done.returncode == 0, f"exit code {done.returncode} at {lines[-1:]}: {done.stderr[-2000:]}"
    return Counter(line.split(":")[1] for line in lines if ":" in line)


def main(first: str, last: str) -> None:
    """Work through seeds; "SEED" before and "SEED:ENDED" after each, so that a crash shows which it was."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    bundles = whole_bundles()
    for seed in range(int(first), int(last)):
        print(seed, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            ended = use(Path(folder), damaged(seed, bundles))
        print(f"{seed}:{ended}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
