"""Sources that send actions, not snapshots: what the actions make of the schedule that is held."""

from typing import Any

from orloop_common.domain.events import CaseScheduled
from orloop_ingest.domain.told import Action, ResourceAction

RESOURCES = ("procedures", "surgeons", "room", "equipment")


def applied(
    actions: tuple[ResourceAction, ...], held: CaseScheduled | None
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The resources after the actions, and those deletes that had nothing to delete (what, its code).

    Applying them to what they made changes nothing, so that a resend is known for one.
    """
    procedures = list(held.procedures) if held else []
    surgeons = list(held.surgeons) if held else []
    equipment = list(held.equipment) if held else []
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
            places = [n for n, p in enumerate(procedures) if (p.system, p.code) == key]
            _change(procedures, places, act.procedure, gone, "procedure", act.procedure.code, missing)
        elif act.surgeon is not None:
            told.add("surgeons")
            who = act.surgeon
            places = [n for n, s in enumerate(surgeons) if s.id == who.id and s.role == who.role]
            places = places or [n for n, s in enumerate(surgeons) if s.id == who.id]
            _change(surgeons, places, who, gone, "surgeon", who.id, missing)
        elif act.equipment is not None:
            told.add("equipment")
            places = [n for n, name in enumerate(equipment) if name == act.equipment]
            _change(equipment, places, act.equipment, gone, "equipment", act.equipment, missing)
        elif act.room is not None:
            told.add("room")
            if not gone:
                room = act.room
            elif room == act.room:
                room = None
            else:
                missing.append(("room", act.room))
    made = {
        "procedures": tuple(procedures),
        "surgeons": tuple(surgeons),
        "equipment": tuple(equipment),
        "room": room,
    }
    return {name: made[name] for name in told}, missing


def _change(
    held: list[Any], places: list[int], new: Any, gone: bool, what: str, code: str, missing: list[tuple[str, str]]
) -> None:
    if gone:
        if not places:
            missing.append((what, code))
        for place in reversed(places):
            del held[place]
    elif places:
        held[places[0]] = new
    else:
        held.append(new)


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
