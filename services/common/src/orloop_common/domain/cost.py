"""What a plan costs: one published integer, its terms, and who pays.

Counted from the plan and the problem alone, so that a solver's own figure never has to be believed.
Weights and units: `facts` of the planner (per five-minute slot unless said otherwise).
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from .checker import check, with_changes
from .cost_least import break_in_until, least
from .derived import Price
from .earliest import earliest_possible
from .expecting import add_on_shortage
from .fairness import Sat, fairness
from .grid import slots_past
from .plan import Interval, Place
from .problem import PlanProblem, ProblemCase, Weights
from .vocabulary import Urgency

DEFAULT_WEIGHTS = Weights(
    delay={Urgency.ELECTIVE: 2, Urgency.EXPEDITED: 3, Urgency.URGENT: 4, Urgency.IMMEDIATE: 4},
    fairness=8,
    fairness_late=2,
    fairness_prime=2,
    preferred_start=1,
    preferred_room=3,
    continuity=3,
    surgeon_idle=1,
    break_in=1,
    add_on_slack=1,
    strict=True,
)
"""What a suite starts with.

A surgeon who waits five minutes counts half as much as an elective patient who does, and a fifth of a room's overtime;
so do five minutes of the break-in gap, which stand for an emergency that may never come, and of room that add-ons will
probably lack. Only sums over places hold these three in bounds (`cost_least`).
"""
Assignments = Mapping[str, Place]
_Stay = tuple[ProblemCase, str, Interval]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The terms of the published cost, each an integer; `total` is what plans are ranked by."""

    delay: int = 0
    early: int = 0
    emergency_wait: int = 0
    overtime: int = 0
    room_change: int = 0
    moved_again: int = 0
    changed: int = 0
    postponed: int = 0
    fairness: int = 0
    surgeon_idle: int = 0
    preference: int = 0
    continuity: int = 0
    break_in: int = 0
    add_on_slack: int = 0

    @property
    def total(self) -> int:
        return sum(getattr(self, term.name) for term in fields(self))


def price(problem: PlanProblem, assignments: Assignments) -> Cost:
    """The published cost of a plan that gives each movable case a place (no place is postponed)."""
    weights = problem.weights
    terms = {term.name: 0 for term in fields(Cost)}
    for case in problem.cases:
        place = assignments.get(case.id, Place(room=None, start=None))
        if place != case.current and case.current.room is not None:
            terms["moved_again"] += weights.moved_again * case.moved_today
            terms["changed"] += weights.changed
        if place.room is None or place.start is None:
            terms["postponed"] += postponing(problem, case)
            continue
        if case.current.room is not None and place.room != case.current.room:
            terms["room_change"] += weights.room_change
        if case.urgency is Urgency.IMMEDIATE:
            waited = place.start - (case.waiting_since or told(case) or problem.now)
            terms["emergency_wait"] += weights.emergency_wait * slots_past(waited, problem.grid)
        elif (promised := told(case)) is not None:
            rate = weights.delay[case.urgency] if case.priority is None else case.priority
            terms["delay"] += rate * slots_past(place.start - promised, problem.grid)
            terms["early"] += weights.early * slots_past(promised - place.start, problem.grid)
        terms["preference"] += _against_wish(problem, case, place.room, place.start)
        if case.team_rooms and place.room not in case.team_rooms:
            terms["continuity"] += weights.continuity
    stays = _stays(problem, assignments)
    late = sum(slots_past(past, problem.grid) for past in _overtime(problem, stays).values())
    terms["overtime"] = weights.overtime * late
    terms["fairness"] = fairness(problem, (Sat(c, room, s.start, s.end + c.cleanup) for c, room, s in stays))
    if weights.surgeon_idle:
        terms["surgeon_idle"] = weights.surgeon_idle * slots_past(surgeons_idle(problem, assignments), problem.grid)
    if weights.break_in:
        terms["break_in"] = weights.break_in * slots_past(break_in_gap(problem, assignments), problem.grid)
    if weights.add_on_slack and problem.expected:
        short = add_on_shortage(problem, _occupied(problem, stays))
        terms["add_on_slack"] = weights.add_on_slack * slots_past(short, problem.grid)
    return Cost(**terms)


