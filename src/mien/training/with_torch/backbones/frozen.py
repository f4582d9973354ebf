"""Parts of a network held still, and normalisation that does without statistics of the batch."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from mien.errors import InputError

BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d


class StillBatchNorm1d(nn.BatchNorm1d):
    """A batch normalisation that keeps its running statistics, in training too."""

    def train(self, mode: bool = True) -> StillBatchNorm1d:
        """Never."""
        super().train(False)
        return self


class StillBatchNorm2d(nn.BatchNorm2d):
    """The same for maps."""

    def train(self, mode: bool = True) -> StillBatchNorm2d:
        """Never."""
        super().train(False)
        return self


STILL: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm1d: StillBatchNorm1d,
    nn.BatchNorm2d: StillBatchNorm2d,
}


def freeze_statistics(network: nn.Module) -> int:
    """Every batch normalisation keeps its running mean and variance, after `.train()` too. Returns how many.

    Their scales and shifts go on learning. Right for fine-tuning on few pictures, whose batches say little of
    all faces; wrong for a network that was never trained, whose statistics are still mean 0 and variance 1.
    """
    found = [module for module in network.modules() if type(module) in STILL]
    for module in found:
        module.__class__ = STILL[type(module)]  # parameters, names and hooks stay what they are
        module.eval()
    return len(found)


def freeze(network: nn.Module, parts: Iterable[str]) -> int:
    """Hold parts of a network still, parameters and statistics. Returns how many parameters that is.

    parts: names of modules, as in `dict(network.named_modules())`: "layer1", "blocks.0". InputError for a name
    that is not there, listing the outermost that are.
    """
    modules = dict(network.named_modules())
    frozen: dict[int, nn.Parameter] = {}
    for part in parts:
        if part not in modules or not part:
            outermost = ", ".join(name for name, _ in network.named_children())
            raise InputError(f"part {part!r} is not in this network; outermost parts are {outermost}")
        freeze_statistics(modules[part])
        frozen.update({id(parameter): parameter for parameter in modules[part].parameters()})
    for parameter in frozen.values():
        parameter.requires_grad = False
    return sum(parameter.numel() for parameter in frozen.values())


def group_norm(network: nn.Module, *, groups: int = 32) -> int:
    """Put a group normalisation in place of every batch normalisation. Returns how many.

    Wu and He, "Group Normalization", ECCV 2018: no picture of a batch sees another, which is what small batches
    on each device and differential privacy want. groups: at most so many, and a divisor of the channels. Where
    it is a vector that is normalised last, features come out with lengths nearly alike: nothing for MagFace and
    AdaFace, which read quality in the length. Scales and shifts are carried over.
    """
    found = 0
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, BatchNorm):
                setattr(parent, name, _grouped(child, groups))
                found += 1
    return found


def _grouped(old: BatchNorm, groups: int) -> nn.GroupNorm:
    channels = old.num_features
    wanted = 1 if isinstance(old, nn.BatchNorm1d) else groups
    count = max(divisor for divisor in range(1, min(wanted, channels) + 1) if channels % divisor == 0)
    new = nn.GroupNorm(count, channels, eps=old.eps)
    new.weight, new.bias = old.weight, old.bias
    return new.to(old.weight.device)
