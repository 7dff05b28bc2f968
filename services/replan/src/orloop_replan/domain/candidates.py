"""Where and when each case could go: a restricted set of candidate places, feasible against what is committed.

For each case: its published place, its place after right-shift, the starts at which a room or a
surgeon becomes free, and the cheapest starts of the grid, overall and in each room.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from orloop_common.domain.grid import ceil_moment
from orloop_common.domain.plan import Place
from orloop_common.domain.problem import Capacity, PlanProblem, ProblemCase, ProblemRoom
from orloop_common.domain.vocabulary import Urgency

from .search import Limits

Span = tuple[int, int]  # seconds from the problem's day, half open


@dataclass(frozen=True, slots=True)
class Candidate:
    """One case in one room from one start on, in seconds from midnight; `cost` leaves overtime out."""

    case: int
    place: Place
    stay: Span
    occupied: Span
    recovery: Span
    cost: int
    unchanged: bool


class Timeline:
    """The problem in whole seconds: what is taken by committed cases, what there is of everything."""

    def __init__(self, problem: PlanProblem) -> None:
        self.problem = problem
        self.midnight = problem.now.replace(hour=0, minute=0, second=0, microsecond=0)
        self.grid = int(problem.grid.total_seconds())
        self.room_taken: dict[str, list[Span]] = {room.id: [] for room in problem.rooms}
        self.surgeon_taken: dict[str, list[Span]] = {}
        self.patients: list[Span] = []
        self.recoveries: list[Span] = []
        for held in problem.committed:
            if held.room in self.room_taken:
                self.room_taken[held.room].append(self.span(held.occupied.start, held.occupied.end))
            patient = self.span(held.patient.start, held.patient.end)
            self.patients.append(patient)
            for surgeon in held.surgeons:
                self.surgeon_taken.setdefault(surgeon, []).append(patient)
            if held.recovery is not None:
                self.recoveries.append(self.span(held.recovery.start, held.recovery.end))
        self.down = {room.id: [self.span(d.start, d.end) for d in room.down] for room in problem.rooms}
        self.teams = self._steps(problem.teams)
        self.beds = self._steps(problem.beds)

    def at(self, moment: datetime) -> int:
        return round((moment - self.midnight).total_seconds())

    def moment(self, seconds: int) -> datetime:
        return self.midnight + timedelta(seconds=seconds)

    def span(self, start: datetime, end: datetime) -> Span:
        return self.at(start), self.at(end)

    def _steps(self, capacity: Sequence[Capacity]) -> list[tuple[int, int, int]]:
        return [(self.at(c.start), self.at(c.end), c.count) for c in capacity]


def restricted(problem: PlanProblem, right_shift: Mapping[str, Place], limits: Limits) -> list[Candidate]:
    """The candidate places of all movable cases, in a fixed order."""
    line = Timeline(problem)
    found: list[Candidate] = []
    for index, case in enumerate(problem.cases):
        chosen: dict[Place, Candidate] = {}
        every: list[tuple[int, Candidate]] = []
        published = candidate(line, index, case, case.current)
        if published is not None and _possible(line, case, published):
            chosen[case.current] = published
        shifted = candidate(line, index, case, right_shift[case.id])
        if shifted is not None:
            chosen[shifted.place] = shifted
        for room in problem.rooms:
            if not takes(room, case):
                continue
            here = _starts(line, index, case, room)
            ranked = sorted(((c.cost + _past_block(line, room, c), c) for c in here), key=_rank)
            for _, one in ranked[: limits.per_room]:
                chosen[one.place] = one
            for one in _first_after_release(line, case, room, here, right_shift):
                chosen[one.place] = one
            every += ranked
        for _, one in sorted(every, key=_rank)[: limits.candidates]:
            chosen[one.place] = one
        found += sorted(chosen.values(), key=lambda c: (c.place.room or "", c.stay))
    return found


def candidate(line: Timeline, index: int, case: ProblemCase, place: Place) -> Candidate | None:
    """The case at a place, with what it takes and costs there; None for no place."""
    if place.room is None or place.start is None:
        return None
    unchanged = place == case.current
    start = line.at(place.start)
    out = start + _seconds(case.length - case.slack if unchanged else case.length)
    return Candidate(
        case=index,
        place=place,
        stay=(start, out),
        occupied=(start - _seconds(case.setup), out + _seconds(case.cleanup)),
        recovery=(out, out + _seconds(case.recovery)),
        cost=place_cost(line, case, place.room, start, unchanged=unchanged),
        unchanged=unchanged,
    )


def place_cost(line: Timeline, case: ProblemCase, room: str, start: int, *, unchanged: bool) -> int:
    """The published cost of one placement, overtime apart; written out again here on purpose (parity test)."""
    weights = line.problem.weights
    cost = 0 if unchanged else _leaving(line, case)
    if case.current.room is not None and room != case.current.room:
        cost += weights.room_change
    promised = case.current.start or case.scheduled.start
    if case.urgency is Urgency.IMMEDIATE:
        since = line.at(case.waiting_since or promised or line.problem.now)
        return cost + weights.emergency_wait * max(0, -((since - start) // line.grid))
    if promised is None:
        return cost
    late = start - line.at(promised)
    if late > 0:
        return cost + weights.delay[case.urgency] * -(-late // line.grid)
    return cost + weights.early * -(late // line.grid)


def postponing_cost(line: Timeline, case: ProblemCase) -> int:
    """The published cost of leaving a case to another day."""
    weights = line.problem.weights
    slots = -(-_seconds(case.length) // line.grid)
    base = weights.postpone + weights.postpone_per_slot * slots
    return base * weights.delay[case.urgency] // weights.delay[Urgency.ELECTIVE] + _leaving(line, case)


def _leaving(line: Timeline, case: ProblemCase) -> int:
    """What it costs that a case leaves its published place at all."""
    if case.current.room is None:
        return 0
    return line.problem.weights.moved_again * case.moved_today + line.problem.weights.changed


def takes(room: ProblemRoom, case: ProblemCase) -> bool:
    """room-eligible: the room takes the service and has what is needed, or the case was put there."""
    if room.id in (case.current.room, case.scheduled.room):
        return True
    return case.service in room.services and all(need in room.capabilities for need in case.needs)


def _starts(line: Timeline, index: int, case: ProblemCase, room: ProblemRoom) -> list[Candidate]:
    """Every start on the grid in this room that nothing committed excludes."""
    problem = line.problem
    promised = case.current.start
    bounds = [problem.earliest_start, room.opens, case.earliest, promised - problem.max_early if promised else None]
    first = line.at(ceil_moment(max(b for b in bounds if b is not None), problem.grid))
    last = line.at(room.closes - case.cleanup - case.length)
    if case.latest is not None:
        last = min(last, line.at(case.latest))
    found = []
    for start in range(first, last + 1, line.grid):
        one = candidate(line, index, case, Place(room=room.id, start=line.moment(start)))
        if one is not None and not one.unchanged and _possible(line, case, one):
            found.append(one)
    return found


def _possible(line: Timeline, case: ProblemCase, one: Candidate) -> bool:
    """Whether what is committed leaves this place free, and the room is up and open."""
    room = next((r for r in line.problem.rooms if r.id == one.place.room), None)
    if room is None or one.stay[0] < line.at(room.opens) or one.occupied[1] > line.at(room.closes):
        return False
    if case.latest is not None and one.stay[0] > line.at(case.latest):
        return False
    if any(overlap(one.occupied, taken) for taken in line.room_taken[room.id]):
        return False
    if any(overlap(one.stay, down) for down in line.down[room.id]):
        return False
    if any(overlap(one.stay, taken) for s in case.surgeons for taken in line.surgeon_taken.get(s, ())):
        return False
    return _room_for_one(line.teams, line.patients, one.stay) and _room_for_one(
        line.beds, line.recoveries, one.recovery
    )


def _room_for_one(steps: list[tuple[int, int, int]], taken: list[Span], wanted: Span) -> bool:
    if not steps or wanted[0] >= wanted[1]:
        return True
    marks = {wanted[0]} | {t[0] for t in taken} | {m for step in steps for m in step[:2]}
    return all(left_over(steps, taken, mark) >= 1 for mark in marks if wanted[0] <= mark < wanted[1])


def left_over(steps: list[tuple[int, int, int]], taken: list[Span], moment: int) -> int:
    """How many of a capacity are free of committed cases at a moment."""
    there = next((count for start, end, count in steps if start <= moment < end), 0)
    return there - sum(start <= moment < end for start, end in taken)


def _first_after_release(
    line: Timeline,
    case: ProblemCase,
    room: ProblemRoom,
    here: list[Candidate],
    right_shift: Mapping[str, Place],
) -> list[Candidate]:
    """The first possible start after each moment at which the room or the surgeon becomes free."""
    before = _seconds(case.setup)
    releases = [end + before for _, end in line.room_taken[room.id]] + [end for _, end in line.down[room.id]]
    releases += [end for s in case.surgeons for _, end in line.surgeon_taken.get(s, ())]
    for other in line.problem.cases:
        if other.id == case.id:
            continue
        shared = set(other.surgeons) & set(case.surgeons)
        for place in {other.current, right_shift[other.id]}:
            if place.start is None:
                continue
            out = line.at(place.start) + _seconds(other.length)
            if place.room == room.id:
                releases.append(out + _seconds(other.cleanup) + before)
            if shared:
                releases.append(out)
    starts = sorted(here, key=lambda c: c.stay)
    found = [next((c for c in starts if c.stay[0] >= moment), None) for moment in sorted(set(releases))]
    return [c for c in found if c is not None]


def _past_block(line: Timeline, room: ProblemRoom, one: Candidate) -> int:
    """Overtime that the case would cause alone: ranks candidates, is not part of their cost."""
    base = max([line.at(room.block_end), *(end for _, end in line.room_taken[room.id])])
    return line.problem.weights.overtime * max(0, -((base - one.occupied[1]) // line.grid))


def _rank(ranked: tuple[int, Candidate]) -> tuple[int, Span, str]:
    return ranked[0], ranked[1].stay, ranked[1].place.room or ""


def overlap(one: Span, two: Span) -> bool:
    """Half-open spans that share a moment."""
    return one[0] < two[1] and two[0] < one[1]


def _seconds(span: timedelta) -> int:
    return round(span.total_seconds())
