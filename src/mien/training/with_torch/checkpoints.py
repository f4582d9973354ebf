"""Weights from a file into a network: our own checkpoints and other projects', read as data, never as code."""

from __future__ import annotations

import io
import os
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from mien.errors import InputError
from mien.files import read_bounded
from mien.training.with_torch.key_maps import (
    halved_patches,
    insightface_name,
    linear_as_convolution,
    same_shape,
    unchanged,
)

LIMIT = 4 * 1024**3  # bytes of a file; a face network of a thousand million weights still fits
SHOWN = 4  # names that a message gives
WRAPPER = "module."  # what DataParallel puts before every name
COUNTER = "num_batches_tracked"  # older files lack it, and nothing is computed from it
NOTHING = r"(?!)"  # matches no name


@dataclass(frozen=True)
class Form:
    """How a project writes its files.

    key: under which the weights stand; "" where the file is the weights. prefix: before every name of the
    network; what stands outside it is reported. sign: how some name begins, by which the form is known. leaves:
    how names begin that are reported and not loaded, a classifier's say. lacks: how those of our names begin
    that the file need not have: an old trunk's new head. All three are patterns. name, shape: theirs → ours.
    """

    key: str = ""
    prefix: str = ""
    sign: str = ""
    leaves: str = r"(logits|classifier|fc7|loss|margin)\."
    lacks: str = NOTHING
    name: Callable[[str], str] = unchanged
    shape: Callable[[Tensor, tuple[int, ...]], Tensor] = same_shape

    def weights(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """Name → what stands there, without DataParallel's wrapper; nothing where the key is not there."""
        inside = content.get(self.key) if self.key else content
        named = inside if isinstance(inside, dict) else {}
        return {str(name).removeprefix(WRAPPER): value for name, value in named.items()}

    def fits(self, content: Mapping[str, Any]) -> bool:
        """Whether a file looks as if it had this form."""
        return any(re.match(re.escape(self.prefix) + self.sign, name) for name in self.weights(content))


FORMS: Mapping[str, Form] = MappingProxyType(  # a file is of the first that fits
    {
        "mien": Form(key="state_dict", prefix="network."),
        "xiaoccer": Form(key="net_state_dict"),
        "insightface-run": Form(key="state_dict_backbone", name=insightface_name, shape=linear_as_convolution),
        "facenet-pytorch": Form(sign=r"conv2d_1a\."),
        "torchvision": Form(
            sign=r"features\.0\.0\.",
            leaves=r"classifier\.|head\.(weight|bias)|.*\.relative_position_index",
            lacks=r"head\.",
            shape=halved_patches,
        ),
        "insightface": Form(
            sign=r"layer1\.|layers\.|patch_embed\.", name=insightface_name, shape=linear_as_convolution
        ),
        "plain": Form(),
        "timm": Form(leaves=r"(classifier|fc|head)\.", lacks=r"(classifier|fc|head)\."),
    }
)


@dataclass(frozen=True)
class LoadedWeights:
    """What a file gave. missing: of the network, left as it was. unexpected: of the file, not loaded."""

    form: str
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]


def load_weights(network: nn.Module, path: str | os.PathLike[str], *, form: str | None = None) -> LoadedWeights:
    """Put a file's weights into the network: all of them, or none and an InputError that says what to do.

    form: a name of FORMS, None: found by what the file holds ("timm" is only taken when named). A classifier in
    the file is left there and reported. Nothing in the file is ever run.
    """
    content = _content(path)
    found = _form(path, content, form)
    given, left = _named(path, content, FORMS[found])
    wanted = network.state_dict()
    missing = [name for name in wanted if name not in given]
    _refuse(path, "lacks", [name for name in missing if not _may_lack(name, FORMS[found])])
    _refuse(path, "has, and this network does not,", [name for name in given if name not in wanted])
    fitted = {name: FORMS[found].shape(value, tuple(wanted[name].shape)) for name, value in given.items()}
    _refuse(path, "has in another shape than this network", _misshapen(fitted, wanted))
    _refuse(
        path, "has, with numbers that are not finite,", [k for k, v in fitted.items() if not v.isfinite().all()]
    )
    network.load_state_dict(fitted, strict=False)
    return LoadedWeights(found, tuple(missing), tuple(left))


def _content(path: str | os.PathLike[str]) -> Mapping[str, Any]:
    """What the file holds, of numbers and plain containers alone."""
    data = read_bounded(path, LIMIT)
    try:
        _require_bounded(path, data)
        content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as error:  # what a damaged pickle raises is anybody's guess
        raise InputError(
            f"{path}: {_reason(error)}; wanted is a state dict, as torch.save(network.state_dict(), path) "
            "writes it"
        ) from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds a {type(content).__name__}, a dict of weights by name wanted")
    return content


def _reason(error: Exception) -> str:
    """Why a file is not read, in our words: torch's own advise to load it as code."""
    if found := re.search(r"nsupported (?:global: )?GLOBAL ([\w.]+)", str(error)):
        return f"holds the Python object {found.group(1)}, and loading that would run code"
    if "TorchScript" in str(error):
        return "is a TorchScript program, not weights"
    return f"not a PyTorch file of weights, or a damaged one ({type(error).__name__})"


def _require_bounded(path: str | os.PathLike[str], data: bytes) -> None:
    """InputError where a zip would unpack to more than LIMIT."""
    stream = io.BytesIO(data)
    if zipfile.is_zipfile(stream):
        with zipfile.ZipFile(stream) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > LIMIT:
            raise InputError(f"{path}: unpacks to {size} bytes, more than the {LIMIT} that are read")


def _form(path: str | os.PathLike[str], content: Mapping[str, Any], asked: str | None) -> str:
    if asked is not None and asked not in FORMS:
        raise InputError(f"form {asked!r} is not known; known are {', '.join(FORMS)}")
    for name in (asked,) if asked else FORMS:
        if FORMS[name].fits(content):
            return name
    keys = ", ".join(repr(key) for key in list(content)[:SHOWN])
    wanted = f"of the form {asked!r}" if asked else f"of any known form ({', '.join(FORMS)})"
    raise InputError(f"{path}: no weights {wanted}; it holds {keys or 'nothing'}")


def _named(
    path: str | os.PathLike[str], content: Mapping[str, Any], form: Form
) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors by our names, and what is left in the file."""
    weights = form.weights(content)
    left = [
        name
        for name in weights
        if not name.startswith(form.prefix) or re.match(form.leaves, name.removeprefix(form.prefix))
    ]
    given = {
        form.name(name.removeprefix(form.prefix)): value
        for name, value in weights.items()
        if name not in set(left)
    }
    _refuse(path, "has, and not as plain numbers,", [k for k, v in given.items() if not _is_plain(v)])
    return given, left


def _is_plain(value: Any) -> bool:
    return isinstance(value, Tensor) and value.layout is torch.strided and not value.is_quantized


def _may_lack(name: str, form: Form) -> bool:
    return name.endswith(COUNTER) or re.match(form.lacks, name) is not None


def _misshapen(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[str]:
    return [
        f"{name} {tuple(value.shape)} for {tuple(wanted[name].shape)}"
        for name, value in given.items()
        if value.shape != wanted[name].shape
    ]


def _refuse(path: str | os.PathLike[str], what: str, names: list[str]) -> None:
    """InputError where there are names to complain of."""
    if names:
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        raise InputError(
            f"{path}: {what} {', '.join(names[:SHOWN])}{more}; build the network that the file was made with: "
            "its name, dimension and size"
        )
