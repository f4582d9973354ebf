"""A bundle folder: whole or not there, and never another file than its card names."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from graphs import detect_card, embed_card, files_of, linear

from mien.bundle import bundle as bundle_module
from mien.bundle.bundle import Bundle, require_task
from mien.bundle.calibration import Calibration, Threshold
from mien.bundle.card import EmbedCard
from mien.errors import BundleError, CardError, DigestError

ALIGNER = "b" * 64


@pytest.fixture
def written(tmp_path: Path) -> Bundle:
    return Bundle.write(tmp_path / "model", *embed_card())


def calibration(bundle: str, aligner: str = ALIGNER, people: int = 10) -> Calibration:
    rows = tuple(
        Threshold(fmr=f, similarity=s, low=s, high=s, fmr_low=f, fmr_high=f)
        for f, s in ((0.1, 0.2), (0.01, 0.5))
    )
    return Calibration(
        bundle=bundle,
        aligner=aligner,
        thresholds=rows,
        tar=(1, 1),
        people=people,
        genuine_pairs=10,
        impostor_pairs=300,
        data="made up",
        date="2025-01-01",
        method="by hand",
    )


def test_what_was_written_is_read(written: Bundle) -> None:
    again = Bundle.open(str(written.folder))
    assert again.card == written.card == embed_card()[0]
    assert again.read("model.onnx") == linear()
    assert again.digest == again.card.digest
    assert sorted(path.name for path in written.folder.iterdir()) == ["card.json", "model.onnx"]


def test_no_card_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no card\.json here"):
        Bundle.open(tmp_path)
    (tmp_path / "card.json").mkdir()
    with pytest.raises(BundleError, match=r"no card\.json here"):
        Bundle.open(tmp_path)


def test_a_folder_that_is_there_is_left_alone(written: Bundle) -> None:
    with pytest.raises(BundleError, match="exists already"):
        Bundle.write(written.folder, *embed_card())


def test_missing_parent_folders_are_made(tmp_path: Path) -> None:
    assert Bundle.write(tmp_path / "a" / "b" / "model", *embed_card()).read("model.onnx")


def broken(bundle: Bundle) -> None:
    raise BundleError(f"{bundle.card.name} will not do")


def stopped(bundle: Bundle) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(("check", "error"), [(broken, BundleError), (stopped, KeyboardInterrupt)])
def test_what_the_check_refuses_leaves_nothing(
    tmp_path: Path, check: object, error: type[BaseException]
) -> None:
    with pytest.raises(error):
        Bundle.write(tmp_path / "model", *embed_card(), check=check)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_files_and_card_must_agree(tmp_path: Path) -> None:
    card, files = embed_card()
    for wrong in ({}, {**files, "more.onnx": b""}, {"../model.onnx": b"", **files}):
        with pytest.raises(BundleError, match="the card names other files"):
            Bundle.write(tmp_path / "model", card, wrong)
    with pytest.raises(DigestError, match="SHA-256 differs"):
        Bundle.write(tmp_path / "model", card, {"model.onnx": b"another"})
    assert list(tmp_path.iterdir()) == []


def test_a_kill_in_the_middle_leaves_no_bundle(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; sys.path.insert(0, sys.argv[2])\n"
        "from graphs import embed_card; from mien.bundle.bundle import Bundle\n"
        "Bundle.write(sys.argv[1], *embed_card(), check=lambda _: os.kill(os.getpid(), signal.SIGKILL))\n"
    )
    tests = str(Path(__file__).parents[1])
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path / "model"), tests], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert not (tmp_path / "model").exists()
    assert Bundle.write(tmp_path / "model", *embed_card()).read("model.onnx")  # and the name is free


def test_a_race_for_one_name_has_one_winner(tmp_path: Path) -> None:
    def quicker(_: Bundle) -> None:
        if not (tmp_path / "model").exists():
            Bundle.write(tmp_path / "model", *embed_card(mirror=True))

    with pytest.raises(BundleError, match="cannot be written"):
        Bundle.write(tmp_path / "model", *embed_card(), check=quicker)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    winner = Bundle.open(tmp_path / "model").card
    assert isinstance(winner, EmbedCard)
    assert winner.mirror


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BundleError, match=r"file.model: cannot be written"):
        Bundle.write(tmp_path / "file" / "model", *embed_card())


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b + b"\0", lambda b: b"\0" + b[1:], lambda b: b""]
)
def test_a_damaged_file_is_named(written: Bundle, damage: object) -> None:
    path = written.folder / "model.onnx"
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(DigestError, match=r"model\.onnx: not the file its card names"):
        written.read("model.onnx")


def test_a_file_that_the_card_does_not_name(written: Bundle) -> None:
    (written.folder / "extra").write_bytes(b"?")
    for name in ("extra", "card.json", "../model/model.onnx"):
        with pytest.raises(CardError, match=r"no file .* in the card; it names model\.onnx"):
            written.read(name)


def test_links_folders_and_gaps_are_no_files(written: Bundle, tmp_path: Path) -> None:
    path = written.folder / "model.onnx"
    path.rename(tmp_path / "outside.onnx")
    with pytest.raises(BundleError, match="not a plain file"):
        written.read("model.onnx")
    path.symlink_to(tmp_path / "outside.onnx")
    with pytest.raises(BundleError, match="not a plain file"):
        written.read("model.onnx")
    path.unlink()
    path.mkdir()
    with pytest.raises(BundleError, match="not a plain file"):
        written.read("model.onnx")
    path.rmdir()
    os.mkfifo(path)  # reading it would wait for ever
    with pytest.raises(BundleError, match="not a plain file"):
        written.read("model.onnx")


def test_oversized_files_are_not_read(written: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_module, "MAX_FILE_BYTES", 100)
    with pytest.raises(BundleError, match="larger than the 100 bytes"):
        written.read("model.onnx")


def test_an_oversized_card_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "card.json").open("wb") as stream:
        stream.truncate(1 << 40)  # a hole, no disk
    with pytest.raises(BundleError, match="larger than"):
        Bundle.open(tmp_path)


def test_a_calibration_comes_back_and_is_replaced(written: Bundle) -> None:
    assert written.calibration(ALIGNER) is None
    for people in (10, 20):
        made = calibration(written.digest, people=people)
        path = written.write_calibration(made)
        assert written.calibration(ALIGNER) == made
    assert [each.name for each in path.parent.iterdir()] == [f"{ALIGNER}.json"]
    assert Bundle.open(written.folder).read("model.onnx")  # and the bundle is none the worse


def test_a_calibration_of_another_model_is_refused(written: Bundle) -> None:
    with pytest.raises(CardError, match=r"calibration is for bundle aaaa.*…, this is"):
        written.write_calibration(calibration("a" * 64))
    path = written.write_calibration(calibration(written.digest))
    path.rename(path.with_name(f"{'c' * 64}.json"))
    with pytest.raises(CardError, match="another model's or aligner's"):
        written.calibration("c" * 64)


def test_a_damaged_calibration_is_named(written: Bundle) -> None:
    path = written.write_calibration(calibration(written.digest))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(CardError, match="calibration"):
        written.calibration(ALIGNER)


def test_tasks_are_not_mixed_up(written: Bundle, tmp_path: Path) -> None:
    require_task(written, EmbedCard, "an embedder")
    detector = Bundle.write(tmp_path / "detector", *detect_card())
    with pytest.raises(BundleError, match="a bundle for 'detect' cannot serve as an embedder"):
        require_task(detector, EmbedCard, "an embedder")


def test_several_files(tmp_path: Path) -> None:
    names = ("a.onnx", "b.onnx")
    contents = {name: linear(seed=i) for i, name in enumerate(names)}
    card, _ = embed_card(files=tuple(file for name in names for file in files_of(contents[name], name)))
    two = Bundle.write(tmp_path / "two", card, contents)
    assert {name: two.read(name) for name in names} == contents
