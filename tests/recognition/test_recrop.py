"""Crops read as crops: no detector, landmarks where they are declared."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.bundle.bundle import Bundle
from mien.bundle.card import Reference
from mien.bundle.catalog import find_bundle
from mien.bundle.importers.onnx import ARCFACE
from mien.bundle.runtime import Runtime
from mien.errors import BundleError, ImageError, InputError
from mien.images import encode_png
from mien.recognition.align import transforms, warp
from mien.recognition.recognizer import Recognizer
from mien.recognition.recrop import CropReader
from mien.values import Failure, Pixels, Reading

SIZE = (112, 112)
POINTS = Reference(points=ARCFACE)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return find_bundle("dlib-resnet")


@pytest.fixture(scope="module")
def reader(bundle: Bundle) -> CropReader:
    return CropReader(bundle, POINTS, SIZE, Runtime(threads=2))


@pytest.fixture(scope="module")
def crop(portrait: Pixels, recognizer: Recognizer) -> Pixels:
    """The portrait's face as ArcFace's crops have it."""
    faces = recognizer.find(portrait).faces
    return warp(portrait, transforms(faces.landmarks, POINTS), SIZE)[0]


def test_a_crop_gives_the_vector_of_the_picture_it_is_from(
    reader: CropReader, crop: Pixels, portrait: Pixels, recognizer: Recognizer
) -> None:
    (reading,) = reader.read_many([encode_png(crop)])
    assert isinstance(reading, Reading)
    whole = recognizer.read(portrait)
    assert float(reading.embeddings.vectors[0] @ whole.embeddings.vectors[0]) > 0.98
    assert reading.embeddings.bundle == whole.embeddings.bundle
    assert reading.embeddings.aligner != whole.embeddings.aligner  # they must not share a calibration


def test_crops_of_the_embedder_s_own_kind_are_taken_as_they_are(bundle: Bundle, portrait: Pixels) -> None:
    reference = bundle.card.reference  # type: ignore[union-attr]
    own = CropReader(bundle, reference, (150, 150), Runtime(threads=2))
    assert own.outside == 0
    chip = cv2.resize(portrait[60:180, 160:280], (150, 150))
    seen = own.aligner(chip, np.array([reference.points], np.float32))
    np.testing.assert_array_equal(seen[0], chip)


def test_the_part_outside_is_told(reader: CropReader) -> None:
    # dlib's chip shows the chin that ArcFace's crop cuts off: of 150 rows about 11 lie below it.
    assert 0.05 < reader.outside < 0.1


def test_crops_that_show_too_little_are_refused(bundle: Bundle) -> None:
    tight = Reference(points=tuple((1.5 * (x - 56) + 56, 1.5 * (y - 72) + 60) for x, y in ARCFACE))
    with pytest.raises(InputError, match=r"dlib-resnet looks at more of a face than crops of 112×112 show"):
        CropReader(bundle, tight, SIZE, Runtime(threads=1))


def test_other_declarations_make_other_aligners(bundle: Bundle, reader: CropReader) -> None:
    moved = Reference(points=tuple((x + 1, y) for x, y in ARCFACE))
    other = CropReader(bundle, moved, SIZE, Runtime(threads=1))
    assert other.aligner.digest != reader.aligner.digest


def test_order_is_kept_and_failures_stand_in_their_place(
    reader: CropReader, crop: Pixels, tmp_path: Path
) -> None:
    good, small = encode_png(crop), encode_png(crop[:100])
    found = list(reader.read_many([good, b"nothing", small, good] + [good] * 40))
    assert [isinstance(each, Failure) for each in found[:4]] == [False, True, True, False]
    assert len(found) == 44
    assert isinstance(found[2], Failure)
    assert isinstance(found[2].error, ImageError)
    assert "112×100 pixels, where crops of 112×112 are declared" in str(found[2].error)


def test_a_detector_reads_no_crops() -> None:
    with pytest.raises(BundleError, match="cannot serve as an embedder"):
        CropReader(find_bundle("mtcnn"), POINTS, SIZE, Runtime(threads=1))
