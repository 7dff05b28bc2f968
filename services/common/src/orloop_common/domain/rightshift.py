"""Right-shift: everybody waits in turn. The deterministic fallback, and the solver's first incumbent.

Each case keeps its room and starts as soon as it can, in the order of the current plan; where its own
room cannot take it any more, the earliest other room does; else it is postponed. Under a millisecond
a case, no solver, always sound.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from .grid import ceil_moment
from .plan import Interval, Place
from .problem import Capacity, PlanProblem, ProblemCase, ProblemRoom
from .vocabulary import Urgency

POSTPONED = Place(room=None, start=None)
_URGENT = (Urgency.URGENT, Urgency.IMMEDIATE)


def right_shift(problem: PlanProblem) -> dict[str, Place]:
    """A place for every movable case, sound by every hard rule that can be kept at all."""
    plan = _decode(problem, _in_turn(problem.cases))
    if any(plan[case.id] == POSTPONED for case in problem.cases if case.urgency in _URGENT):
        plan = _decode(problem, _in_turn(problem.cases, urgent_first=True))
    return plan


def why_postponed(problem: PlanProblem, case: ProblemCase) -> str:
    """A sentence for a case that right-shift could not place."""
    takers = [room for room in problem.rooms if _takes(room, case)]
    if not takers:
        return f"No room takes {case.service} today."
    return "No room that takes it is free long enough before it closes."


def _in_turn(cases: Iterable[ProblemCase], *, urgent_first: bool = False) -> list[ProblemCase]:
    latest = max((c.current.start for c in cases if c.current.start), default=None)

    def turn(case: ProblemCase) -> tuple[int, datetime | None, str]:
        first = case.urgency is Urgency.IMMEDIATE or (urgent_first and case.urgency in _URGENT)
        group = 0 if first else 1 if case.current.start else 2
        return group, case.current.start or case.waiting_since or latest, case.id

    def key(case: ProblemCase) -> tuple[int, float, str]:
        group, start, name = turn(case)
        return group, start.timestamp() if start else 0.0, name

    return sorted(cases, key=key)


def _decode(problem: PlanProblem, cases: list[ProblemCase]) -> dict[str, Place]:
    used = _Used(problem)
    plan = {}
    for case in cases:
        plan[case.id] = place = next(_options(problem, used, case), POSTPONED)
        used.take(case, place)
    return plan


def _options(problem: PlanProblem, used: "_Used", case: ProblemCase) -> Iterator[Place]:
    """Places in order of preference: as published, later in its own room, the earliest elsewhere."""
    own = case.current.room or case.scheduled.room
    rooms = {room.id: room for room in problem.rooms}
    if case.current.start is not None and own in rooms and used.fits(case, case.current):
        yield case.current
    if own in rooms and (start := _earliest(problem, used, case, rooms[own])) is not None:
        yield Place(room=own, start=start)
    found = [
        (start, index, room.id)
        for index, room in enumerate(problem.rooms)
        if room.id != own and _takes(room, case) and (start := _earliest(problem, used, case, room)) is not None
    ]
    for start, _, room_id in sorted(found):
        yield Place(room=room_id, start=start)


def _takes(room: ProblemRoom, case: ProblemCase) -> bool:
    put_there = room.id in (case.current.room, case.scheduled.room)
    return put_there or (case.service in room.services and set(case.needs) <= set(room.capabilities))


def _earliest(problem: PlanProblem, used: "_Used", case: ProblemCase, room: ProblemRoom) -> datetime | None:
    promised = case.current.start or case.scheduled.start
    bounds = [problem.earliest_start, room.opens, case.earliest, promised]
    start = ceil_moment(max(b for b in bounds if b is not None), problem.grid)
    last = room.closes - case.length - case.cleanup
    last = min(last, case.latest) if case.latest is not None else last
    while start <= last:
        place = Place(room=room.id, start=start)
        after = used.blocked_until(case, place)
        if after is None:
            return start
        start = max(start + problem.grid, ceil_moment(after, problem.grid))
    return None


@dataclass
class _Used:
    """What is taken so far: rooms, surgeons, teams, recovery beds."""

    problem: PlanProblem
    rooms: dict[str, list[Interval]] = field(default_factory=dict)
    surgeons: dict[str, list[Interval]] = field(default_factory=dict)
    patients: list[Interval] = field(default_factory=list)
    recoveries: list[Interval] = field(default_factory=list)

    def __post_init__(self) -> None:
        for held in self.problem.committed:
            self.rooms.setdefault(held.room, []).append(held.occupied)
            for surgeon in held.surgeons:
                self.surgeons.setdefault(surgeon, []).append(held.patient)
            self.patients.append(held.patient)
            if held.recovery:
                self.recoveries.append(held.recovery)
        self.down = {room.id: room.down for room in self.problem.rooms}

    def take(self, case: ProblemCase, place: Place) -> None:
        if place.room is None:
            return
        stay, occupied, recovery = _intervals(case, place)
        self.rooms.setdefault(place.room, []).append(occupied)
        for surgeon in case.surgeons:
            self.surgeons.setdefault(surgeon, []).append(stay)
        self.patients.append(stay)
        if recovery:
            self.recoveries.append(recovery)

    def fits(self, case: ProblemCase, place: Place) -> bool:
        """Whether the published place can be kept as it is."""
        room = next(r for r in self.problem.rooms if r.id == place.room)
        stay, occupied, _ = _intervals(case, place)
        open_then = stay.start >= room.opens and occupied.end <= room.closes
        in_time = case.latest is None or stay.start <= case.latest
        return open_then and in_time and self.blocked_until(case, place) is None

    def blocked_until(self, case: ProblemCase, place: Place) -> datetime | None:
        """None if the place is free, else a moment before which no later start can be free."""
        stay, occupied, recovery = _intervals(case, place)
        before = stay.start - occupied.start
        for taken in self.rooms.get(place.room or "", ()):
            if occupied.overlaps(taken):
                return taken.end + before
        for down in self.down[place.room or ""]:
            if stay.overlaps(down):
                return down.end
        for surgeon in case.surgeons:
            for taken in self.surgeons.get(surgeon, ()):
                if stay.overlaps(taken):
                    return taken.end
        if (over := _over(self.problem.teams, self.patients, stay)) is not None:
            return over
        if recovery and (over := _over(self.problem.beds, self.recoveries, recovery)) is not None:
            return over - (recovery.start - stay.start)
        return None


def _intervals(case: ProblemCase, place: Place) -> tuple[Interval, Interval, Interval | None]:
    start = place.start
    assert start is not None
    length = case.length - (case.slack if place == case.current else timedelta(0))
    stay = Interval(start=start, end=start + length)
    occupied = Interval(start=start - case.setup, end=stay.end + case.cleanup)
    return stay, occupied, Interval(start=stay.end, end=stay.end + case.recovery) if case.recovery else None


def _over(capacity: tuple[Capacity, ...], taken: list[Interval], wanted: Interval) -> datetime | None:
    """Where one more would be too many: the moment by which that is over, as far as it is known."""
    if not capacity:
        return None
    moments = {wanted.start} | {t.start for t in taken} | {c.start for c in capacity} | {c.end for c in capacity}
    for moment in sorted(m for m in moments if wanted.start <= m < wanted.end):
        here = [t.end for t in taken if t.start <= moment < t.end]
        step = next((c for c in capacity if c.start <= moment < c.end), None)
        if len(here) + 1 > (step.count if step else 0):
            ends = [*here, *([step.end] if step else [])]
            return min(ends, default=wanted.end)
    return None
