"""What there is of people, beds and things over the rest of the day, as steps of capacity.

Only what was reported: of what nobody counted nothing is known, and it does not limit.
"""

import itertools
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from .events import EquipmentChanged, RosterChanged, RosterEntry
from .plan import Interval
from .problem import Capacity, StaffHours
from .reading import entered, left
from .records import CaseRecord
from .suite_day import SuiteDay
from .vocabulary import BedUnit, Milestone

ROLE = "anaesthesia"
CLEANING = "cleaning"
SURGEON = "surgeon"


def anaesthesia_teams(day: SuiteDay, rooms: int, horizon: datetime) -> tuple[Capacity, ...]:
    """Teams on shift and not on a break, less reported shortages; one per room where no roster is known.

    Without roster and shortage nothing limits, and the result is empty.
    """
    return _teams(day, ROLE, rooms, horizon)


def cleaning_teams(day: SuiteDay, horizon: datetime) -> tuple[Capacity, ...]:
    """Cleaning teams of today's roster, less reported shortages; empty where there is no roster."""
    return _teams(day, CLEANING, 0, horizon) if _todays(day, day.rosters.get(CLEANING)) else ()


def surgeons_hours(day: SuiteDay) -> dict[str, StaffHours]:
    """By staff id when the surgeons of today's roster are there; between two shifts and before one they are not."""
    roster = _todays(day, day.rosters.get(SURGEON))
    shifts: dict[str, list[RosterEntry]] = {}
    for entry in roster.entries if roster else ():
        shifts.setdefault(entry.team, []).append(entry)
    return {surgeon: _hours(day, own) for surgeon, own in sorted(shifts.items())}


def _hours(day: SuiteDay, shifts: Iterable[RosterEntry]) -> StaffHours:
    assert day.now is not None
    away: list[Interval] = []
    there = day.now
    for entry in sorted(shifts, key=lambda e: e.shift_start):
        if entry.shift_start > there:
            away.append(Interval(start=there, end=entry.shift_start))
        if entry.break_start and entry.break_end and entry.break_start < entry.break_end:
            away.append(Interval(start=entry.break_start, end=entry.break_end))
        there = max(there, entry.shift_end)
    return StaffHours(until=there, breaks=tuple(away))


def _teams(day: SuiteDay, role: str, rooms: int, horizon: datetime) -> tuple[Capacity, ...]:
    assert day.now is not None
    roster = _todays(day, day.rosters.get(role))
    short = [s for s in day.shortages.values() if s.role == role and s.end > day.now]
    if roster is None and not short:
        return ()
    entries = roster.entries if roster else ()
    marks = {m for e in entries for m in (e.shift_start, e.shift_end, e.break_start, e.break_end) if m}
    marks |= {m for s in short for m in (s.start, s.end)}

    def there(moment: datetime) -> int:
        on = sum(
            e.shift_start <= moment < e.shift_end
            and not (e.break_start and e.break_end and e.break_start <= moment < e.break_end)
            for e in entries
        )
        missing = sum(s.missing for s in short if s.start <= moment < s.end)
        return max(0, (on if roster else rooms) - missing)

    return _steps(marks, day.now, horizon, there)


def recovery_beds(day: SuiteDay, horizon: datetime) -> tuple[Capacity, ...]:
    """PACU capacity, less beds that patients from elsewhere hold; empty where no count was reported.

    `expected_discharges` are taken for those patients last: one who is not among them stays all day.
    """
    assert day.now is not None
    reported = day.beds.get(BedUnit.PACU)
    if reported is None:
        return ()
    ours = sum(
        1
        for record in day.cases.values()
        if (out := left(record)) is not None
        and out <= reported.at
        and ((gone := record.when(Milestone.PACU_OUT)) is None or gone > reported.at)
        and reported.at - out < timedelta(hours=12)
    )
    strangers = max(0, reported.occupied - ours)
    known = sorted(reported.expected_discharges)[len(reported.expected_discharges) - strangers :] if strangers else []
    leaving = [*known, *[horizon + timedelta(days=1)] * (strangers - len(known))]

    def there(moment: datetime) -> int:
        return max(0, reported.capacity - sum(moment < discharge for discharge in leaving))

    return _steps(set(leaving), day.now, horizon + timedelta(hours=12), there)


def unit_beds(day: SuiteDay, horizon: datetime) -> dict[str, tuple[Capacity, ...]]:
    """Beds in intensive care and on the ward that are left for those still to come, where they were counted."""
    assert day.now is not None
    found = {}
    for unit in (BedUnit.ICU, BedUnit.WARD):
        reported = day.beds.get(unit)
        if reported is None:
            continue
        since = sum(
            1
            for record in day.cases.values()
            if record.schedule is not None
            and record.schedule.bed is unit
            and (left(record) or reported.at) > reported.at
        )
        free, leaving = reported.capacity - reported.occupied - since, sorted(reported.expected_discharges)

        def there(moment: datetime, free: int = free, leaving: list[datetime] = leaving) -> int:
            return max(0, free + sum(discharge <= moment for discharge in leaving))

        found[str(unit)] = _steps(set(leaving), day.now, horizon + timedelta(hours=12), there)
    return found


def equipment_units(day: SuiteDay, horizon: datetime) -> dict[str, tuple[Capacity, ...]]:
    """By kind the units of equipment that this suite can count on, where they were counted.

    Units in use elsewhere come back when they are said to be reprocessed, else not today.
    """
    assert day.now is not None
    by_kind: dict[str, list[EquipmentChanged]] = {}
    for report in day.equipment.values():
        by_kind.setdefault(report.kind.casefold(), []).append(report)
    found = {}
    for kind, reports in sorted(by_kind.items()):
        newest = max(report.at for report in reports)
        ours = sum(1 for record in day.cases.values() if _holds(record, kind, newest))
        in_use = sum(report.in_use for report in reports)
        mine = sum(report.free for report in reports) + min(in_use, ours)
        later = sorted(r.reprocessing_until for r in reports for _ in range(r.in_use) if r.reprocessing_until)
        back = later[: max(0, in_use - ours)]

        def there(moment: datetime, mine: int = mine, back: list[datetime] = back) -> int:
            return mine + sum(until <= moment for until in back)

        found[kind] = _steps(set(back), day.now, horizon + timedelta(hours=12), there)
    return found


def _holds(record: CaseRecord, kind: str, moment: datetime) -> bool:
    """Whether the case had the kind in its room at that moment."""
    came, gone = entered(record), left(record)
    needs = {name.casefold() for name in record.schedule.equipment} if record.schedule else set()
    return kind in needs and came is not None and came <= moment and (gone is None or gone > moment)


def _todays(day: SuiteDay, roster: RosterChanged | None) -> RosterChanged | None:
    """A roster counts only for the day it was made for."""
    if roster is None or day.now is None:
        return None
    today = day.calendar.day(day.now)
    return roster if any(day.calendar.day(e.shift_start) == today for e in roster.entries) else None


def _steps(
    marks: set[datetime], start: datetime, end: datetime, there: Callable[[datetime], int]
) -> tuple[Capacity, ...]:
    points = [start, *sorted(m for m in marks if start < m < end), end]
    steps: list[Capacity] = []
    for begin, until in itertools.pairwise(points):
        number = there(begin)
        if steps and steps[-1].count == number:
            steps[-1] = Capacity(start=steps[-1].start, end=until, count=number)
        else:
            steps.append(Capacity(start=begin, end=until, count=number))
    return tuple(steps)
