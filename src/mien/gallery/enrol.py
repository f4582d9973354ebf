"""Taking a face in: the gate that it has to pass, and what is written when it does."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mien.bundle.calibration import Calibration
from mien.bundle.search import as_single, gate_threshold
from mien.errors import EnrolmentError, FaceCountError, InputError
from mien.fusion import mean_vectors
from mien.gallery.answers import Consent, Enrolment, clean
from mien.gallery.boxes import box_text, same_place
from mien.gallery.cutout import cut
from mien.gallery.desk import Desk
from mien.gallery.log import Change
from mien.gallery.store import faces, people
from mien.gallery.store.schema import templates
from mien.gallery.store.store import Connection, Row
from mien.gallery.vault import Origin, now
from mien.images import Picture, load
from mien.images.picture import Source
from mien.values import FaceChoice, Floats, Reading, rate_text

ANOTHER_FMR = 1e-5  # a face that is so seldom like a stranger's is taken for another enrolled person's
UNLIKE_FMR = 1e-2  # a face that is less like the person's others than one stranger in a hundred is
# Every reason that can be allowed, and what it says. Those of quality are mien.recognition.quality's.
GATE: Mapping[str, str] = {
    "small": "the face is too small",
    "blurred": "the face is blurred",
    "turned": "the face is turned away",
    "dark": "the face is too dark",
    "bright": "the face is too bright",
    "flat": "the face has too little contrast",
    "low-score": "the detector is not sure that this is a face",
    "looks-like-another": "the face looks like another enrolled person",
    "unlike": "the face does not look like this person's others",
    "duplicate": "this face of this picture is enrolled already",
}
# Reasons that say how to get past them otherwise.
NOT_ALLOWED: Mapping[str, str] = {
    "no-face": "no face was found",
    "several-faces": "several faces were found; choose one with face='largest' or face='central'",
}


@dataclass(frozen=True, slots=True, eq=False)
class Newcomer:
    """Who is to be enrolled: a name, one face of a picture, and the ground it stands on."""

    name: str
    reading: Reading
    reference: str | None
    consent: Consent | None
    allow: frozenset[str]
    picture: Source | None


def newcomer(
    name: str,
    reading: Reading,
    *,
    face: FaceChoice,
    reference: str | None,
    consent: Consent | None,
    allow: Iterable[str],
    picture: Source | None,
) -> Newcomer:
    """Everything that can be checked without the gallery. EnrolmentError where there is not one face."""
    require_reading(reading)
    allowed = frozenset([allow] if isinstance(allow, str) else allow)
    unknown = sorted(allowed - set(GATE))
    if unknown:
        raise InputError(f"allow={unknown[0]!r} is unknown; known: {', '.join(GATE)}")
    try:
        one = reading.choose(face)
    except FaceCountError as error:
        reason = "several-faces" if error.count else "no-face"
        raise EnrolmentError(f"{reason}: {error}", (reason,)) from error
    reference = clean("reference", reference) if reference is not None else None
    return Newcomer(clean("name", name), one, reference, consent, allowed, picture)


def require_reading(reading: Reading) -> None:
    """InputError for a path or a picture, where what a recogniser made of it is wanted."""
    if not isinstance(reading, Reading):
        kind = type(reading).__name__
        raise InputError(f"{kind} given, a reading wanted: recognizer.read(picture) makes one of a picture")


def require_one_face(reading: Reading) -> None:
    """InputError unless it is a reading of one face."""
    require_reading(reading)
    if len(reading) != 1:
        raise InputError(f"one face is wanted, {len(reading)} given: use Reading.choose")


def enrol(desk: Desk, who: Newcomer) -> Enrolment:
    """Take a face in, or raise EnrolmentError with every reason why not. All or nothing is written."""
    if who.consent is not None and who.consent.keep_crops and who.picture is None:
        raise InputError(f"{who.name}: the consent says to keep a crop, so the picture itself is wanted too")
    with desk.change(searching=True) as change:
        desk.vault.require(who.reading.embeddings)
        row = desk.find_name(change.connection, who.name)
        _require_own_words(desk, change, who, row)
        found = [*_quality(who.reading), *_against_others(desk, change, who, row)]
        refused = [(reason, why) for reason, why in found if reason not in who.allow]
        if refused:
            raise EnrolmentError(_refusal(who, refused), tuple(reason for reason, _ in refused))
        return _written(desk, change, who, row, tuple(reason for reason, _ in found))


def _require_own_words(desk: Desk, change: Change, who: Newcomer, row: Row[Any] | None) -> None:
    """InputError where a name or a reference would lead to somebody else, or would replace another."""
    require_free(desk, change, who.name, row)
    if who.reference is None:
        return
    require_free(desk, change, who.reference, row)
    held = desk.person(row).reference if row is not None else None
    if held not in (None, who.reference):
        raise InputError(
            f"{who.name} has the reference {held!r}; another person is wanted for {who.reference!r}"
        )


def require_free(desk: Desk, change: Change, word: str, row: Row[Any] | None) -> None:
    """InputError where a name or a reference already leads to another person than this one."""
    other = desk.find(change.connection, word)
    if other is not None and (row is None or other.id != row.id):
        raise InputError(f"{word!r}: another person in the gallery has this name, id or reference")


def _quality(reading: Reading) -> list[tuple[str, str]]:
    codes = [reason.replace(" ", "-") for reason in reading.quality.reasons[0]]
    return [(code, GATE[code]) for code in codes]


def _against_others(desk: Desk, change: Change, who: Newcomer, row: Row[Any] | None) -> list[tuple[str, str]]:
    """What the gallery has against it: the same face is there, or it is like another, or unlike its own."""
    found = []
    for other in faces.from_picture(change.connection, who.reading.sha256):
        if same_place(other.box, box_text(who.reading.faces.boxes[0])):
            whose = "this person" if row is not None and other.person == row.id else f"person {other.uid}"
            found.append(("duplicate", f"{GATE['duplicate']}, of {whose}"))
    if desk.calibration is not None:
        found += _alike(desk, change, who, row, desk.calibration)
    return found


def _alike(
    desk: Desk, change: Change, who: Newcomer, row: Row[Any] | None, calibration: Calibration
) -> list[tuple[str, str]]:
    probe = desk.vault.turned(who.reading.embeddings.vectors)
    with desk.searcher.steady():
        found = desk.searcher.search(change.connection, probe, 16)
        counts = desk.searcher.templates_of(change.connection, found.keys[0])
    scores = as_single(calibration, found.scores[0], counts)
    own = found.keys[0] == (row.id if row is not None else -1)
    level = gate_threshold(calibration, ANOTHER_FMR)
    others = np.where(own | (found.keys[0] < 0), -np.inf, scores)
    reasons = []
    if others.max(initial=-np.inf) >= level:
        other = people.by_numbers(change.connection, [int(found.keys[0][others.argmax()])])
        names = ", ".join(f"{desk.name(each)} ({each.uid})" for each in other.values())
        reasons.append(
            (
                "looks-like-another",
                f"{GATE['looks-like-another']}, {names}, at FMR {rate_text(calibration.fmr_at(level))}",
            )
        )
    like = _own_score(desk, change, probe, row, calibration)
    if like is not None and like < calibration.threshold(min(UNLIKE_FMR, calibration.thresholds[0].fmr)):
        reasons.append(("unlike", GATE["unlike"]))
    return reasons


def _own_score(
    desk: Desk, change: Change, probe: Floats, row: Row[Any] | None, calibration: Calibration
) -> float | None:
    """How alike the face is to the person's templates, as of one template; None where there are none."""
    if row is None:
        return None
    similarity, count = likeness(desk, change.connection, probe, row.id)
    return float(as_single(calibration, similarity, np.array([count]))[0, 0]) if count else None


