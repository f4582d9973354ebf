"""What an evaluation prints and writes: a table or JSON, a page, a folder, a CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from mien.bundle.calibration import Calibration
from mien.cli.evaluation_options import Evaluating
from mien.cli.output import print_json, print_table
from mien.evaluation.diff import Differences
from mien.evaluation.enrol import Enrolment, Entry
from mien.evaluation.kept import Kept
from mien.evaluation.metrics import Trial
from mien.evaluation.protocols.pairs import PairList
from mien.evaluation.report import build
from mien.evaluation.report.differences import VERDICTS, named, verdict
from mien.evaluation.samples import Samples
from mien.evaluation.scores import write_scores
from mien.evaluation.study import Figure, Groups, Identification, Speed, Study, Trap, Verification
from mien.evaluation.thumbs import thumbnails
from mien.pages.page import write
from mien.values import rate_text

AVERAGES = {"person": "per person", "pair": "over pairs"}


def report_study(
    study: Study,
    trial: Trial,
    pairs: PairList | None,
    entries: Sequence[Entry],
    enrolment: Enrolment | None,
    options: Evaluating,
) -> None:
    """Write whatever the options ask for, then print."""
    if options.report:
        write(options.report, build(study, thumbnails(study, entries, enrolment)))
    if options.out:
        Kept(study, trial.samples, pairs).save(options.out)
    if options.scores:
        write_scores(options.scores, trial.samples, pairs)
    if options.json:
        print_json(study)
        return
    _print_study(study)
    for place in (options.report, options.out, options.scores):
        if place:
            print(f"wrote {place}")


def _print_study(study: Study) -> None:
    print(f"{study.protocol} on {study.data}: {study.system.name}")
    print(
        f"{study.pictures:,} pictures{_people(study)}, {len(study.missed)} not enrolled, "
        f"{study.several_faces} with several faces (the {study.face} one taken); "
        f"{study.genuine_pairs:,} genuine and {study.impostor_pairs:,} impostor comparisons"
    )
    _print_verification(study)
    if study.identification:
        _print_identification(study.identification)
    for column in study.groups:
        _print_groups(column)
    if study.traps:
        _print_traps(study.traps)
    _print_speed(study.speed)
    for note in study.notes:
        print(f"note: {note}")


def _print_verification(study: Study) -> None:
    if study.accuracy:
        mean, deviation = _percent(study.accuracy.mean), _percent(study.accuracy.deviation)
        print(f"accuracy  {mean} ± {deviation} over {len(study.accuracy.folds)} folds")
    print()
    print_table(("FMR", "threshold", "TAR", "generalised FRR", "averaged"), _points(study.verification))
    for why in _refusals(study.verification):
        print(why)
    for each in study.verification:
        if each.eer.value is not None:
            print(f"{AVERAGES[each.weighting]}: EER {_rate(each.eer)}, AUC {_plain(each.auc)}")


def _print_speed(speed: Speed) -> None:
    print(
        f"\n{speed.embedded:,} pictures embedded, {speed.cached:,} from the cache; "
        f"{speed.embed_seconds + speed.measure_seconds:.1f} s, {speed.peak_mb:.0f} MB"
    )


def _people(study: Study) -> str:
    return f" of {study.people:,} people" if study.people else ""


def _print_identification(found: Identification) -> None:
    if not found.splits:
        print(f"\n1:N: {found.ranks[0][1].why}")
        return
    print(f"\n1:N, {found.gallery:,} people enrolled, {found.splits} splits")
    ranks = [(f"rank {rank}", "", _rate(figure)) for rank, figure in found.ranks]
    stated = [each for each in found.fnirs if each[1].value is not None]
    fnirs = [(f"FNIR at FPIR {rate_text(f)}", _plain(t), _rate(fnir)) for f, t, fnir in stated]
    print_table(("", "threshold", "rate"), ranks + fnirs)
    for why in dict.fromkeys(t.why for _, t, _ in found.fnirs if t.value is None):
        print(f"not stated: {why}")


def _print_groups(column: Groups) -> None:
    print(
        f"\n{column.column}, where strangers of all pass at {rate_text(column.fmr)}: worst to best group, "
        f"FMR {_plain(column.fmr_ratio)}, FNMR {_plain(column.fnmr_ratio)}"
    )
    rows = [
        (" × ".join(dict.fromkeys(each.groups)), f"{each.people:,}", _rate(each.fmr), _optional(each.fnmr))
        for each in column.rates
    ]
    print_table(("group", "people", "FMR", "FNMR"), rows)


def _print_traps(traps: Sequence[Trap]) -> None:
    print()
    rows = [
        (each.change, _percent(each.tar) if each.tar else "–", _points_of(each.difference)) for each in traps
    ]
    print_table(("if it were fed so", f"TAR at FMR {rate_text(traps[0].fmr)}", "points"), rows)


def _optional(figure: Figure | None) -> str:
    return _rate(figure) if figure else ""


def _points(tables: Sequence[Verification]) -> list[tuple[str, ...]]:
    return [
        (
            rate_text(point.fmr),
            _plain(point.threshold),
            _rate(point.tar),
            _rate(point.gfrr),
            AVERAGES[each.weighting],
        )
        for each in tables
        for point in each.points
        if point.threshold.value is not None
    ]


def _refusals(tables: Sequence[Verification]) -> list[str]:
    """Why rates are missing from the table: of each average the largest one, which the smaller ones follow."""
    missing = [
        (each.weighting, point) for each in tables for point in each.points if point.threshold.value is None
    ]
    largest = {weighting: point.threshold.why for weighting, point in reversed(missing)}
    if len(set(largest.values())) == 1:
        return [f"not stated: {next(iter(largest.values()))}"]
    return [f"not stated {AVERAGES[weighting]}: {why}" for weighting, why in reversed(largest.items())]


def print_differences(found: Differences) -> None:
    """Two systems beside each other."""
    a, b = found.systems
    print(f"{found.protocol} on {found.data}: {found.pictures:,} pictures\nA  {a.name}\nB  {b.name}\n")
    rows = [
        (
            named(each),
            AVERAGES[each.weighting],
            _rate(each.first),
            _rate(each.second),
            _points_of(each.difference),
            VERDICTS[verdict(each)][0],
        )
        for each in found.rows
    ]
    print_table(("", "averaged", "A", "B", "B − A, points", "B is"), rows)
    for note in found.notes:
        print(f"note: {note}")


def print_calibration(found: Calibration, samples: Samples, path: Path | None, *, json: bool) -> None:
    """The table that verdicts stand on."""
    if json:
        print_json({"calibration": msgspec.to_builtins(found), "written": str(path) if path else None})
        return
    people = f"{found.people:,} people, " if found.people else ""
    print(f"{people}{found.impostor_pairs:,} pairs of strangers; {found.method}\n")
    rows = [
        (
            rate_text(row.fmr),
            f"{row.similarity:.4f}",
            f"{row.low:.4f}–{row.high:.4f}",
            f"{rate_text(row.fmr_low)}–{rate_text(row.fmr_high)}",
            _percent(tar),
            row.kind,
        )
        for row, tar in zip(found.thresholds, found.tar, strict=True)
    ]
    print_table(("FMR", "threshold", "95 %", "FMR on as many others", "TAR", "how"), rows)
    if found.searches:
        print("\n1:N, at most so many strangers taken for somebody:")
        print_table(("FPIR", "people", "templates each", "threshold", "95 %", "FNIR"), _search_rows(found))
    missed = len(samples.missed)
    print(f"\n{missed} pictures could not be enrolled" if missed else "")
    print(f"wrote {path}" if path else "nothing written; --write puts it beside the bundle's card")


def _search_rows(found: Calibration) -> list[tuple[str, ...]]:
    return [
        (
            rate_text(row.fpir),
            f"{row.people:,}",
            "1" if row.templates == 1 else f"up to {row.templates}",
            f"{row.similarity:.4f}",
            f"{row.low:.4f}–{row.high:.4f}",
            _percent(row.fnir),
        )
        for row in found.searches
    ]


def _points_of(figure: Figure) -> str:
    if figure.value is None or figure.low is None or figure.high is None:
        return figure.why
    value, low, high = (round(100 * each, 2) + 0.0 for each in (figure.value, figure.low, figure.high))
    return f"{value:+.2f} ({low:+.2f} to {high:+.2f})"


def _rate(figure: Figure) -> str:
    if figure.value is None or figure.low is None or figure.high is None:
        return figure.why
    return f"{_percent(figure.value)} ({100 * figure.low:.3g}–{100 * figure.high:.3g})"


def _plain(figure: Figure) -> str:
    if figure.value is None or figure.low is None or figure.high is None:
        return figure.why
    return f"{figure.value:.4g} ({figure.low:.4g}–{figure.high:.4g})"


def _percent(rate: float) -> str:
    return f"{100 * rate:.2f} %" if rate >= 0.01 or rate == 0 else f"{100 * rate:.2g} %"
