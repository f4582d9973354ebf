"""A training's state as a file: from it a run goes on as if it had never stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mien.errors import InputError
from mien.files import open_whole
from mien.training.with_torch.face_module import FaceModule

FORMAT = 1
PATTERN = "step-*.ckpt"
SCRATCH = ".mien-*"  # as `mien.files.open_whole` names what is not whole yet
NETWORK = "network."
State = dict[str, Any]


def path_of(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step lies."""
    return folder / f"step-{step:08}.ckpt"


def found(folder: Path) -> list[Path]:
    """The checkpoints in a folder, oldest first."""
    return sorted(folder.glob(PATTERN))


def tidy(folder: Path, step: int) -> None:
    """Remove what a killed run has left half written, and checkpoints after the step that it goes on from."""
    late = [path for path in found(folder) if path > path_of(folder, step)]
    for path in (*folder.glob(SCRATCH), *late):
        path.unlink(missing_ok=True)


def state_of(module: FaceModule, watched: Mapping[str, float]) -> State:
    """Everything that the next step depends on. Every process must call this; all get the whole."""
    network = {NETWORK + name: tensor for name, tensor in module.network.state_dict().items()}
    average = module.average.state if module.average is not None else {}
    return {
        "format": FORMAT,
        "step": module.step,
        "watched": dict(watched),
        "state_dict": network,
        "average": {NETWORK + name: tensor for name, tensor in average.items()},
        "objective": module.taught.gathered_state(),
        "optimizer": _optimizer_state(module),
    }


def write(path: Path, state: State) -> None:
    """Write a state whole or not at all. InputError where it cannot be written."""
    with open_whole(path) as stream:
        torch.save(state, stream)


def read(path: Path) -> State:
    """The state in a checkpoint, on the CPU. InputError where the file is damaged or of another kind."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a dozen kinds, by where the damage lies
        # torch's own words advise to load it as code
        raise InputError(f"{path}: not a checkpoint, or damaged ({type(error).__name__})") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise InputError(f"{path}: not a checkpoint of a run, or of another format than {FORMAT}")
    return state


def restore(module: FaceModule, state: State) -> None:
    """Put a state into a module whose processes and optimiser stand. InputError where it is of another
    network.
    """
    try:
        module.network.load_state_dict(_network(state["state_dict"]))
        if module.average is not None and state["average"]:
            module.average.load(_network(state["average"]))
        module.taught.load_gathered(state["objective"])
    except (RuntimeError, KeyError) as error:
        raise InputError(f"the checkpoint is of another network or loss than the recipe's: {error}") from error
    _restore_optimizer(module, state["optimizer"])


def _network(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(NETWORK): tensor for name, tensor in state.items()}


def _named(module: FaceModule) -> dict[str, tuple[nn.Parameter, bool]]:
    """Every parameter by name, and whether it is one of which each process has its own rows."""
    shared = set(module.taught.sharded_parameters())
    of_network = {NETWORK + name: (each, False) for name, each in module.network.named_parameters()}
    return of_network | {
        f"objective.{name}": (each, name in shared) for name, each in module.taught.named_parameters()
    }


def _optimizer_state(module: FaceModule) -> State:
    state = module.optimizers(use_pl_optimizer=False).state  # type: ignore[union-attr]
    named = _named(module)
    return {
        name: {key: _whole(value, rows, module.taught.gather_rows) for key, value in state[parameter].items()}
        for name, (parameter, rows) in named.items()
        if state.get(parameter)
    }


def _restore_optimizer(module: FaceModule, saved: State) -> None:
    state = module.optimizers(use_pl_optimizer=False).state  # type: ignore[union-attr]
    for name, (parameter, rows) in _named(module).items():
        if name in saved:
            state[parameter] = {
                key: _placed(_whole(value, rows, module.taught.own_rows), parameter)
                for key, value in saved[name].items()
            }


def _whole(value: Any, rows: bool, change: Callable[[Tensor], Tensor]) -> Any:
    # A step's count is 0-d and everybody's; momentum has the parameter's rows.
    return change(value) if rows and isinstance(value, Tensor) and value.ndim else value


def _placed(value: Any, parameter: nn.Parameter) -> Any:
    if not isinstance(value, Tensor) or not value.ndim:
        return value
    return value.to(parameter.device).contiguous(memory_format=_order(parameter))


def _order(parameter: nn.Parameter) -> torch.memory_format:
    nearby = parameter.ndim == 4 and parameter.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if nearby else torch.contiguous_format