def likeness(desk: Desk, connection: Connection, probe: Floats, number: int) -> tuple[Floats, int]:
    """(1,1) the cosine of a turned probe (1,d) to the mean of a person's templates, and how many those are."""
    digests = desk.vault.origin.digests if desk.vault.origin else ("", "")
    rows = [row for some in faces.vectors(connection, templates, digests, [number]) for row in some]
    if not rows:
        return np.zeros((1, 1), np.float32), 0
    vectors = desk.vault.vectors("templates.vector", rows)
    return probe @ mean_vectors(vectors, np.zeros(1, np.intp)).T, len(rows)


def _written(
    desk: Desk, change: Change, who: Newcomer, row: Row[Any] | None, allowed: tuple[str, ...]
) -> Enrolment:
    connection, reading = change.connection, who.reading
    if desk.vault.origin is None:
        desk.vault = desk.vault.bound(connection, Origin.of(reading.embeddings))
    number, uid = (row.id, row.uid) if row is not None else _new_person(desk, change, who)
    if row is not None:
        _renewed(desk, change, row, who)
    template = faces.add(connection, templates, template_values(desk, number, uid, reading, allowed))
    kept = _keeps(who, row)
    if kept and who.picture is not None:
        _keep_crop(desk, change, template, uid, _picture(who.picture, reading), reading)
    faces.note_change(connection, number)
    change.record("enroll", [uid])
    person = desk.person(people.by_numbers(connection, [number])[number])
    notes = [
        "no calibration fits, so it was not held against the other people" if desk.calibration is None else "",
        "no crop was kept, since the picture was not given" if kept and who.picture is None else "",
    ]
    note = "; ".join(each for each in notes if each)
    return Enrolment(person, template, row is None, float(reading.quality.values[0]), allowed, note)


