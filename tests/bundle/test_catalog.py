"""Names to bundles: built once, from known bytes only, and proved."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec.structs import replace

from mien.bundle import catalog
from mien.errors import BundleError, DigestError, MissingExtraError


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("name", sorted(catalog.entries()))
def test_a_starter_bundle_is_built_to_the_byte_its_card_names(cache: Path, name: str) -> None:
    bundle = catalog.find_bundle(name)
    assert bundle.folder.parent == cache / "bundles"
    for file in bundle.card.files:
        bundle.read(file.name)  # raises where the SHA-256 differs
    assert catalog.find_bundle(name).folder == bundle.folder
    assert [path.name for path in (cache / "bundles").iterdir()] == [bundle.folder.name]


def test_many_callers_at_once_build_one_bundle(cache: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        bundles = list(pool.map(lambda _: catalog.find_bundle("mtcnn"), range(4)))
    assert len({bundle.folder for bundle in bundles}) == 1
    assert len(list((cache / "bundles").iterdir())) == 1


def test_a_folder_is_a_bundle_too(cache: Path) -> None:
    built = catalog.find_bundle("mtcnn")
    assert catalog.find_bundle(built.folder).digest == built.digest
    assert catalog.find_bundle(built) is built


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(BundleError, match="known: mtcnn, mmod, dlib-resnet"):
        catalog.find_bundle("facenet")


def test_the_extra_is_named_where_its_package_is_absent(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mien\[starter\]'"):
        catalog.find_bundle("mtcnn")
    assert not list(cache.rglob("*.onnx"))


def test_other_bytes_than_the_known_ones_are_refused(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "mtcnn" / "assets" / "weights"
    package.mkdir(parents=True)
    (package.parents[1] / "__init__.py").touch()
    (package / "pnet.lz4").write_bytes(b"something else")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    with pytest.raises(DigestError, match="not the file of mtcnn that mien knows"):
        catalog.find_bundle("mtcnn")


def test_a_calibration_of_the_users_own_comes_first(cache: Path) -> None:
    bundle = catalog.find_bundle("dlib-resnet")
    ((aligner, shipped),) = bundle.calibrations().items()
    assert shipped.is_relative_to(Path(catalog.__file__).parent)
    measured = bundle.calibration(aligner)
    assert measured is not None
    bundle.write_calibration(replace(measured, date="own"))
    again = catalog.find_bundle("dlib-resnet").calibration(aligner)
    assert again is not None
    assert again.date == "own"


def test_a_damaged_cache_is_named(cache: Path) -> None:
    bundle = catalog.find_bundle("mtcnn")
    (bundle.folder / "card.json").write_bytes(b"")
    (bundle.folder / "onet.onnx").write_bytes(b"other")
    again = catalog.find_bundle("mtcnn")  # the card is mien's own, the weights are held against it
    again.read("pnet.onnx")
    with pytest.raises(DigestError, match=r"onet\.onnx: not the file its card names"):
        again.read("onet.onnx")


def test_names_too_long_for_a_folder_are_unknown_bundles() -> None:
    with pytest.raises(BundleError, match="is no folder and no known bundle"):
        catalog.find_bundle("x" * 5000)
