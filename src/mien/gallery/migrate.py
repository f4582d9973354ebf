"""Another model: new vectors from the crops that were kept, with every name, id and mark where it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mien.errors import GalleryError, InputError
from mien.gallery.answers import Person
from mien.gallery.boxes import same_place
from mien.gallery.cutout import Cutout, restored
from mien.gallery.desk import Desk
from mien.gallery.log import Change
from mien.gallery.store import faces, people
from mien.gallery.store.schema import marks, templates
from mien.gallery.store.store import Connection, Row
from mien.gallery.vault import Origin
from mien.values import Embeddings

Embed = Callable[[Sequence[Cutout]], Embeddings]
BATCH = 64  # crops in one call of the model


@dataclass(frozen=True, slots=True)
class Migration:
    """What became of a gallery: templates and marks made anew, people left without a template of the new
    model.
    """

    templates: int
    marks: int
    left_behind: tuple[Person, ...]


def migrate(desk: Desk, embed: Embed, origin: Origin) -> Migration:
    """Make every template anew with another model, from kept crops.

    embed: cutouts → their vectors. Templates without a crop stay as they are and are not searched any more:
    their people are named, to be enrolled again. GalleryError, and nothing changed, where nobody's crops were
    kept.
    """
    with desk.read() as connection:
        if origin == desk.vault.origin:
            raise InputError("the gallery is of this bundle and aligner already")
        made = dict(_embedded(desk, connection, embed, origin, skip=frozenset()))
    if not made:
        raise GalleryError(
            "no crop was kept of anybody (mien enroll --keep-crops), so nobody can be moved: enrol them again"
        )
    with desk.change() as change:
        # Who came while the model was running.
        made.update(_embedded(desk, change.connection, embed, origin, skip=frozenset(made)))
        moved = _moved(desk, change, made, origin)
        change.record("migrate", results=moved.templates)
    with desk.read():
        pass  # the index is made anew
    return moved


def _embedded(
    desk: Desk, connection: Connection, embed: Embed, origin: Origin, skip: frozenset[int]
) -> Iterator[tuple[int, Embeddings]]:
    """Templates' numbers and their new vectors, as many at a time as the model takes."""
    rows = [row for row in faces.with_crops(connection) if row.template not in skip]
    for start in range(0, len(rows), BATCH):
        some = rows[start : start + BATCH]
        made = embed([_cutout(desk, row) for row in some])
        if Origin.of(made) != origin or len(made) != len(some):
            raise InputError("the model made other vectors than it said")
        for i, row in enumerate(some):
            yield row.template, made[i]


def _cutout(desk: Desk, row: Row[Any]) -> Cutout:
    image = desk.vault.value(row, "crops.image", row.uid)
    return restored(image, row.landmarks)


def _moved(desk: Desk, change: Change, made: dict[int, Embeddings], origin: Origin) -> Migration:
    connection = change.connection
    kept = {row.id: row for row in faces.every(connection, templates)}
    desk.vault = desk.vault.bound(connection, origin)
    owners = people.by_numbers(connection, sorted({row.person for row in kept.values()}))
    for number, embeddings in made.items():
        if number in kept:
            owner = owners[kept[number].person]
            faces.change(connection, templates, number, **_values(desk, "templates.vector", owner, embeddings))
    moved = _move_marks(desk, change, {kept[n].picture: (kept[n].box, e) for n, e in made.items() if n in kept})
    there = {kept[number].person for number in made if number in kept}
    for number in owners:
        faces.note_change(connection, number)
    behind = tuple(desk.person(owners[number]) for number in sorted(owners) if number not in there)
    return Migration(sum(number in kept for number in made), moved, behind)


def _move_marks(desk: Desk, change: Change, made: dict[str, tuple[str, Embeddings]]) -> int:
    """New vectors of marks whose face is somebody's template; the others hold for their very picture only."""
    rows = faces.every(change.connection, marks)
    owners = people.by_numbers(change.connection, sorted({row.person for row in rows}))
    moved = 0
    for row in rows:
        box, embeddings = made.get(row.picture, ("0 0 0 0", None))
        if embeddings is not None and same_place(row.box, box):
            owner = owners[row.person]
            faces.change(change.connection, marks, row.id, **_values(desk, "marks.vector", owner, embeddings))
            moved += 1
    return moved


def _values(desk: Desk, place: str, owner: Row[Any], embeddings: Embeddings) -> dict[str, Any]:
    return {
        "vector": desk.vault.store_vector(place, owner.uid, embeddings.vectors[0]),
        "bundle": embeddings.bundle,
        "aligner": embeddings.aligner,
        "transform": desk.vault.transform,
        "data_key": desk.vault.data_key,
    }
