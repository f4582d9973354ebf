"""The folder of a run: begun once, read back, its measurements in order whatever was cut off."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_datasets import made

from mien.errors import InputError
from mien.training.datasets.contract import named_contract
from mien.training.recipe import Recipe
from mien.training.run import Measurement, Run, about, first_process

ARCFACE = named_contract("arcface")


def begun(folder: Path) -> Run:
    told = about(made(folder / "data"), ARCFACE)
    return Run.begin(folder / "run", Recipe(name="mine"), told)


def at(step: int, eer: float = 0.1) -> Measurement:
    return Measurement(step=step, epoch=step / 5, eer=eer, tar=None, fmr=0.01, weighting="pair", threshold=None)


def test_a_run_is_begun_and_read_back(tmp_path: Path) -> None:
    run = begun(tmp_path)
    again = Run.open(tmp_path / "run")
    assert again == run
    assert again.recipe() == Recipe(name="mine")
    told = again.about()
    assert told.people == ("Ann", "Bob", "Cy")
    assert told.pictures == 9
    assert told.contract == ARCFACE
    assert told.digest == made(tmp_path / "more").digest
    assert {"python", "mien", "torch", "numpy"} <= told.versions.keys()
    assert again.history() == []
    assert run.checkpoints.is_dir()


def test_what_is_there_is_not_written_over(tmp_path: Path) -> None:
    run = begun(tmp_path)
    before = run.recipe_file.read_bytes()
    with pytest.raises(
        InputError, match=r"something is there already; name a new folder, or go on with --resume"
    ):
        Run.begin(run.folder, Recipe(name="other"), run.about())
    assert run.recipe_file.read_bytes() == before
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(InputError, match="something is there already"):
        Run.begin(file, Recipe(), run.about())
    with pytest.raises(InputError, match="cannot be made"):
        Run.begin(file / "below", Recipe(), run.about())


def test_an_empty_folder_will_do(tmp_path: Path) -> None:
    told = begun(tmp_path).about()
    (tmp_path / "empty").mkdir()
    assert Run.begin(tmp_path / "empty", Recipe(), told).recipe() == Recipe()


def test_what_is_no_run_is_said_so(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "away"):
        with pytest.raises(InputError, match="no run of `mien train`"):
            Run.open(place)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"versions": {}}', b'{"format": "x"}'])
def test_a_damaged_about_is_said_so(tmp_path: Path, content: bytes) -> None:
    run = begun(tmp_path)
    run.about_file.write_bytes(content)
    with pytest.raises(InputError, match=r"about.json"):
        run.about()


def test_a_damaged_recipe_is_said_so(tmp_path: Path) -> None:
    run = begun(tmp_path)
    run.recipe_file.write_text("[batch]\nsise = 3")
    with pytest.raises(InputError, match="did you mean 'size'"):
        run.recipe()


def test_measurements_of_later_steps_give_way_to_the_resumed_runs(tmp_path: Path) -> None:
    run = begun(tmp_path)
    for step in (0, 5, 10, 15):
        run.add(at(step))
    run.add(at(10, 0.2))
    assert [(each.step, each.eer) for each in run.history()] == [(0, 0.1), (5, 0.1), (10, 0.2)]
    run.add(at(10, 0.3))
    assert [(each.step, each.eer) for each in run.history()] == [(0, 0.1), (5, 0.1), (10, 0.3)]


@given(cut=st.integers(0, 400))
def test_a_half_line_is_left_out(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    run = Run(tmp_path_factory.mktemp("run"))
    for step in (0, 5):
        run.add(at(step))
    whole = run.measurements.read_bytes()
    run.measurements.write_bytes(whole[:cut])
    lines = whole[:cut].count(b"\n")
    assert [each.step for each in run.history()] == [0, 5][:lines]
    run.add(at(5, 0.3))
    assert run.history()[-1].eer == 0.3


def test_damaged_measurements_are_said_so(tmp_path: Path) -> None:
    run = begun(tmp_path)
    run.measurements.write_bytes(b"nothing\n")
    with pytest.raises(InputError, match=r"measurements.jsonl"):
        run.history()


def test_measurements_are_lines_that_anybody_can_read(tmp_path: Path) -> None:
    run = begun(tmp_path)
    run.add(at(5))
    assert msgspec.json.decode(run.measurements.read_bytes())["step"] == 5


@pytest.mark.parametrize(
    ("said", "first"),
    [
        ({}, True),
        ({"LOCAL_RANK": "0"}, True),
        ({"LOCAL_RANK": "1"}, False),  # Lightning's own launcher
        ({"RANK": "3", "LOCAL_RANK": "0"}, False),  # torchrun on another machine
        ({"RANK": "0", "LOCAL_RANK": "0", "GROUP_RANK": "0"}, True),
        ({"NODE_RANK": "1"}, False),  # Lightning on another machine
        ({"NODE_RANK": "1", "LOCAL_RANK": "0"}, False),
        ({"NODE_RANK": "0", "LOCAL_RANK": "0"}, True),
        ({"SLURM_PROCID": "2"}, False),
        ({"SLURM_PROCID": "0"}, True),
    ],
)
def test_the_first_process_is_known(monkeypatch: pytest.MonkeyPatch, said: dict[str, str], first: bool) -> None:
    for name in ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    assert first_process() == first
