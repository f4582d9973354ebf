"""Memory, each measurement in a process of its own: flat over a long run, bounded for a large picture."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mien.values import Pixels

pytestmark = pytest.mark.long

CONTEND = Path(__file__).resolve().parents[2] / "benchmarks" / "contend.py"
STARTER = {"bundle": "dlib-resnet", "detector": "mtcnn"}
PICTURES, EACH = 3000, 100
SIZES = range(200, 344, 12)  # many sizes: an engine that kept memory for each would be seen


def contend(call: str, **settings: Any) -> dict[str, Any]:
    order = json.dumps({"call": call, "settings": settings})
    done = subprocess.run([sys.executable, CONTEND], input=order, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def write(path: Path, pixels: Pixels) -> str:
    assert cv2.imwrite(str(path), pixels[:, :, ::-1])
    return str(path)


def test_memory_stays_flat_over_three_thousand_pictures(portrait: Pixels, tmp_path: Path) -> None:
    face = portrait[:250, 100:350]
    pictures = [write(tmp_path / f"{side}.jpg", cv2.resize(face, (side, side))) for side in SIZES]
    marks = contend("ours:memory_over", pictures=pictures, total=PICTURES, each=EACH, **STARTER)["marks"]
    third = len(marks) // 3
    middle, last = (float(np.median(part)) for part in (marks[third : 2 * third], marks[2 * third :]))
    assert last < 1.03 * middle, marks


@pytest.mark.parametrize("kind", ["jpg", "png"])
def test_a_picture_of_forty_megapixels_needs_under_600_mb(kind: str, portrait: Pixels, tmp_path: Path) -> None:
    picture = write(tmp_path / f"big.{kind}", cv2.resize(portrait, (8000, 5000)))
    found = contend("ours:biggest", picture=picture, **STARTER)
    assert found["faces"] >= 1
    assert found["value"] < 600