def template_values(
    desk: Desk,
    number: int,
    uid: str,
    reading: Reading,
    allowed: tuple[str, ...],
    place: str = "templates.vector",
) -> dict[str, Any]:
    """The row of a face, for a person's template or mark."""
    return {
        "person": number,
        "vector": desk.vault.store_vector(place, uid, reading.embeddings.vectors[0]),
        "bundle": reading.embeddings.bundle,
        "aligner": reading.embeddings.aligner,
        "transform": desk.vault.transform,
        "quality": float(reading.quality.values[0]),
        "reasons": ",".join(allowed),
        "picture": reading.sha256,
        "box": box_text(reading.faces.boxes[0]),
        "created": now(),
        "data_key": desk.vault.data_key,
    }


def _new_person(desk: Desk, change: Change, who: Newcomer) -> tuple[int, str]:
    return add_person(desk, change, who.name, who.reference, who.consent or Consent())


def add_person(
    desk: Desk, change: Change, name: str, reference: str | None, consent: Consent
) -> tuple[int, str]:
    """A new person's number and random id."""
    uid = "p_" + secrets.token_hex(8)
    values = {**name_values(desk, uid, name, reference), **_consent_values(consent), "created": now()}
    return people.add(change.connection, {"uid": uid, **values}), uid


def _consent_values(consent: Consent) -> dict[str, Any]:
    """The columns of a consent."""
    return {"consent": consent.basis, "keep_crops": consent.keep_crops, "until": consent.until}


def name_values(desk: Desk, uid: str, name: str, reference: str | None) -> dict[str, Any]:
    """The columns of a name and a reference."""
    vault = desk.vault
    sealed = None if reference is None else vault.close("people.reference", uid, reference.encode())
    return {
        "name": vault.close("people.name", uid, name.encode()),
        "name_index": vault.index(name),
        "reference": sealed,
        "reference_index": None if reference is None else vault.index(reference),
        "data_key": vault.data_key,
    }


def _renewed(desk: Desk, change: Change, row: Row[Any], who: Newcomer) -> None:
    """What is new of a person who is there: a reference, another consent. Crops go where it allows none."""
    if who.reference is not None:
        people.change(change.connection, row.id, **name_values(desk, row.uid, desk.name(row), who.reference))
    if who.consent is None:
        return
    people.change(change.connection, row.id, **_consent_values(who.consent))
    if not who.consent.keep_crops:
        faces.remove_crops(change.connection, row.id)


def _keeps(who: Newcomer, row: Row[Any] | None) -> bool:
    """Whether the person's consent says to keep a crop: the one given now, else the one on record."""
    if who.consent is not None:
        return who.consent.keep_crops
    return bool(row is not None and row.keep_crops)


def _keep_crop(desk: Desk, change: Change, template: int, uid: str, picture: Picture, reading: Reading) -> None:
    kept = cut(picture, reading.faces)
    sealed = desk.vault.close("crops.image", uid, kept.image)
    values = {"image": sealed, "landmarks": kept.points(), "data_key": desk.vault.data_key}
    faces.add_crop(change.connection, {"template": template, **values})


def _picture(source: Source, reading: Reading) -> Picture:
    """The picture itself. InputError where it is not the one that was read."""
    picture = load(source)
    if picture.sha256 != reading.sha256:
        raise InputError(f"{picture.source}: not the picture that was read (SHA-256 differs)")
    return picture


def _refusal(who: Newcomer, refused: list[tuple[str, str]]) -> str:
    reasons = "; ".join(f"{why} ({reason})" for reason, why in refused)
    allow = ", ".join(reason for reason, _ in refused)
    return f"{who.reading.source}: not enrolled as {who.name}: {reasons}. To let it pass anyhow: allow {allow}"