def tiers(problem: PlanProblem, assignments: Assignments) -> dict[str, int]:
    """The plan's cost on each level of the objective, the first one first.

    Where the problem is strict, `postponements` comes before `cost`: the sum of `ranks` of those postponed.
    """
    levels = {"cost": price(problem, assignments).total}
    if not problem.weights.strict:
        return levels
    rank = ranks(problem)
    placed = {case.id for case, _, _ in _stays(problem, assignments)}
    return {"postponements": sum(rank[case.id] for case in problem.cases if case.id not in placed)} | levels


def ranks(problem: PlanProblem) -> dict[str, int]:
    """What postponing a case weighs among postponements: one of a higher class more than all lower ones together."""
    lower = sum(case.urgency is Urgency.ELECTIVE for case in problem.cases)
    weight = {Urgency.ELECTIVE: 1, Urgency.EXPEDITED: lower + 1}
    return {c.id: weight.get(c.urgency, (lower + 1) * (len(problem.cases) + 1)) for c in problem.cases}


def floor(problem: PlanProblem) -> int:
    """What no plan can change: committed use past block ends, what emergencies wait at the very least, and what
    surgeons wait, an emergency may have to, and add-ons lack whatever is planned.
    """
    weights = problem.weights
    late = sum(slots_past(past, problem.grid) for past in _overtime(problem, ()).values())
    waits = 0
    for case in problem.cases:
        start = earliest_possible(problem, case) if case.urgency is Urgency.IMMEDIATE else None
        if start is not None:
            waited = start - (case.waiting_since or told(case) or problem.now)
            waiting = weights.emergency_wait * slots_past(waited, problem.grid)
            waits += min(waiting, postponing(problem, case))  # one that is postponed has not waited today
    return weights.overtime * late + waits + least(problem).floor


def told(case: ProblemCase) -> datetime | None:
    """When the patient expects to enter the room."""
    return case.current.start or case.scheduled.start


def postponing(problem: PlanProblem, case: ProblemCase) -> int:
    """What it costs to leave a case to another day: by its length and its urgency."""
    weights = problem.weights
    base = weights.postpone + weights.postpone_per_slot * slots_past(case.length, problem.grid)
    return base * weights.delay[case.urgency] // weights.delay[Urgency.ELECTIVE]


def overtime(problem: PlanProblem, assignments: Assignments) -> dict[str, timedelta]:
    """How long each room is in use past its block, cleanup included."""
    return _overtime(problem, _stays(problem, assignments))


def _overtime(problem: PlanProblem, stays: Iterable[_Stay]) -> dict[str, timedelta]:
    ends = {room.id: room.block_end for room in problem.rooms}
    used = [(held.room, held.occupied.end) for held in problem.committed]
    used += [(room, stay.end + case.cleanup) for case, room, stay in stays]
    last = dict(ends)
    for room_id, end in used:
        if room_id in last:
            last[room_id] = max(last[room_id], end)
    return {room_id: last[room_id] - ends[room_id] for room_id in ends}


def who_pays(problem: PlanProblem, assignments: Assignments) -> Price:
    """The price by stakeholder, against the current plan where that still holds."""
    current = with_changes(problem, ())
    lost = {case for broken in check(problem, current) for case in broken.cases}
    holds = {case: place for case, place in current.items() if case not in lost}
    waiting = timedelta(0)
    services: dict[str, timedelta] = {}
    rooms_changed = postponed = 0
    for case in problem.cases:
        place = assignments.get(case.id, Place(room=None, start=None))
        if place.start is None:
            postponed += 1
            continue
        promised = told(case)
        if promised is not None and place.start > promised:
            waiting += place.start - promised
            services[case.service] = services.get(case.service, timedelta(0)) + (place.start - promised)
        rooms_changed += case.current.room is not None and place.room != case.current.room
    idle = surgeons_idle(problem, assignments) - surgeons_idle(problem, holds)
    late = sum(overtime(problem, assignments).values(), timedelta(0))
    late_anyway = sum(overtime(problem, holds).values(), timedelta(0))
    peak, beds = recovery_peak(problem, assignments)
    return Price(
        patients_waiting=waiting,
        surgeons_idle=max(timedelta(0), idle),
        staff_overtime=max(timedelta(0), late - late_anyway),
        postponed=postponed,
        rooms_changed=rooms_changed,
        recovery_peak=peak,
        recovery_beds=beds,
        services=dict(sorted(services.items())),
    )


