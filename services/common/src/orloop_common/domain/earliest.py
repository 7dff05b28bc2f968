"""How early a case could begin at the very best, whatever else happens."""

from datetime import datetime

from .grid import ceil_moment
from .problem import PlanProblem, ProblemCase


def earliest_possible(problem: PlanProblem, case: ProblemCase) -> datetime | None:
    """No start of the case is earlier, whatever else happens; None if no room could take it at all."""
    told_then = case.current.start - problem.max_early if case.current.start else None
    implant = case.implant.end if case.implant else None
    notice = problem.earliest_start if problem.earliest_emergency is None else problem.earliest_emergency
    bounds = (notice, case.earliest, told_then, case.ready, implant, problem.now + case.transport)
    after = max(bound for bound in bounds if bound is not None)
    found = [] if case.current.start is None or case.current.room is None else [case.current.start]
    for room in problem.rooms:
        start = ceil_moment(max(after, room.opens), problem.grid)
        put_there = room.id in (case.current.room, case.scheduled.room)
        takes = put_there or (case.service in room.services and set(case.needs) <= set(room.capabilities))
        in_time = case.latest is None or start <= case.latest
        if takes and in_time and start + case.length + case.cleanup <= room.closes:
            found.append(start)
    return min(found, default=None)
