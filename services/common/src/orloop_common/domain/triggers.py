"""Which events ask for a re-plan, and what each of them means in one sentence (EVENTS.md, triggers).

A trigger is not yet a reason to change anything: every trigger is answered, most by `no_change`.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from . import events as e
from .derived import Trigger
from .folding.decisions import was_echo
from .reading import entered, left, todays_cases
from .records import CaseRecord
from .site import SuiteLayout
from .suite_day import SuiteDay
from .vocabulary import ChangeAnswer, Milestone, ReadinessStatus
from .wording import clock_time, count, minutes, the, upper_first

PERIOD = timedelta(minutes=10)
"""How often, in event time, the plan is looked at although nothing happened."""
PERIODIC = "ClockTicked"


def triggers_of(before: SuiteDay, event: e.Event, after: SuiteDay, layout: SuiteLayout) -> Trigger | None:
    """The trigger that `event` is, seen from the day before and after it; None for what asks for nothing."""
    read = _TRIGGERS.get(type(event))
    if read is None or event.id in before.seen or event.id in after.refused:
        return None
    sentence = read(before, event, after, layout)
    if sentence is None:
        return None
    return Trigger(
        event=event.id,
        type=type(event).__name__,
        at=event.at,
        sentence=sentence,
        room=getattr(event, "room", None),
        case=getattr(event, "case", None),
    )


def _room_went_down(before: SuiteDay, event: e.RoomWentDown, after: SuiteDay, layout: SuiteLayout) -> str | None:
    if layout.room(event.room) is None or after.rooms == before.rooms:
        return None
    return f"Room {event.room} went down at {_time(after, event)}: {event.cause}"


def _room_restored(before: SuiteDay, event: e.RoomRestored, after: SuiteDay, layout: SuiteLayout) -> str | None:
    if layout.room(event.room) is None or after.rooms == before.rooms:
        return None
    return f"Room {event.room} can be used again since {_time(after, event)}"


def _milestone(before: SuiteDay, event: e.MilestoneRecorded, after: SuiteDay, layout: SuiteLayout) -> str | None:
    """A patient who entered or left the room later than planned by at least the suite's materiality."""
    record, planned = after.cases.get(event.case), before.place(event.case)
    if record is None or record.schedule is None or planned is None or planned.start is None:
        return None
    if event.milestone is Milestone.PATIENT_IN_ROOM:
        late, did = event.at - planned.start, "entered the room"
    elif event.milestone is Milestone.PATIENT_OUT_OF_ROOM:
        late, did = event.at - planned.start - record.schedule.booked, "left the room"
    else:
        return None
    if late < layout.materiality or not _today(after, event.case):
        return None
    return f"{_The(record)} {did} at {_time(after, event)}, {minutes(late)} late"


def _scheduled(before: SuiteDay, event: e.CaseScheduled, after: SuiteDay, layout: SuiteLayout) -> str | None:
    """An add-on, or a case that the hospital has put elsewhere than the published plan."""
    record, known = after.cases[event.case], before.cases.get(event.case)
    if record.schedule is not event or not record.active or not _waiting_today(after, record):
        return None
    if known is None or known.schedule is None:
        return f"{upper_first(str(event.urgency))} add-on: {_the(record)}" if event.add_on else None
    pending = before.pending.get(event.case)
    if pending is not None and event.case in after.pending:
        return None
    if pending is not None:
        decision = after.decisions.get(pending.proposal)
        differs = decision is not None and decision.outcomes.get(event.case) == "differs"
        return f"The hospital placed {_the(record)} otherwise than approved" if differs else None
    if before.place(event.case) == after.place(event.case) or was_echo(before, after, event.case):
        return None
    return f"The hospital rescheduled {_the(record)}"


def _ended(what: str) -> Callable[..., str | None]:
    def read(before: SuiteDay, event: Any, after: SuiteDay, layout: SuiteLayout) -> str | None:
        record = before.cases.get(event.case)
        if record is None or not record.active or not _waiting_today(before, record):
            return None
        if was_echo(before, after, event.case):
            return None
        return f"{_The(record)} {what}"

    return read


def _readiness(before: SuiteDay, event: e.ReadinessChanged, after: SuiteDay, layout: SuiteLayout) -> str | None:
    record, known = after.cases[event.case], before.cases.get(event.case)
    was = known.readiness.get(event.item) if known else None
    begun = was is None and event.status is not ReadinessStatus.OUTSTANDING
    if was == event.status or begun or record.schedule is None or not _waiting_today(after, record):
        return None
    item = upper_first(event.item.replace("_", " "))
    return f"{item} of {_the(record)} is {event.status}"


