"""The whole preparation: pictures of people → crops for training, and a review of what is wrong in them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mien.errors import InputError
from mien.progress import progress
from mien.recognition.recognizer import Recognizer
from mien.recognition.recrop import CropReader
from mien.training.datasets.contract import settled
from mien.training.datasets.dataset import Dataset
from mien.training.prepare.evidence import Evidence
from mien.training.prepare.findings import Findings, Suggestion, find, suggestions
from mien.training.prepare.journal import Looked
from mien.training.prepare.listing import Listing, listing
from mien.training.prepare.page import PAGE, write_page
from mien.training.prepare.prepared import Prepared
from mien.training.prepare.reading import CutReader, FaceReader, Reader
from mien.training.prepare.review import outcomes, read_review, write_review
from mien.training.prepare.settings import PrepareSettings
from mien.training.prepare.store import Store
from mien.training.prepare.writing import WRITERS, placed

Place = str | os.PathLike[str]


DEFAULTS = PrepareSettings()


def prepare(
    place: Place | Dataset,
    out: Place,
    settings: PrepareSettings = DEFAULTS,
    *,
    recognizer: Recognizer | CropReader | None = None,
    review: Place | None = None,
) -> Prepared:
    """Make crops of the pictures at `place` in `out`, and look for what is wrong in them.

    place: a folder of folders, one a person, or any data set. recognizer: finds, aligns and embeds; for crops
    that are ready (`settings.aligned`) a `CropReader` of them. None: the starters. review: an edited review,
    which is followed now and from now on. What was read in an earlier, perhaps killed run is not read again.
    Raises InputError where there is nobody, `out` holds something else, or cannot be written.
    """
    _require_apart(place, Path(out))
    listed = listing(place)
    if settings.aligned:
        said = settled("the pictures", listed.contract, settings.crops)
        settings = replace(settings, crops=said or settings.crops)
    reader = reader_of(recognizer, settings)
    store = Store(Path(out), reader.contract)
    read = store.read(listed.pictures, reader, settings)
    looked = sorted(progress(read, len(listed.pictures), "preparing"), key=lambda each: each.picture)
    if review is not None:
        store.decide(read_review(Path(review), looked))
    poor = _poor(looked, settings, store)
    left_out = {each.picture for each in poor}
    evidence = Evidence.of([each for each in looked if each.picture not in left_out])
    findings = find(evidence, reader.calibration, reader.bundle, reader.aligner)
    suggested = suggestions(findings, poor)
    return _written(store, settings, listed, looked, findings, suggested)


def _poor(looked: Sequence[Looked], settings: PrepareSettings, store: Store) -> list[Looked]:
    """The faces to leave out for their quality, but for those that somebody decided to keep."""
    if settings.keep_poor:
        return []
    wanted = {each.picture for each in store.decisions() if each.do != "drop"}
    return [each for each in looked if each.reasons and each.picture not in wanted]


def _require_apart(place: Place | Dataset, out: Path) -> None:
    if isinstance(place, Dataset):
        return
    source, target = Path(place).resolve(), out.resolve()
    if target.is_relative_to(source) or source.is_relative_to(target):
        raise InputError(f"{out}: lies in {os.fspath(place)}, or that in it; crops want a folder of their own")


def reader_of(recognizer: Recognizer | CropReader | None, settings: PrepareSettings) -> Reader:
    """What looks at the pictures. InputError where the recogniser and `settings.aligned` do not fit."""
    if isinstance(recognizer, CropReader) != settings.aligned and (recognizer is not None or settings.aligned):
        raise InputError("crops that are aligned already want a CropReader, other pictures a Recognizer")
    if isinstance(recognizer, CropReader):
        return CutReader(recognizer, settings)
    return FaceReader(recognizer or Recognizer.load(), settings)


def _written(
    store: Store,
    settings: PrepareSettings,
    listed: Listing,
    looked: Sequence[Looked],
    findings: Findings,
    suggested: Sequence[Suggestion],
) -> Prepared:
    decisions = store.decisions()
    became = tuple(outcomes(looked, suggested, decisions, at_once=settings.drop_suspects))
    places = placed(became, settings.least_pictures)
    write_review(store.out, suggested, decisions)
    prepared = Prepared(
        out=store.out,
        contract=store.contract,
        outcomes=became,
        crops=len(places),
        kept_people=len({name.split("/")[0] for name in places}),
        few=sum(each.person is not None for each in became) - len(places),
        suggested=tuple(suggested),
        decided=len(decisions),
        page=store.out / PAGE,
        warnings=listed.warnings,
    )
    write_page(prepared, findings, store)
    WRITERS[settings.form](store, places)
    return prepared
