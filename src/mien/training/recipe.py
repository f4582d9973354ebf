"""The recipe of a training: every number of it, with every default in one place."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from mien.training.augmentation import Augmentation
from mien.training.distillation_settings import AnyDistillation, Cosine
from mien.training.loss_settings import AnyLoss, ArcFace


def require(holds: bool, complaint: str) -> None:
    """ValueError with the complaint unless it holds; msgspec adds the path of the section."""
    if not holds:
        raise ValueError(complaint)


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A part of a recipe: frozen, its unknown keys refused by name."""


class Data(Section, frozen=True, kw_only=True):
    """What is trained on, and what it is measured on.

    train, validation: places that `open_dataset` reads, relative to where mien runs; validation may be a
    `.bin` too. form: that of `train`, where it cannot be told. pairs: a list in LFW's form over the pictures
    of `validation`; without one, all pairs are compared. held_out: people taken out of `train` for validation
    where no `validation` is named. crops: "arcface" or "facenet", for data that do not say to what their
    crops keep. least_pictures: people with fewer are left out.
    """

    train: str = ""
    form: str = ""
    validation: str = ""
    pairs: str = ""
    held_out: int = 0
    crops: str = ""
    least_pictures: int = 1

    def __post_init__(self) -> None:
        """Refuse counts below what they count."""
        require(self.held_out >= 0, f"held_out: 0 or more people are wanted, {self.held_out} given")
        require(self.least_pictures >= 1, f"least_pictures: 1 or more, {self.least_pictures} given")


class Network(Section, frozen=True, kw_only=True):
    """What turns crops into vectors.

    backbone: a name of the shelf. crops: to what its own crops keep, where the data's are cut anew from wider
    ones. It takes (pixel − mean) × scale. weights: a checkpoint, a run or a foreign file to start from, and
    the `form` of that file where it cannot be told. statistics: "trained", or "frozen" (batch norms keep what
    they know), or "group" (batch norms become group norms). frozen: parts, by the beginning of their names,
    that keep their weights. mirror: the bundle averages the vectors of a crop and of its mirror image.
    """

    backbone: str = "mobilefacenet"
    options: dict[str, float] = {}
    dimension: int = 512
    dropout: float = 0.0
    crops: str = ""
    mean: float = 127.5
    scale: float = 1 / 127.5
    weights: str = ""
    form: str = ""
    statistics: Literal["trained", "frozen", "group"] = "trained"
    frozen: tuple[str, ...] = ()
    mirror: bool = True

    def __post_init__(self) -> None:
        """Refuse a scale that would erase every picture."""
        require(self.scale != 0, "scale: 0 would erase the picture")
        require(1 <= self.dimension <= 65536, f"dimension: 1 to 65536 is wanted, {self.dimension} given")


class Optimizer(Section, frozen=True, kw_only=True):
    """How weights move.

    lr: the learning rate for a global batch of `lr_batch` faces; it is scaled in proportion to the real one
    (Goyal et al. 2017). clip: the longest gradient that the network takes, 0 for any. loss_lr: the loss's own
    weights learn so many times as fast.
    """

    name: Literal["sgd", "adamw"] = "sgd"
    lr: float = 0.1
    lr_batch: int = 1024
    momentum: float = 0.9
    weight_decay: float = 5e-4
    clip: float = 5.0
    loss_lr: float = 1.0

    def __post_init__(self) -> None:
        """Refuse rates that would not learn."""
        require(self.lr > 0, f"lr: above 0 is wanted, {self.lr} given")
        require(self.lr_batch >= 1, f"lr_batch: 1 or more is wanted, {self.lr_batch} given")
        require(0 <= self.momentum < 1, f"momentum: 0 or more and below 1, {self.momentum} given")
        require(min(self.weight_decay, self.clip, self.loss_lr) >= 0, "weight_decay, clip, loss_lr: 0 or more")

    def rate(self, batch: int) -> float:
        """The learning rate for a global batch of so many faces."""
        return self.lr * batch / self.lr_batch


