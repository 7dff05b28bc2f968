"""Questions that many services ask of a SuiteDay: who is in which room, what state is it in, what comes next."""

from datetime import UTC, datetime, timedelta

from .records import CaseRecord
from .suite_day import SuiteDay
from .vocabulary import Milestone, ReadinessStatus, RoomState

_EVER = datetime.min.replace(tzinfo=UTC)
_IN = (
    Milestone.PATIENT_IN_ROOM,
    Milestone.ANAESTHESIA_INDUCTION,
    Milestone.ANAESTHESIA_READY,
    Milestone.PROCEDURE_START,
)
_OUT = (Milestone.PATIENT_OUT_OF_ROOM, Milestone.PACU_IN, Milestone.PACU_OUT)


def entered(record: CaseRecord) -> datetime | None:
    """When the patient entered the room, from the first milestone that proves it."""
    return next((at for m in (*_IN, Milestone.CLOSING, Milestone.PROCEDURE_END) if (at := record.when(m))), None)


def left(record: CaseRecord) -> datetime | None:
    """When the patient left the room, from the first milestone that proves it."""
    return next((at for m in _OUT if (at := record.when(m))), None)


def is_in_room(record: CaseRecord) -> bool:
    return entered(record) is not None and left(record) is None


def is_called(record: CaseRecord) -> bool:
    """The patient is on the way or in preop: such a case may no longer move."""
    waiting = entered(record) is None and left(record) is None
    return waiting and (
        Milestone.PATIENT_IN_PREOP in record.milestones or Milestone.ANAESTHESIA_START in record.milestones
    )


def phase(record: CaseRecord) -> str:
    """waiting, called, in_room, done or the way it ended (cancelled, no_show, entered_in_error)."""
    if left(record) is not None:
        return "done"
    if is_in_room(record):
        return "in_room"
    if record.status != "scheduled":
        return record.status
    return "called" if is_called(record) else "waiting"


def stage(record: CaseRecord) -> str:
    """The state in which a forecast is made: scheduled, in_room, after_incision, closing, after_procedure_end, done."""
    if left(record) is not None:
        return "done"
    for milestone, name in (
        (Milestone.PROCEDURE_END, "after_procedure_end"),
        (Milestone.CLOSING, "closing"),
        (Milestone.PROCEDURE_START, "after_incision"),
    ):
        if milestone in record.milestones:
            return name
    return "in_room" if is_in_room(record) else "scheduled"


def case_room(day: SuiteDay, record: CaseRecord) -> str | None:
    """The room the case is really in once its patient has entered, else the room of the published plan."""
    for milestone in _IN:
        recorded = record.milestones.get(milestone)
        if recorded is not None and recorded.room:
            return recorded.room
    place = day.place(record.case)
    return place.room if place else None


def occupant(day: SuiteDay, room: str) -> CaseRecord | None:
    """The case whose patient is in the room; the latest to enter if the feed shows two."""
    inside = [c for c in day.cases.values() if is_in_room(c) and case_room(day, c) == room]
    return max(inside, key=lambda c: (entered(c) or _EVER, c.case), default=None)


def last_left(day: SuiteDay, room: str) -> CaseRecord | None:
    """The case whose patient left the room most recently today."""
    gone = [c for c in day.cases.values() if left(c) is not None and case_room(day, c) == room and _today(day, c)]
    return max(gone, key=lambda c: (left(c) or _EVER, c.case), default=None)


def next_case(day: SuiteDay, room: str) -> CaseRecord | None:
    """The next waiting case of the published plan in the room, today."""
    waiting = [
        c
        for c in day.cases.values()
        if c.active and entered(c) is None and left(c) is None and case_room(day, c) == room and _today(day, c)
    ]
    return min(waiting, key=lambda c: (_start(day, c), c.case), default=None)


def _start(day: SuiteDay, record: CaseRecord) -> datetime:
    place = day.place(record.case)
    if place and place.start:
        return place.start
    return record.schedule.start if record.schedule else datetime.max.replace(tzinfo=UTC)


def _today(day: SuiteDay, record: CaseRecord) -> bool:
    if record.schedule is None or day.now is None:
        return record.schedule is not None
    place = day.place(record.case)
    start = place.start if place and place.start else record.schedule.start
    return day.calendar.day(start) == day.calendar.day(day.now)


def todays_cases(day: SuiteDay) -> tuple[CaseRecord, ...]:
    """Cases of the current operational day, by planned start; ended ones too."""
    return tuple(sorted((c for c in day.cases.values() if _today(day, c)), key=lambda c: (_start(day, c), c.case)))


def outstanding(record: CaseRecord) -> tuple[str, ...]:
    """Readiness items that are still outstanding."""
    return tuple(sorted(str(i) for i, s in record.readiness.items() if s is ReadinessStatus.OUTSTANDING))


def room_state(day: SuiteDay, room: str, closes: datetime | None = None) -> tuple[RoomState, datetime | None]:
    """The room's state and since when, from milestones, cleaning reports and downtime; cameras refine it later."""
    record = day.rooms.get(room)
    inside = occupant(day, room)
    if record and record.down and inside is None:
        return RoomState.DOWN, record.down.at
    if inside is not None:
        return _occupied(inside)
    if closes is not None and day.now is not None and day.now >= closes:
        return RoomState.CLOSED, closes
    before = last_left(day, room)
    gone = left(before) if before else None
    clean = before.when(Milestone.CLEANUP_END) if before else None
    after = next_case(day, room)
    setup = after.when(Milestone.ROOM_SETUP_START) if after else None
    if setup is not None and (gone is None or setup >= gone):
        return RoomState.SETUP, setup
    reported = record.cleaning if record else None
    if reported is not None and (gone is None or reported.at >= gone):
        return (RoomState.IDLE if reported.status == "clean" else RoomState.CLEANING), reported.at
    if gone is not None and clean is None:
        limit = before.schedule.cleanup * 2 if before and before.schedule else timedelta(hours=1)
        if day.now is None or day.now - gone < limit:
            return RoomState.CLEANING, gone
    return RoomState.IDLE, clean or gone


def _occupied(record: CaseRecord) -> tuple[RoomState, datetime | None]:
    if at := record.when(Milestone.PROCEDURE_END):
        return RoomState.OCCUPIED_EMERGENCE, at
    if at := record.when(Milestone.PROCEDURE_START):
        return RoomState.PROCEDURE, at
    return RoomState.OCCUPIED_PREPARATION, entered(record)
