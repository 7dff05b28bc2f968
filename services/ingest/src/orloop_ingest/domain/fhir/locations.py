"""Location: whether a room can be used (operationalStatus, table 0116), and the state of beds."""

from orloop_common.domain.digest import derived_id
from orloop_common.domain.events import CleaningStatusChanged, Event, RoomRestored, RoomWentDown
from orloop_ingest.domain.quarantine import Quarantined, Reason
from orloop_ingest.domain.told import BedTold, FactTold, Statement

from . import elements as e
from .context import Context

BED_STATES = frozenset("UOHKIC")
_CLEANING = {"H": "cleaning", "K": "dirty"}


def read(c: Context) -> list[Statement]:
    """A room down or usable again, being cleaned; or one bed of a unit; any other place is none of ours."""
    word = _words(c)
    state = e.text(e.element(c.resource, "operationalStatus", c.kind), "code", "Location.operationalStatus")
    if state and state not in BED_STATES:
        raise Quarantined(Reason.UNKNOWN_CODE, "Location.operationalStatus")
    room = next((c.profile.rooms[w] for w in word if w in c.profile.rooms), None)
    if room is not None:
        return [FactTold(event=event) for event in _room(c, room, state)]
    for each in word:
        if each in c.profile.units:
            unit, bed = c.profile.units[each]
            closed = c.text("status") in ("suspended", "inactive")
            return [BedTold(unit=unit, bed=bed, status="C" if closed else state)] if state or closed else []
    c.notes.append("unmapped_location")
    return []


def _words(c: Context) -> list[str]:
    found = []
    for system, value in e.identifiers(c.resource, c.kind):
        found += [f"{system}|{value}", value]
    if id := c.text("id"):
        found += [f"Location/{id}", id]
    return found


def _room(c: Context, room: str, state: str) -> list[Event]:
    """`suspended` and `inactive` are the resource's own word for a room out of use; C is the door's."""
    status = c.text("status")
    suite, told_by = c.profile.suite, c.profile.source
    down = status in ("suspended", "inactive") or state == "C"
    cause = status if status in ("suspended", "inactive") else "closed"
    made: list[Event] = []
    if down:
        id = derived_id("RoomWentDown", suite, room, cause, c.at.isoformat())
        made.append(RoomWentDown(id=id, suite=suite, at=c.at, room=room, cause=cause, reported_by=told_by))
    elif status == "active" or state:
        id = derived_id("RoomRestored", suite, room, c.at.isoformat())
        made.append(RoomRestored(id=id, suite=suite, at=c.at, room=room, reported_by=told_by))
    if state in _CLEANING:
        id = derived_id("CleaningStatusChanged", suite, room, state, c.at.isoformat())
        made.append(CleaningStatusChanged(id=id, suite=suite, at=c.at, room=room, status=_CLEANING[state]))
    return made
