"""From the fold, the forecasts and the layout to the problem: what may move, what may not, what there is.

Pure and deterministic: the same inputs give the same problem, byte for byte.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import time, timedelta

from .commitments import classify
from .cost import DEFAULT_WEIGHTS
from .derived import CaseForecast
from .events import CaseScheduled
from .grid import ceil_moment, ceil_span
from .plan import Interval, Place
from .problem import EquipmentNeed, ExpectedWork, PlanProblem, ProblemCase, ProblemRoom
from .reading import todays_cases
from .records import CaseRecord
from .resources import (
    anaesthesia_teams,
    cleaning_teams,
    equipment_units,
    recovery_beds,
    surgeons_hours,
    unit_beds,
)
from .site import RoomLayout, SuiteLayout
from .suite_day import SuiteDay
from .vocabulary import BedUnit

GRID = timedelta(minutes=5)
DEFAULT_RECOVERY = timedelta(minutes=60)


def build_problem(
    day: SuiteDay,
    forecasts: Mapping[str, CaseForecast],
    layout: SuiteLayout,
    lead: timedelta = timedelta(0),
) -> PlanProblem:
    """The planning problem of the suite at `day.now`.

    Parameters
    ----------
    forecasts
        The newest forecast of each case; booked lengths stand in where there is none.
    lead
        Time that people get to decide, on top of the notice: the planner passes `decide_within`, so that
        what it proposes is still outside of the frozen window when it is approved; the gate passes none.

    Raises
    ------
    ValueError
        If no clock tick has been folded: without event time there is no problem to state.
    """
    if day.now is None:
        raise ValueError(f"Expected a tick in the log of suite {day.suite}, got none.\nMaybe ingest is not running.")
    rooms = tuple(_room(day, layout, room) for room in layout.rooms)
    earliest_start = ceil_moment(day.now, GRID) + layout.notice + lead
    horizon = ceil_moment(max((room.closes for room in rooms), default=earliest_start), GRID)
    cases = [c for c in todays_cases(day) if c.schedule is not None]
    equipment = equipment_units(day, horizon)
    stated = {c.case: _case(day, c, c.schedule, forecasts.get(c.case), layout, equipment) for c in cases if c.schedule}
    rooms = tuple(_as_published(room, stated.values()) for room in rooms)
    movable, committed = classify(day, cases, stated, forecasts, rooms, earliest_start, layout.materiality, GRID)
    staff = {s.id: s.name for c in cases if c.schedule for s in c.schedule.surgeons if s.name}
    return PlanProblem(
        suite=day.suite,
        now=day.now,
        grid=GRID,
        earliest_start=earliest_start,
        horizon=horizon,
        rooms=rooms,
        cases=movable,
        committed=committed,
        teams=anaesthesia_teams(day, len(rooms), horizon),
        beds=recovery_beds(day, horizon),
        weights=DEFAULT_WEIGHTS,
        equipment=equipment,
        units=unit_beds(day, horizon),
        cleaning=cleaning_teams(day, horizon),
        hours=surgeons_hours(day),
        timezone=day.calendar.timezone,
        staff=dict(sorted(staff.items())),
        expected=_add_ons(day, layout),
    )


def _add_ons(day: SuiteDay, layout: SuiteLayout) -> tuple[ExpectedWork, ...]:
    """What the rest of today usually brings; of the hour that has begun, the share that is left."""
    assert day.now is not None
    today, expected = day.calendar.day(day.now), []
    for hour, work in sorted(layout.add_ons.items()):
        begins = day.calendar.at(today, time(hour))
        start, end = max(begins, day.now), begins + timedelta(hours=1)
        if start < end and work:
            left = (end - start) // timedelta(minutes=1)
            expected.append(ExpectedWork(start=start, end=end, work=work * left // 60))
    return tuple(expected)


def _room(day: SuiteDay, layout: SuiteLayout, room: RoomLayout) -> ProblemRoom:
    assert day.now is not None
    today = day.calendar.day(day.now)
    opens, closes = day.calendar.at(today, room.block_start), day.calendar.at(today, room.closes)
    block_end = day.calendar.at(today, room.block_end)
    services = set(room.services)
    for block in day.blocks.values():
        if block.room == room.id and block.allocated and day.calendar.day(block.start) == today:
            services.add(block.owner)
            opens, block_end = min(opens, block.start), max(block_end, block.end)
    closes = max(closes, block_end)
    record = day.rooms.get(room.id)
    down: tuple[Interval, ...] = ()
    if record is not None and record.down is not None:
        until = record.down.until or closes
        if until <= day.now:  # overdue: an expectation that has passed says nothing about the next minutes
            until = ceil_moment(day.now, GRID) + layout.notice
        down = (Interval(start=record.down.at, end=max(until, record.down.at + GRID)),)
    return ProblemRoom(
        id=room.id,
        services=tuple(sorted(services)),
        opens=opens,
        block_end=block_end,
        closes=closes,
        capabilities=tuple(sorted(room.capabilities)),
        down=down,
    )


def _as_published(room: ProblemRoom, cases: Collection[ProblemCase]) -> ProblemRoom:
    """A room is open for what the hospital itself has put there, however early or late."""
    opens, closes = room.opens, room.closes
    for case in cases:
        for place in (case.current, case.scheduled):
            if place.room == room.id and place.start is not None:
                opens, closes = min(opens, place.start), max(closes, place.start + case.length + case.cleanup)
    return replace(room, opens=opens, closes=closes)


def _case(
    day: SuiteDay,
    record: CaseRecord,
    schedule: CaseScheduled,
    forecast: CaseForecast | None,
    layout: SuiteLayout,
    counted: Collection[str],
) -> ProblemCase:
    """The case as a movable one would be stated; `classify` decides whether it is."""
    p50, p80 = (forecast.duration.p50, forecast.duration.p80) if forecast else (schedule.booked, schedule.booked)
    scheduled = Place(room=schedule.room, start=schedule.start)
    current = day.place(record.case) or scheduled
    if current.room is None:
        current = Place(room=None, start=None)
    starts = [place.start for place in (current, scheduled) if place.room and place.start]
    capabilities = {c for room in layout.rooms for c in room.capabilities}
    return ProblemCase(
        id=record.case,
        version=schedule.version,
        service=schedule.service,
        label=schedule.procedures[0].text if schedule.procedures else f"{schedule.service} case",
        urgency=schedule.urgency,
        surgeons=tuple(dict.fromkeys(s.id for s in schedule.surgeons if s.role.casefold() == "surgeon")),
        length=max(GRID, ceil_span(p50, GRID)),
        length_p80=max(GRID, ceil_span(p80, GRID)),
        setup=ceil_span(schedule.setup, GRID),
        cleanup=ceil_span(schedule.cleanup, GRID),
        current=current,
        scheduled=scheduled,
        needs=tuple(sorted({e.casefold() for e in schedule.equipment} & capabilities)),
        earliest=min([schedule.earliest, *starts]) if schedule.earliest else None,
        latest=max([schedule.latest, *starts]) if schedule.latest else None,
        recovery=_recovery(schedule),
        waiting_since=schedule.waiting_since,
        moved_today=record.moved,
        add_on=schedule.add_on,
        duration=forecast.duration if forecast else None,
        implant=_implant(day, record.case),
        equipment=tuple(EquipmentNeed(kind=kind) for kind in _kinds(schedule) if kind in counted),
        unit=str(schedule.bed) if schedule.bed in (BedUnit.ICU, BedUnit.WARD) else None,
        site=schedule.site,
    )


def _kinds(schedule: CaseScheduled) -> list[str]:
    return sorted({name.casefold() for name in schedule.equipment})


def _implant(day: SuiteDay, case: str) -> Interval | None:
    """When all of the case's implants are expected, the last one last."""
    windows = [expected for expected in day.implants.values() if expected.case == case]
    if not windows:
        return None
    return Interval(start=max(w.start for w in windows), end=max(w.end for w in windows))


def _recovery(schedule: CaseScheduled) -> timedelta:
    if schedule.bed is not BedUnit.PACU:
        return timedelta(0)
    return ceil_span(schedule.recovery if schedule.recovery is not None else DEFAULT_RECOVERY, GRID)
