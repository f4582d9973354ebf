"""One run of an evaluation: where the road and the measuring meet."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, Self

import msgspec

from mien.bundle.bundle import Bundle
from mien.bundle.card import Reference
from mien.bundle.catalog import cache_folder, find_bundle
from mien.bundle.importers.onnx import ARCFACE, ARCFACE_SIDE
from mien.bundle.runtime import Runtime
from mien.cli.evaluation_options import Evaluating, Reading
from mien.cli.evaluation_output import report_study
from mien.cli.options import points
from mien.cli.output import complain, plain, require_folder, require_place
from mien.errors import InputError
from mien.evaluation.cache import ReadingCache, cache_key
from mien.evaluation.enrol import Enrolment, Entry, enrol
from mien.evaluation.measure import About, measure
from mien.evaluation.metrics import Trial
from mien.evaluation.protocols.columns import Columns, labels, read_columns
from mien.evaluation.protocols.pairs import PairList
from mien.evaluation.samples import Samples
from mien.evaluation.stored import from_file
from mien.evaluation.study import Identification, System, Trap
from mien.evaluation.traps import trap, variations
from mien.recognition.align import Aligner
from mien.recognition.recognizer import Recognizer
from mien.recognition.recrop import CropReader
from mien.values import Failure
from mien.values import Reading as Read

Build = Callable[[Samples], Trial]


class Reader(Protocol):
    """What turns pictures into readings: a recogniser, or a reader of crops."""

    bundle: Bundle
    aligner: Aligner
    dimension: int

    def read_many(self, sources: Iterable[Path | bytes], /) -> Iterator[Read | Failure]:
        """A reading for each source, in order, or why there is none."""
        ...


@dataclass(slots=True)
class Run:
    """An evaluation under way. source: the data's place. crops: where landmarks lie, if pictures are crops."""

    options: Reading
    protocol: str
    source: Path
    crops: Reference | None = None
    columns: Columns | None = None
    enrolment: Enrolment | None = None
    entries: Sequence[Entry] = ()
    _readers: dict[str, Reader] = field(default_factory=dict)

    @classmethod
    def start(
        cls,
        options: Reading,
        protocol: str,
        source: Path,
        *,
        crops: bool = False,
        crop_points: str | None = None,
    ) -> Self:
        """Check everything that can be checked before any work is done."""
        columns = None
        if isinstance(options, Evaluating):
            for place in (options.report, options.scores):
                if place is not None:
                    require_place(place)
            if options.out is not None:
                require_folder(options.out)
            if options.traps and options.embeddings:
                raise InputError("--traps reads pictures again; it does not go with --embeddings")
            columns = read_columns(options.protocol) if options.protocol else None
        if crop_points and not crops:
            raise InputError("--crop-points is for .bin files, whose pictures are crops")
        declared = points("--crop-points", crop_points) if crop_points else Reference(points=ARCFACE)
        return cls(options, protocol, source, declared if crops else None, columns)

    @property
    def bundle(self) -> Bundle:
        """The embedder that is measured."""
        return find_bundle(self.options.bundle)

    def samples(self, entries: Sequence[Entry] | None) -> Samples:
        """The vectors of the entries, of their pictures or of the file of --embeddings, with their columns."""
        if self.options.embeddings is not None:
            samples = from_file(self.options.embeddings, entries, face=self.options.face)
        elif entries is None:
            raise InputError(f"{self.source}: a folder of pictures is wanted, one folder a person")
        else:
            samples = self._read(self.reader(self.bundle), entries)
        self.entries = entries or ()
        if self.columns is None:
            return samples
        return replace(samples, groups=labels(self.columns, samples.names))

    def reader(self, bundle: Bundle) -> Reader:
        """What reads pictures for a bundle; each is opened once."""
        if bundle.digest not in self._readers:
            self._readers[bundle.digest] = self._open(bundle)
        return self._readers[bundle.digest]

    def finish(
        self,
        samples: Samples,
        build: Build,
        *,
        pairs: PairList | None = None,
        identification: Identification | None = None,
    ) -> None:
        """Measure, and write what was asked for."""
        if not isinstance(self.options, Evaluating):
            raise InputError("nothing was asked for")
        trial = build(samples)
        study = measure(trial, self._about(trial.samples), pairs=pairs, identification=identification)
        if self.options.traps:
            study = msgspec.structs.replace(study, traps=tuple(self._traps(trial, build)))
        report_study(study, trial, pairs, self.entries, self.enrolment, self.options)

    def _open(self, bundle: Bundle) -> Reader:
        o = self.options
        runtime = Runtime(device=o.device) if o.threads is None else Runtime(device=o.device, threads=o.threads)
        if self.crops is not None:
            return CropReader(bundle, self.crops, (ARCFACE_SIDE, ARCFACE_SIDE), runtime)
        return Recognizer(bundle, find_bundle(o.detector), runtime, any_rotation=o.any_rotation)

    def _read(self, reader: Reader, entries: Sequence[Entry]) -> Samples:
        origin = reader.bundle.digest, reader.aligner.digest
        kept = None
        if self.options.cache:
            key = cache_key(*origin, any_rotation=self.options.any_rotation)
            kept = ReadingCache(cache_folder() / "readings", key)
        enrolment = enrol(
            entries,
            reader.read_many,
            face=self.options.face,
            bundle=origin[0],
            aligner=origin[1],
            dimension=reader.dimension,
            cache=kept,
        )
        self.enrolment = self.enrolment or enrolment
        return enrolment.samples

    def _traps(self, stated: Trial, build: Build) -> list[Trap]:
        found = []
        for words, bundle in variations(self.bundle):
            if sys.stderr.isatty():
                complain(f"reading again: {words}")
            changed = self._read(self.reader(bundle), self.entries)
            found.append(trap(words, stated, build(changed)))
        return found

    def _about(self, samples: Samples) -> About:
        done = self.enrolment
        return About(
            protocol=self.protocol,
            data=self.source.resolve().name or str(self.source),
            system=System(name=self._name(samples), bundle=samples.bundle, aligner=samples.aligner),
            command=plain(" ".join(["mien", *sys.argv[1:]])),
            face=self.options.face,
            embedded=done.embedded if done else 0,
            cached=done.cached if done else 0,
            embed_seconds=done.seconds if done else 0.0,
            notes=tuple(self._notes(samples)),
        )

    def _name(self, samples: Samples) -> str:
        o = self.options
        if o.embeddings is not None:
            return f"vectors of {o.embeddings.name}"
        name = self.bundle.card.name
        return f"{name}, on crops" if self.crops else f"{find_bundle(o.detector).card.name} + {name}"

    def _notes(self, samples: Samples) -> list[str]:
        notes = []
        if self.enrolment and self.enrolment.identical:
            same = self.enrolment.identical
            notes.append(
                f"{len(same)} pictures are there more than once, {', '.join(same[0][:3])} for instance"
            )
        poor = sum(map(bool, self.enrolment.low_quality)) if self.enrolment else 0
        if poor:
            notes.append(
                f"{poor} of {len(self.entries)} pictures show a face of low quality; they were measured, too"
            )
        reader = next(iter(self._readers.values()), None)
        if isinstance(reader, CropReader) and reader.outside > 0:
            notes.append(
                f"{reader.outside:.1%} of the embedder's crop lies outside the given ones and was black"
            )
        if not samples.known:
            notes.append("the data name no people: intervals are over pairs, and narrower than they should be")
        return notes
