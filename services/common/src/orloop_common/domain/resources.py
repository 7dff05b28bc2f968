"""What there is of people and beds over the rest of the day, as steps of capacity."""

import itertools
from collections.abc import Callable
from datetime import datetime, timedelta

from .events import RosterChanged
from .problem import Capacity
from .reading import left
from .suite_day import SuiteDay
from .vocabulary import BedUnit, Milestone

ROLE = "anaesthesia"


def anaesthesia_teams(day: SuiteDay, rooms: int, horizon: datetime) -> tuple[Capacity, ...]:
    """Teams on shift and not on a break, less reported shortages; one per room where no roster is known.

    Without roster and shortage nothing limits, and the result is empty.
    """
    assert day.now is not None
    roster = _todays(day, day.rosters.get(ROLE))
    short = [s for s in day.shortages.values() if s.role == ROLE and s.end > day.now]
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
