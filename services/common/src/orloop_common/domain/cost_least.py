"""What the terms that depend on who follows whom come to at the least: a sum over places, and what no plan changes.

Surgeons' waiting, the break-in gap and missing room for add-ons are maxima of sums; here stand sums that are never
above them, so that models over places, and whoever checks their bounds, can hold them:

- At a moment a surgeon waits if the first own case is over, the last one's turnover has not begun, and no other own
  case or its turnover is going on: as a sum, (first is over) + (last is to come) - 1 - (others going on). That is
  never more than 1 while the surgeon waits, nor more than 0 at other times, whichever cases are named first and last;
  so it may be added up over any set of moments. Where two cases go on at once as planned, nothing is added up.
- Add-ons lack at least what is asked of an hour less what is free of it, in any hours one cares to count.
- No case can end before the first that could: until then the break-in gap is what committed cases leave.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import Enum
from zoneinfo import ZoneInfo

from .expecting import free_time, likely_free
from .grid import slots_past
from .plan import Interval, Place
from .problem import Committed, ExpectedWork, PlanProblem, ProblemCase, ProblemRoom

BREAK_IN_UNTIL = time(16, 0)
"""The glossary's `bim_gap` looks at gaps until 16:00 site time."""
_NONE = timedelta(0)


class Role(Enum):
    """What a case is in the sum of a surgeon's waiting: see above."""

    FIRST = "first"
    BETWEEN = "between"
    LAST = "last"


@dataclass(frozen=True, slots=True)
class Wait:
    """A case in the sum of one of its surgeons, which is added up over `spans`.

    Counted are, in the spans, the time after its patient is out (FIRST), less the time from its turnover until the
    patient is out (BETWEEN), the time until its turnover (LAST).
    """

    role: Role
    spans: tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class Least:
    """Bounds of a problem's terms, in its published cost.

    By case, `waits` are its parts in its surgeons' waiting; by room, `wanted` is free time that add-ons lack if a
    case takes it (setup to cleanup). Slots of either are rounded down for each place, then priced. `constant` comes on
    top for every plan (it can be negative); `floor` is what no plan changes.
    """

    waits: Mapping[str, tuple[Wait, ...]]
    wanted: Mapping[str, tuple[Interval, ...]]
    constant: int
    floor: int


