"""The house's floors and walls, held on every import in the package, wherever in a file it stands."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mien

ROOT = Path(mien.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

# An import must go down, or stay within its own wing.
FLOORS = {
    "__main__": 8,
    "cli": 7,
    "training": 5,
    "demo": 4,
    "shipping": 4,
    "evaluation": 3,
    "gallery": 3,
    "recognition": 3,
    "bundle": 2,
    "draw": 2,
    "fusion": 2,
    "images": 2,
    "pages": 2,
    "progress": 2,
    "values": 2,
    "vectors": 2,
    "files": 1,
    "errors": 1,
}
# Within floors 1 and 2, who may know whom.
GROUND = {
    "errors": set(),
    "files": {"errors"},
    "values": set(),
    "progress": set(),
    "vectors": {"values"},
    "images": {"values"},
    "draw": {"values", "images"},
    "pages": {"values", "images", "draw"},
    "bundle": {"values"},
    "fusion": {"values"},
}
# One heavy library has one door (or two).
DOORS = {
    "onnxruntime": ("bundle/engines/onnxruntime.py",),
    "onnx": ("bundle/importers/", "training/with_torch/export.py"),
    "joblib": ("bundle/importers/mtcnn.py",),
    "PIL": ("images/decoders.py", "draw.py"),
    "typer": ("cli/",),
    "rich": ("cli/", "progress.py"),
    "skimage": ("demo/",),
    "threadpoolctl": ("evaluation/allpairs.py",),
    "sqlalchemy": ("gallery/store/", "gallery/migrations/"),
    "alembic": ("gallery/store/", "gallery/migrations/"),
    "sqlite3": ("gallery/store/",),
    "psycopg": ("gallery/store/",),
    "cryptography": ("gallery/protection/",),
    "lap": ("gallery/search.py",),
    "usearch": ("gallery/index/hnsw.py",),
    "faiss": (),
    "hnswlib": (),
    "torch": ("training/with_torch/",),
    "lightning": ("training/with_torch/",),
    "kornia": ("training/with_torch/",),
    "torchvision": ("training/with_torch/",),
    "timm": ("training/with_torch/",),
    "tensorboard": ("training/with_torch/",),
    "tomli_w": ("training/recipe_file.py",),
    "webdataset": (),
    "tensorflow": (),
    "keras": (),
    "mxnet": (),
    "pickle": (),
    "dlib": (),
}
NO_ROOM_IS_CALLED = {"utils", "util", "common", "helpers", "core", "manager", "base", "misc"}


def place(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def wing(module: str) -> str:
    """mien.bundle.card → bundle, mien.values → values, mien → the package's own face."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield from (arg.value for arg in node.args if isinstance(arg, ast.Constant))


@pytest.mark.parametrize("file", FILES, ids=place)
def test_imports_point_down(file: Path) -> None:
    here = place(file).split("/")[0].removesuffix(".py")
    if here == "__init__":
        return  # the package's face names everything and loads nothing (tested below)
    for module in imports(file):
        if not module.startswith("mien"):
            continue
        there = wing(module)
        assert there in FLOORS, f"{place(file)} imports {module}: give its wing a floor here"
        if there == here:
            continue
        if FLOORS[here] == FLOORS[there]:
            assert there in GROUND[here], f"{place(file)} may not know {module}"
        else:
            assert FLOORS[there] < FLOORS[here], f"{place(file)} imports {module}, which is not below it"


@pytest.mark.parametrize("file", FILES, ids=place)
def test_one_heavy_library_has_one_door(file: Path) -> None:
    for module in imports(file):
        doors = DOORS.get(module.split(".")[0])
        if doors is not None:
            assert place(file).startswith(doors or ("nowhere",)), f"{place(file)} opens {module}"


@pytest.mark.parametrize("file", FILES, ids=place)
def test_rooms_are_small_and_named_for_what_they_hold(file: Path) -> None:
    assert len(file.read_text("utf-8").splitlines()) <= 320
    assert not NO_ROOM_IS_CALLED & set(place(file).removesuffix(".py").split("/"))


@pytest.mark.parametrize("file", FILES, ids=place)
def test_importing_does_nothing(file: Path) -> None:
    """At a module's top stand definitions, constants and imports: no loops, no calls for their effect."""
    quiet = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
    for node in ast.parse(file.read_text("utf-8")).body:
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        typing_only = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        entry = place(file) == "__main__.py"
        assert docstring or typing_only or entry or isinstance(node, quiet), ast.unparse(node)
    globals_changed = [n for n in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(n, ast.Global)]
    assert not globals_changed


def test_import_mien_loads_nothing_heavy() -> None:
    heavy = {*DOORS, "cv2", "numpy", "msgspec", "scipy"}
    code = f"import sys, mien; print(*sorted({heavy!r} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    # NumPy comes in nowhere before a name is used; the standard library's pickle is no heavy library.
    assert set(loaded.split()) - {"pickle"} == set()


def test_the_public_names_are_sorted_and_there() -> None:
    assert mien.__all__ == sorted(mien.__all__)
    assert dir(mien) == mien.__all__
    for name in mien.__all__:
        assert getattr(mien, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Recogniser'"):
        _ = mien.Recogniser
