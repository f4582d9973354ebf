"""What a preparation answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mien.training.datasets.contract import CropContract
from mien.training.prepare.findings import Suggestion
from mien.training.prepare.review import Outcome

SAME_PERSON = "their person has too few pictures"


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What became of a set.

    outcomes: of every picture listed, sorted by name. crops, kept_people: as written. few: pictures left out
    since their person has too few. suggested: what the review asks; decided: decisions that are followed. page:
    the review to look at, beside its tables. warnings: what was odd in the set.
    """

    out: Path
    contract: CropContract
    outcomes: tuple[Outcome, ...]
    crops: int
    kept_people: int
    few: int
    suggested: tuple[Suggestion, ...]
    decided: int
    page: Path
    warnings: tuple[str, ...]

    @property
    def pictures(self) -> int:
        """How many pictures were listed."""
        return len(self.outcomes)

    @property
    def people(self) -> int:
        """How many people they were said to show."""
        return len({each.looked.person for each in self.outcomes})

    @property
    def dropped(self) -> dict[str, int]:
        """Pictures left out, by why, the most first."""
        counts = Counter(_why(each) for each in self.outcomes if each.person is None)
        counts.update({SAME_PERSON: self.few} if self.few else {})
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    @property
    def moved(self) -> int:
        """Pictures written for somebody else than their folder said."""
        return sum(each.person not in (None, each.looked.person) for each in self.outcomes)

    @property
    def several(self) -> int:
        """Pictures with several faces, of which one was taken."""
        return sum(each.looked.faces > 1 for each in self.outcomes if each.looked.crop)

    @property
    def found(self) -> dict[str, int]:
        """How many suggestions there are, by finding."""
        return dict(Counter(each.finding for each in self.suggested))


def unusable(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The pictures that show no face to use."""
    return [each for each in outcomes if not each.looked.crop]


def _why(outcome: Outcome) -> str:
    reasons = outcome.looked.reasons if outcome.why == "poor" else ()
    return f"poor: {reasons[0]}" if reasons else outcome.why