def least(problem: PlanProblem, around: Mapping[str, Place] | None = None) -> Least:
    """The bounds of a problem's terms; nothing where they have no weight.

    They hold for every plan, and are nearest for plans like `around` (without one, for the current plan).
    """
    weights, grid = problem.weights, problem.grid
    planned = {case.id: case.current for case in problem.cases} | dict(around or {})
    waits, sum_waited, waited = _surgeons(problem, planned) if weights.surgeon_idle else ({}, _NONE, _NONE)
    gap = weights.break_in * slots_past(_least_gap(problem), grid) if weights.break_in else 0
    wanted, missing, short = _add_ons(problem, planned) if weights.add_on_slack else ({}, _NONE, _NONE)
    return Least(
        waits=waits,
        wanted=wanted,
        constant=gap + weights.surgeon_idle * -(-sum_waited // grid) + weights.add_on_slack * -(-missing // grid),
        floor=gap + weights.surgeon_idle * slots_past(waited, grid) + weights.add_on_slack * slots_past(short, grid),
    )


def break_in_until(problem: PlanProblem) -> datetime:
    """The end of what the break-in gap looks at, on the day of `now`."""
    local = problem.now.astimezone(ZoneInfo(problem.timezone))
    return datetime.combine(local.date(), BREAK_IN_UNTIL, local.tzinfo)


def _surgeons(
    problem: PlanProblem, planned: Mapping[str, Place]
) -> tuple[dict[str, tuple[Wait, ...]], timedelta, timedelta]:
    """The parts of cases in surgeons' waiting, what comes on top of them, and what committed cases alone make it."""
    found: dict[str, tuple[Wait, ...]] = {}
    total = waited = _NONE
    surgeons = {s for held in problem.committed for s in held.surgeons} | {s for c in problem.cases for s in c.surgeons}
    for surgeon in sorted(surgeons):
        held = [h for h in problem.committed if surgeon in h.surgeons]
        own = [case for case in problem.cases if surgeon in case.surgeons]
        own.sort(key=lambda c: (planned[c.id].start or c.scheduled.start or problem.now, c.id))
        free = max((max(h.patient.end, problem.now) for h in held), default=None)
        waited += _held_up(problem, held, min((_first_start(problem, case) for case in own), default=None))
        if not own or (free is None and len(own) == 1):
            continue
        spans = tuple(_at_most_one(own, planned, free or problem.now, problem.horizon))
        if free is None:
            total -= sum((span.end - span.start for span in spans), _NONE)
        for k, case in enumerate(own):
            role = Role.LAST if case is own[-1] else Role.FIRST if free is None and k == 0 else Role.BETWEEN
            found[case.id] = (*found.get(case.id, ()), Wait(role, spans))
    return found, total + waited, waited


def _held_up(problem: PlanProblem, held: Sequence[Committed], first: datetime | None) -> timedelta:
    """How long a surgeon waits between committed cases, where no other case of the surgeon's can come between."""
    entries = sorted((h.patient.start, h.patient.end, h.patient.start - h.occupied.start) for h in held)
    last = max(range(len(entries)), key=lambda k: (max(entries[k][1], problem.now), k), default=-1)
    waited = _NONE
    for (_, out, _), (start, _, turnover) in itertools.pairwise(entries[: last + 1]):
        if first is None or start < first:
            waited += max(_NONE, start - max(out, problem.now) - turnover)
    return waited


def _at_most_one(
    own: Sequence[ProblemCase], planned: Mapping[str, Place], start: datetime, end: datetime
) -> Iterator[Interval]:
    """When, between `start` and `end`, no two of these cases go on at once as they are planned, turnovers included."""
    starts = ((planned[c.id].start, c) for c in own)
    spans = sorted((s - c.setup - c.cleanup, s + c.length) for s, c in starts if s is not None)
    here = start
    busy = spans[0][1] if spans else start
    for begin, out in spans[1:]:
        if begin < busy:  # two at once until the shorter one is over
            if here < min(begin, end):
                yield Interval(start=here, end=min(begin, end))
            here = max(here, min(busy, out))
        busy = max(busy, out)
    if here < end:
        yield Interval(start=here, end=end)


def _least_gap(problem: PlanProblem) -> timedelta:
    """The longest span without an end that committed cases leave before the first movable one can end."""
    until = break_in_until(problem)
    if until <= problem.now:
        return _NONE
    shortest = (_first_start(problem, case) + case.length - case.slack for case in problem.cases)
    movable = min(shortest, default=until)
    ends = sorted(held.patient.end for held in problem.committed if problem.now < held.patient.end < until)
    spans = itertools.pairwise([problem.now, *ends, until])
    return max((min(after, movable) - before for before, after in spans), default=_NONE)


def _first_start(problem: PlanProblem, case: ProblemCase) -> datetime:
    """No start of the case is earlier."""
    notice = min(problem.earliest_start, problem.earliest_emergency or problem.earliest_start)
    return min(notice, case.current.start or notice)


def _add_ons(
    problem: PlanProblem, plan: Mapping[str, Place]
) -> tuple[dict[str, tuple[Interval, ...]], timedelta, timedelta]:
    """Free time that add-ons want by room, what they lack if no case takes any of it, and what of that is sure.

    Counted are the hours that are short if everybody goes where the plan says.
    """
    held, planned = _taken(problem, {}), _taken(problem, plan)
    hours: list[ExpectedWork] = []
    missing = short = _NONE
    for hour in problem.expected:
        lacks = hour.work - likely_free(problem, hour)
        alone = lacks - free_time(problem, hour, held)
        short += max(_NONE, alone)
        if max(alone, lacks - free_time(problem, hour, planned)) > _NONE:
            hours.append(hour)
            missing += alone
    wanted = {room.id: tuple(_open(problem, room, hours, held.get(room.id, ()))) for room in problem.rooms}
    return {room: spans for room, spans in wanted.items() if spans}, missing, short


def _open(
    problem: PlanProblem, room: ProblemRoom, hours: Iterable[ExpectedWork], taken: Sequence[Interval]
) -> Iterator[Interval]:
    """The room's budgeted time in these hours that nothing committed takes."""
    blocked = sorted((*taken, *room.down), key=lambda i: i.start)
    for hour in hours:
        here, end = max(room.opens, hour.start), min(room.block_end, hour.end)
        for interval in blocked:
            if here < min(interval.start, end):
                yield Interval(start=here, end=min(interval.start, end))
            here = max(here, min(interval.end, end))
        if here < end:
            yield Interval(start=here, end=end)


def _taken(problem: PlanProblem, plan: Mapping[str, Place]) -> dict[str, list[Interval]]:
    """What committed cases, and those that have a place, take of each room."""
    taken: dict[str, list[Interval]] = {}
    for held in problem.committed:
        taken.setdefault(held.room, []).append(held.occupied)
    for case in problem.cases:
        place = plan.get(case.id)
        if place is not None and place.room is not None and place.start is not None:
            whole = Interval(start=place.start - case.setup, end=place.start + case.length + case.cleanup)
            taken.setdefault(place.room, []).append(whole)
    return taken
