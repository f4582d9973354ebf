"""The door to training: which framework does it, and that its packages are there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import MappingProxyType, ModuleType

from mien.errors import InputError, MissingExtraError
from mien.training.publish import Published
from mien.training.recipe import Recipe
from mien.training.run import Measurement, Run

Told = Callable[[Measurement], None]
WHERE = ("machine.device", "machine.devices", "machine.nodes", "machine.workers")
TRAINERS: Mapping[str, str] = MappingProxyType({"torch": "mien.training.with_torch"})


def train(recipe: Recipe, folder: Path, told: Told) -> Run:
    """Train as the recipe says into a new folder; `told` hears every measurement of the network.

    Raises InputError, before the first step, for whatever is wrong with recipe or data; TrainingError where the
    loss is no number any more; MissingExtraError where the framework is not installed.
    """
    run: Run = _part(recipe, "trainer").train(recipe, folder, told)
    return run


def resume(folder: Path, told: Told, changes: Sequence[str] = ()) -> Run:
    """Go on with a run as if it had never stopped.

    changes: where it goes on, such as machine.devices=2; a key of WHERE each. Raises as `train`, and InputError
    where there is no run.
    """
    for change in changes:
        if change.partition("=")[0] not in WHERE:
            known = ", ".join(WHERE)
            raise InputError(f"{change}: a run goes on with its own recipe; {known} alone can change")
    recipe = Run.open(folder).recipe(changes)
    run: Run = _part(recipe, "trainer").resume(recipe, folder, told)
    return run


def plan(recipe: Recipe) -> dict[str, str]:
    """What the training would be, in words by name, without doing it. Raises as `train`."""
    found: dict[str, str] = _part(recipe, "plan").plan(recipe)
    return found


def publish_run(folder: Path, out: Path, *, name: str = "", licence: str = "unknown") -> Published:
    """Write the bundle of a run's best network to a new folder. Raises as `mien.training.publish.publish`."""
    run = Run.open(folder)
    published: Published = _part(run.recipe(), "publishing").publish_run(run, out, name=name, licence=licence)
    return published


def _part(recipe: Recipe, part: str) -> ModuleType:
    framework = recipe.machine.framework
    if framework not in TRAINERS:
        raise InputError(f"machine.framework: {framework!r} is unknown; known: {', '.join(TRAINERS)}")
    try:
        return import_module(f"{TRAINERS[framework]}.{part}")
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] == "mien":
            raise
        raise MissingExtraError(error.name or framework, "train") from error