def surgeons_idle(problem: PlanProblem, assignments: Assignments) -> timedelta:
    """How long surgeons wait between their own cases, beyond the turnover of the next one."""
    days: dict[str, list[tuple[datetime, datetime, timedelta]]] = {}
    for held in problem.committed:
        for surgeon in held.surgeons:
            turnover = held.patient.start - held.occupied.start
            days.setdefault(surgeon, []).append((held.patient.start, held.patient.end, turnover))
    for case, _, stay in _stays(problem, assignments):
        for surgeon in case.surgeons:
            days.setdefault(surgeon, []).append((stay.start, stay.end, case.setup + case.cleanup))
    total = timedelta(0)
    for own in days.values():
        own.sort()
        for (_, out, _), (start, _, turnover) in itertools.pairwise(own):
            total += max(timedelta(0), start - max(out, problem.now) - turnover)
    return total


def recovery_peak(problem: PlanProblem, assignments: Assignments) -> tuple[int, int]:
    """The most recovery beds in use at once from now on, and how many there are then (0 if not known)."""
    stays = [held.recovery for held in problem.committed if held.recovery]
    stays += [
        Interval(start=stay.end, end=stay.end + case.recovery)
        for case, _, stay in _stays(problem, assignments)
        if case.recovery
    ]
    moments = sorted({max(problem.now, s.start) for s in stays if s.end > problem.now})
    counted = [(sum(s.start <= moment < s.end for s in stays), moment) for moment in moments]
    peak, moment = max(counted, key=lambda c: (c[0], -c[1].timestamp()), default=(0, problem.now))
    return peak, next((c.count for c in problem.beds if c.start <= moment < c.end), 0)


def break_in_gap(problem: PlanProblem, assignments: Assignments) -> timedelta:
    """The longest that an emergency would wait for a case to end, until 16:00 (glossary: `bim_gap`)."""
    until = break_in_until(problem)
    if until <= problem.now:
        return timedelta(0)
    ends = [held.patient.end for held in problem.committed]
    ends += [stay.end for _, _, stay in _stays(problem, assignments)]
    marks = [problem.now, *sorted(end for end in ends if problem.now < end < until), until]
    return max(after - before for before, after in itertools.pairwise(marks))


def _stays(problem: PlanProblem, assignments: Assignments) -> list[_Stay]:
    found = []
    for case in problem.cases:
        place = assignments.get(case.id)
        if place is None or place.room is None or place.start is None:
            continue
        length = case.length - case.slack if place == case.current else case.length
        found.append((case, place.room, Interval(start=place.start, end=place.start + length)))
    return found


def _occupied(problem: PlanProblem, stays: Iterable[_Stay]) -> dict[str, list[Interval]]:
    """What committed and placed cases take of each room, from setup to cleanup."""
    taken: dict[str, list[Interval]] = {}
    for held in problem.committed:
        taken.setdefault(held.room, []).append(held.occupied)
    for case, room, stay in stays:
        taken.setdefault(room, []).append(Interval(start=stay.start - case.setup, end=stay.end + case.cleanup))
    return taken


def _against_wish(problem: PlanProblem, case: ProblemCase, room: str, start: datetime) -> int:
    """The price of a room and a start other than the preferred ones."""
    weights, wish = problem.weights, case.preferred
    if wish is None:
        return 0
    away = slots_past(abs(start - wish.start), problem.grid) if wish.start is not None else 0
    return weights.preferred_start * away + weights.preferred_room * (wish.room is not None and room != wish.room)
