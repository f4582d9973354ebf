"""What feeding a model wrongly costs: which changes are tried, what each costs, what the page says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
from elements import Elements
from graphs import embed_card
from people import write_people
from simulated import World, samples_of

from mien.bundle.bundle import Bundle
from mien.bundle.card import EmbedCard, Reference
from mien.bundle.catalog import find_bundle
from mien.bundle.runtime import Runtime
from mien.errors import BundleError
from mien.evaluation.enrol import Entry, enrol
from mien.evaluation.measure import About, measure
from mien.evaluation.metrics import Trial
from mien.evaluation.report import build
from mien.evaluation.study import Study, System, Trap
from mien.evaluation.traps import DLIB, trap, variations
from mien.evaluation.trials import all_pairs
from mien.recognition.recognizer import Recognizer

BGR, UNMIRRORED, ARCFACE = (
    "colours as BGR instead of RGB",
    "without the mirrored crop",
    "ArcFace's reference points",
)
PEOPLE, PICTURES = 125, 2  # of the real ones: the more people, the surer a difference
Trials = dict[str, Trial]


@pytest.fixture(scope="module")
def starter() -> Bundle:
    return find_bundle("dlib-resnet")


@pytest.fixture(scope="module")
def real(shared_data: Path, starter: Bundle) -> Trials:
    """250 pictures of LFW as the starter's card states, and with each change."""
    return read_each(starter, real_pictures(shared_data / "faces" / "lfw-dev"))


@pytest.fixture(scope="module")
def stamps(tmp_path_factory: pytest.TempPathFactory, starter: Bundle) -> Trials:
    """80 pictures of forty people, all but one of them grey; the same."""
    written = write_people(tmp_path_factory.mktemp("stamps"), count=40, pictures=2)
    return read_each(starter, [path for paths in written.values() for path in paths])


def real_pictures(folder: Path) -> list[Path]:
    people = (sorted(person.iterdir()) for person in sorted(folder.iterdir()) if person.is_dir())
    several = [pictures for pictures in people if len(pictures) >= 3][:PEOPLE]
    return [path for pictures in several for path in pictures[:PICTURES]]


def read_each(bundle: Bundle, pictures: Sequence[Path]) -> Trials:
    """Trials by what was changed; "" stands for nothing."""
    each = {"": bundle, **dict(variations(bundle))}
    return {words: read(changed, pictures) for words, changed in each.items()}


def read(bundle: Bundle, pictures: Sequence[Path]) -> Trial:
    road = Recognizer(bundle, find_bundle("mtcnn"), Runtime(threads=2))
    enrolment = enrol(
        [Entry(f"{path.parent.name}/{path.name}", path.parent.name, path) for path in pictures],
        road.read_many,
        face="central",
        bundle=bundle.digest,
        aligner=road.aligner.digest,
        dimension=road.dimension,
    )
    return all_pairs(enrolment.samples)


def traps_of(trials: Trials) -> dict[str, Trap]:
    return {words: trap(words, trials[""], changed) for words, changed in trials.items() if words}


def page(stated: Trial, traps: Sequence[Trap]) -> Elements:
    """The report on a study with these traps."""
    samples = stated.samples
    system = System(name="mtcnn + dlib-resnet", bundle=samples.bundle, aligner=samples.aligner)
    study: Study = measure(stated, About(protocol="folder", data="faces", system=system))
    return Elements(build(msgspec.structs.replace(study, traps=tuple(traps)), {}))


def sentence(found: Trap) -> str:
    """What the page has to say of a change, made from its figures by hand."""
    d = found.difference
    assert d.value is not None
    assert d.low is not None
    assert d.high is not None
    if abs(d.value) < 1e-9:
        return f"“{found.change}” changes nothing at FMR {fmr(found)}, on these pictures."
    verb = "loses" if d.value < 0 else "gains"
    low, high = sorted((-1 if d.value < 0 else 1) * 100 * end for end in (d.low, d.high))
    size = f"{100 * abs(d.value):.1f} points ({low:.1f} to {high:.1f})".replace("-", "−")
    return f"“{found.change}” {verb} {size} of TAR at FMR {fmr(found)}: "


def fmr(found: Trap) -> str:
    return {1e-3: "1e-3", 1e-2: "1e-2", 1e-1: "1e-1"}[found.fmr]


def test_the_starter_is_tried_with_other_colours_no_mirror_and_other_points(starter: Bundle) -> None:
    assert [words for words, _ in variations(starter)] == [BGR, UNMIRRORED, ARCFACE]


def test_each_change_is_the_one_that_it_says_and_no_other(starter: Bundle) -> None:
    card = starter.card
    assert isinstance(card, EmbedCard)
    found = dict(variations(starter))
    swapped = msgspec.structs.replace(card, input=msgspec.structs.replace(card.input, channels="BGR"))
    assert found[BGR].card == swapped
    assert found[UNMIRRORED].card == msgspec.structs.replace(card, mirror=False)
    moved = found[ARCFACE].card
    assert isinstance(moved, EmbedCard)
    assert msgspec.structs.replace(moved, reference=card.reference) == card
    # Of ArcFace's 112 pixels, the left eye lies at (38.2946, 51.6963).
    assert moved.reference.points[0] == pytest.approx((38.2946 / 112 * 150, 51.6963 / 112 * 150))


def test_each_change_is_another_model_and_has_no_thresholds(starter: Bundle) -> None:
    found = [bundle for _, bundle in variations(starter)]
    assert len({starter.digest, *(bundle.digest for bundle in found)}) == 1 + len(found)
    road = Recognizer(starter, find_bundle("mtcnn"), Runtime(threads=1))
    assert road.calibration is not None
    assert all(bundle.calibration(road.aligner.digest) is None for bundle in found)


