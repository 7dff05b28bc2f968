"""Why a case goes to another day: looked for in every gap of the plan, not assumed."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from orloop_common.domain.checker import check
from orloop_common.domain.grid import ceil_moment
from orloop_common.domain.plan import Interval, Place
from orloop_common.domain.problem import PlanProblem, ProblemCase, ProblemRoom
from orloop_common.domain.wording import clock_time

from .clauses import occupied_of
from .comparing import differences
from .slots import earliest

Plan = Mapping[str, Place]
TRIES = 40
"""So many places are put to the checker."""


def why_not_today(problem: PlanProblem, plan: Plan, case: ProblemCase) -> str:
    """Why no room, surgeon, team and bed come together for it today, or what having it today would cost."""
    takers = [room for room in problem.rooms if _takes(room, case)]
    if not takers:
        return f"no room takes {case.service} today"
    gaps = [place for room in takers for place in _gaps(problem, plan, case, room)]
    if not gaps:
        return "no room that takes it is free long enough before it closes"
    sound = [place for place in _spread(gaps) if not check(problem, {**plan, case.id: place})]
    if not sound:
        return "no room is free at a time when everybody and everything that it needs is there"
    options = [(differences(problem, plan, {**plan, case.id: place}), place) for place in sound]
    terms, place = min(options, key=lambda option: (sum(d.delta for d in option[0]), str(option[1].room)))
    assert place.start is not None
    where = f"in room {place.room} at {clock_time(place.start, problem.timezone)}"
    if sum(d.delta for d in terms) <= 0:
        return f"it could still be done {where}"
    return f"{where} it would mean: {next(d.clause for d in terms if d.delta > 0)}"


def _gaps(problem: PlanProblem, plan: Plan, case: ProblemCase, room: ProblemRoom) -> Iterator[Place]:
    """Every start on the grid at which the room itself is open, up and free."""
    held = [c.occupied for c in problem.committed if c.room == room.id]
    for other in problem.cases:
        there = occupied_of(other, plan[other.id])
        if other.id != case.id and plan[other.id].room == room.id and there is not None:
            held.append(there)
    start = ceil_moment(max(earliest(problem, case), room.opens), problem.grid)
    last = room.closes - case.length - case.cleanup
    while start <= (min(last, case.latest) if case.latest else last):
        if not any(_whole(case, start).overlaps(i) for i in held) and not any(
            Interval(start=start, end=start + case.length).overlaps(d) for d in room.down
        ):
            yield Place(room=room.id, start=start)
        start += problem.grid


def _spread(places: list[Place]) -> list[Place]:
    """At most so many of them, evenly."""
    return places[:: -(-len(places) // TRIES)]


def _whole(case: ProblemCase, start: datetime) -> Interval:
    return Interval(start=start - case.setup, end=start + case.length + case.cleanup)


def _takes(room: ProblemRoom, case: ProblemCase) -> bool:
    own = room.id in (case.current.room, case.scheduled.room)
    return own or (case.service in room.services and set(case.needs) <= set(room.capabilities))