def _roster(before: SuiteDay, event: e.RosterChanged, after: SuiteDay, layout: SuiteLayout) -> str | None:
    return f"The {event.role} roster changed" if before.rosters != after.rosters else None


def _short(before: SuiteDay, event: e.StaffShort, after: SuiteDay, layout: SuiteLayout) -> str | None:
    start, end = (clock_time(m, after.calendar.timezone) for m in (event.start, event.end))
    verb = "is" if event.missing == 1 else "are"
    return f"{count(event.missing, f'{event.role} team')} {verb} missing from {start} to {end}"


def _beds(before: SuiteDay, event: e.BedsChanged, after: SuiteDay, layout: SuiteLayout) -> str | None:
    if before.beds == after.beds:
        return None
    return f"{event.unit.upper()} has {count(event.capacity, 'bed')}, {event.occupied} in use"


def _equipment(before: SuiteDay, event: e.EquipmentChanged, after: SuiteDay, layout: SuiteLayout) -> str | None:
    return f"{event.free} of {event.kind} free" if before.equipment != after.equipment else None


def _implant(before: SuiteDay, event: e.ImplantExpected, after: SuiteDay, layout: SuiteLayout) -> str | None:
    record = after.cases.get(event.case)
    if record is None or not _waiting_today(after, record):
        return None
    return f"The implant for {_the(record)} arrives by {clock_time(event.end, after.calendar.timezone)}"


def _cleaning(before: SuiteDay, event: e.CleaningStatusChanged, after: SuiteDay, layout: SuiteLayout) -> str | None:
    if layout.room(event.room) is None or before.rooms == after.rooms:
        return None
    ready = f", ready about {clock_time(event.expected_ready, after.calendar.timezone)}" if event.expected_ready else ""
    return f"Room {event.room}: {event.status}{ready}"


def _answered(before: SuiteDay, event: e.ChangeAnswered, after: SuiteDay, layout: SuiteLayout) -> str | None:
    if event.answer is ChangeAnswer.ACKNOWLEDGED or event.case not in before.pending:
        return None
    record = after.cases.get(event.case)
    what = _the(record) if record else "a case"
    if event.answer in (ChangeAnswer.TIMED_OUT, ChangeAnswer.UNCONFIRMED):
        return f"The hospital did not confirm the change of {what}"
    return f"The hospital refused the change of {what}"


def _requested(before: SuiteDay, event: e.ReplanRequested, after: SuiteDay, layout: SuiteLayout) -> str | None:
    return f"{event.requested_by} asked for a new plan"


def _ticked(before: SuiteDay, event: e.ClockTicked, after: SuiteDay, layout: SuiteLayout) -> str | None:
    if before.now is None or event.at <= before.now or _period(event.at) == _period(before.now):
        return None
    if not any(record.active and _waiting_today(after, record) for record in todays_cases(after)):
        return None
    return f"A regular look at {_time(after, event)}"


def _period(moment: Any) -> int:
    return int(moment.timestamp() // PERIOD.total_seconds())


_TRIGGERS: dict[type[e.Event], Callable[[SuiteDay, Any, SuiteDay, SuiteLayout], str | None]] = {
    e.RoomWentDown: _room_went_down,
    e.RoomRestored: _room_restored,
    e.MilestoneRecorded: _milestone,
    e.CaseScheduled: _scheduled,
    e.CaseCancelled: _ended("was cancelled"),
    e.CaseNoShow: _ended("will not take place: the patient did not come"),
    e.CaseEnteredInError: _ended("was entered in error"),
    e.ReadinessChanged: _readiness,
    e.RosterChanged: _roster,
    e.StaffShort: _short,
    e.BedsChanged: _beds,
    e.EquipmentChanged: _equipment,
    e.ImplantExpected: _implant,
    e.CleaningStatusChanged: _cleaning,
    e.ChangeAnswered: _answered,
    e.ReplanRequested: _requested,
    e.ClockTicked: _ticked,
}


def _time(day: SuiteDay, event: e.Event) -> str:
    return clock_time(event.at, day.calendar.timezone)


def _today(day: SuiteDay, case: str) -> bool:
    return any(record.case == case for record in todays_cases(day))


def _waiting_today(day: SuiteDay, record: CaseRecord) -> bool:
    return entered(record) is None and left(record) is None and _today(day, record.case)


def _the(record: CaseRecord) -> str:
    schedule = record.schedule
    return the(schedule.procedures[0].text if schedule and schedule.procedures else "case")


def _The(record: CaseRecord) -> str:
    return upper_first(_the(record))