def test_other_embedders_get_the_changes_that_fit_them() -> None:
    arcface = Bundle(Path(), embed_card(size=(112, 112))[0])  # ArcFace's points, RGB, no mirror
    words = [BGR, "averaged with the mirrored crop", "dlib's reference points"]
    assert [change for change, _ in variations(arcface)] == words
    own = Reference(points=((10.0, 10.0), (100.0, 12.0), (60.0, 60.0), (20.0, 90.0), (90.0, 95.0)))
    neither = Bundle(Path(), embed_card(size=(112, 112), reference=own)[0])
    assert [change for change, _ in variations(neither)][2:] == [ARCFACE, "dlib's reference points"]


def test_grey_pictures_have_no_order_of_colours() -> None:
    card = embed_card(size=(112, 112))[0]
    one = {"channels": "grey", "mean": (0.0,), "scale": (1.0,)}
    grey = msgspec.structs.replace(card, input=msgspec.structs.replace(card.input, **one))
    assert next(change for change, _ in variations(Bundle(Path(), grey))).startswith("averaged")


def test_points_that_are_dlibs_are_not_tried_on_dlib(starter: Bundle) -> None:
    card = starter.card
    assert isinstance(card, EmbedCard)
    assert card.input.size == (150, 150)
    assert np.abs(np.subtract(DLIB, card.reference.points)).max() < 0.1


def test_a_detector_cannot_be_fed_wrongly() -> None:
    with pytest.raises(BundleError, match="embedder"):
        list(variations(find_bundle("mtcnn")))


def test_nothing_changed_is_nothing_lost() -> None:
    trial = all_pairs(samples_of([3] * 40, exact=False))
    found = trap("nothing", trial, trial)
    assert (found.difference.value, found.difference.low, found.difference.high) == (0, 0, 0)
    assert found.stated == found.tar


@pytest.mark.parametrize(("people", "rate"), [(80, 1e-3), (40, 1e-2), (20, 1e-1)])
def test_the_rate_is_the_smallest_that_the_comparisons_support(people: int, rate: float) -> None:
    trial = all_pairs(samples_of([2] * people, exact=False))  # 3,160, 780 and 190 pairs of people
    found = trap("nothing", trial, trial)
    assert (found.fmr, found.weighting) == (rate, "person")


def test_where_nobody_is_named_pairs_count_alike() -> None:
    trial = World(alike=0.2, own=0.5).pairs(np.random.default_rng(0), 400, 100)
    assert trap("nothing", trial, trial).weighting == "pair"


def test_what_cannot_be_stated_says_why() -> None:
    trial = all_pairs(samples_of([2] * 4, exact=False))
    found = trap("nothing", trial, trial)
    assert found.fmr == 1e-1
    assert found.difference.value is None
    assert "needs 30 independent impostor comparisons" in found.difference.why


def test_the_report_says_what_colours_mirror_and_points_cost(real: Trials) -> None:
    """The three commonest ways to feed a model wrongly, measured on real faces and told in words."""
    traps = traps_of(real)
    found = page(real[""], list(traps.values()))
    assert list(traps) == [BGR, UNMIRRORED, ARCFACE]
    for change, each in traps.items():
        assert each.fmr == 1e-3
        assert each.tar < each.stated
        assert each.difference.value == pytest.approx(each.tar - each.stated)
        assert sentence(each) in found.text()
        assert f"{100 * each.tar:.1f} % instead of {100 * each.stated:.1f} %" in found.text()
        assert found.row(change)[1].startswith(f"{100 * each.tar:.1f} % at FMR 1e-3")
    for beyond_chance in (BGR, ARCFACE):
        assert (traps[beyond_chance].difference.high or 0) < 0
    assert traps[ARCFACE].tar < 0.6  # the crop shows less of the face than the model was trained on
    assert "reads better than the settings that the card states" not in found.text()


def test_what_no_picture_shows_is_no_loss(stamps: Trials) -> None:
    """Variations of one photograph each, nearly all grey: every change leaves everybody recognised, and no more
    than that is claimed.
    """
    traps = traps_of(stamps)
    found = page(stamps[""], list(traps.values()))
    for each in traps.values():
        assert each.tar == pytest.approx(each.stated) == pytest.approx(1)
        assert sentence(each) in found.text()
        assert f"“{each.change}” changes nothing at FMR 1e-2, on these pictures." in found.text()


def test_each_change_reaches_the_model(stamps: Trials) -> None:
    stated = stamps[""].samples
    colourful = np.array([name.startswith("astronaut") for name in stated.names])
    moved = {
        words: np.abs(trial.samples.vectors - stated.vectors).max(axis=1) for words, trial in stamps.items()
    }
    # Grey is grey in any order, but for the colours of noise.
    assert moved[BGR][~colourful].max() < 0.01 < moved[BGR][colourful].min()
    assert moved[UNMIRRORED].min() > 1e-3
    assert moved[ARCFACE].min() > 0.01


def test_a_card_that_is_wrong_is_found_out(real: Trials, starter: Bundle) -> None:
    """A bundle whose card says BGR: RGB reads better, and the page warns."""
    wrong = dict(variations(starter))[BGR]
    change, right = next(variations(wrong))
    assert change == "colours as RGB instead of BGR"
    assert right.digest == starter.digest  # so its pictures have been read already
    found = trap(change, real[BGR], real[""])
    assert (found.difference.low or 0) > 0
    words = page(real[BGR], [found]).text()
    assert f"“{change}” reads better than the settings that the card states, which lose" in words
    assert "The card may be wrong about this" in words
    assert sentence(found) in words
