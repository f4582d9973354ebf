"""The gallery on the command line: real pictures, from taking in to forgetting."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from people import write_people
from typer.testing import CliRunner, Result

from mien.cli import build_app, main
from mien.images import save
from mien.values import Pixels

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """mien, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def call(*words: object, code: int = 0) -> Result:
        done = CliRunner().invoke(build_app(), [str(word) for word in words])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == code, done.output
        return done

    return call


@pytest.fixture(scope="session")
def staff(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Folders of people: three pictures each to enrol, one to search for. Most are stamps, blurred."""
    every = tmp_path_factory.mktemp("staff")
    for name, files in write_people(every / "all", 6, 4).items():
        for folder, some in (("known", files[:3]), ("probes", files[3:])):
            (every / folder / name).mkdir(parents=True)
            for file in some:
                shutil.copy(file, every / folder / name)
    return every / "known", every / "probes"


POOR = ("blurred", "looks-like-another", "unlike", "low-score", "flat")
ALLOW = [word for reason in POOR for word in ("--allow", reason)]


def lines(done: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_folder_of_people_is_enrolled_once(run: Run, staff: tuple[Path, Path]) -> None:
    known, _ = staff
    first = run("enroll", "--from", known, *ALLOW)
    assert "18 faces enrolled → people.db" in first.stdout
    again = run("enroll", "--from", known, *ALLOW)
    assert "0 faces enrolled, 18 there already → people.db" in again.stdout
    people = lines(run("people", "list", "--json"))
    assert [each["name"] for each in people] == sorted(each.name for each in known.iterdir())
    assert all(each["templates"] == 3 for each in people)


def test_who_is_on_a_picture(run: Run, staff: tuple[Path, Path]) -> None:
    known, probes = staff
    shutil.copytree(known / "astronaut", "some/astronaut")
    shutil.copytree(known / "person-001", "some/person-001")
    run("enroll", "--from", "some", *ALLOW)
    done = run("identify", probes / "astronaut", probes / "person-003", "--json", "--top", 2, code=1)
    first, second = lines(done)
    assert (first["faces"][0]["person"], first["faces"][0]["basis"]) == ("astronaut", "measured")
    assert len(first["faces"][0]["candidates"]) == 2
    assert (second["faces"][0]["person"], second["faces"][0]["verdict"]) == (None, "unknown")
    table = run("identify", probes / "astronaut", "--annotate", "out", code=0)
    assert "astronaut" in table.stdout
    assert len(list(Path("out").iterdir())) == 1


def test_a_refusal_is_said_with_its_reasons(run: Run, staff: tuple[Path, Path]) -> None:
    known, _ = staff
    done = run("enroll", "Ann", known / "person-001" / "0.jpg", "--json", code=1)
    (line,) = lines(done)
    assert (line["result"], line["reasons"]) == ("refused", ["blurred"])
    run("enroll", "Ann", known / "person-001" / "0.jpg", "--allow", "blurred")


def test_the_life_of_a_person(run: Run, staff: tuple[Path, Path]) -> None:
    known, _ = staff
    options = ["--reference", "E-17", "--consent", "signed", "--keep-crops", "--until", "2030-01-02", *ALLOW]
    run("enroll", "Ann", known / "astronaut", *options)
    run("enroll", "Beth", known / "person-001", *ALLOW)
    assert "signed" in run("people", "show", "E-17").stdout
    run("people", "rename", "Ann", "Ann Miller")
    numbers = [each["number"] for each in lines(run("people", "show", "Beth", "--json"))[0]["held"]]
    run("people", "split", "Beth", "Carol", "--template", numbers[0])
    run("people", "merge", "Beth", "Carol")
    run("people", "mark", "Beth", known / "person-002" / "0.jpg")
    assert (
        "3 templates, 3 crops of E-17 → ann.json" in run("people", "export", "E-17", "--out", "ann.json").stdout
    )
    assert Path("ann.json").stat().st_mode & 0o777 == 0o600
    assert json.loads(Path("ann.json").read_text())["person"]["name"] == "Ann Miller"
    assert json.loads(run("people", "export", "E-17").stdout)["person"]["reference"] == "E-17"
    assert "2 people" in run("gallery", "backup", "copy.db").stdout
    run("forget", "Ann Miller", "--yes", "--receipt", "receipt.json")
    assert "whole, signed by" in run("gallery", "receipt", "receipt.json").stdout
    assert "the log is whole" in run("gallery", "audit", "--verify").stdout
    restored = run("gallery", "restore", "copy.db", "--gallery", "again.db", "--forgotten", "receipt.json")
    assert "left out" in restored.stdout
    assert [each["name"] for each in lines(run("people", "list", "--json", "--gallery", "again.db"))] == [
        "Beth"
    ]
    assert run("gallery", "purge").stdout == ""


def test_the_queue(run: Run, staff: tuple[Path, Path]) -> None:
    known, probes = staff
    run("enroll", "--from", known, *ALLOW)
    run("identify", probes / "person-001", "--queue", code=3)  # a blurred stamp is never more than review
    (waiting,) = lines(run("review", "list", "--json"))
    assert waiting["person"] == "person-001"
    assert "person-001" in run("review", "list").stdout
    run("review", "confirm", waiting["number"])
    run("identify", probes / "person-002", "--queue", code=3)
    run("review", "reject", lines(run("review", "list", "--json"))[0]["number"])
    run("identify", probes / "person-002", code=1)
    assert lines(run("gallery", "info", "--json"))[0]["marks"] == 1


def test_a_protected_gallery(run: Run, staff: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    known, _ = staff
    made = run("gallery", "create", "--encrypt", "--renewable", "--key-file", "people.key")
    assert "encrypted" in made.stdout
    monkeypatch.setenv("MIEN_GALLERY_KEY_FILE", "people.key")
    run("enroll", "Ann", known / "astronaut", *ALLOW)
    run("gallery", "renew")
    assert "rows sealed with a new key" in run("gallery", "rotate", "--key-file", "new.key").stdout
    monkeypatch.setenv("MIEN_GALLERY_KEY_FILE", "new.key")
    assert "Ann" in run("people", "list").stdout
    with pytest.raises(Exception, match="a gallery is there already"):
        run("gallery", "create")


def test_another_model_with_kept_crops(run: Run, staff: tuple[Path, Path], shared_data: Path) -> None:
    known, probes = staff
    model = shared_data / "models" / "mobilefacenet_112_128d.onnx"
    run("enroll", "--from", known, "--keep-crops", *ALLOW)
    run("enroll", "no crop", probes / "person-001", *ALLOW)
    names = [each["name"] for each in lines(run("people", "list", "--json"))]
    run("models", "import", "onnx", model, "--out", "mobilefacenet")
    moved = run("gallery", "migrate", "--to", "mobilefacenet", code=1)
    assert "18 templates and 0 marks made anew" in moved.stdout
    assert [each["name"] for each in lines(run("people", "list", "--json"))] == names
    with pytest.raises(Exception, match="mien gallery migrate --to BUNDLE"):
        run("identify", probes / "person-002")
    (line,) = lines(
        run("identify", probes / "person-002", "--bundle", "mobilefacenet", "--top", 1, "--json", code=3)
    )
    assert line["faces"][0]["candidates"][0]["person"] == "person-002"


def test_the_names_of_the_knn_pictures(run: Run, shared_data: Path) -> None:
    """End to end on real photographs."""
    photos = shared_data / "faces" / "photos"
    run("enroll", "--from", photos / "knn" / "train")
    found = {
        Path(e["file"]).stem: e["faces"]
        for e in lines(run("identify", photos / "knn" / "test", "--json", code=1))
    }
    known = {name: {f["person"] for f in faces if f["verdict"] == "known"} for name, faces in found.items()}
    assert known == {
        "obama1": {"obama"},
        "obama_and_biden": {"obama", "biden"},
        "johnsnow_test1": {"kit_harington"},
        "alex_lacamoire1": {"alex_lacamoire"},
        "kit_with_rose": {"kit_harington", "rose_leslie"},
    }
    actors = lines(run("identify", photos / "actors", "--json", code=1))
    assert {face["verdict"] for line in actors for face in line["faces"]} == {"unknown"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["identify", "x.jpg"], "there is no such file"),
        (["enroll"], "a name and pictures are wanted, or --from FOLDER"),
        (["enroll", "Ann", "PICTURE", "--from", "."], "either a name and pictures, or --from"),
        (["enroll", "--from", "nowhere"], "there is no such folder"),
        (["enroll", "Ann", "PICTURE", "--until", "tomorrow"], "a day like 2027-12-31"),
        (["enroll", "Ann", "PICTURE", "--allow", "all"], "allow='all' is unknown; known: small"),
        (["people", "list"], "there is no gallery here; `mien enroll` makes one"),
        (["people", "list", "--gallery", "mysql://host/db"], "mysql: unknown"),
        (["gallery", "create", "--encrypt"], "this gallery is protected: set $MIEN_GALLERY_KEY"),
        (["gallery", "restore", "x.db"], "there is no gallery here"),
        (["forget", "Ann"], "there is no gallery here"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    portrait: Pixels,
) -> None:
    monkeypatch.chdir(tmp_path)
    save("picture.png", portrait)
    Path("picture.png").rename("PICTURE")
    monkeypatch.setattr("sys.argv", ["mien", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    error = capsys.readouterr().err
    assert ended.value.code == 2
    assert said in error
    assert error.count("\n") == 1


def test_every_verb_of_the_gallery_speaks_json_and_takes_a_place() -> None:
    app = build_app()
    verbs = ["enroll", "identify", "forget"]
    verbs += [f"people {verb}" for verb in ("list", "show", "rename", "merge", "split", "mark", "export")]
    verbs += [f"review {verb}" for verb in ("list", "confirm", "reject")]
    upkeep = ("create", "info", "audit", "purge", "rotate", "renew", "migrate", "backup", "restore", "receipts")
    for verb in [*verbs, *(f"gallery {verb}" for verb in upkeep)]:
        shown = CliRunner().invoke(app, [*verb.split(), "--help"]).stdout
        assert "--json" in shown, verb
        assert "--gallery" in shown, verb
        assert "Example: mien" in shown, verb


def test_the_place_comes_from_the_environment(
    run: Run, staff: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIEN_GALLERY", "other.db")
    run("enroll", "Ann", staff[0] / "astronaut" / "0.jpg", *ALLOW)
    assert Path("other.db").exists()
    assert not Path("people.db").exists()
