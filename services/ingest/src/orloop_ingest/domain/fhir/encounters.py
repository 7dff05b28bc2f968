"""Encounter: where the patient is. Rooms, PACU and holding give milestones; it books and cancels nothing."""

from datetime import datetime

from orloop_common.domain.vocabulary import Milestone
from orloop_ingest.domain.told import MilestoneTold, Statement

from . import elements as e
from .context import Context

_NOT_YET = ("planned", "reserved")


def read(c: Context) -> list[Statement]:
    """A milestone for each stay with a period in a place that the profile knows, and for the arrival."""
    if c.text("status") == "entered-in-error":
        c.notes.append("entered_in_error")
        return []
    told: list[Statement] = []
    for place, stay in e.elements(c.resource, "location", c.kind):
        if e.text(stay, "status", place) not in _NOT_YET:
            told += _stay(c, stay, place)
    for place, past in e.elements(c.resource, "statusHistory", c.kind):
        if e.text(past, "status", place) == "arrived":
            arrived, _ = e.period(past, "period", place, c.zone)
            told += _milestone(c, Milestone.PATIENT_IN_FACILITY, arrived, None)
    if not told:
        c.notes.append("no_milestone")
    return told


def _stay(c: Context, stay: e.Element, place: str) -> list[Statement]:
    where, location = f"{place}.location", e.element(stay, "location", place)
    entered, left = e.period(stay, "period", place, c.zone)
    room = c.room_of(location, where)
    if room is not None:
        return [
            *_milestone(c, Milestone.PATIENT_IN_ROOM, entered, room),
            *_milestone(c, Milestone.PATIENT_OUT_OF_ROOM, left, room),
        ]
    known = c.look(c.profile.encounter_places, location, where)
    if known is None:
        return []
    return [*_milestone(c, known[0], entered, None), *_milestone(c, known[1], left, None)]


def _milestone(c: Context, milestone: Milestone | None, at: datetime | None, room: str | None) -> list[Statement]:
    if milestone is None or at is None:
        return []
    return [MilestoneTold(ref=c.ref(room, at), milestone=milestone, at=at, room=room)]
