"""Procedures, people, rooms and equipment of a case: as a snapshot, or as actions on what is known."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from orloop_common.domain.events import Procedure, Surgeon
from orloop_ingest.domain.quarantine import Quarantined, Reason
from orloop_ingest.domain.told import Action, ResourceAction

from . import words as w
from .places import Place
from .profile import Mode
from .reading import Reading
from .tokens import Segment

MOST_RESOURCES = 600  # more would not fit one record of the log


def snapshot(r: Reading, at: datetime) -> dict[str, Any]:
    """A message with resource segments is a snapshot of all of them; without any, what was known stays."""
    index, c = r.message.index, r.profile.candidates
    for name in r.resource_names:
        if name in index:
            break
    else:
        return {}
    return {
        "procedures": tuple([_procedure(r, s, p, at) for p in c["procedure"] for s in _of(r, p)]),
        "surgeons": tuple([_surgeon(r, s, p) for p in c["person"] for s in _of(r, p)]),
        "equipment": tuple([word for p in c["equipment"] for s in _of(r, p) if (word := _equipment(r, s, p))]),
    }


def _of(r: Reading, place: Place) -> list[Segment]:
    """The segments of a place that are there to stay."""
    found = r.every(place.segment)
    return [s for s in found if r.fits(s, place)] if place.word else found


def room_of(r: Reading) -> tuple[str | None, bool]:
    """The case's room, and whether the message says anything of it; a word in no table is flagged.

    Raises
    ------
    Quarantined
        WRONG_BODY if it names two rooms.
    """
    rooms = r.profile.tables.rooms
    for place in r.profile.candidates["room"]:
        words = dict.fromkeys([word for s in _of(r, place) if (word := r.value(s, place))])
        if not place.word and place.segment in r.profile.equipment_segments:
            words = {word: None for word in words if word in rooms}  # the others are equipment
        if not words:
            continue
        known = {rooms[word] for word in words if word in rooms}
        if len(known) > 1:
            raise Quarantined(Reason.WRONG_BODY, place.text)
        if len(known) < len(words):
            for word in words:
                if word not in rooms:
                    r.flag("unknown_room", word, place.text)
        return next(iter(known), None), True
    told = any(name in r.profile.room_segments for name in r.resource_names)
    return None, told and any(name in r.message.index for name in r.resource_names)


def _procedure(r: Reading, s: Segment, place: Place, at: datetime) -> Procedure:
    code, text, system = r.components(s, place.field, 3)
    system = system or "local"
    if r.profile.tables.codes:
        code, system = _mapped(r, code, system, place.text, at)
    return Procedure(code=code, text=text, system=system)


def _mapped(r: Reading, code: str, system: str, place: str, at: datetime) -> tuple[str, str]:
    """Code and system by the version of the table that is in force on the case's day.

    What no table lists stays as the sender has it, and is flagged; so is a code that the newest version means otherwise
    than the one before it.
    """
    tables = [t for t in r.profile.tables.codes if t.system == system]
    if not tables:
        return code, system
    day = at.date()
    in_force = [t for t in tables if t.since <= day] or tables[:1]
    ours = in_force[-1].codes.get(code)
    if ours is None:
        r.flag("unmapped_code", code, place)
        return code, system
    if len(in_force) > 1 and in_force[-2].codes.get(code, ours) != ours:
        r.flag("remapped_code", code, place)
    return ours, r.profile.tables.code_system


def _surgeon(r: Reading, s: Segment, place: Place) -> Surgeon:
    id, family, given = r.components(s, place.field, 3)
    if not id:
        raise Quarantined(Reason.WRONG_BODY, place.text)
    word = ""
    for p in r.profile.candidates["person_role"]:
        word = word or r.text(s, p.field, p.component)
    role = r.profile.tables.roles.get(word.upper())
    if role is None:
        r.notes.append("unknown_role")
    if r.profile.staff is not None and id not in r.profile.staff:
        r.flag("unknown_surgeon", id, place.text)
    return Surgeon(id=id, role=role or "other", name=f"{given} {family}".strip() or None)


def _equipment(r: Reading, s: Segment, place: Place) -> str | None:
    word = r.text(s, place.field, place.component)
    if s.name in r.profile.room_segments:
        for p in r.profile.candidates["room"]:
            if p.segment == s.name and (r.fits(s, p) if p.word else word in r.profile.tables.rooms):
                return None
    return word if r.is_code(word) else None


def actions(r: Reading, at: datetime) -> tuple[ResourceAction, ...]:
    """What the message does to the case's resources, in its order; a deleted group deletes all that is in it."""
    c = r.profile.candidates
    trigger, rooms = r.header.trigger, r.profile.tables.rooms
    usual = Action(w.RESOURCE_TRIGGERS.get(trigger, "A" if trigger == "S12" else "U"))
    group = None
    found: list[ResourceAction] = []
    for s in r.message.segments:
        if s.name == r.part("RGS"):
            group = _action(s.raw(2))
        elif s.name in r.resource_names:
            action = _of_segment(r, s, group, usual)
            if action is not Action.NONE:
                found += _resource(r, s, action, c, rooms, at)
    return tuple(found)


def _of_segment(r: Reading, s: Segment, group: Action | None, usual: Action) -> Action:
    """The action of a resource: its group's deletion, its own code, its status, its group's code, the trigger's."""
    own = _action(s.raw(2))
    if group is Action.DELETE:
        return group
    if own is not None:
        return own
    if r.gone(s):
        return Action.DELETE
    if group is not None:
        return group
    if usual is Action.DELETE and r.profile.mode is Mode.SNAPSHOT:
        return Action.NONE  # it lists the whole appointment, and says by status what was taken away
    r.notes.append("action_missing")
    return usual


def _action(code: bytes) -> Action | None:
    try:
        return Action(code.decode("ascii", "replace")) if code else None
    except ValueError:
        raise Quarantined(Reason.UNKNOWN_CODE, "segment action code") from None


def _resource(
    r: Reading, s: Segment, action: Action, c: Mapping[str, tuple[Place, ...]], rooms: Mapping[str, str], at: datetime
) -> Iterator[ResourceAction]:
    for place in c["procedure"]:
        if place.segment == s.name and r.fits(s, place):
            yield ResourceAction(action=action, procedure=_procedure(r, s, place, at))
    for place in c["person"]:
        if place.segment == s.name and r.fits(s, place):
            yield ResourceAction(action=action, surgeon=_surgeon(r, s, place))
    for place in c["room"]:
        if place.segment == s.name and r.fits(s, place) and (room := rooms.get(r.value(s, place))) is not None:
            yield ResourceAction(action=action, room=room)
    for place in c["equipment"]:
        if place.segment == s.name and r.fits(s, place) and (word := _equipment(r, s, place)) is not None:
            yield ResourceAction(action=action, equipment=word)
