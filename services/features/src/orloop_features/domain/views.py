"""What boards and forecasts are told of a suite's day: a status for each room and case, features for each open case."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from immutables import Map

from orloop_common.domain.derived import CaseFeatures, CaseStatus, RoomStatus
from orloop_common.domain.events import CaseScheduled
from orloop_common.domain.features import SCHEMA, case_features, lead_surgeon
from orloop_common.domain.reading import (
    case_room,
    is_in_room,
    next_case,
    occupant,
    outstanding,
    phase,
    room_state,
    stage,
)
from orloop_common.domain.records import CaseRecord
from orloop_common.domain.site import RoomLayout, SuiteLayout
from orloop_common.domain.suite_day import SuiteDay

REFRESH = timedelta(minutes=2)
"""How often, in event time, the features of a case in a room are told again: every fourth tick."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a view stands: the next offset of the suite's log and the event time."""

    as_of: int
    at: datetime


def refresh_due(before: datetime | None, now: datetime | None) -> bool:
    """Whether event time passed a multiple of `REFRESH`; the same for every replay of the log."""
    if now is None:
        return False
    return before is None or now.timestamp() // REFRESH.total_seconds() > before.timestamp() // REFRESH.total_seconds()


def room_statuses(day: SuiteDay, layout: SuiteLayout, moment: Moment) -> Iterator[RoomStatus]:
    """One status for each room of the suite, in the layout's order."""
    cases: dict[str | None, dict[str, CaseRecord]] = {}
    for record in day.cases.values():
        cases.setdefault(case_room(day, record), {})[record.case] = record
    for room in layout.rooms:  # each room is read from its own cases: readings scan all they are given
        yield _room_status(replace(day, cases=Map(cases.get(room.id, {}))), room, moment)


def _room_status(day: SuiteDay, room: RoomLayout, moment: Moment) -> RoomStatus:
    state, since = room_state(day, room.id, day.calendar.at(day.calendar.day(moment.at), room.closes))
    inside, after = occupant(day, room.id), next_case(day, room.id)
    record = day.rooms.get(room.id)
    down = record.down if record else None
    return RoomStatus(
        suite=day.suite,
        as_of=moment.as_of,
        at=moment.at,
        room=room.id,
        state=state,
        since=since,
        case=inside.case if inside else None,
        next_case=after.case if after else None,
        down_cause=down.cause if down else None,
        down_until=down.until if down else None,
    )


def case_statuses(day: SuiteDay, moment: Moment) -> Iterator[CaseStatus]:
    """One status for each case that was ever booked and is still remembered."""
    for record in _booked(day):
        assert record.schedule is not None
        yield _case_status(day, record, record.schedule, moment)


def _case_status(day: SuiteDay, record: CaseRecord, schedule: CaseScheduled, moment: Moment) -> CaseStatus:
    place = day.place(record.case)
    lead = lead_surgeon(schedule)
    names = {surgeon.id: surgeon.name for surgeon in schedule.surgeons}
    return CaseStatus(
        suite=day.suite,
        as_of=moment.as_of,
        at=moment.at,
        case=record.case,
        phase=phase(record),
        service=schedule.service,
        procedure=schedule.procedures[0].text if schedule.procedures else "",
        surgeon=(names.get(lead) or lead) if lead else None,
        room=case_room(day, record),
        start=place.start if place and place.start else schedule.start,
        booked=schedule.booked,
        urgency=schedule.urgency,
        add_on=schedule.add_on,
        milestones={m: recorded.at for m, recorded in sorted(record.milestones.items())},
        outstanding=outstanding(record),
    )


def open_case_features(day: SuiteDay, moment: Moment, *, only_in_room: bool = False) -> Iterator[CaseFeatures]:
    """Features of each case that is booked and has neither ended nor left its room."""
    for record in _booked(day):
        if only_in_room and not is_in_room(record):
            continue
        values = case_features(day, record.case)
        if values is not None:
            yield CaseFeatures(
                suite=day.suite,
                as_of=moment.as_of,
                at=moment.at,
                case=record.case,
                schema=SCHEMA,
                stage=stage(record),
                values=values,
            )


def _booked(day: SuiteDay) -> list[CaseRecord]:
    return sorted((c for c in day.cases.values() if c.schedule is not None), key=lambda c: c.case)
