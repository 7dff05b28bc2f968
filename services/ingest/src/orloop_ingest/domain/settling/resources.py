"""Sources that send actions, not snapshots: what the actions make of the schedule that is held."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from orloop_common.domain.events import CaseScheduled, Surgeon
from orloop_ingest.domain.told import Action, ResourceAction

RESOURCES = ("procedures", "surgeons", "room", "equipment")


@dataclass(frozen=True, slots=True)
class _Gone:
    """The place of what these actions took off: they may add it again."""

    key: Hashable


def applied(
    actions: tuple[ResourceAction, ...], held: CaseScheduled | None, past: tuple[CaseScheduled, ...] = ()
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The resources after the actions, and those deletes that had nothing to delete (what, its code).

    A person who is taken off in a role that the case never had loses whatever role is held: some senders name none.

    Applying them to what they made changes nothing, so that a resend is known for one: what they take off and add
    again keeps its place, for else each resend would put it last.
    """
    procedures: list[Any] = list(held.procedures) if held else []
    surgeons: list[Any] = list(held.surgeons) if held else []
    equipment: list[Any] = list(held.equipment) if held else []
    room = held.room if held else None
    missing: list[tuple[str, str]] = []
    told: set[str] = set()
    for act in actions:
        if act.action is Action.NONE:
            continue
        gone = act.action is Action.DELETE
        if act.procedure is not None:
            told.add("procedures")
            key = (act.procedure.system, act.procedure.code)
            places = [n for n, p in _there(procedures) if (p.system, p.code) == key]
            if not _change(procedures, places, key, None if gone else act.procedure):
                missing.append(("procedure", act.procedure.code))
        elif act.surgeon is not None:
            told.add("surgeons")
            who = act.surgeon
            places = [n for n, s in _there(surgeons) if s.id == who.id and s.role == who.role]
            if not places and not (gone and _had(who, (*past, *((held,) if held else ())))):
                places = [n for n, s in _there(surgeons) if s.id == who.id]
            if not _change(surgeons, places, who.id, None if gone else who):
                missing.append(("surgeon", who.id))
        elif act.equipment is not None:
            told.add("equipment")
            places = [n for n, name in _there(equipment) if name == act.equipment]
            if not _change(equipment, places, act.equipment, None if gone else act.equipment):
                missing.append(("equipment", act.equipment))
        elif act.room is not None:
            told.add("room")
            if not gone:
                room = act.room
            elif room == act.room:
                room = None
            else:
                missing.append(("room", act.room))
    made = {
        "procedures": tuple(each for _, each in _there(procedures)),
        "surgeons": tuple(each for _, each in _there(surgeons)),
        "equipment": tuple(each for _, each in _there(equipment)),
        "room": room,
    }
    return {name: made[name] for name in told}, missing


def _had(who: Surgeon, schedules: tuple[CaseScheduled, ...]) -> bool:
    """Whether the person ever had this role in the case: then taking it off was told before."""
    return any(s.id == who.id and s.role == who.role for held in schedules for s in held.surgeons)


def _there(held: list[Any]) -> list[tuple[int, Any]]:
    """What is not taken off, with its place."""
    return [(n, each) for n, each in enumerate(held) if not isinstance(each, _Gone)]


def _change(held: list[Any], places: list[int], key: Hashable, new: Any | None) -> bool:
    """Put `new` in its place, or take it off if None; False if there was nothing to take off."""
    if new is None:
        for place in places:
            held[place] = _Gone(key)
        return bool(places)
    if places:
        held[places[0]] = new
    elif _Gone(key) in held:
        held[held.index(_Gone(key))] = new
    else:
        held.append(new)
    return True


def was_there(what: str, code: str, schedules: tuple[CaseScheduled, ...]) -> bool:
    """Whether the case ever had it: then the delete was told before."""
    for held in schedules:
        if what == "procedure" and any(p.code == code for p in held.procedures):
            return True
        if what == "surgeon" and any(s.id == code for s in held.surgeons):
            return True
        if what == "equipment" and code in held.equipment:
            return True
        if what == "room" and held.room == code:
            return True
    return False
