"""Right-shift: everybody waits in turn. The deterministic fallback, and the solver's first incumbent.

Each case keeps its room and starts as soon as it can, in the order of the current plan; where its own
room cannot take it any more, the earliest other room does; else it is postponed. Under a millisecond
a case, no solver, always sound.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from .checker import outranked
from .plan import Place
from .problem import PlanProblem, ProblemCase, ProblemRoom
from .rightshift_uses import Used, earliest
from .vocabulary import Urgency

POSTPONED = Place(room=None, start=None)
_URGENT = (Urgency.URGENT, Urgency.IMMEDIATE)


def right_shift(problem: PlanProblem) -> dict[str, Place]:
    """A place for every movable case, sound by every hard rule that can be kept at all."""
    plan = _decode(problem, _in_turn(problem.cases))
    if any(plan[case.id] == POSTPONED for case in problem.cases if case.urgency in _URGENT):
        plan = _decode(problem, _in_turn(problem.cases, urgent_first=True))
    while (swap := outranked(problem, plan)) is not None:  # ends: each swap leaves a lower class without a place
        waits, lower = swap
        plan |= {waits: Place(room=plan[lower].room, start=plan[lower].start), lower: POSTPONED}
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
    used = Used(problem)
    plan = {}
    for case in cases:
        plan[case.id] = place = next(_options(problem, used, case), POSTPONED)
        used.take(case, place)
    return plan


def _options(problem: PlanProblem, used: Used, case: ProblemCase) -> Iterator[Place]:
    """Places in order of preference: as published, later in its own room, the earliest elsewhere."""
    own = case.current.room or case.scheduled.room
    rooms = {room.id: room for room in problem.rooms}
    if case.current.start is not None and own in rooms and used.fits(case, case.current):
        yield case.current
    if own in rooms and (start := earliest(problem, used, case, rooms[own])) is not None:
        yield Place(room=own, start=start)
    found = [
        (start, index, room.id)
        for index, room in enumerate(problem.rooms)
        if room.id != own and _takes(room, case) and (start := earliest(problem, used, case, room)) is not None
    ]
    for start, _, room_id in sorted(found):
        yield Place(room=room_id, start=start)


def _takes(room: ProblemRoom, case: ProblemCase) -> bool:
    put_there = room.id in (case.current.room, case.scheduled.room)
    return put_there or (case.service in room.services and set(case.needs) <= set(room.capabilities))