class Schedule(Section, frozen=True, kw_only=True):
    """How long, and how the learning rate runs: up in a line, then down as `shape` says to `final` of its
    height.

    milestones: shares of the training, for "steps": at each the rate is divided by ten.
    """

    epochs: int = 20
    steps: int = 0  # instead of epochs, where it is not 0
    warmup_epochs: float = 1.0
    shape: Literal["cosine", "linear", "steps", "constant"] = "cosine"
    final: float = 0.0
    milestones: tuple[float, ...] = (0.5, 0.75, 0.9)

    def __post_init__(self) -> None:
        """Refuse schedules that never begin."""
        require(self.epochs >= 1, f"epochs: 1 or more is wanted, {self.epochs} given")
        require(self.steps >= 0, f"steps: 0 or more is wanted, {self.steps} given")
        require(self.warmup_epochs >= 0, f"warmup_epochs: 0 or more is wanted, {self.warmup_epochs} given")
        require(
            all(0 < each < 1 for each in self.milestones),
            f"milestones: shares of the training, above 0 and below 1, are wanted, {self.milestones} given",
        )
        require(0 <= self.final <= 1, f"final: a share of 0 to 1 is wanted, {self.final} given")


class Batch(Section, frozen=True, kw_only=True):
    """Which faces meet in a step.

    size: faces a step over all processes, worked through in `accumulate` parts. per_person: so many pictures
    each of size / per_person people, as losses that compare faces need; 0 for faces as they come.
    """

    size: int = 256
    accumulate: int = 1
    per_person: int = 0

    def __post_init__(self) -> None:
        """Refuse batches that cannot be divided as they say."""
        require(self.size >= 2, f"size: 2 faces or more are wanted, {self.size} given")
        require(self.accumulate >= 1, f"accumulate: 1 or more is wanted, {self.accumulate} given")
        require(self.per_person >= 0, f"per_person: 0 or more is wanted, {self.per_person} given")
        for name in ("accumulate", "per_person"):
            parts = max(getattr(self, name), 1)
            require(self.size % parts == 0, f"size: {self.size} faces do not divide by {name}, {parts}")


class Validation(Section, frozen=True, kw_only=True):
    """When and by what the network is measured while it learns.

    every: epochs between two measurements. fmr: the false-match rate at which `tar` is stated. figure: which
    one says that a network is the best so far. patience: measurements without a better one before the
    training ends, 0 for never. pictures: at most so many are compared. settle: training pictures from which the
    statistics of batch norms are computed anew for it; 0: they are taken as they ran.
    """

    every: int = 1
    fmr: float = 1e-2
    figure: Literal["tar", "eer", "accuracy"] = "tar"
    patience: int = 0
    pictures: int = 4000
    settle: int = 2048

    def __post_init__(self) -> None:
        """Refuse rates that are none."""
        require(self.every >= 1, f"every: 1 epoch or more is wanted, {self.every} given")
        require(0 < self.fmr < 1, f"fmr: above 0 and below 1 is wanted, {self.fmr} given")
        require(self.patience >= 0, f"patience: 0 or more is wanted, {self.patience} given")
        require(self.settle >= 0, f"settle: 0 or more is wanted, {self.settle} given")
        require(self.pictures >= 2, f"pictures: 2 or more are wanted, {self.pictures} given")


class Machine(Section, frozen=True, kw_only=True):
    """Where and how it runs.

    device: "auto", "cpu", "cuda". devices: processes a node, each with a device of its own (a CPU's processes
    share its cores). precision: "auto" is bf16 where the device has it at full speed, else 32. workers:
    processes that decode pictures, −1 for as many as the cores suggest. ema: the share of an average of the
    weights that stays at each step, such as 0.999; 0 for none; the average is what is measured and published.
    checkpoint_steps: steps between two checkpoints, 0 for one an epoch. keep: checkpoints that stay.
    """

    framework: str = "torch"
    seed: int = 0
    device: str = "auto"
    devices: int = 1
    nodes: int = 1
    precision: Literal["auto", "32", "bf16"] = "auto"
    workers: int = -1
    ema: float = 0.0
    checkpoint_steps: int = 0
    keep: int = 2
    log_steps: int = 10
    examples: int = 8

    def __post_init__(self) -> None:
        """Refuse machines of nothing."""
        require(self.devices >= 1 and self.nodes >= 1, "devices and nodes: 1 or more are wanted")
        require(0 <= self.seed < 1 << 32, f"seed: 0 to 4294967295 is wanted, {self.seed} given")
        require(self.workers >= -1, f"workers: -1 or more is wanted, {self.workers} given")
        require(0 <= self.ema < 1, f"ema: 0 or more and below 1 is wanted, {self.ema} given")
        require(self.checkpoint_steps >= 0, "checkpoint_steps: 0 or more is wanted")
        require(self.keep >= 1 and self.log_steps >= 1, "keep and log_steps: 1 or more are wanted")
        require(self.examples >= 0, f"examples: 0 or more are wanted, {self.examples} given")


class FewShot(Section, frozen=True, kw_only=True):
    """For people with few pictures: what the loss's weights begin with.

    imprint: each person's weight begins as the mean of their pictures' vectors (Qi et al. 2018). siamese: the
    weights are not learnt, but are vectors of the other picture by a network that follows slowly, so many of
    them remembered (Du et al. 2020, semi-siamese training); 0 for learnt weights.
    """

    imprint: bool = False
    siamese: int = 0
    following: float = 0.999  # the share of the slow network that stays at each step

    def __post_init__(self) -> None:
        """Refuse queues and shares that are none."""
        require(self.siamese >= 0, f"siamese: 0 or more is wanted, {self.siamese} given")
        require(0 <= self.following < 1, f"following: 0 or more and below 1, {self.following} given")


class Distil(Section, frozen=True, kw_only=True):
    """A teacher whose vectors the network learns, in place of names. Faces need no labels then.

    teacher: a bundle, by catalogue name or folder; empty for none. losses: what is compared, each with its
    weight. mixed: the share of faces that are blended with another of their batch before both look at them.
    """

    teacher: str = ""
    losses: tuple[AnyDistillation, ...] = (Cosine(),)
    mixed: float = 0.0

    def __post_init__(self) -> None:
        """Refuse teachings of nothing."""
        names = [each.__struct_config__.tag for each in self.losses]
        require(bool(names), "losses: one at least is wanted")
        require(len(set(names)) == len(names), f"losses: each once; {', '.join(map(str, names))} given")
        require(0 <= self.mixed <= 1, f"mixed: a share of 0 to 1 is wanted, {self.mixed} given")


class Recipe(Section, frozen=True, kw_only=True):
    """A training, whole. `mien.training.recipe_file` reads and writes it as TOML."""

    name: str = "run"
    data: Data = Data()
    network: Network = Network()
    loss: AnyLoss = ArcFace()
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    batch: Batch = Batch()
    augment: Augmentation = Augmentation()
    validation: Validation = Validation()
    few_shot: FewShot = FewShot()
    distil: Distil = Distil()
    machine: Machine = Machine()

    def __post_init__(self) -> None:
        """Refuse parts that contradict each other."""
        for name in self.__struct_fields__:
            _require_finite(name, getattr(self, name))
        taught = bool(self.distil.teacher)
        self._require_plain_beginning(taught)
        if self.loss.pairwise and not taught:
            pairs = self.batch.per_person
            require(
                pairs >= 2,
                f"batch.per_person: the loss compares faces with each other, so 2 pictures a person or more "
                f"must meet in a batch; {pairs} given",
            )
        sparse = getattr(self.loss, "sample", 1.0) < 1 and not taught
        require(
            not sparse or self.optimizer.name == "sgd",
            "loss.sample: below 1 wants optimizer.name=sgd, whose steps can leave people out",
        )
        parts = self.machine.devices * self.machine.nodes * self.batch.accumulate
        unit = max(self.batch.per_person, 1)
        require(
            self.batch.size % (parts * unit) == 0,
            f"batch.size: {self.batch.size} faces do not divide among {parts} parts of whole people",
        )

    def _require_plain_beginning(self, taught: bool) -> None:
        few, pairs = self.few_shot, self.batch.per_person
        require(
            not (taught and (few.imprint or few.siamese)),
            "distil.teacher: a teacher asks for nobody's name, so few_shot.imprint and siamese mean nothing",
        )
        require(not (few.imprint and few.siamese), "few_shot: imprint or siamese, one of both")
        require(
            not few.siamese or pairs == 2,
            f"few_shot.siamese wants batches of two pictures a person: batch.per_person=2; {pairs} given",
        )
        require(
            not (few.imprint and self.loss.pairwise),
            "few_shot.imprint wants a loss that learns a weight a person, such as arcface",
        )


def _require_finite(section: str, values: object) -> None:
    """TOML knows inf and nan; no number of a recipe is one."""
    for field in getattr(values, "__struct_fields__", ()):
        value = getattr(values, field)
        finite = not isinstance(value, float) or math.isfinite(value)
        require(finite, f"{section}.{field}: a finite number is wanted, {value} given")
